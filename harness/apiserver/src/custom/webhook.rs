//! Conversion webhooks: objects in another version than that in which they are kept
//! (apiextensions' `pkg/apiserver/conversion/webhook_converter.go`, Kubernetes 1.20).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::definition::Definition;
use crate::fields::text;
use crate::go;
use crate::webhooks::{self, Reach};

/// How long the webhook may take.
const LIMIT: Duration = Duration::from_secs(30);
const GROUP: &str = "apiextensions.k8s.io";

/// The webhook of a definition.
pub struct Converter {
    /// `clientConfig`, as admission webhooks have it.
    webhook: Value,
    review_versions: Vec<String>,
    reach: Reach,
}

impl fmt::Debug for Converter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converter").field("webhook", &self.webhook).finish_non_exhaustive()
    }
}

/// Group, version and kind as Go shows them.
fn kind_of(api_version: &str, kind: &str) -> String {
    let version = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
    format!("{version}, Kind={kind}")
}

impl Converter {
    /// The webhook of `definition`, if it has one.
    #[must_use]
    pub fn of(definition: &Definition, reach: &Reach) -> Option<Arc<Self>> {
        let conversion = definition.spec.conversion.as_ref().filter(|conversion| conversion.strategy == "Webhook")?;
        let webhook = conversion.webhook.as_ref()?;
        let config = serde_json::to_value(&webhook.client_config).ok()?;
        Some(Arc::new(Self {
            webhook: json!({"clientConfig": config}),
            review_versions: webhook.conversion_review_versions.clone(),
            reach: reach.clone(),
        }))
    }

    /// `object` in the version `wanted`. It waits for the webhook, so it is not called where others run.
    ///
    /// # Errors
    /// In the original's words.
    pub fn convert(&self, object: &Value, wanted: &str) -> Result<Value, String> {
        let version = self.review_versions.iter().find(|version| matches!(version.as_str(), "v1" | "v1beta1"));
        let version = version.ok_or("no supported conversion review versions")?;
        let uid = uuid::Uuid::new_v4().to_string();
        let review = json!({
            "kind": "ConversionReview",
            "apiVersion": format!("{GROUP}/{version}"),
            "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": [object]},
            "response": {"uid": "", "convertedObjects": null, "result": {"metadata": {}}},
        })
        .to_string()
            + "\n";
        let about = format!("conversion webhook for {}", kind_of(text(object, "/apiVersion"), text(object, "/kind")));
        let failed = |why: String| format!("{about} failed: {why}");
        let answer = webhooks::post(&self.reach, &self.webhook, LIMIT, review.as_bytes());
        let answer = Handle::current().block_on(answer).map_err(failed)?;
        let objects = converted_objects(version, &uid, &answer).map_err(failed)?;
        let [converted] = objects.as_slice() else {
            return Err(format!("{about} returned {} objects, expected 1", objects.len()));
        };
        checked(object, converted, wanted).map_err(|why| format!("{about} returned {why}"))
    }
}

/// The objects of an answer.
fn converted_objects(version: &str, uid: &str, answer: &[u8]) -> Result<Vec<Value>, String> {
    let review: Value = serde_json::from_slice(answer)
        .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
    if version == "v1" {
        let expected = kind_of(&format!("{GROUP}/v1"), "ConversionReview");
        let found = kind_of(text(&review, "/apiVersion"), text(&review, "/kind"));
        if found != expected {
            return Err(format!("expected webhook response of {expected}, got {found}"));
        }
    }
    let response = review.get("response").filter(|response| !response.is_null()).ok_or("no response provided")?;
    let given = text(response, "/uid");
    if version == "v1" && given != uid {
        return Err(format!("expected response.uid={}, got {}", go::quoted(uid), go::quoted(given)));
    }
    match (text(response, "/result/status"), text(response, "/result/message")) {
        ("Success", _) => {}
        (status, "") => return Err(format!("response.result.status was '{status}', not 'Success'")),
        (_, message) => return Err(message.to_owned()),
    }
    Ok(response.get("convertedObjects").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// What a webhook made of `object`, with the metadata that it may not change.
fn checked(object: &Value, converted: &Value, wanted: &str) -> Result<Value, String> {
    let version = text(converted, "/apiVersion");
    if version != wanted {
        return Err(format!("invalid object at index 0: invalid groupVersion (expected {wanted}, received {version})"));
    }
    let (expected, kind) = (text(object, "/kind"), text(converted, "/kind"));
    if kind != expected {
        return Err(format!("invalid object at index 0: invalid kind (expected {expected}, received {kind})"));
    }
    for (pointer, what) in [("/metadata/name", "name"), ("/metadata/namespace", "namespace"), ("/metadata/uid", "UID")]
    {
        let (before, after) = (text(object, pointer), text(converted, pointer));
        if before != after {
            return Err(format!("invalid object: must have the same {what}: {before} != {after}"));
        }
    }
    let mut out = converted.clone();
    let metadata = restored(object, converted).map_err(|why| format!("invalid metadata: {why}"))?;
    if let Some(map) = out.as_object_mut() {
        map.insert("metadata".to_owned(), Value::Object(metadata));
    }
    Ok(out)
}

/// The metadata of `object` with the labels and annotations of `converted`.
fn restored(object: &Value, converted: &Value) -> Result<Map<String, Value>, String> {
    let given = converted.get("metadata").ok_or("missing metadata in converted object")?;
    let Value::Object(given) = given else {
        return Err(format!("invalid metadata of type {} in converted object", go::type_name(given)));
    };
    let mut metadata = object.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        match given.get(field) {
            None | Some(Value::Null) => {
                metadata.shift_remove(field);
            }
            Some(Value::Object(entries)) => {
                if let Some((key, value)) = entries.iter().find(|(_, value)| !value.is_string()) {
                    let found = go::type_name(value);
                    return Err(format!(
                        "metadata.{field}[{key}] must be a string, but is {found} in converted object"
                    ));
                }
                metadata.insert(field.to_owned(), Value::Object(entries.clone()));
            }
            Some(other) => {
                return Err(format!("invalid metadata.{field} of type {} in converted object", go::type_name(other)));
            }
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    fn thing(version: &str, name: &str) -> Value {
        let metadata = json!({"name": name, "uid": "u", "labels": {"a": "b"}});
        json!({"apiVersion": format!("x.io/{version}"), "kind": "Thing", "metadata": metadata})
    }

    #[test]
    fn keeps_metadata_but_labels_and_annotations() {
        let mut converted = thing("v2", "a");
        converted["metadata"]["labels"] = json!({"c": "d"});
        converted["metadata"]["finalizers"] = json!(["x"]);
        let made = checked(&thing("v1", "a"), &converted, "x.io/v2").unwrap();
        assert_eq!(made["metadata"], json!({"name": "a", "uid": "u", "labels": {"c": "d"}}));
    }

    #[rstest]
    #[case::another_version(
        thing("v3", "a"),
        "invalid object at index 0: invalid groupVersion (expected x.io/v2, received x.io/v3)"
    )]
    #[case::another_name(thing("v2", "b"), "invalid object: must have the same name: a != b")]
    fn refuses_what_is_another_object(#[case] converted: Value, #[case] expected: &str) {
        assert_eq!(checked(&thing("v1", "a"), &converted, "x.io/v2"), Err(expected.to_owned()));
    }

    #[rstest]
    #[case(json!({}), "no response provided")]
    #[case(json!({"response": {"uid": "v"}}), "expected response.uid=\"u\", got \"v\"")]
    #[case(json!({"response": {"uid": "u"}}), "response.result.status was '', not 'Success'")]
    #[case(json!({"response": {"uid": "u", "result": {"status": "Failure", "message": "no"}}}), "no")]
    fn tells_why_an_answer_is_none(#[case] mut review: Value, #[case] expected: &str) {
        review["apiVersion"] = json!("apiextensions.k8s.io/v1");
        review["kind"] = json!("ConversionReview");
        assert_eq!(converted_objects("v1", "u", review.to_string().as_bytes()), Err(expected.to_owned()));
    }
}

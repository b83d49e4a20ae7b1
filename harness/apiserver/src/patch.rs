//! The kinds of PATCH.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::jsonpatch::{JsonPatch, MOST_OPERATIONS};
use crate::managed::{Application, Tracker};
use crate::mergepatch;
use crate::registry::Resource;
use crate::status::{Cause, Failure};
use crate::strategic::{self, Refusal};
use crate::{go, gojson, negotiate, unstructured, yaml};

/// A patch that was read, to be applied to whatever is there.
pub enum Patch {
    /// RFC 6902.
    Json(JsonPatch),
    /// RFC 7396.
    Merge(Map<String, Value>),
    /// A list where a merge patch belongs: it takes the place of the object.
    Replace(Value),
    /// Strategic merge, by the named type.
    Strategic(&'static str, Map<String, Value>),
    /// A configuration that is applied.
    Apply(Value),
    /// None of them, which the original tells only when it has what is to be patched.
    Unreadable(Failure),
}

/// The media type of configurations that are applied.
pub const APPLY: &str = "application/apply-patch+yaml";

/// The media types in which a patch is read, in the original's order.
#[must_use]
pub fn accepted(custom: bool) -> &'static [&'static str] {
    if custom {
        &["application/json-patch+json", "application/merge-patch+json", APPLY]
    } else {
        &[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
            APPLY,
        ]
    }
}

impl Patch {
    /// Reads the body of a PATCH of `resource`, or of what is below a custom one.
    ///
    /// # Errors
    /// 415, in the original's words.
    pub fn read(resource: &Resource, custom: bool, headers: &HeaderMap, body: &Bytes) -> Result<Self, Failure> {
        let read = match (negotiate::content_type(headers), resource.type_name) {
            ("application/json-patch+json", _) => json_patch(body),
            ("application/merge-patch+json", _) => match serde_json::from_slice(body) {
                Ok(Value::Object(patch)) => Ok(Self::Merge(patch)),
                Ok(list @ Value::Array(_)) => Ok(Self::Replace(mergepatch::without_nulls(&list))),
                _ => Err(Failure::internal("Invalid JSON Patch")),
            },
            ("application/strategic-merge-patch+json", Some(type_name)) => strategic_patch(type_name, body),
            (APPLY, _) => configuration(body),
            (other, _) if custom && !other.is_empty() => {
                return Err(Failure::unsupported_media_type(&accepted(true).join(", ")));
            }
            _ => return Err(Failure::patch_without_media_type()),
        };
        Ok(read.unwrap_or_else(Self::Unreadable))
    }

    /// What the patch makes of `object`; a configuration is applied by `tracker`, to nothing if `object` is null.
    ///
    /// # Errors
    /// 400, 409, 422 and 500, in the original's words.
    pub fn apply(&self, object: &Value, tracker: Tracker<'_>, force: bool) -> Result<Value, Failure> {
        let mut patched = object.clone();
        match self {
            Self::Json(patch) => {
                patch.apply(&mut patched).map_err(|_| Failure::patch_rejected())?;
                return decoded(tracker.resource, patched);
            }
            Self::Merge(patch) => {
                mergepatch::apply(go::object(&mut patched), patch);
                return decoded(tracker.resource, patched);
            }
            Self::Replace(list) => return decoded(tracker.resource, list.clone()),
            Self::Strategic(type_name, patch) => {
                strategic::apply(type_name, &mut patched, patch).map_err(|refusal| match refusal {
                    Refusal::Malformed(_) => Failure::bad_request(refusal.to_string()),
                    Refusal::Unprocessable(_) => Failure::patch_rejected(),
                    Refusal::Other(_) => Failure::internal(refusal.to_string()),
                })?;
                unstructured::check(type_name, &patched).map_err(|text| {
                    let shown = go::plain(&Value::Object(patch.clone()));
                    let cause = Cause::invalid("patch", crate::status::quoted(&shown), &text);
                    Failure::invalid("", "", "", &[cause])
                })?;
                unstructured::drop_empty_bytes(type_name, &mut patched);
            }
            Self::Apply(configuration) => {
                let live = (!object.is_null()).then_some(object);
                return tracker.applied(live, Application { configuration, force });
            }
            Self::Unreadable(failure) => return Err(failure.clone()),
        }
        Ok(patched)
    }
}

/// A patched document as it is read again.
fn decoded(resource: &Resource, document: Value) -> Result<Value, Failure> {
    let text = document.to_string();
    negotiate::decode_patched(resource, document, &text).map_err(|why| {
        let cause = Cause::invalid("patch", crate::status::quoted(&text), &why);
        Failure::invalid("", "", "", &[cause])
    })
}

fn json_patch(body: &Bytes) -> Result<Patch, Failure> {
    gojson::check(body).map_err(Failure::bad_request)?;
    let value = serde_json::from_slice(body).map_err(|error| Failure::bad_request(error.to_string()))?;
    let patch = JsonPatch::read(value).map_err(Failure::bad_request)?;
    let operations = patch.operations();
    if operations > MOST_OPERATIONS {
        let text = format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {operations}");
        return Err(Failure::too_large(&text));
    }
    Ok(Patch::Json(patch))
}

fn strategic_patch(type_name: &'static str, body: &Bytes) -> Result<Patch, Failure> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(patch)) => Ok(Patch::Strategic(type_name, patch)),
        Ok(Value::Null) => Ok(Patch::Strategic(type_name, Map::new())),
        Ok(other) => Err(Failure::bad_request(not_a_map(&other))),
        Err(error) if error.is_eof() => Err(Failure::bad_request("unexpected EOF")),
        Err(error) => Err(Failure::bad_request(gojson::check(body).err().unwrap_or_else(|| error.to_string()))),
    }
}

fn configuration(body: &Bytes) -> Result<Patch, Failure> {
    let failure = |why: String| Failure::bad_request(format!("error decoding YAML: {why}"));
    match yaml::read::from_str(&String::from_utf8_lossy(body)) {
        Ok(configuration @ (Value::Object(_) | Value::Null)) => Ok(Patch::Apply(configuration)),
        Ok(other) => Err(failure(format!("error unmarshaling JSON: while decoding JSON: {}", not_a_map(&other)))),
        Err(error) => Err(failure(format!("error converting YAML to JSON: {error}"))),
    }
}

/// What Go's decoder of JSON says of a value that is no object.
fn not_a_map(value: &Value) -> String {
    let found = match value {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Object(_) | Value::Null => "object",
    };
    format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")
}

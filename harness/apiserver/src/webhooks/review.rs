//! `AdmissionReview`: what a webhook is asked, and what its answer means.

use serde_json::{Map, Value, json};

use super::matching::Invocation;
use super::text;
use crate::consent::{Attributes, Operation};
use crate::status::{Failure, quoted};

const GROUP: &str = "admission.k8s.io";

/// The versions of reviews that the original speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `v1`.
    V1,
    /// `v1beta1`, whose answers are believed without their UID and kind.
    V1Beta1,
}

impl Version {
    /// The first that the webhook accepts and the original knows.
    fn of(webhook: &Value) -> Option<Self> {
        let accepted = webhook.get("admissionReviewVersions").and_then(Value::as_array).into_iter().flatten();
        accepted.filter_map(Value::as_str).find_map(|version| match version {
            "v1" => Some(Self::V1),
            "v1beta1" => Some(Self::V1Beta1),
            _ => None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Beta1 => "v1beta1",
        }
    }
}

/// A review on its way.
pub struct Request {
    version: Version,
    uid: String,
    /// What is sent.
    pub body: Vec<u8>,
}

/// What the webhook says.
pub struct Verdict {
    /// What the client is told, whatever the verdict.
    pub warnings: Vec<String>,
    /// The `status` of a refusal; null where the webhook gives none.
    pub refusal: Option<Value>,
}

fn user_info(write: &Attributes<'_>) -> Value {
    let user = write.user;
    let mut info = Map::new();
    info.insert("username".to_owned(), Value::from(user.name.as_str()));
    if !user.uid.is_empty() {
        info.insert("uid".to_owned(), Value::from(user.uid.as_str()));
    }
    if !user.groups.is_empty() {
        info.insert("groups".to_owned(), Value::from(user.groups.clone()));
    }
    if !user.extra.is_empty() {
        info.insert("extra".to_owned(), json!(user.extra));
    }
    Value::Object(info)
}

/// An object in the version that the webhook asked for.
fn versioned(object: Option<&Value>, api_version: &str) -> Value {
    let Some(object) = object else { return Value::Null };
    let mut object = object.clone();
    if let Some(given) = object.get_mut("apiVersion") {
        *given = Value::from(api_version);
    }
    object
}

/// The review that asks about a write; fields in the original's order.
///
/// # Errors
/// When the webhook reads no known version of reviews.
pub fn request(invocation: &Invocation, write: &Attributes<'_>) -> Result<Request, String> {
    let version = Version::of(&invocation.webhook)
        .ok_or("webhook does not accept known AdmissionReview versions (v1, v1beta1)")?;
    let uid = uuid::Uuid::new_v4().to_string();
    let (meant, own) = (&invocation.resource, write.resource);
    let (group, own_version, kind) = write.kind();
    let meant_kind_version = if write.is_itself() { meant.version.as_str() } else { own_version };
    let mut ask = Map::new();
    let mut put = |key: &str, value: Value| ask.insert(key.to_owned(), value);
    put("uid", Value::from(uid.as_str()));
    put("kind", json!({"group": group, "version": meant_kind_version, "kind": kind}));
    put("resource", json!({"group": meant.group, "version": meant.version, "resource": meant.plural}));
    if !write.subresource.is_empty() {
        put("subResource", Value::from(write.subresource));
    }
    put("requestKind", json!({"group": group, "version": own_version, "kind": kind}));
    put("requestResource", json!({"group": own.group, "version": own.version, "resource": own.plural}));
    if !write.subresource.is_empty() {
        put("requestSubResource", Value::from(write.subresource));
    }
    let name = write.name();
    if !name.is_empty() {
        put("name", Value::from(name));
    }
    if !write.namespace.is_empty() {
        put("namespace", Value::from(write.namespace));
    }
    put("operation", Value::from(write.operation.name()));
    put("userInfo", user_info(write));
    let api_version =
        if group.is_empty() { meant_kind_version.to_owned() } else { format!("{group}/{meant_kind_version}") };
    let object = if write.operation == Operation::Delete { None } else { write.object };
    put("object", versioned(object, &api_version));
    put("oldObject", versioned(write.old, &api_version));
    put("dryRun", Value::from(write.dry_run));
    put("options", write.options());
    let review =
        json!({"kind": "AdmissionReview", "apiVersion": format!("{GROUP}/{}", version.name()), "request": ask});
    let mut body = serde_json::to_vec(&review).map_err(|error| error.to_string())?;
    body.push(b'\n');
    Ok(Request { version, uid, body })
}

/// What the body of an answer means.
///
/// # Errors
/// When it is no answer to the request, in the original's words.
pub fn verdict(request: &Request, body: &[u8]) -> Result<Verdict, String> {
    let review: Value = serde_json::from_slice(body).map_err(|error| {
        let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        format!("couldn't get version/kind; json parse error: {why}")
    })?;
    let response = review.get("response").filter(|response| !response.is_null());
    let response = response.ok_or("webhook response was absent")?;
    if request.version == Version::V1 {
        let uid = text(response, "/uid");
        if uid != request.uid {
            return Err(format!("expected response.uid={}, got {}", quoted(&request.uid), quoted(uid)));
        }
        let (api_version, kind) = (text(&review, "/apiVersion"), text(&review, "/kind"));
        if (api_version, kind) != ("admission.k8s.io/v1", "AdmissionReview") {
            let shown = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
            return Err(format!(
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {shown}, Kind={kind}"
            ));
        }
        if !text(response, "/patch").is_empty() {
            return Err("validating webhook may not return response.patch".to_owned());
        }
        if response.get("patchType").is_some_and(|kind| !kind.is_null()) {
            return Err("validating webhook may not return response.patchType".to_owned());
        }
    }
    let warnings = response.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let warnings = warnings.filter_map(Value::as_str).map(str::to_owned).collect();
    let allowed = response.get("allowed") == Some(&Value::Bool(true));
    let refusal = (!allowed).then(|| response.get("status").cloned().unwrap_or(Value::Null));
    Ok(Verdict { warnings, refusal })
}

/// The refusal of the webhook `name`, from the `status` of its answer (`webhook/errors/statuserror.go`).
#[must_use]
pub fn denied(name: &str, status: &Value) -> Failure {
    let by = format!("admission webhook {} denied the request", quoted(name));
    let why = [text(status, "/message"), text(status, "/reason")].into_iter().find(|why| !why.is_empty());
    let message = match why {
        Some(why) => format!("{by}: {why}"),
        None => format!("{by} without explanation"),
    };
    let code = status.get("code").and_then(Value::as_u64).filter(|code| *code >= 400).unwrap_or(400);
    Failure::told(u16::try_from(code).unwrap_or(400), message, text(status, "/reason"), status.get("details"))
}

//! `Status` answers: the texts, reasons and codes that the Kubernetes API server 1.20 gives.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

pub use crate::go::quoted;
use crate::registry::Resource;

/// One field that made an object invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Machine-readable reason, as `FieldValueInvalid`.
    pub reason: &'static str,
    /// Text without the field.
    pub message: String,
    /// Path of the field.
    pub field: String,
}

impl Cause {
    /// `Required value`, with the detail after a colon where there is one.
    #[must_use]
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// `Invalid value: VALUE: DETAIL`; `value` is already in Go's notation.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: impl std::fmt::Display, detail: &str) -> Self {
        Self { reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {detail}"), field: field.into() }
    }

    /// `Forbidden: DETAIL`.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {detail}"), field: field.into() }
    }

    /// `Unsupported value: VALUE: supported values: …`.
    #[must_use]
    pub fn unsupported(field: impl Into<String>, value: impl std::fmt::Display, supported: &[String]) -> Self {
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self { reason: "FieldValueNotSupported", message, field: field.into() }
    }
}

/// The reason of what is no longer remembered.
const EXPIRED: &str = "Expired";

/// A failure as the API server tells it: a `Status` object with an HTTP code.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// HTTP status.
    pub code: StatusCode,
    /// The `message`.
    pub message: String,
    /// The `reason`; empty where the original has none.
    pub reason: Arc<str>,
    /// The `details`; `None` where the original has none. What has `Expired` has none, and holds its `metadata` here.
    pub details: Option<Value>,
}

fn details(name: &str, group: &str, kind: &str) -> Map<String, Value> {
    let mut map = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            map.insert(key.to_owned(), Value::from(value));
        }
    }
    map
}

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reason: Arc::from(reason), details: None }
    }

    fn about(mut self, name: &str, group: &str, kind: &str) -> Self {
        self.details = Some(Value::Object(details(name, group, kind)));
        self
    }

    /// The named object is not there.
    #[must_use]
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {} not found", resource.full_name, quoted(name));
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(name, &resource.group, &resource.plural)
    }

    /// A core object, of a resource named in text, is not there.
    #[must_use]
    pub fn core_not_found(plural: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", format!("{plural} {} not found", quoted(name)))
            .about(name, "", plural)
    }

    /// An object of a resource named in text is not there.
    #[must_use]
    pub fn named_not_found(plural: &str, group: &str, name: &str) -> Self {
        let message = format!("{} {} not found", qualified(plural, group), quoted(name));
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(name, group, plural)
    }

    /// The object exists already.
    #[must_use]
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {} already exists", resource.full_name, quoted(name));
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(name, &resource.group, &resource.plural)
    }

    /// Someone else changed the object.
    #[must_use]
    pub fn conflict(resource: &Resource, name: &str) -> Self {
        Self::conflict_because(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// The operation meets another state than it asked for.
    #[must_use]
    pub fn conflict_because(resource: &Resource, name: &str, why: &str) -> Self {
        Self::conflict_with(&resource.plural, &resource.group, name, why)
    }

    /// The same for an object of a resource, or a kind, named in text.
    #[must_use]
    pub fn conflict_with(what: &str, group: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {}: {why}", qualified(what, group), quoted(name));
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(name, group, what)
    }

    /// Others own the fields that are to be applied; `causes` name them.
    #[must_use]
    pub fn apply_conflict(message: impl Into<String>, causes: &[Value]) -> Self {
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.details = Some(json!({"causes": causes}));
        failure
    }

    /// The operation on what lies below an object meets another state than it asked for.
    #[must_use]
    pub fn conflict_below(resource: &Resource, subresource: &str, name: &str, why: &str) -> Self {
        let kind = format!("{}/{subresource}", resource.plural);
        let message =
            format!("Operation cannot be fulfilled on {} {}: {why}", qualified(&kind, &resource.group), quoted(name));
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(name, &resource.group, &kind)
    }

    /// What should lie below an object is not there, because the object is not.
    #[must_use]
    pub fn not_found_below(resource: &Resource, subresource: &str, name: &str) -> Self {
        let kind = format!("{}/{subresource}", resource.plural);
        let message = format!("{} {} not found", qualified(&kind, &resource.group), quoted(name));
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(name, &resource.group, &kind)
    }

    /// A precondition of a deletion does not hold: the original names the kind here, not the resource.
    #[must_use]
    pub fn delete_precondition(resource: &Resource, name: &str, why: &str) -> Self {
        let kind = qualified(&resource.kind, &resource.group);
        let message = format!("Operation cannot be fulfilled on {kind} {}: {why}", quoted(name));
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(name, &resource.group, &resource.kind)
    }

    /// The object is invalid for `causes`.
    #[must_use]
    pub fn invalid(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for cause in causes {
            let text = format!("{}: {}", cause.field, cause.message);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let list = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
        let message = format!("{} {} is invalid: {list}", qualified(kind, group), quoted(name));
        let mut about = details(name, group, kind);
        let causes = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
            .collect::<Vec<_>>();
        about.insert("causes".to_owned(), Value::from(causes));
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.details = Some(Value::Object(about));
        failure
    }

    /// The request itself is wrong.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The user may not do this; `message` is complete.
    #[must_use]
    pub fn forbidden(message: impl Into<String>, name: &str, group: &str, plural: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(name, group, plural)
    }

    /// An admission rule refuses the object.
    #[must_use]
    pub fn refused(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} {} is forbidden: {why}", resource.full_name, quoted(name));
        Self::forbidden(message, name, &resource.group, &resource.plural)
    }

    /// The namespace is going away: nothing new may be created in it.
    #[must_use]
    pub fn namespace_terminating(resource: &Resource, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut failure = Self::refused(resource, name, &why);
        if let Some(Value::Object(about)) = &mut failure.details {
            let message = format!("namespace {namespace} is being terminated");
            let cause = json!({"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"});
            about.insert("causes".to_owned(), Value::from(vec![cause]));
        }
        failure
    }

    /// Who asks is unknown.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// The resource is not served.
    #[must_use]
    pub fn unknown_resource() -> Self {
        let text = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", text).about("", "", "")
    }

    /// The resource does not know the method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let text = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text).about("", "", "")
    }

    /// No asked media type can be produced.
    #[must_use]
    pub fn not_acceptable() -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", "406: Not Acceptable").about("", "", "")
    }

    /// The body is too large.
    #[must_use]
    pub fn too_large(why: &str) -> Self {
        let text = format!("Request entity too large: {why}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", text)
    }

    /// No asked media type can be produced, and these could.
    #[must_use]
    pub fn only_acceptable(accepted: &str) -> Self {
        let text = format!("only the following media types are accepted: {accepted}");
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", text)
    }

    /// The asked shape does not fit what is shown; `message` is complete.
    #[must_use]
    pub fn unfit_shape(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// The body's media type is not one of `accepted`.
    #[must_use]
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let text =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text)
    }

    /// A PATCH without a usable media type.
    #[must_use]
    pub fn patch_without_media_type() -> Self {
        let text = "415: Unsupported Media Type";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text).about("", "", "")
    }

    /// The revision is no longer remembered.
    #[must_use]
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(StatusCode::GONE, EXPIRED, format!("too old resource version: {asked} ({oldest})"))
    }

    /// The revision of a list is no longer remembered.
    #[must_use]
    pub fn list_expired() -> Self {
        Self::new(StatusCode::GONE, EXPIRED, "The resourceVersion for the provided list is too old.")
    }

    /// The revision of a list's first page is no longer remembered; `metadata` holds what goes on all the same.
    #[must_use]
    pub fn continue_expired(metadata: &Value) -> Self {
        const TEXT: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
        Self { details: Some(metadata.clone()), ..Self::new(StatusCode::GONE, EXPIRED, TEXT) }
    }

    /// The revision asked for has not come yet; zero seconds name no time to come again.
    #[must_use]
    pub fn too_large_revision(asked: u64, newest: u64, retry_after_seconds: u32) -> Self {
        let text = format!("Timeout: Too large resource version: {asked}, current: {newest}");
        let mut failure = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", text);
        let mut details = json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        });
        if retry_after_seconds > 0 {
            details["retryAfterSeconds"] = Value::from(retry_after_seconds);
        }
        failure.details = Some(details);
        failure
    }

    /// A name that the server made up is taken: the client should try again.
    #[must_use]
    pub fn generated_name_taken(resource: &Resource) -> Self {
        let kind = qualified(&resource.kind, &resource.group);
        let text = format!("The POST operation against {kind} could not be completed at this time, please try again.");
        let failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServerTimeout", text);
        failure.about("POST", &resource.group, &resource.kind)
    }

    /// After how many seconds a client may come again.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.details.as_ref()?.get("retryAfterSeconds")?.as_u64()
    }

    /// A JSON patch that does not apply.
    #[must_use]
    pub fn patch_rejected() -> Self {
        let text = "the server rejected our request due to an error in our request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text).about("", "", "")
    }

    /// Something behind the server does not answer for now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// An error of the server itself.
    #[must_use]
    pub fn internal_error(text: impl Into<String>) -> Self {
        let text = text.into();
        let message = format!("Internal error occurred: {text}");
        let mut failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message);
        failure.details = Some(json!({"causes": [{"message": text}]}));
        failure
    }

    /// A custom resource does not know the method; `message` tells more, if anything is known.
    #[must_use]
    pub fn method_not_supported(resource: &Resource, verb: &str, message: Option<&str>) -> Self {
        let text = format!("{verb} is not supported on resources of kind {}", quoted(&resource.full_name));
        let message = message.map_or(text, str::to_owned);
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).about(
            "",
            &resource.group,
            &resource.plural,
        )
    }

    /// A plain error without a reason, as Go's `errors.New` becomes.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// A failure as someone else tells it.
    #[must_use]
    pub fn told(code: u16, message: String, reason: &str, details: Option<&Value>) -> Self {
        let code = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST);
        let details = details.filter(|details| !details.is_null()).cloned();
        Self { code, message, reason: Arc::from(reason), details }
    }

    /// The `Status` object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"});
        let (metadata, details) =
            if &*self.reason == EXPIRED { (self.details.as_ref(), None) } else { (None, self.details.as_ref()) };
        if let Some(metadata) = metadata {
            status["metadata"] = metadata.clone();
        }
        status["message"] = Value::from(self.message.as_str());
        if !self.reason.is_empty() {
            status["reason"] = Value::from(&*self.reason);
        }
        if let Some(details) = details {
            status["details"] = details.clone();
        }
        status["code"] = Value::from(self.code.as_u16());
        status
    }
}

/// `kind.group`, or the kind alone in the core group.
fn qualified(kind: &str, group: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn joins_several_causes_in_brackets() {
        let causes = [Cause::required("spec.s", ""), Cause::invalid("spec.i", 7, "must be less")];
        let failure = Failure::invalid("A", "x.io", "a", &causes);
        assert_eq!(
            failure.message,
            "A.x.io \"a\" is invalid: [spec.s: Required value, spec.i: Invalid value: 7: must be less]"
        );
        assert_eq!(failure.to_value()["details"]["causes"][1]["field"], "spec.i");
    }

    #[test]
    fn leaves_out_reason_and_details_of_plain_errors() {
        let status = Failure::internal("boom").to_value();
        assert!(status.get("reason").is_none() && status.get("details").is_none());
        assert_eq!(status["code"], 500);
    }
}

//! Responses as go-restful and KubeSphere's helpers write them (kubesphere v3.3.2, `pkg/api/utils.go`).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use nodes::network::serve::{Body, full};
use serde::Serialize as _;
use serde_json::{Value, json};

/// A finished answer.
pub type Answer = Response<Body>;

/// `content` with a code and a content type.
#[must_use]
pub fn answer(code: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(full(content));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// 200 without a body and without a content type.
#[must_use]
pub fn empty() -> Answer {
    Response::new(full(Bytes::new()))
}

const TEXT: &str = "text/plain; charset=utf-8";

/// What a health check of k8s.io/apiserver answers.
#[must_use]
pub fn healthy() -> Answer {
    answer(StatusCode::OK, TEXT, "ok")
}

/// An error as Go's `http.Error` writes it after KubeSphere made it safe for HTML: the text and a line break.
#[must_use]
pub fn text_error(code: StatusCode, text: &str) -> Answer {
    let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    answer(code, TEXT, format!("{safe}\n"))
}

/// An error of go-restful's router: `404: Page Not Found`, without a line break.
#[must_use]
pub fn route_error(code: StatusCode) -> Answer {
    let words = match code {
        StatusCode::NOT_FOUND => "Page Not Found",
        StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Unsupported Media Type",
        other => other.canonical_reason().unwrap_or_default(),
    };
    answer(code, TEXT, format!("{}: {words}", code.as_u16()))
}

/// The answer of Go's own router to a path that nobody serves.
#[must_use]
pub fn no_such_path() -> Answer {
    answer(StatusCode::NOT_FOUND, TEXT, "404 page not found\n")
}

/// JSON as go-restful writes it: one space of indentation, no line break at the end.
#[must_use]
pub fn entity(code: StatusCode, value: &Value) -> Answer {
    let mut written = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut written, formatter);
    // Values serialize into memory without failing.
    let _infallible = value.serialize(&mut serializer);
    // Go escapes what HTML would read as markup; in JSON these stand only inside strings.
    let written = String::from_utf8_lossy(&written);
    let escaped = written.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    answer(code, "application/json", escaped)
}

/// A Kubernetes Status.
#[must_use]
pub fn status(code: StatusCode, reason: &str, message: &str, details: Option<Value>) -> Answer {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
    });
    if let Some(details) = details {
        status["details"] = details;
    }
    status["code"] = code.as_u16().into();
    answer(code, "application/json", format!("{status}\n"))
}

/// 400 as `WriteRawJSON` of k8s.io/apiserver writes an error of k8s.io/apimachinery: the Status inside its error.
#[must_use]
pub fn bad_request(message: &str) -> Answer {
    let code = StatusCode::BAD_REQUEST;
    let status = json!({
        "metadata": {}, "status": "Failure", "message": message, "reason": "BadRequest", "code": code.as_u16(),
    });
    answer(code, "application/json", format!("{:#}", json!({"ErrStatus": status})))
}

/// 401 for `reason`.
#[must_use]
pub fn unauthorized(reason: &str) -> Answer {
    status(StatusCode::UNAUTHORIZED, "Unauthorized", &format!("Unauthorized: {reason}"), None)
}

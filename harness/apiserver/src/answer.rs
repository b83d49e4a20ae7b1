//! HTTP answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::Value;

use crate::negotiate::{Encoding, Form};
use crate::proto::encode;
use crate::status::Failure;
use crate::yaml;

/// An error that ends a body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;
/// The body of a request: from a connection, or whole.
pub type RequestBody = Either<Incoming, Full<Bytes>>;

/// A body that is known as a whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that comes piece by piece; each piece is sent at once.
pub fn streamed(pieces: impl futures::Stream<Item = Bytes> + Send + 'static) -> Body {
    use futures::StreamExt as _;
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}

fn with_type(status: StatusCode, media: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// JSON bytes, as they are.
pub fn json_bytes(status: StatusCode, bytes: impl Into<Bytes>) -> Response<Body> {
    with_type(status, "application/json", full(bytes))
}

/// A JSON object as Go's encoder writes it: on one line, with a line break at its end. Clients that quote an answer
/// quote the line break too.
pub fn json_line(status: StatusCode, mut bytes: Vec<u8>) -> Response<Body> {
    bytes.push(b'\n');
    json_bytes(status, bytes)
}

/// A JSON object.
pub fn json_value(status: StatusCode, value: &Value) -> Response<Body> {
    json_line(status, serde_json::to_vec(value).unwrap_or_default())
}

/// A JSON object as the original writes where it negotiates no media type (`/version`, the list of paths, a 406):
/// indented, without a line break at its end.
pub fn indented(status: StatusCode, value: &Value) -> Response<Body> {
    json_bytes(status, serde_json::to_vec_pretty(value).unwrap_or_default())
}

/// JSON or YAML, as asked.
pub fn value(form: Form, status: StatusCode, value: &Value) -> Response<Body> {
    match form.encoding {
        Encoding::Yaml => with_type(status, Encoding::Yaml.media(), full(yaml::to_string(value))),
        Encoding::Protobuf if value.get("kind").is_some_and(|kind| kind == "Status") => {
            protobuf(status, encode::status(value))
        }
        Encoding::Json | Encoding::Protobuf => json_value(status, value),
    }
}

/// An object as protobuf, in its envelope.
pub fn protobuf(status: StatusCode, bytes: impl Into<Bytes>) -> Response<Body> {
    with_type(status, Encoding::Protobuf.media(), full(bytes))
}

/// Plain text.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    with_type(status, "text/plain; charset=utf-8", full(text))
}

/// Bytes of a media type.
pub fn bytes(media: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    with_type(StatusCode::OK, media, full(bytes))
}

/// Nothing but a status.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = with_type(status, "", full(Bytes::new()));
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// A stream of a media type.
pub fn stream(media: &'static str, body: Body) -> Response<Body> {
    with_type(StatusCode::OK, media, body)
}

/// A failure, in the form that `asked` for it.
pub fn failure(asked: Option<Form>, failure: &Failure) -> Response<Body> {
    let mut response = match asked {
        Some(form) => value(form, failure.code, &failure.to_value()),
        None => indented(failure.code, &failure.to_value()),
    };
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Marks a response that somebody else wrote: it is passed on as it is.
#[derive(Debug, Clone, Copy)]
pub struct Foreign;

/// `response` with its JSON indented, for people. Streams and what others wrote stay as they are.
pub async fn for_people(response: Response<Body>) -> Response<Body> {
    use hyper::body::Body as _;
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|media| media == "application/json");
    let foreign = response.extensions().get::<Foreign>().is_some();
    if !json || foreign || response.body().size_hint().exact().is_none() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(collected) = body.collect().await else { return Response::from_parts(parts, full("")) };
    let bytes = collected.to_bytes();
    let indented = serde_json::from_slice::<Value>(&bytes).and_then(|value| serde_json::to_vec_pretty(&value));
    Response::from_parts(parts, full(indented.map_or(bytes, Bytes::from)))
}

/// The plain text of an error that never became a `Status` (`responsewriters.InternalError` of Kubernetes 1.20).
pub fn internal_error(uri: &http::Uri, why: &str) -> Response<Body> {
    let asked = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let told = format!("Internal Server Error: {}: {why}\n", crate::status::quoted(asked));
    let told = told.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text(StatusCode::INTERNAL_SERVER_ERROR, told)
}

/// The Go router's answer for a path that nobody serves.
pub fn page_not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

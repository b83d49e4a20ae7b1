//! HTTP answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::clock::ServerClock;
use crate::negotiate::Form;
use crate::registry::Resource;
use crate::status::Failure;
use crate::store::Stored;
use crate::table;

/// An error that ends a body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

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
fn json_line(status: StatusCode, mut bytes: Vec<u8>) -> Response<Body> {
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
    match form {
        Form::Yaml => match serde_yaml::to_string(value) {
            Ok(text) => with_type(status, "application/yaml", full(text)),
            Err(_) => json_value(status, value),
        },
        _ => json_value(status, value),
    }
}

/// Plain text.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    with_type(status, "text/plain; charset=utf-8", full(text))
}

/// Bytes of a media type.
pub fn bytes(media: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    with_type(StatusCode::OK, media, full(bytes))
}

/// A stream of a media type.
pub fn stream(media: &'static str, body: Body) -> Response<Body> {
    with_type(StatusCode::OK, media, body)
}

/// A failure.
pub fn failure(failure: &Failure) -> Response<Body> {
    if failure.code == StatusCode::NOT_ACCEPTABLE {
        return indented(failure.code, &failure.to_value());
    }
    json_value(failure.code, &failure.to_value())
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

/// An object without its content.
fn partial(object: &Value, version: &str) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": object.get("metadata")})
}

/// An object of a custom resource in the version that was asked for: conversion `None` changes the version alone.
fn in_version(resource: &Resource, stored: &Stored) -> Bytes {
    match &resource.custom {
        Some(custom) if custom.storage_version != resource.api_version() => {
            let mut object = stored.value.clone();
            object["apiVersion"] = Value::from(resource.api_version());
            serde_json::to_vec(&object).unwrap_or_default().into()
        }
        _ => stored.json(),
    }
}

/// How a list goes on.
pub struct Next {
    /// What to ask for the next page with.
    pub token: String,
    /// How many objects follow; only told where no selector is at work.
    pub remaining: Option<usize>,
}

/// How objects of one resource are shown to one client.
#[derive(Clone)]
pub struct Shower {
    resource: std::sync::Arc<Resource>,
    form: Form,
    clock: ServerClock,
    /// `{"kind":"K","apiVersion":"V",`: what items of built-in lists leave out.
    prefix: String,
    /// Rows carry the whole object (`includeObject=Object`).
    whole_objects: bool,
}

impl Shower {
    /// Shows `resource` in `form`.
    pub fn new(resource: &std::sync::Arc<Resource>, form: Form, clock: ServerClock, whole_objects: bool) -> Self {
        let (kind, version) = (Value::from(resource.kind.as_str()), Value::from(resource.api_version()));
        let prefix = format!("{{\"kind\":{kind},\"apiVersion\":{version},");
        Self { resource: std::sync::Arc::clone(resource), form, clock, prefix, whole_objects }
    }

    fn row(&self, object: &Value, version: &str) -> Value {
        let shown = if self.whole_objects { object.clone() } else { partial(object, version) };
        json!({"cells": table::cells(&self.resource, object, self.clock), "object": shown})
    }

    fn table(&self, version: &str, metadata: &Value, rows: &[Value], headed: bool) -> Value {
        let columns = if headed { table::definitions(&self.resource) } else { Value::Null };
        json!({"kind": "Table", "apiVersion": version, "metadata": metadata, "columnDefinitions": columns, "rows": rows})
    }

    /// One object, as JSON.
    pub fn object(&self, stored: &Stored, headed: bool) -> Bytes {
        let value = match self.form {
            Form::Json | Form::Yaml => return in_version(&self.resource, stored),
            Form::Table(version) => {
                let revision = stored.value.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
                let row = self.row(&stored.value, version);
                self.table(version, &json!({"resourceVersion": revision}), &[row], headed)
            }
            Form::Metadata(version) => partial(&stored.value, version),
        };
        serde_json::to_vec(&value).unwrap_or_default().into()
    }

    /// One object, as an answer.
    pub fn answer(&self, status: StatusCode, stored: &Stored) -> Response<Body> {
        if self.form == Form::Yaml {
            return value(Form::Yaml, status, &stored.value);
        }
        json_line(status, self.object(stored, true).to_vec())
    }

    /// A list, as an answer.
    pub fn list(&self, objects: &[std::sync::Arc<Stored>], revision: u64, next: Option<&Next>) -> Response<Body> {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some(next) = next {
            metadata["continue"] = Value::from(next.token.as_str());
            if let Some(remaining) = next.remaining {
                metadata["remainingItemCount"] = Value::from(remaining);
            }
        }
        match self.form {
            Form::Table(version) => {
                let rows: Vec<Value> = objects.iter().map(|stored| self.row(&stored.value, version)).collect();
                json_value(StatusCode::OK, &self.table(version, &metadata, &rows, true))
            }
            Form::Metadata(version) => {
                let items: Vec<Value> = objects.iter().map(|stored| partial(&stored.value, version)).collect();
                let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": metadata, "items": items});
                json_value(StatusCode::OK, &list)
            }
            Form::Yaml => {
                let items: Vec<Value> = objects.iter().map(|stored| stored.value.clone()).collect();
                let (kind, version) = (&self.resource.list_kind, self.resource.api_version());
                let list = json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items});
                value(Form::Yaml, StatusCode::OK, &list)
            }
            Form::Json => json_line(StatusCode::OK, self.plain_list(objects, &metadata)),
        }
    }

    fn plain_list(&self, objects: &[std::sync::Arc<Stored>], metadata: &Value) -> Vec<u8> {
        let (kind, version) = (Value::from(self.resource.list_kind.as_str()), Value::from(self.resource.api_version()));
        let mut out =
            format!("{{\"kind\":{kind},\"apiVersion\":{version},\"metadata\":{metadata},\"items\":[").into_bytes();
        for (index, stored) in objects.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let bytes = in_version(&self.resource, stored);
            match bytes.strip_prefix(self.prefix.as_bytes()) {
                Some(rest) if self.resource.custom.is_none() => {
                    out.push(b'{');
                    out.extend_from_slice(rest);
                }
                _ => out.extend_from_slice(&bytes),
            }
        }
        out.extend_from_slice(b"]}");
        out
    }

    /// One line of a watch.
    pub fn event(&self, kind: &str, stored: &Stored, headed: bool) -> Bytes {
        let object = self.object(stored, headed);
        let mut line = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
        line.extend_from_slice(&object);
        line.extend_from_slice(b"}\n");
        line.into()
    }

    /// A bookmark: the revision up to which everything was sent.
    pub fn bookmark(&self, revision: u64) -> Bytes {
        let object = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
        });
        format!("{}\n", json!({"type": "BOOKMARK", "object": object})).into()
    }
}

/// The line that ends a watch with a failure.
pub fn error_event(failure: &Failure) -> Bytes {
    format!("{}\n", json!({"type": "ERROR", "object": failure.to_value()})).into()
}

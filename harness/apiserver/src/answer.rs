//! HTTP answers.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::clock::ServerClock;
use crate::custom::{golang, instance};
use crate::negotiate::Form;
use crate::registry::Resource;
use crate::shape::metadata_in_order;
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

/// The Go router's answer for a path that nobody serves.
pub fn page_not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// An object without its content.
fn partial(object: &Value, version: &str) -> Value {
    let metadata = object.get("metadata").cloned().map(metadata_in_order);
    json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": metadata})
}

/// An object as clients see it: of a custom resource in the version that was asked for, with today's defaults.
fn seen<'a>(resource: &Resource, stored: &'a Stored) -> Cow<'a, Value> {
    match &resource.custom {
        Some(_) => Cow::Owned(instance::served(resource, &stored.value)),
        None => Cow::Borrowed(&stored.value),
    }
}

fn as_json(resource: &Resource, stored: &Stored) -> Bytes {
    match &resource.custom {
        Some(_) => serde_json::to_vec(&*seen(resource, stored)).unwrap_or_default().into(),
        None => stored.json(),
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

    /// An object as clients see it.
    pub fn seen<'a>(&self, stored: &'a Stored) -> Cow<'a, Value> {
        seen(&self.resource, stored)
    }

    fn row(&self, stored: &Stored, version: &str) -> Value {
        let object = &*seen(&self.resource, stored);
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
            Form::Json | Form::Yaml => return as_json(&self.resource, stored),
            Form::Table(version) => {
                let revision = stored.value.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
                let row = self.row(stored, version);
                self.table(version, &json!({"resourceVersion": revision}), &[row], headed)
            }
            Form::Metadata(version) => partial(&stored.value, version),
        };
        serde_json::to_vec(&value).unwrap_or_default().into()
    }

    /// One object, as an answer.
    pub fn answer(&self, status: StatusCode, stored: &Stored) -> Response<Body> {
        if self.form == Form::Yaml {
            return value(Form::Yaml, status, &seen(&self.resource, stored));
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
                let rows: Vec<Value> = objects.iter().map(|stored| self.row(stored, version)).collect();
                json_value(StatusCode::OK, &self.table(version, &metadata, &rows, true))
            }
            Form::Metadata(version) => {
                let items: Vec<Value> = objects.iter().map(|stored| partial(&stored.value, version)).collect();
                let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": metadata, "items": items});
                json_value(StatusCode::OK, &list)
            }
            Form::Json | Form::Yaml if self.resource.custom.is_some() => {
                value(self.form, StatusCode::OK, &self.custom_list(objects, metadata))
            }
            Form::Yaml => {
                let items: Vec<Value> =
                    objects.iter().map(|stored| seen(&self.resource, stored).into_owned()).collect();
                let (kind, version) = (&self.resource.list_kind, self.resource.api_version());
                let list = json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items});
                value(Form::Yaml, StatusCode::OK, &list)
            }
            Form::Json => json_line(StatusCode::OK, self.plain_list(objects, &metadata)),
        }
    }

    /// A list of a custom resource: Go writes it as a map, which has no order but that of its keys.
    fn custom_list(&self, objects: &[std::sync::Arc<Stored>], mut metadata: Value) -> Value {
        let items: Vec<Value> = objects.iter().map(|stored| seen(&self.resource, stored).into_owned()).collect();
        if metadata.get("continue").is_none() {
            metadata["continue"] = Value::from("");
        }
        let (kind, version) = (&self.resource.list_kind, self.resource.api_version());
        let metadata = golang::canonical(metadata);
        json!({"apiVersion": version, "items": items, "kind": kind, "metadata": metadata})
    }

    fn plain_list(&self, objects: &[std::sync::Arc<Stored>], metadata: &Value) -> Vec<u8> {
        let (kind, version) = (Value::from(self.resource.list_kind.as_str()), Value::from(self.resource.api_version()));
        let mut out =
            format!("{{\"kind\":{kind},\"apiVersion\":{version},\"metadata\":{metadata},\"items\":[").into_bytes();
        for (index, stored) in objects.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let bytes = as_json(&self.resource, stored);
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

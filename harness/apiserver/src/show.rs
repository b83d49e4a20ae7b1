//! How objects of one resource are shown to one client: alone, in lists, in events.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::answer::{self, Body};
use crate::clock::ServerClock;
use crate::conversion;
use crate::custom::instance;
use crate::negotiate::{Encoding, Form, Shape};
use crate::normal;
use crate::proto::encode;
use crate::registry::Resource;
use crate::request::Query;
use crate::status::{Cause, Failure, quoted};
use crate::store::{self, Change, Stored};
use crate::table;
use crate::unmanaged::{Unmanaged, UnmanagedMetadata};

/// The metadata of an object alone: annotations that stand for fields of other versions are no part of it.
fn own_metadata(object: &Value) -> Cow<'_, Value> {
    let Some(metadata) = object.get("metadata") else { return Cow::Owned(Value::Null) };
    let annotations = metadata.get("annotations").and_then(Value::as_object);
    if !annotations.is_some_and(|annotations| annotations.keys().any(|key| conversion::stands_for_a_field(key))) {
        return Cow::Borrowed(metadata);
    }
    let mut metadata = metadata.clone();
    if let Some(map) = metadata.as_object_mut()
        && let Some(Value::Object(annotations)) = map.get_mut("annotations")
    {
        annotations.retain(|key, _| !conversion::stands_for_a_field(key));
        if annotations.is_empty() {
            map.shift_remove("annotations");
        }
    }
    Cow::Owned(metadata)
}

/// An object without its content.
fn partial(object: &Value, version: &str) -> Value {
    let mut metadata = own_metadata(object).into_owned();
    // That of custom resources has sorted keys; here it has a type.
    let _ = normal::normalize("meta.ObjectMeta", &mut metadata);
    json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": metadata})
}

/// The same in JSON, of an object whose metadata is stored as its type has it.
fn partial_json(object: &Value, version: &str, managed_fields: bool) -> Vec<u8> {
    let mut json =
        format!("{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"{version}\",\"metadata\":").into_bytes();
    // Memory takes every byte, and a JSON value has only keys that can be written.
    let metadata = own_metadata(object);
    let _written = if managed_fields {
        serde_json::to_writer(&mut json, &*metadata)
    } else {
        serde_json::to_writer(&mut json, &UnmanagedMetadata(&metadata))
    };
    json.push(b'}');
    json
}

/// An object in the version that was asked for.
fn served<'a>(resource: &Resource, stored: &'a Value) -> Cow<'a, Value> {
    match &resource.custom {
        Some(_) => Cow::Owned(instance::served(resource, stored)),
        None => conversion::shown(resource, stored),
    }
}

/// How a list goes on.
pub struct Next {
    /// What to ask for the next page with.
    pub token: String,
    /// How many objects follow; only told where no selector is at work.
    pub remaining: Option<usize>,
}

/// What the rows of a table carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// The objects' metadata.
    Metadata,
    /// The objects.
    Object,
    /// Nothing.
    Nothing,
}

impl Include {
    /// Reads `includeObject`.
    ///
    /// # Errors
    /// 400, in the original's words.
    pub fn read(query: &Query) -> Result<Self, Failure> {
        match query.first("includeObject").unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::Nothing),
            given => {
                let detail = "must be 'Metadata', 'Object', 'None', or empty";
                let cause = Cause::invalid("includeObject", quoted(given), detail);
                let text = format!("Unable to convert to Table as requested: {}: {}", cause.field, cause.message);
                Err(Failure::bad_request(text))
            }
        }
    }
}

/// The Go type of a resource's objects, as messages name it.
fn go_type(resource: &Resource, list: bool) -> String {
    let suffix = if list { "List" } else { "" };
    if resource.custom.is_some() {
        return format!("*unstructured.Unstructured{suffix}");
    }
    let package = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    format!("*{package}.{}{suffix}", resource.kind)
}

/// The encoding that `form` asks for, or JSON where it is protobuf and the table of types lacks numbers for it.
fn writable(resource: &Resource, form: Form) -> Encoding {
    let known = |type_name: &str| encode::object("", "", type_name, &Value::Null).is_some();
    match (form.encoding, form.shape) {
        (Encoding::Protobuf, Shape::Whole) if !resource.type_name.is_some_and(known) => Encoding::Json,
        (encoding, _) => encoding,
    }
}

/// How objects of one resource are shown to one client.
#[derive(Clone)]
pub struct Shower {
    resource: Arc<Resource>,
    form: Form,
    clock: ServerClock,
    /// `{"kind":"K","apiVersion":"V",`: what items of built-in lists leave out.
    prefix: String,
    /// `group/version` of the objects.
    version: Arc<str>,
    include: Include,
}

impl Shower {
    /// Shows `resource` in `form`.
    ///
    /// # Errors
    /// 400 when a table is asked for that nobody can make.
    pub fn new(resource: &Arc<Resource>, form: Form, clock: ServerClock, query: &Query) -> Result<Self, Failure> {
        let include = match form.shape {
            Shape::Table(_) => Include::read(query)?,
            _ => Include::Metadata,
        };
        let form = Form { encoding: writable(resource, form), ..form };
        let api_version = resource.api_version();
        let (kind, version) = (Value::from(resource.kind.as_str()), Value::from(api_version.as_str()));
        let prefix = format!("{{\"kind\":{kind},\"apiVersion\":{version},");
        Ok(Self { resource: Arc::clone(resource), form, clock, prefix, version: api_version.into(), include })
    }

    fn row(&self, stored: &Value, version: &str) -> Value {
        let object = &*served(&self.resource, stored);
        let shown = match self.include {
            Include::Metadata => partial(object, version),
            Include::Object => object.clone(),
            Include::Nothing => Value::Null,
        };
        // The original makes rows of its inner form, which no version has changed.
        let kept = if self.resource.custom.is_some() { object } else { stored };
        let row = table::row(&self.resource, kept, self.clock);
        match row.conditions {
            Some(conditions) => json!({"cells": row.cells, "conditions": conditions, "object": shown}),
            None => json!({"cells": row.cells, "object": shown}),
        }
    }

    fn table(&self, version: &str, metadata: &Value, rows: &[Value], headed: bool) -> Value {
        let columns = if headed { table::definitions(&self.resource) } else { Value::Null };
        json!({"kind": "Table", "apiVersion": version, "metadata": metadata, "columnDefinitions": columns, "rows": rows})
    }

    /// One object in another shape than its own.
    fn shaped(&self, object: &Value, headed: bool) -> Option<Value> {
        match self.form.shape {
            Shape::Whole | Shape::MetadataList(_) => None,
            Shape::Table(version) => {
                let revision = object.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
                let row = self.row(object, version);
                Some(self.table(version, &json!({"resourceVersion": revision}), &[row], headed))
            }
            Shape::Metadata(version) => Some(partial(object, version)),
        }
    }

    /// One object, in the form's bytes.
    fn object(&self, stored: &Stored, headed: bool) -> Bytes {
        if self.form.encoding == Encoding::Protobuf
            && let Some(bytes) = self.protobuf(&stored.value)
        {
            return bytes.into();
        }
        if let (Shape::Metadata(version), None) = (self.form.shape, &self.resource.custom) {
            return partial_json(&stored.value, version, self.form.managed_fields).into();
        }
        match self.shaped(&stored.value, headed) {
            Some(value) => serde_json::to_vec(&value).unwrap_or_default().into(),
            None => self.in_version(stored),
        }
    }

    /// The JSON of an object in the version that was asked for.
    fn in_version(&self, stored: &Stored) -> Bytes {
        let with = self.form.managed_fields;
        if self.resource.custom.is_none() && self.resource.hub.is_none() {
            return if with { stored.json() } else { stored.json_unmanaged() };
        }
        let object = &*served(&self.resource, &stored.value);
        let written = if with { serde_json::to_vec(object) } else { serde_json::to_vec(&Unmanaged(object)) };
        written.unwrap_or_default().into()
    }

    fn protobuf(&self, object: &Value) -> Option<Vec<u8>> {
        if let Shape::Metadata(version) = self.form.shape {
            return encode::partial(version, &own_metadata(object));
        }
        let object = conversion::shown(&self.resource, object);
        encode::object(&self.version, &self.resource.kind, self.resource.type_name?, &object)
    }

    /// Whether a webhook has to convert what is shown.
    pub fn waits(&self) -> bool {
        instance::has_webhook(&self.resource)
    }

    /// `stored` as it can be shown: converted by a webhook where it takes one, which is waited for.
    ///
    /// # Errors
    /// 500, in the original's words.
    pub fn converted(&self, stored: &Arc<Stored>) -> Result<Arc<Stored>, Failure> {
        let converted = instance::through_webhook(&self.resource, &stored.value, &self.version)?;
        Ok(converted.map_or_else(|| Arc::clone(stored), Stored::detached))
    }

    /// One object, as an answer.
    ///
    /// # Errors
    /// 406 when the form is one of lists.
    pub fn answer(&self, status: StatusCode, stored: &Arc<Stored>) -> Result<Response<Body>, Failure> {
        let stored = &*self.converted(stored)?;
        if let Shape::MetadataList(_) = self.form.shape {
            if self.resource.custom.is_some() {
                // An untyped object could be a list, and is found to be none when its items are looked for.
                return Err(Failure::internal("content is not a list"));
            }
            let text = "you requested PartialObjectMetadataList, but the requested object is not a list";
            return Err(Failure::unfit_shape(format!("{text} ({})", go_type(&self.resource, false))));
        }
        Ok(match self.form.encoding {
            Encoding::Yaml => {
                let value = match self.shaped(&stored.value, true) {
                    Some(value) => value,
                    None => serde_json::from_slice(&self.in_version(stored)).unwrap_or_default(),
                };
                answer::value(self.form, status, &value)
            }
            Encoding::Json => answer::json_line(status, self.object(stored, true).to_vec()),
            Encoding::Protobuf => answer::protobuf(status, self.object(stored, true)),
        })
    }

    /// A list, as an answer.
    ///
    /// # Errors
    /// 406 when the form is one of single objects.
    pub fn list(&self, objects: &[Arc<Stored>], revision: u64, next: Option<&Next>) -> Result<Response<Body>, Failure> {
        let objects = &objects.iter().map(|stored| self.converted(stored)).collect::<Result<Vec<_>, _>>()?;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some(next) = next {
            metadata["continue"] = Value::from(next.token.as_str());
            if let Some(remaining) = next.remaining {
                metadata["remainingItemCount"] = Value::from(remaining);
            }
        }
        if self.form.encoding == Encoding::Protobuf
            && let Some(bytes) = self.protobuf_list(objects, &metadata)
        {
            return Ok(answer::protobuf(StatusCode::OK, bytes));
        }
        let value = match self.form.shape {
            Shape::Metadata(_) => {
                let text = "you requested PartialObjectMetadata, but the requested object is a list";
                return Err(Failure::unfit_shape(format!("{text} ({})", go_type(&self.resource, true))));
            }
            Shape::Table(version) => {
                let objects = table::in_order(&self.resource, objects);
                let rows: Vec<Value> = objects.iter().map(|stored| self.row(&stored.value, version)).collect();
                self.table(version, &metadata, &rows, true)
            }
            Shape::MetadataList(version) => {
                let items: Vec<Value> = objects.iter().map(|stored| partial(&stored.value, version)).collect();
                // A list that nothing was added to is none in Go.
                let items = if items.is_empty() { Value::Null } else { Value::from(items) };
                // Of the list's own metadata the original copies these two.
                if let Some(map) = metadata.as_object_mut() {
                    map.shift_remove("remainingItemCount");
                }
                json!({"kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": metadata, "items": items})
            }
            Shape::Whole => {
                let list = self.plain_list(objects, &metadata);
                if self.form.encoding != Encoding::Yaml {
                    return Ok(answer::json_line(StatusCode::OK, list));
                }
                serde_json::from_slice(&list).unwrap_or_default()
            }
        };
        Ok(answer::value(self.form, StatusCode::OK, &value))
    }

    fn protobuf_list(&self, objects: &[Arc<Stored>], metadata: &Value) -> Option<Vec<u8>> {
        match self.form.shape {
            Shape::MetadataList(version) => {
                encode::partial_list(version, metadata, objects.iter().map(|stored| &stored.value))
            }
            Shape::Whole => {
                let shown: Vec<_> =
                    objects.iter().map(|stored| conversion::shown(&self.resource, &stored.value)).collect();
                let type_name = self.resource.type_name?;
                let objects = shown.iter().map(|object| &**object);
                encode::list(&self.version, &self.resource.list_kind, type_name, metadata, objects)
            }
            Shape::Metadata(_) | Shape::Table(_) => None,
        }
    }

    fn plain_list(&self, objects: &[Arc<Stored>], metadata: &Value) -> Vec<u8> {
        let (kind, version) = (Value::from(self.resource.list_kind.as_str()), Value::from(&*self.version));
        // Custom lists are maps in the original, written in the order of their keys, whether it goes on or not.
        let mut metadata = metadata.clone();
        let mut out = if self.resource.custom.is_some() {
            if let Some(map) = metadata.as_object_mut() {
                map.entry("continue").or_insert_with(|| Value::from(""));
                map.sort_keys();
            }
            format!("{{\"apiVersion\":{version},\"items\":[").into_bytes()
        } else {
            format!("{{\"kind\":{kind},\"apiVersion\":{version},\"metadata\":{metadata},\"items\":[").into_bytes()
        };
        for (index, stored) in objects.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let bytes = self.in_version(stored);
            match bytes.strip_prefix(self.prefix.as_bytes()) {
                Some(rest) if self.resource.custom.is_none() => {
                    out.push(b'{');
                    out.extend_from_slice(rest);
                }
                _ => out.extend_from_slice(&bytes),
            }
        }
        out.push(b']');
        if self.resource.custom.is_some() {
            out.extend_from_slice(format!(",\"kind\":{kind},\"metadata\":{metadata}").as_bytes());
        }
        out.push(b'}');
        out
    }

    /// What the stream of a watch is.
    pub fn stream_media(&self) -> &'static str {
        match self.form.encoding {
            Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
            Encoding::Json | Encoding::Yaml => Encoding::Json.media(),
        }
    }

    /// Whether changes can be streamed in this form.
    ///
    /// # Errors
    /// 406 for YAML.
    pub fn check_stream(&self) -> Result<(), Failure> {
        if self.form.encoding == Encoding::Yaml {
            let media =
                [Encoding::Json, Encoding::Protobuf].map(|encoding| format!("{};stream=watch", encoding.media()));
            return Err(Failure::only_acceptable(&media.join(", ")));
        }
        Ok(())
    }

    /// What is sent of an event with these bytes of its object.
    fn framed(&self, kind: &str, object: &[u8]) -> Bytes {
        if self.form.encoding == Encoding::Protobuf {
            return encode::event(kind, object).into();
        }
        let mut line = Vec::with_capacity(object.len() + 40);
        line.extend_from_slice(b"{\"type\":\"");
        line.extend_from_slice(kind.as_bytes());
        line.extend_from_slice(b"\",\"object\":");
        line.extend_from_slice(object);
        line.extend_from_slice(b"}\n");
        line.into()
    }

    /// An event of a watch.
    pub fn event(&self, kind: &str, stored: &Stored, headed: bool) -> Bytes {
        self.framed(kind, &self.object(stored, headed))
    }

    /// The event that tells of a change: encoded once for all watchers that want it in the same form. Tables are not
    /// shared, because they show ages.
    pub fn change(&self, kind: &'static str, change: &Change, object: &Stored, headed: bool) -> Bytes {
        if matches!(self.form.shape, Shape::Table(_)) {
            return self.event(kind, object, headed);
        }
        let form = store::Form { shape: self.form, version: Arc::clone(&self.version), kind };
        change.encoded(form, || self.event(kind, object, headed))
    }

    /// A bookmark: an object of the kind with nothing but the revision up to which everything was sent.
    pub fn bookmark(&self, revision: u64) -> Bytes {
        let mut object = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
        });
        if let Some(type_name) = self.resource.type_name {
            // What has only a revision fits every type.
            let _ = normal::normalize(type_name, &mut object);
        }
        self.event("BOOKMARK", &Stored::detached(object), true)
    }

    /// The event that ends a watch with a failure.
    pub fn failure(&self, failure: &Failure) -> Bytes {
        let status = failure.to_value();
        if self.form.encoding == Encoding::Protobuf {
            return self.framed("ERROR", &encode::status(&status));
        }
        self.framed("ERROR", &serde_json::to_vec(&status).unwrap_or_default())
    }
}

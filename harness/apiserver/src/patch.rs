//! The kinds of PATCH.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::custom::golang;
use crate::gojson;
use crate::jsonpatch::{JsonPatch, MOST_OPERATIONS};
use crate::mergepatch;
use crate::negotiate;
use crate::registry::Resource;
use crate::state::State;
use crate::status::{Cause, Failure};
use crate::strategic;

/// A patch that was read, to be applied to whatever is there.
pub enum Patch {
    /// RFC 6902.
    Json(JsonPatch),
    /// RFC 7396.
    Merge(Map<String, Value>),
    /// None of them, which the original tells only when it has what is to be patched.
    Unreadable(Failure),
    /// Strategic merge, by the named type.
    Strategic(&'static str, Value),
}

/// What custom resources say that a patch may be in.
const CUSTOM_MEDIA: &str = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// The media types in which a patch is read: what a 1.20 server with the feature gate `ServerSideApply` off accepts,
/// in its order.
#[must_use]
pub fn accepted(custom: bool) -> &'static [&'static str] {
    if custom {
        &["application/json-patch+json", "application/merge-patch+json"]
    } else {
        &["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"]
    }
}

impl Patch {
    /// Reads the body of a PATCH.
    ///
    /// # Errors
    /// 415, 400 and 500, in the original's words.
    pub fn read(state: &State, resource: &Resource, headers: &HeaderMap, body: &Bytes) -> Result<Self, Failure> {
        match negotiate::content_type(headers) {
            "application/json-patch+json" => Ok(json(body).unwrap_or_else(Self::Unreadable)),
            "application/merge-patch+json" => match serde_json::from_slice(body) {
                Ok(Value::Object(patch)) => Ok(Self::Merge(patch)),
                _ => Ok(Self::Unreadable(Failure::internal("Invalid JSON Patch"))),
            },
            "application/strategic-merge-patch+json" => match resource.type_name {
                Some(type_name) => {
                    let patch = serde_json::from_slice(body).map_err(|error| {
                        Failure::bad_request(if error.is_eof() {
                            "unexpected EOF".to_owned()
                        } else {
                            error.to_string()
                        })
                    })?;
                    Ok(Self::Strategic(type_name, patch))
                }
                None => Err(Failure::unsupported_media_type(CUSTOM_MEDIA)),
            },
            "application/apply-patch+yaml" => {
                state.miss(format!("PATCH application/apply-patch+yaml {}", resource.full_name));
                Err(Failure::unsupported_media_type(&accepted(resource.custom.is_some()).join(", ")))
            }
            other if resource.custom.is_some() && !other.is_empty() => {
                Err(Failure::unsupported_media_type(CUSTOM_MEDIA))
            }
            _ => Err(Failure::patch_without_media_type()),
        }
    }

    /// What the patch makes of `object`.
    ///
    /// # Errors
    /// 422, in the original's words.
    pub fn apply(&self, object: &Value) -> Result<Value, Failure> {
        let mut patched = object.clone();
        match self {
            Self::Json(patch) => patch.apply(&mut patched).map_err(|_| Failure::patch_rejected())?,
            Self::Merge(patch) => mergepatch::apply(golang::object(&mut patched), patch),
            Self::Unreadable(failure) => return Err(failure.clone()),
            Self::Strategic(type_name, patch) => {
                strategic::apply(type_name, &mut patched, patch).map_err(|text| {
                    let cause = Cause::invalid("patch", crate::status::quoted(&go_map(patch)), &text);
                    Failure::invalid("", "", "", &[cause])
                })?;
            }
        }
        Ok(patched)
    }
}

/// Reads a JSON patch.
fn json(body: &Bytes) -> Result<Patch, Failure> {
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

/// A map as Go's `%v` writes it.
fn go_map(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", go_map(value))).collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(go_map).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

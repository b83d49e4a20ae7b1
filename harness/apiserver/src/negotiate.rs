//! Media types: what a client wants to read, and what it sends.

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

use crate::proto;
use crate::registry::Resource;
use crate::status::{Cause, Failure, quoted};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON objects.
    Json,
    /// YAML, for single answers.
    Yaml,
    /// `Table` of `meta.k8s.io/v1` or `v1beta1`.
    Table(&'static str),
    /// `PartialObjectMetadata` and lists of it.
    Metadata(&'static str),
}

/// The form that `headers` ask for: the first of their media types that is known.
///
/// # Errors
/// 406 when there is none.
pub fn wanted(headers: &HeaderMap) -> Result<Form, Failure> {
    let mut asked = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if asked.peek().is_none() {
        return Ok(Form::Json);
    }
    let mut protobuf = false;
    for clause in asked.flat_map(|value| value.split(',')) {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let (mut version, mut shape) = ("", "");
        for part in parts {
            match part.split_once('=') {
                Some(("v", value)) => version = value,
                Some(("as", value)) => shape = value,
                _ => {}
            }
        }
        let version = match version {
            "v1" => Some("meta.k8s.io/v1"),
            "v1beta1" => Some("meta.k8s.io/v1beta1"),
            _ => None,
        };
        let json = matches!(media, "application/json" | "*/*" | "application/*");
        match (shape, version) {
            ("", _) if json => return Ok(Form::Json),
            ("", _) if media == "application/yaml" => return Ok(Form::Yaml),
            ("", _) if media == "application/vnd.kubernetes.protobuf" => protobuf = true,
            ("Table", Some(version)) if json => return Ok(Form::Table(version)),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", Some(version)) if json => {
                return Ok(Form::Metadata(version));
            }
            _ => {}
        }
    }
    // Who asks for protobuf alone gets JSON, says so in the answer, and is understood by the clients in use.
    if protobuf { Ok(Form::Json) } else { Err(Failure::not_acceptable()) }
}

/// The media type of a body, without parameters.
#[must_use]
pub fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// The types of objects that bodies may hold besides the resource's own.
fn type_of(resource: &Resource, kind: &str) -> Option<&'static str> {
    match kind {
        "DeleteOptions" => Some("meta.DeleteOptions"),
        "Scale" => Some("autoscaling.v1.Scale"),
        "Binding" => Some("core.v1.Binding"),
        _ if kind == resource.kind => resource.type_name,
        _ => None,
    }
}

/// The media types in which an object is read, in the original's order.
#[must_use]
pub fn accepted(custom: bool) -> &'static [&'static str] {
    if custom {
        &["application/json", "application/yaml"]
    } else {
        &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
    }
}

/// The object in `body`. Without a media type it is JSON, as kubectl 1.20 sends it.
///
/// # Errors
/// 415 or 400, in the original's words.
pub fn read_object(resource: &Resource, headers: &HeaderMap, body: &Bytes) -> Result<Value, Failure> {
    let kind = resource.kind.as_str();
    match content_type(headers) {
        "" | "application/json" => parse_json(kind, body),
        "application/yaml" => {
            let text = String::from_utf8_lossy(body);
            serde_yaml::from_str(&text).map_err(|error| {
                Failure::bad_request(format!(
                    "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; yaml: {error}"
                ))
            })
        }
        "application/vnd.kubernetes.protobuf" if resource.custom.is_none() => proto::decode(body, |_, kind| {
            type_of(resource, kind)
        })
        .ok_or_else(|| Failure::bad_request(format!("the object provided is unrecognized (must be of type {kind})"))),
        _ => Err(Failure::unsupported_media_type(&accepted(resource.custom.is_some()).join(", "))),
    }
}

fn parse_json(kind: &str, body: &Bytes) -> Result<Value, Failure> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) | Err(_) => {
            let shown: String = String::from_utf8_lossy(body).chars().take(500).collect();
            let why = match serde_json::from_slice::<Value>(body) {
                Ok(_) => "json: cannot unmarshal into Go value of type struct".to_owned(),
                Err(error) if error.is_eof() => "unexpected end of JSON input".to_owned(),
                Err(error) => error.to_string(),
            };
            Err(Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({shown})"
            )))
        }
    }
}

/// Checks that a patched custom object is still what it was.
///
/// # Errors
/// 422, in the original's words.
pub fn check_patched_kind(resource: &Resource, object: &Value) -> Result<(), Failure> {
    if resource.custom.is_none() {
        return Ok(());
    }
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    for (key, wanted) in [("apiVersion", &resource.api_version()), ("kind", &resource.kind)] {
        if text(key) != wanted {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let cause = Cause::invalid(key, quoted(text(key)), &format!("must be {wanted}"));
            return Err(Failure::invalid(text("kind"), &resource.group, name, &[cause]));
        }
    }
    Ok(())
}

/// Checks that `object` says it is what the path says.
///
/// # Errors
/// 400 or 422, in the original's words.
pub fn check_kind(resource: &Resource, object: &Value) -> Result<(), Failure> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let expected = resource.api_version();
    let wanted = &resource.kind;
    if resource.custom.is_some() {
        if kind.is_empty() {
            let version = &resource.version;
            let text = format!(
                "{wanted} in version \"{version}\" cannot be handled as a {wanted}: unmarshalerDecoder: Object 'Kind' is missing in '{object}'"
            );
            return Err(Failure::bad_request(text));
        }
        if api_version != expected {
            return Err(Failure::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({expected})"
            )));
        }
        if kind != wanted {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let cause = Cause::invalid("kind", quoted(kind), &format!("must be {wanted}"));
            return Err(Failure::invalid(kind, &resource.group, name, &[cause]));
        }
        return Ok(());
    }
    if !kind.is_empty() && kind != wanted {
        let version = &resource.version;
        return Err(Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {wanted}: converting ({version}.{kind}) to (core.{wanted}): unknown conversion"
        )));
    }
    if !api_version.is_empty() && api_version != expected {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected})"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("application/json", Form::Json)]
    #[case("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Form::Table("meta.k8s.io/v1"))]
    #[case("application/json;as=Table;g=meta.k8s.io;v=v1beta1, application/json", Form::Table("meta.k8s.io/v1beta1"))]
    #[case("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", Form::Json)]
    #[case("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Form::Metadata("meta.k8s.io/v1"))]
    #[case("application/vnd.kubernetes.protobuf, */*", Form::Json)]
    #[case("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json", Form::Json)]
    fn picks_the_first_known_form(#[case] accept: &str, #[case] expected: Form) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(wanted(&headers).unwrap(), expected);
    }
}

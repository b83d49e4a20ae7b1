//! The object in a body, as apiserver's serializers read it (`serializer/json`, `serializer/protobuf` and
//! `handlers/rest.go`, Kubernetes 1.20).

use std::borrow::Cow;

use http::{HeaderMap, header};
use serde_json::Value;

use crate::go;
use crate::gojson;
use crate::jsoniter;
use crate::proto;
use crate::registry::Resource;
use crate::status::{Cause, Failure, quoted};
use crate::types;
use crate::yaml;

/// Kinds that one of the original's servers knows.
struct Scheme {
    /// Where it is made, as messages name it.
    place: &'static str,
    /// The only group of which it has kinds.
    group: Option<&'static str>,
}

impl Scheme {
    /// The scheme of the kinds of a Go package: those of the two servers beside the main one have schemes of their own.
    fn of(package: &str) -> Self {
        match package {
            "apiextensions" => Self {
                place: "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:52",
                group: Some("apiextensions.k8s.io"),
            },
            "apiregistration" => Self {
                place: "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:32",
                group: Some("apiregistration.k8s.io"),
            },
            _ => Self { place: "pkg/api/legacyscheme/scheme.go:30", group: None },
        }
    }

    fn knows(&self, api_version: &str, kind: &str) -> bool {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        // Every kind has its list.
        let listed = |kind: &str| types::fields(&in_table(api_version, kind)).is_some();
        self.group.is_none_or(|only| only == group) && (listed(kind) || kind.strip_suffix("List").is_some_and(listed))
    }
}

/// The struct that finds kind and version, as Go's decoder names it.
const KIND_FINDER: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// The media type of a body, without parameters.
#[must_use]
pub fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// The media types that bodies may have, in the original's order.
const ACCEPTED: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// The media types in which an object is read: of a custom one nothing is read in protobuf.
#[cfg(test)]
#[must_use]
pub fn accepted(custom: bool) -> &'static [&'static str] {
    if custom { &["application/json", "application/yaml"] } else { ACCEPTED }
}

/// The types of objects that bodies may hold besides the resource's own.
fn type_of(resource: &Resource, kind: &str) -> Option<&'static str> {
    match kind {
        "DeleteOptions" => Some("meta.DeleteOptions"),
        "Scale" => Some("autoscaling.v1.Scale"),
        "Binding" => Some("core.v1.Binding"),
        "TokenRequest" => Some("authentication.v1.TokenRequest"),
        "Eviction" => Some("policy.v1beta1.Eviction"),
        _ if kind == resource.kind => resource.type_name,
        _ => None,
    }
}

/// The object in `body`, or what the serializer says. Without a media type it is JSON, as kubectl 1.20 sends it.
///
/// # Errors
/// 415, or the serializer's text.
pub fn decode(resource: &Resource, headers: &HeaderMap, body: &[u8]) -> Result<Result<Value, String>, Failure> {
    match content_type(headers) {
        "" | "application/json" => Ok(json(body)),
        "application/yaml" => Ok(yaml(body)),
        "application/vnd.kubernetes.protobuf" => {
            if resource.custom.is_some()
                && let Some((api_version, kind)) = proto::kind(body)
            {
                return Err(unmarked(resource, &api_version, &kind));
            }
            Ok(protobuf(resource, body))
        }
        _ => Err(Failure::unsupported_media_type(&ACCEPTED.join(", "))),
    }
}

fn json(body: &[u8]) -> Result<Value, String> {
    gojson::check(body).map_err(|why| unparsed(&why))?;
    typed(serde_json::from_slice(body).map_err(|error| unparsed(&error.to_string()))?)
}

fn unparsed(why: &str) -> String {
    format!("couldn't get version/kind; json parse error: {why}")
}

/// `value` where it can say what it is.
fn typed(value: Value) -> Result<Value, String> {
    let of = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let Value::Object(map) = &value else {
        if value.is_null() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        return Err(unparsed(&format!("json: cannot unmarshal {} into Go value of type {KIND_FINDER}", of(&value))));
    };
    for (key, found) in map {
        if matches!(key.as_str(), "apiVersion" | "kind") && !found.is_string() && !found.is_null() {
            let why = format!("json: cannot unmarshal {} into Go struct field .{key} of type string", of(found));
            return Err(unparsed(&why));
        }
    }
    let version = map.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {version}"));
    }
    Ok(value)
}

fn yaml(body: &[u8]) -> Result<Value, String> {
    let value = yaml::read::from_str(&String::from_utf8_lossy(body))?;
    // What comes of it is read as JSON.
    json(&serde_json::to_vec(&value).unwrap_or_default())
}

fn protobuf(resource: &Resource, body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Err("empty data".to_owned());
    }
    if !body.starts_with(b"k8s\0") {
        let text = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
        return Err(text.to_owned());
    }
    if body.len() == 4 {
        return Err("empty body".to_owned());
    }
    proto::decode(body, |_, kind| type_of(resource, kind)).ok_or_else(|| "unexpected EOF".to_owned())
}

/// The object of `resource` that a patch made of one: `patched`, whose JSON is `text`.
///
/// # Errors
/// The decoder's text.
pub fn decode_patched(resource: &Resource, patched: Value, text: &str) -> Result<Value, String> {
    let (object, patched) = (typed(patched)?, text.as_bytes());
    if resource.custom.is_some() {
        if object.get("kind").and_then(Value::as_str).unwrap_or_default().is_empty() {
            return Err(jsoniter::refused(patched, |written| format!("Object 'Kind' is missing in '{written}'")));
        }
        if let Some(metadata) = object.get("metadata") {
            jsoniter::check("meta.ObjectMeta", go::canonical(metadata.clone()).to_string().as_bytes())?;
        }
        return Ok(object);
    }
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (version, wanted) = (text("apiVersion"), &resource.kind);
    if version.is_empty() {
        // Without a version it is read as the inner form, whose fields have other names: nothing is found.
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let kind = if text("kind").is_empty() { wanted } else { text("kind") };
    let name = in_table(version, kind);
    let known = types::known(&name)
        .or_else(|| resource.type_name.filter(|_| version == resource.api_version() && kind == wanted));
    let package = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    let Some(known) = known else {
        let (kind, version, scheme) = (quoted(kind), quoted(version), quoted(Scheme::of(package).place));
        return Err(format!("no kind {kind} is registered for version {version} in scheme {scheme}"));
    };
    jsoniter::check(known, patched)?;
    if kind != wanted {
        let short = version.rsplit('/').next().unwrap_or_default();
        return Err(format!("converting ({short}.{kind}) to ({package}.{wanted}): unknown conversion"));
    }
    Ok(object)
}

/// The object that a request for `kind` of `group/version` brings.
///
/// # Errors
/// 400 and 415, in the original's words.
pub fn read_object(resource: &Resource, headers: &HeaderMap, body: &[u8]) -> Result<Value, Failure> {
    decode(resource, headers, body)?.map_err(|why| {
        let kind = &resource.kind;
        let text = format!("the object provided is unrecognized (must be of type {kind}): {why}");
        Failure::bad_request(format!("{text} ({})", gojson::summary(body)))
    })
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
            let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
            return Err(Failure::invalid(text("kind"), group, name, &[cause]));
        }
    }
    Ok(())
}

/// The name of a kind in the table of types.
fn in_table(api_version: &str, kind: &str) -> String {
    match api_version.split_once('/') {
        None => format!("core.{api_version}.{kind}"),
        Some((group, version)) => format!("{}.{version}.{kind}", group.split('.').next().unwrap_or_default()),
    }
}

/// Checks that `object` says it is what the path says.
///
/// # Errors
/// 400 or 422, in the original's words.
pub fn check_kind(resource: &Resource, headers: &HeaderMap, object: &Value, body: &[u8]) -> Result<(), Failure> {
    let expected = resource.api_version();
    let wanted = &resource.kind;
    if resource.custom.is_some() {
        return check_custom_kind(resource, object, &as_json(headers, object, body));
    }
    let package = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    check_type(wanted, &expected, package, object)
}

/// Checks that `object` says it is a `wanted` of version `expected`, as far as it says anything; `package` is the Go
/// package of the kind's inner form.
///
/// # Errors
/// 400, in the original's words.
pub fn check_type(wanted: &str, expected: &str, package: &str, object: &Value) -> Result<(), Failure> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (version, kind) = (text("apiVersion").unwrap_or(expected), text("kind").unwrap_or(wanted));
    if version == expected && kind == wanted {
        return Ok(());
    }
    let short = version.rsplit('/').next().unwrap_or_default();
    let scheme = Scheme::of(package);
    let handled = |why: &str| {
        let text = format!("{kind} in version {} cannot be handled as a {wanted}: {why}", quoted(short));
        Err(Failure::bad_request(text))
    };
    if !scheme.knows(version, kind) {
        let (kind, version, scheme) = (quoted(kind), quoted(version), quoted(scheme.place));
        return handled(&format!("no kind {kind} is registered for version {version} in scheme {scheme}"));
    }
    if kind != wanted {
        return handled(&format!("converting ({short}.{kind}) to ({package}.{wanted}): unknown conversion"));
    }
    Err(Failure::bad_request(format!(
        "the API version in the data ({version}) does not match the expected API version ({expected})"
    )))
}

/// Checks that `object`, as it was read from `body`, fits the Go type of its kind.
///
/// # Errors
/// 400, in the decoder's words.
pub fn check_fields(resource: &Resource, headers: &HeaderMap, object: &Value, body: &[u8]) -> Result<(), Failure> {
    let Some(type_name) = resource.type_name else { return Ok(()) };
    let checked = match content_type(headers) {
        "application/vnd.kubernetes.protobuf" => Ok(()),
        _ => jsoniter::check(type_name, &as_json(headers, object, body)),
    };
    let (kind, version) = (&resource.kind, &resource.version);
    checked.map_err(|why| {
        Failure::bad_request(format!("{kind} in version {} cannot be handled as a {kind}: {why}", quoted(version)))
    })
}

/// The JSON that is decoded: what was YAML became JSON before.
fn as_json<'a>(headers: &HeaderMap, object: &Value, body: &'a [u8]) -> Cow<'a, [u8]> {
    match content_type(headers) {
        "application/yaml" => Cow::Owned(serde_json::to_vec(object).unwrap_or_default()),
        _ => Cow::Borrowed(body),
    }
}

/// What a custom object in protobuf is told: nothing is read of it, and so it has no kind.
fn unmarked(resource: &Resource, api_version: &str, kind: &str) -> Failure {
    let (kind, wanted) = (if kind.is_empty() { &resource.kind } else { kind }, &resource.kind);
    let version = if api_version.is_empty() { &resource.version } else { api_version };
    let short = quoted(version.rsplit('/').next().unwrap_or_default());
    let why = "Object 'Kind' is missing in 'object has no kind field '";
    Failure::bad_request(format!("{kind} in version {short} cannot be handled as a {wanted}: {why}"))
}

fn check_custom_kind(resource: &Resource, object: &Value, body: &[u8]) -> Result<(), Failure> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let expected = resource.api_version();
    let wanted = &resource.kind;
    if kind.is_empty() {
        let version = &resource.version;
        let why = jsoniter::refused(body, |written| format!("Object 'Kind' is missing in '{written}'"));
        let text = format!("{wanted} in version \"{version}\" cannot be handled as a {wanted}: {why}");
        return Err(Failure::bad_request(text));
    }
    if api_version.is_empty() {
        // It is what tells of the failure that does not know the object.
        let why = "Object 'apiVersion' is missing in 'object has no apiVersion field'";
        return Err(Failure::internal_error(why));
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
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::registry::Registry;
    use rstest::rstest;

    #[rstest]
    #[case::a_list("[]", "couldn't get version/kind; json parse error: json: cannot unmarshal array")]
    #[case::an_unknown_version(
        r#"{"kind":"ConfigMap","apiVersion":"v2"}"#,
        "no kind \"ConfigMap\" is registered for version \"v2\" in scheme"
    )]
    #[case::another_kind(
        r#"{"kind":"Secret","apiVersion":"v1"}"#,
        "converting (v1.Secret) to (core.ConfigMap): unknown conversion"
    )]
    #[case::a_wrong_type(r#"{"kind":"ConfigMap","apiVersion":"v1","data":1}"#, "v1.ConfigMap.Data: ReadMapCB")]
    fn tells_what_a_patch_made_unreadable(#[case] patched: &str, #[case] expected: &str) {
        let registry = Registry::new(Vec::new());
        let config_maps = registry.built_in("", "configmaps").unwrap();
        let why = decode_patched(config_maps, serde_json::from_str(patched).unwrap(), patched).unwrap_err();
        assert!(why.starts_with(expected), "{why}");
    }

    #[test]
    fn finds_nothing_in_an_object_without_a_version() {
        let registry = Registry::new(Vec::new());
        let config_maps = registry.built_in("", "configmaps").unwrap();
        let patched = serde_json::json!({"kind": "ConfigMap", "metadata": {"name": "a"}});
        let text = patched.to_string();
        assert_eq!(decode_patched(config_maps, patched, &text), Ok(Value::Object(serde_json::Map::new())));
    }
}

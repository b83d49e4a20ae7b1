//! `/openapi/v2`: valid, and without definitions, so that clients leave validation to the server. For every kind it
//! has the PATCH operation: kubectl 1.20 looks there whether a kind knows `dryRun`.

use serde_json::{Map, Value, json};

use crate::registry::{Registry, Resource};

/// The path of one object.
fn path(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
    let place = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("{root}/{}/{place}{}/{{name}}", resource.version, resource.plural)
}

fn patched(registry: &Registry) -> impl Iterator<Item = &Resource> {
    registry.resources().map(AsRef::as_ref).filter(|resource| resource.verbs.contains(&"patch"))
}

/// The document as JSON.
#[must_use]
pub fn as_json(registry: &Registry) -> Value {
    let paths: Map<String, Value> = patched(registry)
        .map(|resource| {
            let kind = json!({"group": resource.group, "kind": resource.kind, "version": resource.version});
            let dry_run = json!({"name": "dryRun", "in": "query", "type": "string", "uniqueItems": true});
            let patch = json!({
                "parameters": [dry_run],
                "responses": {"200": {"description": "OK"}},
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": kind,
            });
            (path(resource), json!({"patch": patch}))
        })
        .collect();
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.20.2"}, "paths": paths, "definitions": {}})
}

/// A field of a protobuf message.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = body.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or(0));
    out.extend_from_slice(body);
    out
}

/// The document in protobuf, as gnostic's `openapi.v2.Document` numbers it: 1 swagger, 2 info {1 title, 2 version},
/// 8 paths {2 path {1 name, 2 item {8 patch}}}, 9 definitions. An operation has 8 parameters {1 parameter
/// {2 `non_body` {3 query {2 in, 4 name}}}} and 13 extensions {1 name, 2 value {2 yaml}}.
#[must_use]
pub fn as_protobuf(registry: &Registry) -> Vec<u8> {
    let info = [field(1, b"Kubernetes"), field(2, b"v1.20.2")].concat();
    let query = [field(2, b"query"), field(4, b"dryRun")].concat();
    let parameter = field(1, &field(2, &field(3, &query)));
    let mut paths = Vec::new();
    for resource in patched(registry) {
        let (group, kind, version) = (&resource.group, &resource.kind, &resource.version);
        let yaml = format!("group: \"{group}\"\nkind: {kind}\nversion: {version}\n");
        let extension = [field(1, b"x-kubernetes-group-version-kind"), field(2, &field(2, yaml.as_bytes()))].concat();
        let operation = [field(8, &parameter), field(13, &extension)].concat();
        let item = [field(1, path(resource).as_bytes()), field(2, &field(8, &operation))].concat();
        paths.extend(field(2, &item));
    }
    [field(1, b"2.0"), field(2, &info), field(8, &paths), field(9, b"")].concat()
}

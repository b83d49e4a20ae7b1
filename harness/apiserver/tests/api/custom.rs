//! Custom resources.

use serde_json::{Value, json};

use crate::support::{Cluster, call, start};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS: &str = "/apis/x.io/v1/things";

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["s"], "properties": {
            "s": {"type": "string"}, "k": {"type": "string", "format": "byte"}, "d": {"type": "string", "default": "dd"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
        "status": {"type": "object", "properties": {"x": {"type": "string"}}}}});
    let columns = json!([{"name": "S", "type": "string", "jsonPath": ".spec.s"}]);
    json!({"metadata": {"name": "things.x.io"}, "spec": {"group": "x.io", "scope": "Cluster",
        "names": {"kind": "Thing", "plural": "things", "shortNames": ["th"]},
        "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "additionalPrinterColumns": columns, "schema": {"openAPIV3Schema": schema}}]}})
}

fn thing(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec})
}

async fn with_things() -> Cluster {
    let cluster = start().await;
    cluster.post(DEFINITIONS, definition()).await;
    cluster
}

#[tokio::test]
async fn serves_a_definition_at_once() {
    let cluster = with_things().await;
    let groups = cluster.get("/apis").await;
    assert!(groups["groups"].as_array().unwrap().iter().any(|group| group["name"] == "x.io"));
    let resources = cluster.get("/apis/x.io/v1").await;
    assert_eq!(resources["resources"][0]["shortNames"], json!(["th"]));
    let stored = cluster.get(&format!("{DEFINITIONS}/things.x.io")).await;
    let conditions = stored["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True"));
    assert_eq!(stored["spec"]["names"]["listKind"], "ThingList");
}

#[tokio::test]
async fn prunes_and_fills_in_defaults() {
    let cluster = with_things().await;
    let mut body = thing("a", &json!({"s": "a", "zz": 1, "free": {"a": {"b": 1}}}));
    body["status"] = json!({"x": "1"});
    body["foo"] = json!(1);
    let made = cluster.post(THINGS, body).await;
    assert_eq!(made["spec"], json!({"s": "a", "free": {"a": {"b": 1}}, "d": "dd"}));
    assert!(made.get("status").is_none() && made.get("foo").is_none());
    assert_eq!(made["metadata"]["generation"], 1);
}

#[tokio::test]
async fn refuses_what_the_schema_forbids() {
    let cluster = with_things().await;
    let refused = async |body: Value| cluster.refused("POST", THINGS, body).await;
    let text =
        "Thing.x.io \"a\" is invalid: spec.k: Invalid value: \"!!\": spec.k in body must be of type byte: \"!!\"";
    assert_eq!(refused(thing("a", &json!({"s": "a", "k": "!!"}))).await, (422, text.to_owned()));
    let text = "Thing.x.io \"a\" is invalid: spec.s: Required value";
    assert_eq!(refused(thing("a", &json!({}))).await, (422, text.to_owned()));
    let mut other = thing("a", &json!({"s": "a"}));
    other["apiVersion"] = json!("x.io/v2");
    let text = "the API version in the data (x.io/v2) does not match the expected API version (x.io/v1)";
    assert_eq!(refused(other).await, (400, text.to_owned()));
    let mut other = thing("a", &json!({"s": "a"}));
    other["kind"] = json!("B");
    assert_eq!(
        refused(other).await,
        (422, "B.x.io \"a\" is invalid: kind: Invalid value: \"B\": must be Thing".to_owned())
    );
}

#[tokio::test]
async fn demands_the_revision_that_an_update_replaces() {
    let cluster = with_things().await;
    cluster.post(THINGS, thing("a", &json!({"s": "a"}))).await;
    let refused = cluster.refused("PUT", &format!("{THINGS}/a"), thing("a", &json!({"s": "b"}))).await;
    let text =
        "things.x.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update";
    assert_eq!(refused, (422, text.to_owned()));
    let Err(kube::Error::Api(status)) =
        call(&cluster.admin, "PATCH", &format!("{THINGS}/a"), "application/strategic-merge-patch+json", json!({}))
            .await
    else {
        panic!("must fail")
    };
    assert_eq!(status.code, 415);
}

#[tokio::test]
async fn keeps_status_apart_and_counts_generations() {
    let cluster = with_things().await;
    cluster.post(THINGS, thing("a", &json!({"s": "a"}))).await;
    let place = format!("{THINGS}/a");
    let changed = cluster.merge(&place, json!({"spec": {"s": "b"}, "status": {"x": "1"}})).await;
    assert_eq!((&changed["metadata"]["generation"], changed.get("status")), (&json!(2), None));
    let told = cluster.merge(&format!("{place}/status"), json!({"spec": {"s": "c"}, "status": {"x": "yy"}})).await;
    assert_eq!((&told["spec"]["s"], &told["status"]["x"]), (&json!("b"), &json!("yy")));
    assert_eq!(told["metadata"]["generation"], 2);
}

#[tokio::test]
async fn refuses_definitions_that_contradict_themselves() {
    let cluster = start().await;
    let mut bad = definition();
    bad["metadata"]["name"] = json!("bad.x.io");
    bad["spec"]["versions"][0].as_object_mut().unwrap().remove("schema");
    let text = "CustomResourceDefinition.apiextensions.k8s.io \"bad.x.io\" is invalid: [metadata.name: Invalid value: \"bad.x.io\": must be spec.names.plural+\".\"+spec.group, spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required]";
    assert_eq!(cluster.refused("POST", DEFINITIONS, bad).await, (422, text.to_owned()));
}

#[tokio::test]
async fn takes_objects_along_with_their_definition() {
    let cluster = with_things().await;
    cluster.post(THINGS, thing("a", &json!({"s": "a"}))).await;
    cluster.delete(&format!("{DEFINITIONS}/things.x.io")).await;
    let request = http::Request::get(THINGS).body(Vec::new()).unwrap();
    assert!(cluster.admin.request_text(request).await.is_err());
    cluster.post(DEFINITIONS, definition()).await;
    assert_eq!(cluster.get(THINGS).await["items"], json!([]));
}

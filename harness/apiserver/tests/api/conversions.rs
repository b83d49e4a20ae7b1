//! Conversion webhooks are called for real.

use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use http::Request;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Cluster, start};
use crate::webhooks::{Webhook, webhook};

const THINGS: &str = "/apis/x.io/v1/namespaces/default/things";
const NEWER: &str = "/apis/x.io/v2/namespaces/default/things";

/// A kind whose `spec.a` of `v1`, in which it is stored, is `spec.b` of `v2`.
fn definition(hook: &Webhook) -> Value {
    let version = |name: &str, field: &str, storage: bool| {
        let mut properties = json!({});
        properties[field] = json!({"type": "string"});
        let spec = json!({"type": "object", "properties": properties});
        let schema = json!({"type": "object", "properties": {"spec": spec}});
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema}})
    };
    let config = json!({"url": hook.url, "caBundle": hook.ca_bundle});
    let webhook = json!({"clientConfig": config, "conversionReviewVersions": ["v1"]});
    json!({
        "metadata": {"name": "things.x.io"},
        "spec": {
            "group": "x.io",
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [version("v1", "a", true), version("v2", "b", false)],
            "conversion": {"strategy": "Webhook", "webhook": webhook},
        },
    })
}

/// What a webhook of that kind answers.
fn converted(review: &Value) -> (u16, Value) {
    let request = &review["request"];
    let (wanted, from, to) = match request["desiredAPIVersion"].as_str().unwrap() {
        "x.io/v1" => ("x.io/v1", "b", "a"),
        other => (other, "a", "b"),
    };
    let objects: Vec<Value> = request["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            let mut object = object.clone();
            object["apiVersion"] = json!(wanted);
            let mut spec = json!({"unknown": 1});
            spec[to] = object["spec"][from].clone();
            object["spec"] = spec;
            object
        })
        .collect();
    let response = json!({"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects});
    (200, json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}))
}

async fn defined(hook: &Webhook) -> Cluster {
    let cluster = start().await;
    cluster.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(hook)).await;
    cluster
}

fn thing(version: &str, spec: &Value) -> Value {
    json!({"apiVersion": format!("x.io/{version}"), "kind": "Thing", "metadata": {"name": "t"}, "spec": spec})
}

#[tokio::test]
async fn shows_what_is_stored_in_another_version() {
    let hook = webhook(converted).await;
    let cluster = defined(&hook).await;
    cluster.post(THINGS, thing("v1", &json!({"a": "x"}))).await;
    assert!(hook.heard().is_empty());
    let found = cluster.get(&format!("{NEWER}/t")).await;
    assert_eq!((&found["apiVersion"], &found["spec"]), (&json!("x.io/v2"), &json!({"b": "x"})));
    assert_eq!(cluster.get(NEWER).await["items"][0]["spec"], json!({"b": "x"}));
    let asked = &hook.heard()[0];
    assert_eq!((&asked["kind"], &asked["apiVersion"]), (&json!("ConversionReview"), &json!("apiextensions.k8s.io/v1")));
    assert_eq!(asked["request"]["desiredAPIVersion"], "x.io/v2");
    assert!(asked["request"]["objects"][0]["metadata"]["resourceVersion"].is_null());
    assert!(found["metadata"]["resourceVersion"].is_string());
}

#[tokio::test]
async fn stores_what_is_written_in_another_version() {
    let hook = webhook(converted).await;
    let cluster = defined(&hook).await;
    let made = cluster.post(NEWER, thing("v2", &json!({"b": "x"}))).await;
    assert_eq!(made["spec"], json!({"b": "x"}));
    assert_eq!(cluster.get(&format!("{THINGS}/t")).await["spec"], json!({"a": "x"}));
    let patched = cluster.merge(&format!("{NEWER}/t"), json!({"spec": {"b": "y"}})).await;
    assert_eq!(patched["spec"], json!({"b": "y"}));
    assert_eq!(cluster.get(&format!("{THINGS}/t")).await["spec"], json!({"a": "y"}));
}

#[tokio::test]
async fn streams_changes_in_another_version() {
    let hook = webhook(converted).await;
    let cluster = defined(&hook).await;
    let request = Request::get(format!("{NEWER}?watch=true")).body(Vec::new()).unwrap();
    let mut lines = cluster.admin.request_stream(request).await.unwrap().lines();
    cluster.post(THINGS, thing("v1", &json!({"a": "x"}))).await;
    let event: Value = serde_json::from_str(&lines.try_next().await.unwrap().unwrap()).unwrap();
    assert_eq!((&event["type"], &event["object"]["spec"]), (&json!("ADDED"), &json!({"b": "x"})));
}

#[rstest]
#[case::a_refusal(json!({"result": {"status": "Failure", "message": "cannot"}}), "conversion webhook for x.io/v1, Kind=Thing failed: cannot")]
#[case::nothing(json!({"result": {"status": "Success"}}), "conversion webhook for x.io/v1, Kind=Thing returned 0 objects, expected 1")]
#[tokio::test]
async fn tells_why_an_object_cannot_be_shown(#[case] response: Value, #[case] expected: &str) {
    let hook = webhook(move |review| {
        let mut response = response.clone();
        response["uid"] = review["request"]["uid"].clone();
        (200, json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}))
    })
    .await;
    let cluster = defined(&hook).await;
    cluster.post(THINGS, thing("v1", &json!({"a": "x"}))).await;
    for method in ["GET", "DELETE"] {
        assert_eq!(cluster.refused(method, &format!("{NEWER}/t"), Value::Null).await, (500, expected.to_owned()));
    }
}

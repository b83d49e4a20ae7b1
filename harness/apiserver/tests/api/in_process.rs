//! Requests from within the process are answered as over a connection, for the same people.

use std::time::Duration;

use apiserver::{InProcess, Stopped};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::support::start;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn request(method: &str, path: &str, body: &Value) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    request.body(if body.is_null() { Bytes::new() } else { body.to_string().into() }).unwrap()
}

async fn call(way: &InProcess, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let answer = way.answer(request(method, path, &body)).await.unwrap();
    let (head, body) = answer.into_parts();
    (head.status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
}

#[tokio::test]
async fn writes_what_others_read_over_a_connection() {
    let cluster = start().await;
    let way = cluster.server.in_process_as_administrator();
    let (status, _) = call(&way, "POST", MAPS, json!({"metadata": {"name": "x"}, "data": {"k": "v"}})).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(cluster.get(&format!("{MAPS}/x")).await["data"]["k"], "v");
}

#[tokio::test]
async fn lets_only_those_in_who_prove_who_they_are() {
    let cluster = start().await;
    let way = cluster.server.in_process();
    assert_eq!(call(&way, "GET", MAPS, Value::Null).await.0, StatusCode::FORBIDDEN);
    let mut false_token = request("GET", MAPS, &Value::Null);
    false_token.headers_mut().insert("authorization", "Bearer none".parse().unwrap());
    assert_eq!(way.answer(false_token).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn ends_watches_and_answers_nothing_when_the_server_has_stopped() {
    let cluster = start().await;
    let way = cluster.server.in_process_as_administrator();
    let watch = way.answer(request("GET", &format!("{MAPS}?watch=true"), &Value::Null)).await.unwrap();
    cluster.server.stop().await;
    let rest = tokio::time::timeout(Duration::from_secs(10), watch.into_body().collect()).await;
    assert!(rest.expect("the watch ends with the server").is_ok());
    assert_eq!(way.answer(request("GET", MAPS, &Value::Null)).await.unwrap_err(), Stopped);
}

#[tokio::test]
async fn leaves_managed_fields_out_and_alone_for_who_does_not_read_them() {
    let cluster = start().await;
    let way = cluster.server.in_process_as_administrator().without_managed_fields();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": "v"}});
    let created = call(&way, "POST", MAPS, map).await.1;
    assert_eq!(created["metadata"]["managedFields"], Value::Null);
    let one = format!("{MAPS}/x");
    let mut shown = call(&way, "GET", &one, Value::Null).await.1;
    assert_eq!(shown, created);
    assert_eq!(call(&way, "GET", MAPS, Value::Null).await.1["items"][0]["metadata"], shown["metadata"]);
    let owners = |object: Value| object["metadata"]["managedFields"].as_array().unwrap().len();
    assert_eq!(owners(cluster.get(&one).await), 1);
    shown["data"]["k"] = json!("w");
    assert_eq!(call(&way, "PUT", &one, shown).await.0, StatusCode::OK);
    assert_eq!(owners(cluster.get(&one).await), 1, "who owns it is still known");
}

#[tokio::test]
async fn leaves_managed_fields_out_of_changes_and_metadata() {
    let cluster = start().await;
    let way = cluster.server.in_process_as_administrator().without_managed_fields();
    call(&way, "POST", MAPS, json!({"metadata": {"name": "x"}, "data": {"k": "v"}})).await;
    for accept in ["application/json", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"] {
        let mut watch = request("GET", &format!("{MAPS}?watch=true"), &Value::Null);
        watch.headers_mut().insert("accept", accept.parse().unwrap());
        let mut changes = way.answer(watch).await.unwrap().into_body();
        let change = changes.frame().await.unwrap().unwrap().into_data().unwrap();
        let change: Value = serde_json::from_slice(&change).unwrap();
        let metadata = &change["object"]["metadata"];
        assert_eq!((&metadata["name"], &metadata["managedFields"]), (&json!("x"), &Value::Null), "{accept}");
    }
}

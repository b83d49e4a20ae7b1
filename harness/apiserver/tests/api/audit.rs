//! Every request is noted, with who has made it and what was answered, and without its body.

use std::sync::{Arc, Mutex};

use apiserver::{ApiServer, Options};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// What is noted of `requests`, each a method, a path and a body, by the administrator.
async fn noted(requests: &[(&str, &str, Value)]) -> Vec<Value> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let audit = Arc::new(move |event: &apiserver::AuditEvent| {
        heard.lock().unwrap().push(serde_json::to_value(event).unwrap());
    });
    let server = ApiServer::start(Options { audit: Some(audit), ..Options::default() }).await.unwrap();
    let way = server.in_process_as_administrator();
    for (method, path, body) in requests {
        let request = Request::builder().method(*method).uri(*path).header("user-agent", "kubectl/v1.20.2");
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        way.answer(request.header("content-type", "application/json").body(body).unwrap()).await.unwrap();
    }
    server.stop().await;
    let events = events.lock().unwrap();
    events.clone()
}

#[tokio::test]
async fn tells_who_asked_for_what_and_what_was_answered() {
    let secret = json!({"metadata": {"name": "x"}, "data": {"k": "secret"}});
    let events = noted(&[("POST", MAPS, secret), ("GET", "/apis/apps/v1/deployments?limit=500", Value::Null)]).await;
    let [mut created, listed] = <[Value; 2]>::try_from(events).unwrap();
    for changing in ["auditID", "requestReceivedTimestamp", "stageTimestamp"] {
        assert!(created.as_object_mut().unwrap().shift_remove(changing).is_some_and(|text| text != ""));
    }
    let expected = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete",
        "requestURI": MAPS, "verb": "create",
        "user": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "userAgent": "kubectl/v1.20.2",
        "objectRef": {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
    });
    assert_eq!(created, expected);
    assert_eq!(listed["verb"], "list");
    assert_eq!(listed["objectRef"], json!({"resource": "deployments", "apiGroup": "apps", "apiVersion": "v1"}));
}

#[tokio::test]
async fn notes_refusals_other_paths_and_the_beginning_of_watches() {
    let watch = format!("{MAPS}?watch=true");
    let all = [("DELETE", "/api/v1/namespaces/default/configmaps/none"), ("GET", "/version"), ("GET", &watch)];
    let events = noted(&all.map(|(method, path)| (method, path, Value::Null))).await;
    let seen: Vec<_> =
        events.iter().map(|event| json!([event["verb"], event["stage"], event["responseStatus"]["code"]])).collect();
    let expected = [
        json!(["delete", "ResponseComplete", 404]),
        json!(["get", "ResponseComplete", 200]),
        json!(["watch", "ResponseStarted", 200]),
    ];
    assert_eq!(seen, expected);
    assert!(events[1].get("objectRef").is_none());
}

//! Deleting: finalizers, grace, namespaces.

use serde_json::{Value, json};

use crate::support::{call, start};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn tells_what_was_deleted() {
    let cluster = start().await;
    let made = cluster.post(MAPS, json!({"metadata": {"name": "q"}})).await;
    let told = cluster.delete(&format!("{MAPS}/q")).await;
    let details = json!({"name": "q", "kind": "configmaps", "uid": made["metadata"]["uid"]});
    assert_eq!((&told["status"], &told["details"]), (&json!("Success"), &details));
    let refused = cluster.refused("DELETE", &format!("{MAPS}/q"), Value::Null).await;
    assert_eq!(refused, (404, "configmaps \"q\" not found".to_owned()));
}

#[tokio::test]
async fn waits_for_finalizers() {
    let cluster = start().await;
    let place = format!("{MAPS}/q");
    cluster.post(MAPS, json!({"metadata": {"name": "q", "finalizers": ["a/b"]}})).await;
    let marked = cluster.delete(&place).await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    let refused = cluster.refused("PATCH", &place, json!({"metadata": {"finalizers": ["a/b", "c/d"]}})).await;
    assert_eq!(
        refused.1,
        "ConfigMap \"q\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"c/d\"}"
    );
    cluster.merge(&place, json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(cluster.refused("GET", &place, Value::Null).await.0, 404);
}

#[tokio::test]
async fn honours_preconditions() {
    let cluster = start().await;
    let made = cluster.post(MAPS, json!({"metadata": {"name": "q"}})).await;
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let refused = cluster.refused("DELETE", &format!("{MAPS}/q"), json!({"preconditions": {"uid": "abc"}})).await;
    let text = format!(
        "Operation cannot be fulfilled on ConfigMap \"q\": the UID in the precondition (abc) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
    );
    assert_eq!(refused, (409, text));
}

#[tokio::test]
async fn orphans_dependents_by_a_finalizer() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "q"}})).await;
    let body = json!({"propagationPolicy": "Orphan"});
    let marked = call(&cluster.admin, "DELETE", &format!("{MAPS}/q"), "application/json", body).await.unwrap();
    assert_eq!(marked["metadata"]["finalizers"], json!(["orphan"]));
}

#[tokio::test]
async fn gives_scheduled_pods_their_grace() {
    let cluster = start().await;
    let pod = |name: &str, node: Value| {
        let mut spec = json!({"containers": [{"name": "a", "image": "i"}]});
        if !node.is_null() {
            spec["nodeName"] = node;
        }
        json!({"metadata": {"name": name}, "spec": spec})
    };
    cluster.post(PODS, pod("free", Value::Null)).await;
    cluster.delete(&format!("{PODS}/free")).await;
    assert_eq!(cluster.refused("GET", &format!("{PODS}/free"), Value::Null).await.0, 404);
    cluster.post(PODS, pod("held", json!("n"))).await;
    let marked = cluster.delete(&format!("{PODS}/held")).await;
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(cluster.get(&format!("{PODS}/held")).await["metadata"]["deletionTimestamp"].is_string());
    let gone = cluster.delete(&format!("{PODS}/held?gracePeriodSeconds=0")).await;
    assert_eq!(gone["kind"], "Pod");
    assert_eq!(cluster.refused("GET", &format!("{PODS}/held"), Value::Null).await.0, 404);
}

#[tokio::test]
async fn holds_a_namespace_until_it_is_finalized() {
    let cluster = start().await;
    let place = "/api/v1/namespaces/n1";
    cluster.post("/api/v1/namespaces", json!({"metadata": {"name": "n1"}})).await;
    let marked = cluster.delete(place).await;
    assert_eq!(
        (&marked["status"]["phase"], &marked["spec"]["finalizers"]),
        (&json!("Terminating"), &json!(["kubernetes"]))
    );
    let refused = cluster.refused("POST", &format!("{place}/configmaps"), json!({"metadata": {"name": "y"}})).await;
    assert_eq!(refused, (403, "configmaps \"y\" is forbidden: unable to create new content in namespace n1 because it is being terminated".to_owned()));
    cluster.put(&format!("{place}/finalize"), json!({"metadata": {"name": "n1"}, "spec": {"finalizers": []}})).await;
    assert_eq!(cluster.refused("GET", place, Value::Null).await.0, 404);
    let refused = cluster.refused("DELETE", "/api/v1/namespaces/kube-system", Value::Null).await;
    assert_eq!(refused, (403, "namespaces \"kube-system\" is forbidden: this namespace may not be deleted".to_owned()));
}

#[tokio::test]
async fn deletes_a_collection() {
    let cluster = start().await;
    for name in ["a", "b", "c"] {
        cluster.post(MAPS, json!({"metadata": {"name": name, "labels": {"keep": (name == "c").to_string()}}})).await;
    }
    let deleted = cluster.delete(&format!("{MAPS}?labelSelector=keep%3Dfalse")).await;
    assert_eq!(deleted["items"].as_array().unwrap().len(), 2);
    assert_eq!(cluster.get(MAPS).await["items"].as_array().unwrap().len(), 1);
}

//! Servers that begin with what others keep.

use apiserver::Options;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::reading::lines;
use crate::support::{Cluster, call, certificate_user, start, start_with};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS: &str = "/apis/x.io/v1/namespaces/default/things";

async fn restored(from: &Cluster) -> Cluster {
    start_with(Options { restore: Some(from.server.snapshot()), ..Options::default() }).await
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

#[tokio::test]
async fn has_the_same_objects_at_the_same_revisions() {
    let first = start().await;
    first.post(MAPS, named("a")).await;
    let second = restored(&first).await;
    for path in [MAPS, "/api/v1/namespaces", "/apis/rbac.authorization.k8s.io/v1/clusterroles"] {
        assert_eq!(second.get(path).await, first.get(path).await, "{path}");
    }
    assert_ne!(second.server.address(), first.server.address());
}

#[tokio::test]
async fn serves_the_definitions() {
    let first = start().await;
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let spec = json!({"group": "x.io", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
        "versions": [version]});
    first.post(DEFINITIONS, json!({"metadata": {"name": "things.x.io"}, "spec": spec})).await;
    let thing = json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "a"}});
    first.post(THINGS, thing).await;
    let second = restored(&first).await;
    assert_eq!(second.get(THINGS).await["items"][0]["metadata"]["name"], "a");
    assert_eq!(second.get("/apis").await, first.get("/apis").await);
}

#[tokio::test]
async fn takes_the_credentials_of_the_first() {
    let first = start().await;
    let hour = apiserver::Lifetime::for_duration(crate::support::HOUR);
    let user = first.server.issue_client_certificate("u", &["system:masters"], hour).unwrap();
    let account = first.post("/api/v1/namespaces/default/serviceaccounts", named("ks")).await;
    let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    let path =
        format!("/api/v1/namespaces/default/serviceaccounts/{}/token", account["metadata"]["name"].as_str().unwrap());
    let token = first.post(&path, asked).await["status"]["token"].clone();
    let second = restored(&first).await;
    let client = second.client_with(certificate_user(&user)).await;
    call(&client, "GET", MAPS, "", Value::Null).await.unwrap();
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let reviewed = second.post("/apis/authentication.k8s.io/v1/tokenreviews", review).await;
    assert_eq!(reviewed["status"]["user"]["username"], "system:serviceaccount:default:ks");
}

#[tokio::test]
async fn writes_for_itself_alone() {
    let first = start().await;
    first.post(MAPS, named("a")).await;
    let snapshot = first.server.snapshot();
    let begin = || start_with(Options { restore: Some(snapshot.clone()), ..Options::default() });
    let (second, third) = (begin().await, begin().await);
    second.merge(&format!("{MAPS}/a"), json!({"data": {"k": "second"}})).await;
    third.delete(&format!("{MAPS}/a")).await;
    let map = async |cluster: &Cluster| call(&cluster.admin, "GET", &format!("{MAPS}/a"), "", Value::Null).await;
    assert!(map(&first).await.unwrap().get("data").is_none());
    assert_eq!(map(&second).await.unwrap()["data"], json!({"k": "second"}));
    assert!(map(&third).await.is_err());
}

#[tokio::test]
async fn lets_those_go_on_who_have_seen_the_newest_change_of_a_resource() {
    let first = start().await;
    let before = first.post(MAPS, named("a")).await;
    let newest = first.post(MAPS, named("b")).await;
    // What happens to others is nothing that a watch of this resource misses.
    first.post("/api/v1/namespaces/default/secrets", named("other")).await;
    let second = restored(&first).await;
    second.post(MAPS, named("c")).await;
    let next = async |seen: &Value| {
        let revision = seen["metadata"]["resourceVersion"].as_str().unwrap();
        let path = format!("{MAPS}?watch=true&resourceVersion={revision}");
        let event = Box::pin(lines(&second.admin, &path).await).next().await.unwrap();
        (event["type"].clone(), event["object"]["metadata"]["name"].clone(), event["object"]["code"].clone())
    };
    assert_eq!(next(&newest).await, (json!("ADDED"), json!("c"), Value::Null));
    assert_eq!(next(&before).await, (json!("ERROR"), Value::Null, json!(410)));
}

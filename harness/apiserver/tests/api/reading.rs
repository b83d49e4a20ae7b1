//! Discovery, lists, watches, tables.

use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{call, start};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn discovers_groups_and_versions() {
    let cluster = start().await;
    let version = cluster.admin.apiserver_version().await.unwrap();
    assert_eq!(version.git_version, "v1.20.2");
    let discovery = kube::discovery::Discovery::new(cluster.admin.clone()).run().await.unwrap();
    assert!(discovery.groups().any(|group| group.name() == "apps"));
    cluster.server.stop().await;
}

#[tokio::test]
async fn leaves_kinds_out_of_the_items_of_built_in_lists() {
    let cluster = start().await;
    let list = cluster.get("/api/v1/namespaces").await;
    assert_eq!((list["kind"].as_str(), list["apiVersion"].as_str()), (Some("NamespaceList"), Some("v1")));
    assert!(list["items"][0].get("kind").is_none());
    assert_eq!(list["items"][0]["metadata"]["name"], "default");
}

#[tokio::test]
async fn selects_by_label_and_field() {
    let cluster = start().await;
    for name in ["a", "b"] {
        cluster.post(MAPS, json!({"metadata": {"name": name, "labels": {"x": name}}})).await;
    }
    for query in ["labelSelector=x%3Da", "fieldSelector=metadata.name%3Da", "labelSelector=x+notin+(b)"] {
        let list = cluster.get(&format!("{MAPS}?{query}")).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{query}");
    }
    let refused = cluster.refused("GET", &format!("{MAPS}?fieldSelector=data.x%3Db"), Value::Null).await;
    assert_eq!(
        refused,
        (400, "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"".into())
    );
}

#[tokio::test]
async fn pages_a_list() {
    let cluster = start().await;
    let first = cluster.get("/api/v1/namespaces?limit=3").await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = cluster.get(&format!("/api/v1/namespaces?limit=3&continue={token}")).await;
    assert_eq!(first["items"].as_array().unwrap().len() + second["items"].as_array().unwrap().len(), 4);
    assert!(second["metadata"].get("continue").is_none());
}

pub async fn lines(client: &Client, path: &str) -> impl futures::Stream<Item = Value> + use<> {
    let request = Request::get(path).body(Vec::new()).unwrap();
    let stream = client.request_stream(request).await.unwrap();
    stream.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
}

fn told(event: &Value) -> (String, String) {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/type"), text("/object/metadata/name"))
}

#[tokio::test]
async fn watches_what_enters_and_leaves_a_selection() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    let revision = cluster.get(MAPS).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{MAPS}?watch=true&labelSelector=x%3Dy&resourceVersion={revision}");
    let mut events = Box::pin(lines(&cluster.admin, &path).await);
    let place = format!("{MAPS}/a");
    for labels in [json!({"x": "y"}), json!({"x": "y", "z": "1"}), json!({"x": null})] {
        cluster.merge(&place, json!({"metadata": {"labels": labels}})).await;
    }
    for expected in ["ADDED", "MODIFIED", "DELETED"] {
        assert_eq!(told(&events.next().await.unwrap()), (expected.to_owned(), "a".to_owned()));
    }
}

/// The original sends the last bookmark two seconds before the end, and none to those who stay for less.
#[tokio::test]
async fn ends_a_watch_in_time_and_with_a_bookmark() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    for (seconds, expected) in [(1, vec!["ADDED"]), (3, vec!["ADDED", "BOOKMARK"])] {
        let path = format!("{MAPS}?watch=true&timeoutSeconds={seconds}&allowWatchBookmarks=true");
        let events: Vec<Value> = lines(&cluster.admin, &path).await.collect().await;
        assert_eq!(events.iter().map(|event| event["type"].clone()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn tells_a_reader_that_its_page_is_forgotten() {
    let cluster = start().await;
    for name in ["a", "b"] {
        cluster.post(MAPS, json!({"metadata": {"name": name}})).await;
    }
    let first = cluster.get(&format!("{MAPS}?limit=1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    for round in 0..1100 {
        cluster.merge(&format!("{MAPS}/a"), json!({"data": {"round": round.to_string()}})).await;
    }
    let refused = cluster.refused("GET", &format!("{MAPS}?limit=1&continue={token}"), Value::Null).await;
    assert_eq!(refused.0, 410);
    assert!(refused.1.starts_with("The provided continue parameter is too old"), "{}", refused.1);
    let revision = first["metadata"]["resourceVersion"].as_str().unwrap();
    let exact = format!("{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact");
    let refused = cluster.refused("GET", &exact, Value::Null).await;
    assert_eq!(refused, (410, "The resourceVersion for the provided list is too old.".to_owned()));
}

#[tokio::test]
async fn tells_a_watcher_that_its_revision_is_forgotten() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    for round in 0..1100 {
        cluster.merge(&format!("{MAPS}/a"), json!({"data": {"round": round.to_string()}})).await;
    }
    let mut events = Box::pin(lines(&cluster.admin, &format!("{MAPS}?watch=true&resourceVersion=2")).await);
    let event = events.next().await.unwrap();
    assert_eq!((event["type"].as_str(), event["object"]["code"].as_i64()), (Some("ERROR"), Some(410)));
    assert!(event["object"]["message"].as_str().unwrap().starts_with("too old resource version: 2 ("));
}

#[tokio::test]
async fn feeds_a_watcher_of_kube_rs() {
    let cluster = start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.admin.clone());
    cluster.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    let mut objects = Box::pin(watcher(maps, watcher::Config::default()).applied_objects());
    assert_eq!(objects.try_next().await.unwrap().unwrap().metadata.name.unwrap(), "a");
    cluster.post(MAPS, json!({"metadata": {"name": "b"}})).await;
    assert_eq!(objects.try_next().await.unwrap().unwrap().metadata.name.unwrap(), "b");
}

#[tokio::test]
async fn shows_tables() {
    let cluster = start().await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let request =
        Request::get("/api/v1/namespaces/default/services").header("accept", accept).body(Vec::new()).unwrap();
    let table: Value = cluster.admin.request(request).await.unwrap();
    assert_eq!(table["kind"], "Table");
    let names: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"]);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(
        cells[..5],
        [json!("kubernetes"), json!("ClusterIP"), json!("10.96.0.1"), json!("<none>"), json!("443/TCP")]
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn shows_metadata_in_events_as_in_lists() {
    let cluster = start().await;
    let labels = json!({"z": "1", "a": "2"});
    for (path, api_version, kind) in
        [("/api/v1/namespaces", "v1", "Namespace"), ("/api/v1/namespaces/default/configmaps", "v1", "ConfigMap")]
    {
        let metadata = json!({"annotations": labels, "labels": labels, "name": "m", "finalizers": ["b/f", "a/f"]});
        cluster.post(path, json!({"metadata": metadata, "kind": kind, "apiVersion": api_version})).await;
    }
    for path in [
        "/api/v1/namespaces",
        "/api/v1/configmaps",
        "/api/v1/services",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/flowcontrol.apiserver.k8s.io/v1beta1/flowschemas",
    ] {
        let accept = |kind: &str| format!("application/json;as={kind};v=v1;g=meta.k8s.io");
        let list = Request::get(path).header("accept", accept("PartialObjectMetadataList")).body(Vec::new()).unwrap();
        let list: Value = cluster.admin.request(list).await.unwrap();
        let watch = Request::get(format!("{path}?watch=true")).header("accept", accept("PartialObjectMetadata"));
        let mut events = cluster.admin.request_stream(watch.body(Vec::new()).unwrap()).await.unwrap().lines();
        for item in list["items"].as_array().unwrap() {
            let event: Value = serde_json::from_str(&events.next().await.unwrap().unwrap()).unwrap();
            assert_eq!(event["object"].to_string(), item.to_string(), "{path}");
        }
    }
}

#[tokio::test]
async fn watches_as_rows_of_a_table() {
    let cluster = start().await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let request = Request::get("/api/v1/namespaces?watch=true").header("accept", accept).body(Vec::new()).unwrap();
    let mut stream = cluster.admin.request_stream(request).await.unwrap().lines();
    let first: Value = serde_json::from_str(&stream.next().await.unwrap().unwrap()).unwrap();
    let second: Value = serde_json::from_str(&stream.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(first["object"]["rows"][0]["cells"][1], "Active");
    assert!(first["object"]["columnDefinitions"].is_array() && second["object"]["columnDefinitions"].is_null());
}

#[tokio::test]
async fn answers_unknown_paths_and_resources_as_the_original() {
    let cluster = start().await;
    let unknown = "the server could not find the requested resource";
    for path in ["/api/v1/foos", "/apis/apps/v9/deployments", "/api/v2", "/api/v1/namespaces/default/configmaps/a/log"]
    {
        assert_eq!(cluster.refused("GET", path, Value::Null).await, (404, unknown.to_owned()), "{path}");
    }
    let request = Request::get("/apis/nope/v1/foos").body(Vec::new()).unwrap();
    let Err(kube::Error::Api(status)) = cluster.admin.request_text(request).await else { panic!("must fail") };
    assert!(status.message.contains("404 page not found"), "{status:?}");
    // What the original does not know either is no miss.
    assert_eq!(cluster.server.surface_misses(), Vec::<String>::new());
    let refused = cluster.refused("DELETE", "/api/v1/namespaces", Value::Null).await;
    assert_eq!(refused, (405, "the server does not allow this method on the requested resource".to_owned()));
}

#[tokio::test]
async fn reads_dry_runs_without_storing() {
    let cluster = start().await;
    let path = format!("{MAPS}?dryRun=All");
    let made = call(&cluster.admin, "POST", &path, "application/json", json!({"metadata": {"name": "a"}})).await;
    assert_eq!(made.unwrap()["metadata"]["name"], "a");
    assert_eq!(cluster.refused("GET", &format!("{MAPS}/a"), Value::Null).await.0, 404);
}

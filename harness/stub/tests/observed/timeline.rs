//! The states that Clusters go through, one after the other, as the records tell them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::Request;
use kube::Client;
use kube::core::WatchEvent;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::fixture::{BUDGET, Cluster, World};
use crate::imports::CLUSTERS;
use crate::records::placeholders;

/// A watch of all Clusters, from now on.
pub struct Timeline {
    events: Arc<Mutex<Vec<(&'static str, Value)>>>,
    watch: JoinHandle<()>,
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn watched(client: Client, since: &str) -> BoxStream<'static, kube::Result<WatchEvent<Value>>> {
    let request = Request::get(format!("{CLUSTERS}?watch=1{since}")).body(Vec::new()).unwrap();
    client.request_events::<Value>(request).await.unwrap().boxed()
}

impl Timeline {
    /// A watch from now on; what is there counts as added.
    pub async fn start(host: &Cluster) -> Self {
        Self::follow(host, "").await
    }

    /// A watch of everything since there have been Clusters.
    pub async fn from_the_beginning(host: &Cluster) -> Self {
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let definition = host.get(&format!("{definitions}/clusters.cluster.kubesphere.io")).await;
        Self::follow(host, &format!("&resourceVersion={}", definition["metadata"]["resourceVersion"].as_str().unwrap()))
            .await
    }

    async fn follow(host: &Cluster, since: &str) -> Self {
        let mut stream = watched(host.client.clone(), since).await;
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let client = host.client.clone();
        let watch = tokio::spawn(async move {
            while let Some(Ok(event)) = stream.next().await {
                let event = match event {
                    WatchEvent::Added(object) => ("ADDED", object),
                    WatchEvent::Modified(object) => ("MODIFIED", object),
                    WatchEvent::Deleted(object) => ("DELETED", object),
                    WatchEvent::Error(error) if error.code == 410 => {
                        // Clusters could not be followed yet when their definition was written: something else was
                        // written in between. What comes after the parenthesis is from where they can.
                        let oldest = error.message.split(['(', ')']).nth(1).unwrap();
                        stream = watched(client.clone(), &format!("&resourceVersion={oldest}")).await;
                        continue;
                    }
                    WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
                };
                seen.lock().unwrap().push(event);
            }
        });
        Self { events, watch }
    }

    /// What happened to the Cluster `name` so far, as the records tell it.
    pub async fn of(&self, world: &World, name: &str) -> Vec<Value> {
        let waited = tokio::time::timeout(BUDGET, async {
            while !self.is_up_to_date(world, name).await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(
            waited.await.is_ok(),
            "the watch never saw {name} as it is; its events: {:?}",
            self.events.lock().unwrap()
        );
        let events = self.events.lock().unwrap().clone();
        let mut before: Option<Map<String, Value>> = None;
        let mut told = Vec::new();
        for (event, object) in events.iter().filter(|(_, object)| object["metadata"]["name"] == name) {
            let now = state(world, object);
            let changes: Map<String, Value> = match (&before, *event) {
                (_, "DELETED") => Map::new(),
                (Some(before), "MODIFIED") => now
                    .iter()
                    .filter(|(key, value)| before[*key] != **value)
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
                _ => now.clone(),
            };
            if *event != "MODIFIED" || !changes.is_empty() {
                let mut entry = changes;
                entry.insert("event".to_owned(), json!(event));
                told.push(Value::Object(entry));
            }
            before = (*event != "DELETED").then_some(now);
        }
        told
    }

    /// Whether the watch has seen the Cluster `name` as it is now.
    async fn is_up_to_date(&self, world: &World, name: &str) -> bool {
        let now = world.host.get(&format!("{CLUSTERS}/{name}")).await;
        let events = self.events.lock().unwrap();
        match events.iter().rev().find(|(_, object)| object["metadata"]["name"] == name) {
            None | Some(("DELETED", _)) => now["code"] == 404,
            Some((_, seen)) => seen["metadata"]["resourceVersion"] == now["metadata"]["resourceVersion"],
        }
    }

    /// Whether the Cluster `name` is gone.
    pub fn is_gone(&self, name: &str) -> bool {
        let events = self.events.lock().unwrap();
        events.iter().rev().find(|(_, object)| object["metadata"]["name"] == name).is_some_and(|(e, _)| *e == "DELETED")
    }
}

fn or_empty(value: &Value, empty: Value) -> Value {
    if value.is_null() { empty } else { value.clone() }
}

fn state(world: &World, object: &Value) -> Map<String, Value> {
    let metadata = &object["metadata"];
    let mut status = Map::new();
    for key in ["kubeSphereVersion", "kubernetesVersion", "nodeCount", "uid"] {
        if let Some(value) = object["status"].get(key) {
            status.insert(key.to_owned(), if key == "uid" { json!("<uid>") } else { value.clone() });
        }
    }
    let endpoint = &object["spec"]["connection"]["kubernetesAPIEndpoint"];
    let state = json!({
        "finalizers": or_empty(&metadata["finalizers"], json!([])),
        "labels": or_empty(&metadata["labels"], json!({})),
        "annotations": or_empty(&metadata["annotations"], json!({})),
        "deleting": !metadata["deletionTimestamp"].is_null(),
        "conditions": conditions(world, &object["status"]["conditions"]),
        "status": status,
        "kubernetesAPIEndpoint": endpoint.as_str().map(|endpoint| placeholders(world, endpoint)),
    });
    state.as_object().unwrap().clone()
}

/// Conditions as (type, status, reason, message), without what differs from run to run.
pub fn conditions(world: &World, conditions: &Value) -> Value {
    let conditions: Vec<_> = conditions
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| {
            let reason = placeholders(world, condition["reason"].as_str().unwrap_or_default());
            let message = condition["message"].as_str().unwrap_or_default();
            let is_time = condition["type"] == "KubeConfigCertExpiresInSevenDays" && !message.is_empty();
            json!([condition["type"], condition["status"], reason, if is_time { "<time>" } else { message }])
        })
        .collect();
    conditions.into()
}

/// A record's timeline without times, and without updates that changed nothing but times.
pub fn recorded(world: &World, timeline: &Value) -> Vec<Value> {
    let mut told = Vec::new();
    for entry in timeline.as_array().into_iter().flatten() {
        let unchanged = entry.get("unchanged").is_some();
        if unchanged && entry["event"] == "MODIFIED" {
            continue;
        }
        let mut kept = Map::new();
        for (key, value) in entry.as_object().unwrap() {
            let value = match key.as_str() {
                "t_s" | "unchanged" | "repeats" | "last_t_s" => continue,
                "finalizers" => or_empty(value, json!([])),
                "labels" | "annotations" => or_empty(value, json!({})),
                "conditions" => conditions(world, value),
                "status" => {
                    let mut status = value.clone();
                    if status.get("uid").is_some() {
                        status["uid"] = json!("<uid>");
                    }
                    status
                }
                _ => value.clone(),
            };
            kept.insert(key.clone(), value);
        }
        told.push(Value::Object(kept));
    }
    told
}

/// What differs between two timelines.
pub fn difference(case: &str, wanted: &[Value], got: &[Value]) -> Option<String> {
    // The records' objects have no order of fields.
    let plain = |entries: &[Value]| entries.iter().map(sorted).collect::<Vec<_>>();
    let (wanted, got) = (plain(wanted), plain(got));
    let lines = |entries: &[String]| entries.join("\n    ");
    (wanted != got).then(|| format!("{case}: timeline\n  wanted\n    {}\n  got\n    {}", lines(&wanted), lines(&got)))
}

fn sorted(entry: &Value) -> String {
    let mut entry = entry.clone();
    entry.sort_all_objects();
    entry.to_string()
}

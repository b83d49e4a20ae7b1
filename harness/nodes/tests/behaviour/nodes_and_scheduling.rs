//! Nodes, their leases and taints, and which pods go to them.

use nodes::program::Programs;
use serde_json::{Value, json};

use super::{is, runs, web};
use crate::support::{Kind, TestCluster};

fn pod(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["containers"] = json!([{"name": "main", "image": "test/web"}]);
    json!({"metadata": {"name": name}, "spec": spec})
}

fn refused<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|one| one["type"] == "PodScheduled" && one["reason"] == "Unschedulable")?;
    condition["message"].as_str().filter(|_| pod["metadata"]["name"] == name)
}

pub async fn renews_the_leases_of_nodes(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    let leases = cluster.in_namespace("kube-node-lease", "coordination.k8s.io/v1", "Lease");
    let nodes = cluster.until("v1", "Node", |nodes| nodes.len() == 2).await;
    for node in &nodes {
        let name = node["metadata"]["name"].as_str().unwrap();
        let lease = cluster.until_there(&leases, name).await;
        assert_eq!(lease["spec"]["holderIdentity"], name);
        assert_eq!(lease["spec"]["leaseDurationSeconds"], 40);
        assert!(lease["spec"]["renewTime"].is_string());
    }
    cluster.end().await;
}

pub async fn says_why_no_node_is_fit(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    cluster.create("v1", "Pod", pod("picky", &json!({"nodeSelector": {"disk": "fast"}}))).await;
    let picky = cluster.until_one("v1", "Pod", |pod| refused(pod, "picky").is_some()).await;
    assert_eq!(refused(&picky, "picky"), Some("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity."));
    let event = cluster.until_one("v1", "Event", |event| is(event, "/reason", "FailedScheduling")).await;
    assert_eq!(event["message"].as_str(), refused(&picky, "picky"));
    assert_eq!(event["type"], "Warning");
    // It is looked at again when a node changes.
    cluster.patch("v1", "Node", "node2", json!({"metadata": {"labels": {"disk": "fast"}}})).await;
    let placed = cluster.until_one("v1", "Pod", runs).await;
    assert_eq!(placed["spec"]["nodeName"], "node2");
    cluster.patch("v1", "Node", "node2", json!({"metadata": {"labels": {"disk": null}}})).await;
    cluster.end().await;
}

pub async fn keeps_pods_from_cordoned_and_tainted_nodes(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    let taint = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
    cluster.patch("v1", "Node", "node2", json!({"spec": {"taints": taint}})).await;
    cluster.patch("v1", "Node", "node1", json!({"spec": {"unschedulable": true}})).await;
    // Who answers to the second change knows of the first.
    cluster.until_one("v1", "Node", |node| is(node, "/spec/taints/0/key", "node.kubernetes.io/unschedulable")).await;
    cluster.create("v1", "Pod", pod("shy", &json!({}))).await;
    let shy = cluster.until_one("v1", "Pod", |pod| refused(pod, "shy").is_some()).await;
    assert_eq!(
        refused(&shy, "shy"),
        Some(
            "0/2 nodes are available: 1 node(s) had taint {dedicated: db}, that the pod didn't tolerate, \
             1 node(s) were unschedulable."
        )
    );
    let tolerations = json!([{"key": "dedicated", "operator": "Exists"}]);
    cluster.create("v1", "Pod", pod("bold", &json!({"tolerations": tolerations}))).await;
    let bold = cluster.until_one("v1", "Pod", runs).await;
    assert_eq!((&bold["metadata"]["name"], &bold["spec"]["nodeName"]), (&json!("bold"), &json!("node2")));
    cluster.patch("v1", "Node", "node1", json!({"spec": {"unschedulable": null}})).await;
    let shy = cluster.until_one("v1", "Pod", |pod| is(pod, "/metadata/name", "shy") && runs(pod)).await;
    assert_eq!(shy["spec"]["nodeName"], "node1");
    cluster
        .until("v1", "Node", |nodes| {
            nodes.iter().all(|node| node["metadata"]["name"] != "node1" || node["spec"].get("taints").is_none())
        })
        .await;
    cluster.patch("v1", "Node", "node2", json!({"spec": {"taints": null}})).await;
    cluster.end().await;
}

pub async fn drives_pods_from_nodes_that_they_do_not_tolerate(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    let name = json!({"kubernetes.io/hostname": "node2"});
    let tolerations = json!([{"key": "broken", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]);
    cluster.create("v1", "Pod", pod("goes", &json!({"nodeSelector": name}))).await;
    cluster.create("v1", "Pod", pod("stays", &json!({"nodeSelector": name, "tolerations": tolerations}))).await;
    cluster.until("v1", "Pod", |pods| pods.iter().filter(|pod| runs(pod)).count() == 2).await;
    let taint = json!([{"key": "broken", "effect": "NoExecute"}]);
    cluster.patch("v1", "Node", "node2", json!({"spec": {"taints": taint}})).await;
    let left = cluster.until("v1", "Pod", |pods| pods.len() == 1).await;
    assert_eq!(left[0]["metadata"]["name"], "stays");
    let before = cluster.clock.now();
    let progress = cluster.clock.wants_progress();
    cluster.until("v1", "Pod", <[Value]>::is_empty).await;
    drop(progress);
    assert!(cluster.clock.now().saturating_sub(before) >= std::time::Duration::from_secs(290));
    cluster.patch("v1", "Node", "node2", json!({"spec": {"taints": null}})).await;
    cluster.end().await;
}

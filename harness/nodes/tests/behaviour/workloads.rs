//! Deployments, `StatefulSets` and `DaemonSets`.

use std::sync::atomic::{AtomicBool, Ordering};

use kube::api::DeleteParams;
use nodes::program::Programs;
use serde_json::{Value, json};

use super::{is, runs, web};
use crate::support::{Kind, TestCluster};

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn has_reason(object: &Value, kind: &str, reason: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["reason"] == reason)
}

fn is_complete(deployment: &Value, replicas: i64) -> bool {
    ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|name| deployment["status"][*name] == replicas)
        && deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
}

fn revision(object: &Value) -> &str {
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap_or_default()
}

fn image(container: &str) -> Value {
    let ports = json!([{"name": "http", "containerPort": 8080}]);
    json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": container, "ports": ports}]}}}})
}

fn programs() -> Programs {
    Programs::new().with("test/web", web)
}

pub async fn rolls_back_to_a_former_revision(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.deploy("web", "test/web:v1", json!({})).await;
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1)).await;
    cluster.patch("apps/v1", "Deployment", "web", image("test/web:v2")).await;
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1) && revision(one) == "2").await;
    cluster.patch("apps/v1", "Deployment", "web", image("test/web:v1")).await;
    let back = cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1) && revision(one) == "3").await;
    assert!(has_reason(&back, "Progressing", "NewReplicaSetAvailable"), "{back:#}");
    assert!(has_reason(&back, "Available", "MinimumReplicasAvailable"));
    let sets = cluster.until("apps/v1", "ReplicaSet", |sets| sets.len() == 2).await;
    let first = sets.iter().find(|set| revision(set) == "3").unwrap();
    assert_eq!(first["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
    cluster.end().await;
}

pub async fn holds_a_rollout_while_it_is_paused(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.deploy("web", "test/web:v1", json!({})).await;
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1)).await;
    let mut paused = image("test/web:v2");
    paused["spec"]["paused"] = json!(true);
    cluster.patch("apps/v1", "Deployment", "web", paused).await;
    let held =
        cluster.until_one("apps/v1", "Deployment", |one| has_reason(one, "Progressing", "DeploymentPaused")).await;
    assert_eq!(condition(&held, "Progressing").unwrap()["status"], "Unknown");
    // Scaling goes on meanwhile.
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 2}})).await;
    cluster.until_one("apps/v1", "Deployment", |one| is(one, "/status/availableReplicas", 2)).await;
    cluster.until("apps/v1", "ReplicaSet", |sets| sets.len() == 1).await;
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"paused": false}})).await;
    let done = cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 2) && revision(one) == "2").await;
    assert!(has_reason(&done, "Progressing", "NewReplicaSetAvailable"), "{done:#}");
    cluster.end().await;
}

pub async fn calls_a_rollout_late_after_its_deadline(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    cluster.deploy("none", "test/none", json!({})).await;
    cluster.until_one("apps/v1", "Deployment", |one| has_reason(one, "Progressing", "ReplicaSetUpdated")).await;
    let _progress = cluster.clock.wants_progress();
    let before = cluster.clock.now();
    let late = cluster
        .until_one("apps/v1", "Deployment", |one| has_reason(one, "Progressing", "ProgressDeadlineExceeded"))
        .await;
    let condition = condition(&late, "Progressing").unwrap();
    assert_eq!(condition["status"], "False");
    assert!(condition["message"].as_str().unwrap().ends_with(" has timed out progressing."), "{condition}");
    assert!(cluster.clock.now().saturating_sub(before) >= std::time::Duration::from_secs(590));
    cluster.end().await;
}

pub async fn recreates_after_the_old_pods_are_gone(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.deploy("web", "test/web:v1", json!({})).await;
    cluster
        .patch(
            "apps/v1",
            "Deployment",
            "web",
            json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}),
        )
        .await;
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1)).await;
    let old = cluster.until_one("v1", "Pod", runs).await;
    cluster.patch("apps/v1", "Deployment", "web", image("test/web:v2")).await;
    let together = AtomicBool::new(false);
    cluster
        .until("v1", "Pod", |pods| {
            let is_old = |pod: &&Value| pod["metadata"]["uid"] == old["metadata"]["uid"];
            together.fetch_or(pods.len() > 1 && pods.iter().any(|pod| is_old(&pod)), Ordering::SeqCst);
            pods.len() == 1 && pods.iter().all(|pod| !is_old(&pod) && runs(pod))
        })
        .await;
    assert!(!together.load(Ordering::SeqCst));
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1) && revision(one) == "2").await;
    cluster.end().await;
}

pub async fn keeps_pods_that_are_going_with_their_owner(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.deploy("web", "test/web:v1", json!({})).await;
    let pod = cluster.until_one("v1", "Pod", runs).await;
    let name = pod["metadata"]["name"].as_str().unwrap();
    cluster.patch("v1", "Pod", name, json!({"metadata": {"finalizers": ["example.com/stay"]}})).await;
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 0}})).await;
    cluster.until_one("v1", "Pod", |pod| pod["metadata"].get("deletionTimestamp").is_some()).await;
    // The set is looked at again, now that the pod is going.
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"minReadySeconds": 1}})).await;
    let is_seen = |set: &Value| set["status"]["observedGeneration"] == set["metadata"]["generation"];
    cluster
        .until_one("apps/v1", "ReplicaSet", |set| {
            set["spec"]["minReadySeconds"] == 1 && set["status"]["replicas"] == 0 && is_seen(set)
        })
        .await;
    let going = cluster.until_one("v1", "Pod", |_| true).await;
    assert_eq!(going["metadata"]["ownerReferences"], pod["metadata"]["ownerReferences"]);
    cluster.patch("v1", "Pod", name, json!({"metadata": {"finalizers": null}})).await;
    cluster.until("v1", "Pod", <[Value]>::is_empty).await;
    cluster.end().await;
}

pub async fn adopts_what_an_orphaning_deletion_left(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.deploy("web", "test/web:v1", json!({})).await;
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1)).await;
    let pod = cluster.until_one("v1", "Pod", runs).await;
    cluster.api("apps/v1", "Deployment").delete("web", &DeleteParams::orphan()).await.unwrap();
    cluster
        .until("apps/v1", "ReplicaSet", |sets| sets.len() == 1 && sets[0]["metadata"].get("ownerReferences").is_none())
        .await;
    cluster.until("apps/v1", "Deployment", <[Value]>::is_empty).await;
    cluster.deploy("web", "test/web:v1", json!({})).await;
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1)).await;
    let sets = cluster
        .until("apps/v1", "ReplicaSet", |sets| sets.iter().all(|set| set["metadata"]["ownerReferences"].is_array()))
        .await;
    assert_eq!(sets.len(), 1);
    let pods = cluster.until("v1", "Pod", |pods| pods.iter().all(runs)).await;
    assert_eq!(pods[0]["metadata"]["uid"], pod["metadata"]["uid"]);
    cluster.end().await;
}

pub async fn counts_pods_as_available_after_a_while(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "test/web"}]}});
    let spec = json!({
        "replicas": 1, "minReadySeconds": 300, "selector": {"matchLabels": {"app": "web"}}, "template": template,
    });
    cluster.create("apps/v1", "Deployment", json!({"metadata": {"name": "web"}, "spec": spec})).await;
    let ready = cluster.until_one("apps/v1", "Deployment", |one| is(one, "/status/readyReplicas", 1)).await;
    assert_eq!(ready["status"].get("availableReplicas"), None);
    let before = cluster.clock.now();
    let _progress = cluster.clock.wants_progress();
    cluster.until_one("apps/v1", "Deployment", |one| is_complete(one, 1)).await;
    assert!(cluster.clock.now().saturating_sub(before) >= std::time::Duration::from_secs(290));
    cluster.end().await;
}

fn stateful_set(replicas: i64, more: &Value) -> Value {
    let template = json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "main", "image": "test/web:v1"}]}});
    let mut spec = json!({
        "serviceName": "db", "replicas": replicas, "selector": {"matchLabels": {"app": "db"}}, "template": template,
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"metadata": {"name": "db"}, "spec": spec})
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect()
}

pub async fn makes_pods_of_a_stateful_set_in_order(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.create("apps/v1", "StatefulSet", stateful_set(3, &json!({}))).await;
    let out_of_order = AtomicBool::new(false);
    let pods = cluster
        .until("v1", "Pod", |pods| {
            let ready = pods.iter().filter(|pod| runs(pod)).count();
            out_of_order.fetch_or(pods.len() > ready + 1, Ordering::SeqCst);
            ready == 3
        })
        .await;
    assert!(!out_of_order.load(Ordering::SeqCst));
    assert_eq!(names(&pods), ["db-0", "db-1", "db-2"]);
    assert_eq!(pods[1]["spec"]["hostname"], "db-1");
    assert_eq!(pods[1]["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"], "db-1");
    let set = cluster.until_one("apps/v1", "StatefulSet", |one| is(one, "/status/readyReplicas", 3)).await;
    assert_eq!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    cluster.patch("apps/v1", "StatefulSet", "db", json!({"spec": {"replicas": 1}})).await;
    let pods = cluster.until("v1", "Pod", |pods| pods.len() == 1).await;
    assert_eq!(names(&pods), ["db-0"]);
    cluster.end().await;
}

pub async fn rolls_a_stateful_set_down_to_its_partition(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let more = json!({"podManagementPolicy": "Parallel", "updateStrategy": strategy});
    cluster.create("apps/v1", "StatefulSet", stateful_set(2, &more)).await;
    cluster.until_one("apps/v1", "StatefulSet", |one| is(one, "/status/readyReplicas", 2)).await;
    cluster.patch("apps/v1", "StatefulSet", "db", image("test/web:v2")).await;
    let of = |pods: &[Value], name: &str| {
        pods.iter().find(|pod| pod["metadata"]["name"] == name).map(|pod| pod["spec"]["containers"][0]["image"].clone())
    };
    let is_new = |pods: &[Value], name: &str| of(pods, name) == Some(json!("test/web:v2"));
    let pods = cluster
        .until("v1", "Pod", |pods| is_new(pods, "db-1") && pods.iter().filter(|pod| runs(pod)).count() == 2)
        .await;
    assert_eq!(of(&pods, "db-0"), Some(json!("test/web:v1")));
    let set = cluster.until_one("apps/v1", "StatefulSet", |one| is(one, "/status/updatedReplicas", 1)).await;
    assert_ne!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    let strategy = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}});
    cluster.patch("apps/v1", "StatefulSet", "db", strategy).await;
    cluster.until("v1", "Pod", |pods| is_new(pods, "db-0") && pods.iter().filter(|pod| runs(pod)).count() == 2).await;
    cluster
        .until_one("apps/v1", "StatefulSet", |one| one["status"]["currentRevision"] == one["status"]["updateRevision"])
        .await;
    let revisions = cluster.until("apps/v1", "ControllerRevision", |all| all.len() == 2).await;
    let mut numbers: Vec<_> = revisions.iter().map(|revision| revision["revision"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    cluster.end().await;
}

pub async fn puts_a_daemon_on_every_node(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    let template = json!({"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "main", "image": "test/web:v1"}]}});
    let spec = json!({"selector": {"matchLabels": {"app": "agent"}}, "template": template});
    cluster.create("apps/v1", "DaemonSet", json!({"metadata": {"name": "agent"}, "spec": spec})).await;
    let pods = cluster.until("v1", "Pod", |pods| pods.len() == 2 && pods.iter().all(runs)).await;
    assert_ne!(pods[0]["spec"]["nodeName"], pods[1]["spec"]["nodeName"]);
    let all = |one: &Value, number: i64| {
        ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable"]
            .iter()
            .all(|name| one["status"][*name] == number)
            && one["status"]["observedGeneration"] == one["metadata"]["generation"]
    };
    cluster.until_one("apps/v1", "DaemonSet", |one| all(one, 2)).await;
    cluster.patch("apps/v1", "DaemonSet", "agent", image("test/web:v2")).await;
    cluster
        .until("v1", "Pod", |pods| {
            pods.len() == 2 && pods.iter().all(|pod| runs(pod) && is(pod, "/spec/containers/0/image", "test/web:v2"))
        })
        .await;
    cluster.until_one("apps/v1", "DaemonSet", |one| all(one, 2)).await;
    let selector = json!({"spec": {"template": {"spec": {"nodeSelector": {"node-role.kubernetes.io/worker": ""}}}}});
    cluster.patch("apps/v1", "DaemonSet", "agent", selector).await;
    cluster.until_one("apps/v1", "DaemonSet", |one| all(one, 1)).await;
    let pods = cluster.until("v1", "Pod", |pods| pods.len() == 1).await;
    assert_eq!(pods[0]["spec"]["nodeName"], "node2");
    cluster.end().await;
}

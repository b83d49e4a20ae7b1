//! Claims and volumes.

use kube::api::DeleteParams;
use nodes::program::Programs;
use serde_json::{Value, json};

use super::{is, runs, web};
use crate::support::{Kind, TestCluster};

fn claim(name: &str, class: &str) -> Value {
    let resources = json!({"requests": {"storage": "1Gi"}});
    let spec = json!({"storageClassName": class, "accessModes": ["ReadWriteOnce"], "resources": resources});
    json!({"metadata": {"name": name}, "spec": spec})
}

pub async fn makes_a_volume_for_the_first_pod_of_a_claim(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    cluster.create("v1", "PersistentVolumeClaim", claim("data", "local")).await;
    let waits = |event: &Value| is(event, "/reason", "WaitForFirstConsumer");
    let event = cluster.until_one("v1", "Event", waits).await;
    assert_eq!(event["message"], "waiting for first consumer to be created before binding");
    let spec = json!({
        "containers": [{"name": "main", "image": "test/web"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    });
    cluster.create("v1", "Pod", json!({"metadata": {"name": "user"}, "spec": spec})).await;
    let pod = cluster.until_one("v1", "Pod", runs).await;
    let claim = cluster.until_one("v1", "PersistentVolumeClaim", |one| is(one, "/status/phase", "Bound")).await;
    assert_eq!(claim["status"]["capacity"]["storage"], "1Gi");
    assert_eq!(claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"], pod["spec"]["nodeName"]);
    let name = claim["spec"]["volumeName"].as_str().unwrap().to_owned();
    let is_ours = |volume: &Value| is(volume, "/metadata/name", name.as_str());
    let volume =
        cluster.until_one("v1", "PersistentVolume", |one| is_ours(one) && is(one, "/status/phase", "Bound")).await;
    assert_eq!(volume["spec"]["claimRef"]["name"], "data");
    // Deleted while in use, it stays until its pod is gone, and takes its volume with it.
    cluster.api("v1", "PersistentVolumeClaim").delete("data", &DeleteParams::default()).await.unwrap();
    cluster.api("v1", "Pod").delete("user", &DeleteParams::default()).await.unwrap();
    cluster.until("v1", "PersistentVolumeClaim", <[Value]>::is_empty).await;
    cluster.until("v1", "PersistentVolume", |all| !all.iter().any(is_ours)).await;
    cluster.end().await;
}

pub async fn binds_a_claim_to_a_volume_that_fits(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    let class = format!("manual-{}", cluster.namespace);
    for (name, size) in [("small", "100Mi"), ("fits", "2Gi"), ("large", "5Gi")] {
        let spec = json!({
            "storageClassName": class, "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"},
        });
        let name = format!("{name}-{}", cluster.namespace);
        cluster.create("v1", "PersistentVolume", json!({"metadata": {"name": name}, "spec": spec})).await;
    }
    cluster.create("v1", "PersistentVolumeClaim", claim("data", &class)).await;
    let claim = cluster.until_one("v1", "PersistentVolumeClaim", |one| is(one, "/status/phase", "Bound")).await;
    let fits = format!("fits-{}", cluster.namespace);
    assert_eq!(claim["spec"]["volumeName"], fits.as_str());
    cluster.api("v1", "PersistentVolumeClaim").delete("data", &DeleteParams::default()).await.unwrap();
    // Nobody provisioned it: it is kept as it was left.
    let is_left = |one: &Value| is(one, "/metadata/name", fits.as_str()) && is(one, "/status/phase", "Released");
    cluster.until_one("v1", "PersistentVolume", is_left).await;
    for name in ["small", "fits", "large"] {
        let name = format!("{name}-{}", cluster.namespace);
        cluster.api("v1", "PersistentVolume").delete(&name, &DeleteParams::default()).await.unwrap();
    }
    cluster.end().await;
}

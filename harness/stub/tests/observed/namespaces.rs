//! What ks-controller-manager makes of namespaces, on a cluster that is no host as well.

use http::Method;
use serde_json::json;

use crate::fixture::{CONTROLLERS, Cluster, World};

const PROJECT: &str = "/api/v1/namespaces/project";

async fn create_project(cluster: &Cluster) {
    let labels = json!({"kubesphere.io/workspace": "system-workspace"});
    let metadata = json!({"name": "project", "labels": labels});
    cluster.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await;
    cluster
        .until("the namespace belongs to its workspace", async || {
            cluster.get(PROJECT).await["metadata"]["ownerReferences"][0]["name"] == "system-workspace"
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_a_namespace_and_binds_it_to_its_workspace() {
    let world = World::start("v3.3.2").await;
    create_project(&world.member).await;
    let metadata = world.member.get(PROJECT).await["metadata"].take();
    assert_eq!(metadata["labels"]["kubesphere.io/namespace"], "project");
    assert_eq!(metadata["finalizers"], json!(["finalizers.kubesphere.io/namespaces"]));
    let owner = &metadata["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["controller"]), (&json!("Workspace"), &json!(true)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_a_deleted_namespace_go() {
    let world = World::start("v3.3.2").await;
    create_project(&world.member).await;
    world.member.call(Method::DELETE, PROJECT, None).await;
    let gone = async || world.member.call(Method::GET, PROJECT, None).await.0 == 404;
    world.member.until("the namespace is gone", gone).await;
    world.stop().await;
}

/// What people find whose KubeSphere was removed by hand.
#[tokio::test(flavor = "multi_thread")]
async fn leaves_a_namespace_terminating_when_nobody_takes_the_finalizer_away() {
    let world = World::start("v3.3.2").await;
    create_project(&world.member).await;
    world.member.patch(CONTROLLERS, &json!({"spec": {"replicas": 0}})).await;
    world.settle().await;
    world.member.call(Method::DELETE, PROJECT, None).await;
    world.settle().await;
    assert_eq!(world.member.get(PROJECT).await["status"]["phase"], "Terminating");
    world.stop().await;
}

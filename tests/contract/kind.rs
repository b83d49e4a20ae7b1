//! What kind promises beyond every provider's promises.

use std::process::Stdio;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::wait::{await_condition, conditions};
use providers::Pair;
use providers::container_engine::ContainerEngine;
use serde_json::json;

use crate::existing;
use crate::promises::Promise;
use crate::shards;

/// Kind's own promises by name.
pub const PROMISES: [(&str, Promise); 5] = [
    ("a_foreign_image_is_noticed", |pair| a_foreign_image_is_noticed(pair).boxed()),
    ("nothing_is_pulled_from_elsewhere", |pair| nothing_is_pulled(pair).boxed()),
    ("clusters_of_others_are_left_as_found", |pair| existing::are_left_as_found(pair).boxed()),
    ("clusters_of_others_get_a_persons_own_kubesphere", |pair| existing::get_a_persons_own_kubesphere(pair).boxed()),
    ("the_suite_runs_in_shards_on_its_nodes", |pair| shards::run_on_its_nodes(pair).boxed()),
];

fn on_node(node: &str, script: &str) -> String {
    let engine = ContainerEngine::find().unwrap();
    let output = engine.command(&["exec", node, "sh", "-ec", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Gives a node an image, as `docker save` writes it.
pub fn import_image(node: &str, image: impl Into<Stdio>) {
    let mut command =
        ContainerEngine::find().unwrap().command(&["exec", "-i", node, "ctr", "-n", "k8s.io", "images", "import", "-"]);
    let output = command.stdin(image).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn pod(name: &str, image: &str, pull: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": image, "imagePullPolicy": pull}]},
    }))
    .unwrap()
}

/// Another image under a name of KubeSphere's, as if the original had been there.
async fn a_foreign_image_is_noticed(pair: Pair) -> Option<Pair> {
    let node = pair.host.nodes().remove(0);
    on_node(
        &node,
        "ctr -n k8s.io images tag --force $(ctr -n k8s.io images ls -q | grep /pause: | head -n 1) docker.io/kubesphere/tower:v9.9.9",
    );
    let pods: Api<Pod> = Api::namespaced(pair.host.client(), "default");
    let mut foreign = pod("foreign", "kubesphere/tower:v9.9.9", "IfNotPresent");
    foreign.spec.as_mut().unwrap().node_name = Some(node);
    pair.host.images_are_ours().await.unwrap();
    pods.create(&PostParams::default(), &foreign).await.unwrap();
    await_condition(pods, "foreign", conditions::is_pod_running()).await.unwrap();
    let error = pair.host.images_are_ours().await.unwrap_err().to_string();
    assert!(error.contains("Pod foreign runs"), "{error}");
    Some(pair)
}

/// The mirror answers for docker.io and knows no other image; nobody else is asked.
async fn nothing_is_pulled(pair: Pair) -> Option<Pair> {
    let pods: Api<Pod> = Api::namespaced(pair.host.client(), "default");
    pods.create(&PostParams::default(), &pod("pulled", "kubesphere/no-such-program:v1", "Always")).await.unwrap();
    let waiting = |pod: Option<&Pod>| {
        let statuses = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref());
        let mut states = statuses.into_iter().flatten().filter_map(|one| one.state.as_ref()?.waiting.as_ref());
        states.any(|waiting| waiting.message.as_ref().is_some_and(|message| message.contains("not found")))
    };
    await_condition(pods, "pulled", waiting).await.unwrap();
    Some(pair)
}

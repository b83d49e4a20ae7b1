//! The rows of the tables that say what ks-apiserver does, one test a row and release: validation, kubeconfig defects,
//! kubeconfig updates, tokens, dispatch, and the pick-up of a configuration.
//!
//! Rows that change nothing share a world for each release, whose programs never load another configuration: its host
//! issues tokens that expire, and its member is never imported.

mod configuration;
mod dispatch;
mod fake;
mod kubeconfig_defects;
mod kubeconfig_update;
mod oauth;
mod validation;
mod watch;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kubesphere::Release;
use kubesphere::names::CLUSTER_FINALIZER;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::fixture::{Plan, World};
use crate::records::Got;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static WORLDS: [OnceCell<World>; 4] = [const { OnceCell::const_new() }; 4];
static INTRODUCED: [OnceCell<World>; 4] = [const { OnceCell::const_new() }; 4];

/// Runs `row` in the world that the rows of `version` share, whose host knows no real member.
fn shared(version: &str, row: impl AsyncFnOnce(&'static World)) {
    run(&WORLDS, version, row);
}

/// The same for rows that make the member known to the host.
fn introduced(version: &str, row: impl AsyncFnOnce(&'static World)) {
    run(&INTRODUCED, version, row);
}

fn run(worlds: &'static [OnceCell<World>], version: &str, row: impl AsyncFnOnce(&'static World)) {
    let position = Release::all().iter().position(|release| release.tag() == version).unwrap();
    RUNTIME.block_on(async {
        row(worlds[position].get_or_init(|| Plan::new(version).hold("config-reload").start()).await).await;
    });
}

const CLUSTERS: &str = "/apis/cluster.kubesphere.io/v1alpha1/clusters";

/// A Cluster with the status of one that has joined. The cluster controller finds nothing to do about it.
fn joined(name: &str, kubeconfig: &str, address: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "finalizers": [CLUSTER_FINALIZER]},
        "spec": {
            "joinFederation": false,
            "connection": {
                "type": "direct",
                "kubeconfig": STANDARD.encode(kubeconfig),
                "kubernetesAPIEndpoint": address,
            },
        },
        "status": {"uid": uid, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// Asks the host's ks-apiserver as its administrator, in JSON.
async fn ask(world: &World, method: Method, path: &str, body: &str) -> Got {
    let token = format!("Bearer {}", world.host.token("admin").await);
    let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
    world.host.ask(method, path, &headers, body).await
}

/// What a client sees of a refusal in plain text: 400, and the text with a line break.
fn refused(text: &str) -> Got {
    text_answer(400, text)
}

fn text_answer(status: u16, text: &str) -> Got {
    let content_type = Some("text/plain; charset=utf-8".to_owned());
    Got { status: Some(status), content_type, body: format!("{text}\n") }
}

fn accepted() -> Got {
    Got { status: Some(200), content_type: None, body: String::new() }
}

/// 401 as KubeSphere answers it.
fn unauthorized(reason: &str) -> Got {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("Unauthorized: {reason}"), "reason": "Unauthorized", "code": 401,
    });
    Got { status: Some(401), content_type: Some("application/json".to_owned()), body: format!("{status}\n") }
}

//! The signs of life of nodes: their leases, and now and then their status (kubernetes v1.20, `pkg/kubelet/nodelease`
//! and `pkg/kubelet/kubelet_node_status.go`).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, During as _, Failure, code_of};
use crate::times;

/// Where the leases of nodes are.
const NAMESPACE: &str = "kube-node-lease";

/// How long a lease is good for, in seconds; it is renewed after a quarter of that.
const LEASE_SECONDS: i32 = 40;
const RENEWAL: Delay = Delay::new("node-lease", Duration::from_secs(10));

/// How many renewals there are to one report of a status that did not change: one in five minutes.
const RENEWALS_PER_REPORT: u32 = 30;

/// Keeps `nodes` alive until the cluster stops. By wall time, by which everybody judges a lease: one that a virtual clock
/// renewed would be old as soon as that clock stands.
pub(crate) fn start(cluster: &Arc<Cluster>, nodes: Vec<String>) {
    let home = cluster.clone();
    cluster.spawn(async move {
        let mut renewals = 0_u32;
        loop {
            for node in &nodes {
                let _busy = home.clock.busy();
                if let Err(failure) = renew(&home, node).await {
                    home.note(format!("kubelet {node}: {failure}"));
                }
                if renewals > 0
                    && renewals.is_multiple_of(RENEWALS_PER_REPORT)
                    && let Err(failure) = report(&home, node).await
                {
                    home.note(format!("kubelet {node}: {failure}"));
                }
            }
            renewals = renewals.wrapping_add(1);
            home.clock.sleep_by_wall(RENEWAL).await;
        }
    });
}

/// Renews the lease of `node`, which is made when it is missing.
async fn renew(cluster: &Cluster, node: &str) -> Result<(), Failure> {
    let api = Api::<Lease>::namespaced(cluster.kubelet.clone(), NAMESPACE);
    let operation = format!("renew the Lease of Node {node}");
    let spec = json!({
        "holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": format!("{:.6}", cluster.clock.wall()),
    });
    match api.patch(node, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await {
        Err(error) if code_of(&error) == 404 => create(cluster, node, &spec).await,
        patched => patched.during(&operation).map(drop),
    }
}

async fn create(cluster: &Cluster, node: &str, spec: &Value) -> Result<(), Failure> {
    // It goes with its node.
    let owner = cluster.caches.nodes.get(&Key::new("", node)).and_then(|node| node.metadata.uid.clone());
    let owners = owner.map(|uid| json!([{ "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid }]));
    let lease = json!({ "metadata": { "name": node, "ownerReferences": owners }, "spec": spec });
    let Ok(lease) = serde_json::from_value::<Lease>(lease) else { return Ok(()) };
    let created =
        Api::<Lease>::namespaced(cluster.kubelet.clone(), NAMESPACE).create(&PostParams::default(), &lease).await;
    match created {
        // The namespace is not there yet, or goes: the next renewal tries again.
        Err(error) if code_of(&error) == 404 => Ok(()),
        created => created.unless_there(&format!("create the Lease of Node {node}")).map(drop),
    }
}

/// Says that the conditions of `node` still hold.
async fn report(cluster: &Cluster, node: &str) -> Result<(), Failure> {
    let Some(known) = cluster.caches.nodes.get(&Key::new("", node)) else { return Ok(()) };
    let mut conditions = known.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    for condition in &mut conditions {
        condition.last_heartbeat_time = Some(times::now(&cluster.clock));
    }
    let patch = Patch::Merge(json!({ "status": { "conditions": conditions } }));
    let api = Api::<Node>::all(cluster.kubelet.clone());
    let patched = api.patch_status(node, &PatchParams::default(), &patch).await;
    if let Some(patched) = patched.unless_gone(&format!("update the status of Node {node}"))? {
        cluster.caches.nodes.wrote(patched);
    }
    Ok(())
}

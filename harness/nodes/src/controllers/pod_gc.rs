//! Pods that nobody else deletes: those of nodes that are gone, and those that are going and were never on a node
//! (kubernetes v1.20, `pkg/controller/podgc`).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};

use super::pods::node_of;
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, During as _, Failure};
use crate::queue::{Queue, work};

/// How long a node may be missing before its pods are deleted.
const QUARANTINE: Delay = Delay::new("node-quarantine", Duration::from_secs(40));

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let pods = queue.clone();
    cluster.caches.pods.on_change(move |change| {
        // A pod that goes before it has a node has no kubelet that would let it go.
        if let Some(pod) = change.new.filter(|pod| is_never_to_run(pod)) {
            pods.push(Key::of(pod.as_ref()));
        }
    });
    let (nodes, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.nodes.on_change(move |change| {
        let (Some(home), Some(gone), None) = (home.upgrade(), change.old, change.new) else { return };
        for pod in home.caches.pods.all().iter().filter(|pod| node_of(pod) == gone.metadata.name.as_deref()) {
            nodes.push_after(&home, Key::of(pod.as_ref()), QUARANTINE);
        }
    });
    let home = cluster.clone();
    work(cluster, "pod-garbage-collector", queue, move |key| reconcile(home.clone(), key));
}

fn is_never_to_run(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some() && node_of(pod).is_none()
}

async fn reconcile(cluster: Arc<Cluster>, key: Key) -> Result<(), Failure> {
    let Some(pod) = cluster.caches.pods.get(&key) else { return Ok(()) };
    let lost = match node_of(&pod) {
        None => pod.metadata.deletion_timestamp.is_some(),
        Some(node) => {
            let found = Api::<Node>::all(cluster.client.clone()).get_metadata(node).await;
            found.unless_gone(&format!("get Node {node}"))?.is_none()
        }
    };
    if !lost {
        return Ok(());
    }
    let precondition = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }.preconditions(precondition);
    cluster.api::<Pod>(&key.namespace).delete(&key.name, &now).await.unless_gone(&format!("delete Pod {key}"))?;
    Ok(())
}

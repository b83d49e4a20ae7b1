//! `DaemonSet` → a pod on every node that it is for.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSetStatus};

use self::plan::Plan;
use super::claims::Claim;
use super::history::{Current, History, name_of};
use super::owners::controller_of;
use super::{pods, statuses};
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, Failure};
use crate::events::{News, record};
use crate::queue::{Queue, work};
use crate::selectors::{selects, selects_everything};

const COMPONENT: &str = "daemonset-controller";

/// Tells revisions, and the pods made from them, apart.
const HASH: &str = "controller-revision-hash";

/// Ready pods become available after the set's `minReadySeconds`.
const MIN_READY: Delay = Delay::new("min-ready", Duration::ZERO);

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let sets = queue.clone();
    cluster.caches.daemon_sets.on_change(move |change| {
        if let Some(set) = change.new {
            sets.push(Key::of(set.as_ref()));
        }
    });
    let (nodes, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.nodes.on_change(move |change| {
        // Heartbeats change nothing about where pods belong.
        let concerns = |node: &Arc<k8s_openapi::api::core::v1::Node>| (node.metadata.labels.clone(), node.spec.clone());
        if change.old.map(concerns) == change.new.map(concerns) {
            return;
        }
        for set in home.upgrade().into_iter().flat_map(|home| home.caches.daemon_sets.all()) {
            nodes.push(Key::of(set.as_ref()));
        }
    });
    let (owned, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.pods.on_change(move |change| {
        for pod in change.both() {
            let namespace = Key::of(pod.as_ref()).namespace;
            if let Some(owner) = controller_of(pod.as_ref()) {
                if owner.kind == "DaemonSet" {
                    owned.push(Key::new(namespace, &owner.name));
                }
            } else if let Some(home) = home.upgrade() {
                for set in home.caches.daemon_sets.in_namespace(&namespace) {
                    if set.spec.as_ref().is_some_and(|spec| selects(&spec.selector, pod.metadata.labels.as_ref())) {
                        owned.push(Key::of(set.as_ref()));
                    }
                }
            }
        }
    });
    let (home, again) = (cluster.clone(), queue.clone());
    work(cluster, "daemonset", queue, move |key| reconcile(home.clone(), again.clone(), key));
}

async fn reconcile(cluster: Arc<Cluster>, queue: Arc<Queue<Key>>, key: Key) -> Result<(), Failure> {
    let Some(set) = cluster.caches.daemon_sets.get(&key) else { return Ok(()) };
    let Some(spec) = &set.spec else { return Ok(()) };
    if selects_everything(&spec.selector) {
        let message = "This daemon set is selecting all pods. A non-empty selector is required.";
        record(&cluster, COMPONENT, None, set.as_ref(), News::warning("SelectingAll", message));
        return Ok(());
    }
    if set.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let before = set.status.clone().unwrap_or_default();
    let history = History {
        cluster: &cluster,
        owner: set.as_ref(),
        selector: &spec.selector,
        template: &spec.template,
        label: HASH,
        collisions: before.collision_count.unwrap_or(0),
    };
    let revisions = history.list().await?;
    let current = match history.current(&revisions).await? {
        Current::Is(current) => current,
        Current::Going => return Ok(()),
        Current::Collides => {
            let count = before.collision_count.unwrap_or(0) + 1;
            let after = DaemonSetStatus { collision_count: Some(count), ..before.clone() };
            return statuses::write(&cluster, &cluster.caches.daemon_sets, set.as_ref(), Some(&before), &after).await;
        }
    };
    let hash = hash_of(&current).to_owned();
    let claim = Claim { cluster: &cluster, owner: set.as_ref(), selector: &spec.selector, cache: &cluster.caches.pods };
    let own = claim.of(|_| true).await?;
    let nodes = cluster.caches.nodes.all();
    let plan = Plan::of(&set, &nodes, &own, &hash, |pod| {
        pods::available_in(&cluster, pod, spec.min_ready_seconds.unwrap_or(0))
    });
    for failed in &plan.failed {
        let message =
            format!("Found failed daemon pod {}/{} on node {}, will try to kill it", key.namespace, failed.1, failed.0);
        record(&cluster, COMPONENT, None, set.as_ref(), News::warning("FailedDaemonPod", message));
    }
    for pod in &plan.create {
        pods::create(&cluster, COMPONENT, set.as_ref(), pod).await?;
    }
    for pod in &plan.delete {
        pods::delete(&cluster, COMPONENT, set.as_ref(), pod).await?;
    }
    if let Some(left) = plan.look_again {
        queue.push_after(&cluster, key.clone(), MIN_READY.lasting(left));
    }
    let is_used = |revision: &ControllerRevision| {
        name_of(revision) == name_of(&current) || own.iter().any(|pod| plan::hash_of(pod) == Some(hash_of(revision)))
    };
    history.truncate(&revisions, spec.revision_history_limit, is_used).await?;
    let after = DaemonSetStatus {
        observed_generation: set.metadata.generation,
        collision_count: before.collision_count,
        ..plan.status
    };
    statuses::write(&cluster, &cluster.caches.daemon_sets, set.as_ref(), Some(&before), &after).await
}

fn hash_of(revision: &ControllerRevision) -> &str {
    revision.metadata.labels.as_ref().and_then(|labels| labels.get(HASH)).map(String::as_str).unwrap_or_default()
}

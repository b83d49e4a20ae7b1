//! `ReplicaSet` → Pods.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;

use super::claims::Claim;
use super::owners::controller_of;
use super::{pods, statuses};
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, Failure, message_of};
use crate::queue::{Queue, work};
use crate::selectors::selects;
use crate::times;

const COMPONENT: &str = "replicaset-controller";

/// Ready pods become available after the set's `minReadySeconds`.
const MIN_READY: Delay = Delay::new("min-ready", Duration::ZERO);

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let sets = queue.clone();
    cluster.caches.replica_sets.on_change(move |change| {
        if let Some(set) = change.any() {
            sets.push(Key::of(set.as_ref()));
        }
    });
    let (owned, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.pods.on_change(move |change| {
        for pod in change.both() {
            let namespace = Key::of(pod.as_ref()).namespace;
            if let Some(owner) = controller_of(pod.as_ref()) {
                if owner.kind == "ReplicaSet" {
                    owned.push(Key::new(namespace, &owner.name));
                }
            } else if let Some(home) = home.upgrade() {
                for set in home.caches.replica_sets.in_namespace(&namespace) {
                    if selects_pod(&set, pod) {
                        owned.push(Key::of(set.as_ref()));
                    }
                }
            }
        }
    });
    let (home, again) = (cluster.clone(), queue.clone());
    work(cluster, "replicaset", queue, move |key| reconcile(home.clone(), again.clone(), key));
}

fn selects_pod(set: &ReplicaSet, pod: &Pod) -> bool {
    set.spec.as_ref().is_some_and(|spec| selects(&spec.selector, pod.metadata.labels.as_ref()))
}

async fn reconcile(cluster: Arc<Cluster>, queue: Arc<Queue<Key>>, key: Key) -> Result<(), Failure> {
    let Some(set) = cluster.caches.replica_sets.get(&key) else { return Ok(()) };
    let Some(spec) = &set.spec else { return Ok(()) };
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    let claim = Claim { cluster: &cluster, owner: set.as_ref(), selector: &spec.selector, cache: &cluster.caches.pods };
    let mut active = claim.among(pods::is_active, |_| true).await?;
    let mut trouble = None;
    if set.metadata.deletion_timestamp.is_none() {
        trouble = manage(&cluster, &set, &mut active, wanted).await.err();
    }
    let status = status(&cluster, &queue, &set, &active, wanted, trouble.as_ref());
    statuses::write(&cluster, &cluster.caches.replica_sets, set.as_ref(), set.status.as_ref(), &status).await?;
    trouble.map_or(Ok(()), Err)
}

/// Creates or deletes pods until there are `wanted`.
async fn manage(
    cluster: &Arc<Cluster>,
    set: &ReplicaSet,
    active: &mut Vec<Arc<Pod>>,
    wanted: usize,
) -> Result<(), Failure> {
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    for _ in active.len()..wanted {
        match pods::create(cluster, COMPONENT, set, &pods::from_template(&template, set)).await? {
            Some(pod) => active.push(pod),
            None => break,
        }
    }
    if active.len() > wanted {
        active.sort_by(|a, b| pods::given_up_first(a, b));
        let surplus = active.len() - wanted;
        for pod in active.drain(..surplus) {
            pods::delete(cluster, COMPONENT, set, &pod).await?;
        }
    }
    Ok(())
}

fn status(
    cluster: &Cluster,
    queue: &Arc<Queue<Key>>,
    set: &ReplicaSet,
    active: &[Arc<Pod>],
    wanted: usize,
    trouble: Option<&Failure>,
) -> ReplicaSetStatus {
    let spec = set.spec.as_ref();
    let least = spec.and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    let labels = spec.and_then(|spec| spec.template.as_ref()?.metadata.as_ref()?.labels.clone()).unwrap_or_default();
    let is_labelled = |pod: &&Arc<Pod>| {
        let own = pod.metadata.labels.as_ref();
        labels.iter().all(|(key, value)| own.and_then(|own| own.get(key)) == Some(value))
    };
    let soon: Vec<_> = active.iter().filter_map(|pod| pods::available_in(cluster, pod, least)).collect();
    if let Some(next) = soon.iter().filter(|left| !left.is_zero()).min() {
        queue.push_after(cluster, Key::of(set), MIN_READY.lasting(*next));
    }
    let before = set.status.clone().unwrap_or_default();
    ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: some(active.iter().filter(is_labelled).count()),
        ready_replicas: some(soon.len()),
        available_replicas: some(soon.iter().filter(|left| left.is_zero()).count()),
        observed_generation: set.metadata.generation,
        conditions: conditions(cluster, before.conditions, active.len(), wanted, trouble),
        ..ReplicaSetStatus::default()
    }
}

/// The condition `ReplicaFailure`, while there is one (kubernetes v1.20, `replica_set_utils.go`).
fn conditions(
    cluster: &Cluster,
    before: Option<Vec<ReplicaSetCondition>>,
    active: usize,
    wanted: usize,
    trouble: Option<&Failure>,
) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = before.unwrap_or_default();
    match trouble {
        None => conditions.retain(|condition| condition.type_ != "ReplicaFailure"),
        Some(_) if conditions.iter().any(|condition| condition.type_ == "ReplicaFailure") => {}
        Some(failure) => conditions.push(ReplicaSetCondition {
            type_: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            reason: Some(if active < wanted { "FailedCreate" } else { "FailedDelete" }.to_owned()),
            message: Some(message_of(&failure.source)),
            last_transition_time: Some(times::now(&cluster.clock)),
        }),
    }
    Some(conditions).filter(|conditions| !conditions.is_empty())
}

/// A count as Kubernetes has it.
pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The same where zero is left out.
pub(crate) fn some(number: usize) -> Option<i32> {
    (number > 0).then(|| count(number))
}

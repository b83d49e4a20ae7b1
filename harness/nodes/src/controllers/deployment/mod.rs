//! Deployment → `ReplicaSets`: rollouts, scaling, revisions, status.

mod annotations;
mod conditions;
mod new_set;
mod rollout;
mod sets;
mod status;
pub(crate) mod strategy;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use self::conditions::{PAUSED, PROGRESSING, TIMED_OUT};
use self::rollout::Steps;
use self::sets::Sets;
use self::status::Progress;
use self::strategy::Strategy;
use super::owners::controller_of;
use super::statuses;
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, During as _, Failure};
use crate::events::{News, record};
use crate::queue::{Queue, work};
use crate::selectors::{selects, selects_everything};
use crate::times;

const COMPONENT: &str = "deployment-controller";

/// A rollout is late after the Deployment's `progressDeadlineSeconds`.
const DEADLINE: Delay = Delay::new("progress-deadline", Duration::ZERO);

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let deployments = queue.clone();
    cluster.caches.deployments.on_change(move |change| match (change.old, change.new) {
        (_, Some(deployment)) => deployments.push(Key::of(deployment.as_ref())),
        (Some(gone), None) => deployments.forget_later(&Key::of(gone.as_ref())),
        (None, None) => {}
    });
    let (sets, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.replica_sets.on_change(move |change| {
        for set in change.both() {
            let namespace = Key::of(set.as_ref()).namespace;
            if let Some(owner) = controller_of(set.as_ref()) {
                if owner.kind == "Deployment" {
                    sets.push(Key::new(namespace, &owner.name));
                }
            } else if let Some(home) = home.upgrade() {
                for deployment in home.caches.deployments.in_namespace(&namespace) {
                    let labels = set.metadata.labels.as_ref();
                    if deployment.spec.as_ref().is_some_and(|spec| selects(&spec.selector, labels)) {
                        sets.push(Key::of(deployment.as_ref()));
                    }
                }
            }
        }
    });
    // A rollout that recreates waits for pods to be gone, which no ReplicaSet tells of.
    let (pods, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.pods.on_change(move |change| {
        let (Some(pod), None, Some(home)) = (change.old, change.new, home.upgrade()) else { return };
        let namespace = Key::of(pod.as_ref()).namespace;
        let set = controller_of(pod.as_ref())
            .and_then(|owner| home.caches.replica_sets.get(&Key::new(&namespace, &owner.name)));
        if let Some(owner) = set.as_deref().and_then(controller_of) {
            pods.push(Key::new(namespace, &owner.name));
        }
    });
    let (home, again) = (cluster.clone(), queue.clone());
    work(cluster, "deployment", queue, move |key| reconcile(home.clone(), again.clone(), key));
}

async fn reconcile(cluster: Arc<Cluster>, queue: Arc<Queue<Key>>, key: Key) -> Result<(), Failure> {
    let Some(deployment) = cluster.caches.deployments.get(&key) else { return Ok(()) };
    let Some(spec) = &deployment.spec else { return Ok(()) };
    if selects_everything(&spec.selector) {
        return selecting_all(&cluster, &deployment).await;
    }
    let strategy = Strategy::of(spec);
    let mut sets = Sets::of(&cluster, &deployment).await?;
    if deployment.metadata.deletion_timestamp.is_some() {
        return write(&cluster, &deployment, &progress(&cluster, &deployment, &sets, &strategy).counted()).await;
    }
    note_pause(&cluster, &deployment).await?;
    let Some(deployment) = cluster.caches.deployments.get(&key) else { return Ok(()) };
    let paused = deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false);
    if paused || is_rescaled(&sets, &strategy) {
        new_set::update(&cluster, &deployment, &mut sets).await?;
        scale(&cluster, &deployment, &strategy, strategy.rescale(&sets)).await?;
        if paused {
            clean_up(&cluster, &deployment, &sets).await?;
        }
    } else {
        roll_out(&cluster, &deployment, &strategy, &mut sets).await?;
    }
    // What was written above is in the caches.
    let Some(deployment) = cluster.caches.deployments.get(&key) else { return Ok(()) };
    let sets = Sets::of(&cluster, &deployment).await?;
    let progress = progress(&cluster, &deployment, &sets, &strategy);
    let status = if paused { progress.counted() } else { progress.rolling() };
    match progress.look_again(&status).filter(|_| !paused) {
        Some(left) => queue.push_after(&cluster, key, DEADLINE.lasting(left)),
        None => queue.forget_later(&key),
    }
    write(&cluster, &deployment, &status).await
}

fn progress<'a>(
    cluster: &'a Cluster,
    deployment: &'a Deployment,
    sets: &'a Sets,
    strategy: &'a Strategy,
) -> Progress<'a> {
    Progress { ages: &cluster.ages, deployment, sets, strategy, now: times::now(&cluster.clock) }
}

async fn write(cluster: &Cluster, deployment: &Deployment, status: &DeploymentStatus) -> Result<(), Failure> {
    statuses::write(cluster, &cluster.caches.deployments, deployment, deployment.status.as_ref(), status).await
}

/// A Deployment without a selector owns nothing.
async fn selecting_all(cluster: &Arc<Cluster>, deployment: &Deployment) -> Result<(), Failure> {
    let message = "This deployment is selecting all pods. A non-empty selector is required.";
    record(cluster, COMPONENT, None, deployment, News::warning("SelectingAll", message));
    let before = deployment.status.clone().unwrap_or_default();
    let after = DeploymentStatus { observed_generation: deployment.metadata.generation, ..before };
    write(cluster, deployment, &after).await
}

/// Notes that a rollout was paused or resumed, so that its deadline does not go on meanwhile.
async fn note_pause(cluster: &Cluster, deployment: &Deployment) -> Result<(), Failure> {
    let before = deployment.status.clone().unwrap_or_default();
    let mut all = before.conditions.clone().unwrap_or_default();
    let reason = conditions::reason(&all, PROGRESSING);
    let spec = deployment.spec.as_ref();
    if spec.and_then(status::deadline).is_none() || reason == Some(TIMED_OUT) {
        return Ok(());
    }
    let paused = spec.and_then(|spec| spec.paused).unwrap_or(false);
    let (reason, message) = match (paused, reason == Some(PAUSED)) {
        (true, false) => (PAUSED, "Deployment is paused"),
        (false, true) => ("DeploymentResumed", "Deployment is resumed"),
        _ => return Ok(()),
    };
    conditions::set(&mut all, conditions::new(PROGRESSING, "Unknown", reason, message, &times::now(&cluster.clock)));
    write(cluster, deployment, &DeploymentStatus { conditions: Some(all), ..before }).await
}

/// Whether the wanted number changed since the sets were last written.
fn is_rescaled(sets: &Sets, strategy: &Strategy) -> bool {
    sets.active().filter_map(|set| annotations::desired(set)).any(|desired| desired != strategy.replicas)
}

async fn roll_out(
    cluster: &Arc<Cluster>,
    deployment: &Deployment,
    strategy: &Strategy,
    sets: &mut Sets,
) -> Result<(), Failure> {
    new_set::update(cluster, deployment, sets).await?;
    if strategy.recreate {
        let steps = Strategy::end_old(sets);
        if !steps.is_empty() {
            return scale(cluster, deployment, strategy, steps).await;
        }
        if sets.old_pods_run(cluster) {
            return Ok(());
        }
    }
    if sets.new.is_none() {
        sets.new = new_set::create(cluster, deployment, strategy, sets).await?;
    }
    let steps = if strategy.recreate {
        sets.new.iter().map(|new| (new.clone(), strategy.replicas)).collect()
    } else {
        strategy.roll(sets)
    };
    scale(cluster, deployment, strategy, steps).await?;
    let complete = deployment.status.as_ref().is_some_and(|status| status::is_complete(deployment, status));
    if complete { clean_up(cluster, deployment, sets).await } else { Ok(()) }
}

fn scaled(cluster: &Arc<Cluster>, deployment: &Deployment, way: &str, set: &str, replicas: i32) {
    let message = format!("Scaled {way} replica set {set} to {replicas}");
    record(cluster, COMPONENT, None, deployment, News::normal("ScalingReplicaSet", message));
}

/// Takes `steps`, where they change something.
async fn scale(
    cluster: &Arc<Cluster>,
    deployment: &Deployment,
    strategy: &Strategy,
    steps: Steps,
) -> Result<(), Failure> {
    let sizes = annotations::sizes(strategy);
    for (set, replicas) in steps {
        let has = |name: &String, value: &String| {
            set.metadata.annotations.as_ref().and_then(|annotations| annotations.get(name)) == Some(value)
        };
        let before = sets::wanted(&set);
        if before == replicas && sizes.iter().all(|(name, value)| has(name, value)) {
            continue;
        }
        let patch = json!({ "metadata": { "annotations": sizes }, "spec": { "replicas": replicas } });
        if patch_set(cluster, &set, patch).await?.is_some() && before != replicas {
            let way = if replicas > before { "up" } else { "down" };
            scaled(cluster, deployment, way, set.metadata.name.as_deref().unwrap_or_default(), replicas);
        }
    }
    Ok(())
}

async fn patch_set(
    cluster: &Cluster,
    set: &ReplicaSet,
    patch: serde_json::Value,
) -> Result<Option<Arc<ReplicaSet>>, Failure> {
    let key = Key::of(set);
    let api = cluster.api::<ReplicaSet>(&key.namespace);
    let patched = api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await;
    let patched = patched.unless_gone(&format!("update ReplicaSet {key}"))?;
    Ok(patched.map(|set| {
        cluster.caches.replica_sets.wrote(set.clone());
        Arc::new(set)
    }))
}

/// Deletes the oldest sets beyond the history's limit, where they have no pods.
async fn clean_up(cluster: &Cluster, deployment: &Deployment, sets: &Sets) -> Result<(), Failure> {
    let limit = deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(i32::MAX);
    let alive: Vec<_> = sets.old.iter().filter(|set| set.metadata.deletion_timestamp.is_none()).collect();
    let surplus = alive.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    let is_idle = |set: &ReplicaSet| {
        let seen = set.status.as_ref().and_then(|status| status.observed_generation);
        sets::wanted(set) == 0 && sets::there(set) == 0 && set.metadata.generation <= seen
    };
    for set in alive.into_iter().take(surplus).filter(|set| is_idle(set)) {
        let key = Key::of(set.as_ref());
        let api = cluster.api::<ReplicaSet>(&key.namespace);
        api.delete(&key.name, &DeleteParams::background()).await.unless_gone(&format!("delete ReplicaSet {key}"))?;
    }
    Ok(())
}

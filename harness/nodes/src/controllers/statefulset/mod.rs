//! `StatefulSet` → Pods with names of their own, in order, and claims that outlive them.

mod identity;
mod plan;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, PostParams};

use self::plan::{Act, Plan};
use super::claims::Claim;
use super::history::{Current, History, Revision, name_of};
use super::owners::controller_of;
use super::{pods, statuses};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, code_of, is_terminating, message_of, reason_of};
use crate::events::{News, record};
use crate::queue::{Queue, work};
use crate::selectors::{selects, selects_everything};

const COMPONENT: &str = "statefulset-controller";

/// Tells revisions apart.
const HASH: &str = "controller.kubernetes.io/hash";

/// Tells which revision a pod was made from.
const HASH_OF_PODS: &str = "controller-revision-hash";

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let sets = queue.clone();
    cluster.caches.stateful_sets.on_change(move |change| {
        if let Some(set) = change.new {
            sets.push(Key::of(set.as_ref()));
        }
    });
    let (owned, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.pods.on_change(move |change| {
        for pod in change.both() {
            let namespace = Key::of(pod.as_ref()).namespace;
            if let Some(owner) = controller_of(pod.as_ref()) {
                if owner.kind == "StatefulSet" {
                    owned.push(Key::new(namespace, &owner.name));
                }
            } else if let Some(home) = home.upgrade() {
                for set in home.caches.stateful_sets.in_namespace(&namespace) {
                    if set.spec.as_ref().is_some_and(|spec| selects(&spec.selector, pod.metadata.labels.as_ref())) {
                        owned.push(Key::of(set.as_ref()));
                    }
                }
            }
        }
    });
    let home = cluster.clone();
    work(cluster, "statefulset", queue, move |key| reconcile(home.clone(), key));
}

async fn reconcile(cluster: Arc<Cluster>, key: Key) -> Result<(), Failure> {
    let Some(set) = cluster.caches.stateful_sets.get(&key) else { return Ok(()) };
    let Some(spec) = set.spec.as_ref().filter(|spec| !selects_everything(&spec.selector)) else { return Ok(()) };
    let before = set.status.clone().unwrap_or_default();
    let history = History {
        cluster: &cluster,
        owner: set.as_ref(),
        selector: &spec.selector,
        template: &spec.template,
        label: HASH,
        collisions: before.collision_count.unwrap_or(0),
    };
    let claim = Claim { cluster: &cluster, owner: set.as_ref(), selector: &spec.selector, cache: &cluster.caches.pods };
    let own = claim.of(|pod| identity::is_member(&set, pod)).await?;
    let revisions = history.list().await?;
    let update = match history.current(&revisions).await? {
        Current::Is(update) => update,
        Current::Going => return Ok(()),
        Current::Collides => {
            let count = before.collision_count.unwrap_or(0) + 1;
            let after = StatefulSetStatus { collision_count: Some(count), ..before.clone() };
            return statuses::write(&cluster, &cluster.caches.stateful_sets, set.as_ref(), Some(&before), &after).await;
        }
    };
    let named = before.current_revision.as_deref().unwrap_or_default();
    let current = revisions.iter().find(|revision| name_of(revision) == named).unwrap_or(&update).clone();
    let mut plan = Plan::of(&set, &own, &current, &update);
    act(&cluster, &set, &mut plan).await?;
    let mut after = plan.status;
    after.collision_count = Some(before.collision_count.unwrap_or(0));
    statuses::write(&cluster, &cluster.caches.stateful_sets, set.as_ref(), Some(&before), &after).await?;
    let revisions = history.list().await?;
    let is_used = |revision: &ControllerRevision| is_used(revision, &[&current, &update], &own);
    history.truncate(&revisions, spec.revision_history_limit, is_used).await
}

fn is_used(revision: &ControllerRevision, live: &[&Revision], own: &[Arc<Pod>]) -> bool {
    let name = name_of(revision);
    live.iter().any(|one| name_of(one) == name) || own.iter().any(|pod| identity::revision_of(pod) == Some(name))
}

/// Does what the plan says, one thing after the other.
async fn act(cluster: &Arc<Cluster>, set: &StatefulSet, plan: &mut Plan) -> Result<(), Failure> {
    for act in std::mem::take(&mut plan.acts) {
        match act {
            Act::Create(pod) => create(cluster, set, &pod).await?,
            Act::Delete(pod) => delete(cluster, set, &pod).await?,
            Act::Recreate(pod) => {
                let key = Key::of(pod.as_ref());
                let name = set.metadata.name.as_deref().unwrap_or_default();
                let message = format!("StatefulSet {}/{name} is recreating failed Pod {}", key.namespace, key.name);
                record(cluster, COMPONENT, None, set, News::warning("RecreatingFailedPod", message));
                delete(cluster, set, &pod).await?;
            }
        }
    }
    plan.complete(set);
    Ok(())
}

fn tell(cluster: &Arc<Cluster>, set: &StatefulSet, verb: &str, pod: &str, error: Option<&str>) {
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let news = match (verb, error) {
        ("create", None) => ("SuccessfulCreate", format!("create Pod {pod} in StatefulSet {name} successful")),
        ("create", Some(error)) => {
            ("FailedCreate", format!("create Pod {pod} in StatefulSet {name} failed error: {error}"))
        }
        (_, None) => ("SuccessfulDelete", format!("delete Pod {pod} in StatefulSet {name} successful")),
        (_, Some(error)) => ("FailedDelete", format!("delete Pod {pod} in StatefulSet {name} failed error: {error}")),
    };
    let news = if error.is_none() { News::normal(news.0, news.1) } else { News::warning(news.0, news.1) };
    record(cluster, COMPONENT, None, set, news);
}

async fn create(cluster: &Arc<Cluster>, set: &StatefulSet, pod: &Pod) -> Result<(), Failure> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let namespace = Key::of(set).namespace;
    for claim in identity::claims(set, &name) {
        create_claim(cluster, set, &name, &claim).await?;
    }
    match cluster.api::<Pod>(&namespace).create(&PostParams::default(), pod).await {
        Ok(created) => {
            cluster.caches.pods.wrote(created);
            tell(cluster, set, "create", &name, None);
            Ok(())
        }
        Err(error) if is_terminating(&error) => Ok(()),
        Err(error) => {
            if reason_of(&error) != "AlreadyExists" {
                tell(cluster, set, "create", &name, Some(&message_of(&error)));
            }
            Err(error).during(&format!("create Pod {namespace}/{name}"))
        }
    }
}

async fn create_claim(
    cluster: &Arc<Cluster>,
    set: &StatefulSet,
    pod: &str,
    claim: &PersistentVolumeClaim,
) -> Result<(), Failure> {
    let key = Key::new(Key::of(set).namespace, claim.metadata.name.clone().unwrap_or_default());
    if cluster.caches.claims.get(&key).is_some() {
        return Ok(());
    }
    let created = cluster.api::<PersistentVolumeClaim>(&key.namespace).create(&PostParams::default(), claim).await;
    let set_name = set.metadata.name.as_deref().unwrap_or_default();
    match created {
        Ok(created) => {
            cluster.caches.claims.wrote(created);
            let message = format!("create Claim {} Pod {pod} in StatefulSet {set_name} success", key.name);
            record(cluster, COMPONENT, None, set, News::normal("SuccessfulCreate", message));
            Ok(())
        }
        Err(error) if is_terminating(&error) || reason_of(&error) == "AlreadyExists" => Ok(()),
        Err(error) => {
            let reason = message_of(&error);
            let message =
                format!("create Claim {} for Pod {pod} in StatefulSet {set_name} failed error: {reason}", key.name);
            record(cluster, COMPONENT, None, set, News::warning("FailedCreate", message));
            tell(cluster, set, "create", pod, Some(&format!("failed to create PVC {}: {reason}", key.name)));
            Err(error).during(&format!("create PersistentVolumeClaim {key}"))
        }
    }
}

async fn delete(cluster: &Arc<Cluster>, set: &StatefulSet, pod: &Pod) -> Result<(), Failure> {
    let key = Key::of(pod);
    match cluster.api::<Pod>(&key.namespace).delete(&key.name, &DeleteParams::default()).await {
        Ok(answer) => {
            answer.either(|going| cluster.caches.pods.wrote(going), drop);
            tell(cluster, set, "delete", &key.name, None);
            Ok(())
        }
        Err(error) if code_of(&error) == 404 => Ok(()),
        Err(error) => {
            tell(cluster, set, "delete", &key.name, Some(&message_of(&error)));
            Err(error).during(&format!("delete Pod {key}"))
        }
    }
}

/// Whether the pod runs and is ready.
fn runs(pod: &Pod) -> bool {
    pods::phase_of(pod) == "Running" && pods::is_ready(pod)
}

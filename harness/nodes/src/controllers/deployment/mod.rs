//! Deployment → `ReplicaSets`: rollouts, scaling, revisions, status.

mod rollout;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use self::rollout::{Plan, Sets, Strategy};
use super::owners::{controller_of, is_controlled_by, reference};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating};
use crate::events::{News, record};
use crate::names::{fnv32, safe_encode};
use crate::queue::{Queue, work};

const COMPONENT: &str = "deployment-controller";
const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let deployments = queue.clone();
    cluster.caches.deployments.on_change(move |change| {
        if let Some(deployment) = change.new {
            deployments.push(Key::of(deployment.as_ref()));
        }
    });
    let sets = queue.clone();
    cluster.caches.replica_sets.on_change(move |change| {
        for set in change.both() {
            if let Some(owner) = controller_of(set.as_ref()).filter(|owner| owner.kind == "Deployment") {
                sets.push(Key::new(Key::of(set.as_ref()).namespace, &owner.name));
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
    let home = cluster.clone();
    work(cluster, "deployment", queue, move |key| reconcile(home.clone(), key));
}

async fn reconcile(cluster: Arc<Cluster>, key: Key) -> Result<(), Failure> {
    let Some(deployment) = cluster.caches.deployments.get(&key) else { return Ok(()) };
    if deployment.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let Some(spec) = &deployment.spec else { return Ok(()) };
    let strategy = Strategy::of(spec);
    let mut sets = sets_of(&cluster, &deployment);
    if !spec.paused.unwrap_or(false) {
        let revision = next_revision(&sets);
        match &sets.new {
            None => {
                let replicas = strategy.first_replicas(&sets);
                let Some(new) = create_set(&cluster, &deployment, &strategy, replicas, revision).await? else {
                    return Ok(());
                };
                sets.new = Some(Arc::new(new));
                set_revision(&cluster, &deployment, revision).await?;
            }
            Some(new) => {
                let revision = if sets.old.is_empty() { revision_of(&new.metadata).max(1) } else { revision };
                let revision =
                    if revision_of(&new.metadata) >= revision { revision_of(&new.metadata) } else { revision };
                if revision_of(&new.metadata) != revision {
                    annotate(&cluster, new, revision).await?;
                }
                set_revision(&cluster, &deployment, revision).await?;
            }
        }
        let pods_left = old_pods(&cluster, &sets);
        let Plan { steps } = strategy.plan(&sets, pods_left);
        for (set, replicas) in steps {
            scale(&cluster, &deployment, &strategy, &set, replicas).await?;
        }
        sets = sets_of(&cluster, &deployment);
        clean_up(&cluster, &deployment, &strategy, &sets).await?;
    } else if let Some(new) = sets.new.clone()
        && sets.old.iter().all(|set| rollout::wanted(set) == 0)
        && rollout::wanted(&new) != strategy.replicas
    {
        // Scaling works while the rollout is paused.
        scale(&cluster, &deployment, &strategy, &new, strategy.replicas).await?;
        sets = sets_of(&cluster, &deployment);
    }
    status::write(&cluster, &key, &sets, &strategy).await
}

fn sets_of(cluster: &Cluster, deployment: &Deployment) -> Sets {
    let namespace = deployment.metadata.namespace.as_deref().unwrap_or_default();
    let mut own: Vec<_> = cluster
        .caches
        .replica_sets
        .in_namespace(namespace)
        .into_iter()
        .filter(|set| is_controlled_by(set.as_ref(), deployment) && set.metadata.deletion_timestamp.is_none())
        .collect();
    own.sort_by_key(|set| revision_of(&set.metadata));
    let template = deployment.spec.as_ref().map(|spec| without_hash(&spec.template));
    let is_new =
        |set: &Arc<ReplicaSet>| set.spec.as_ref().and_then(|spec| spec.template.as_ref()).map(without_hash) == template;
    let new = own.iter().position(is_new).map(|at| own.remove(at));
    Sets { new, old: own }
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(metadata) = &mut template.metadata {
        if let Some(labels) = &mut metadata.labels {
            labels.remove(HASH);
        }
        metadata.labels = metadata.labels.take().filter(|labels| !labels.is_empty());
        metadata.creation_timestamp = None;
    }
    template
}

fn revision_of(metadata: &ObjectMeta) -> i64 {
    metadata.annotations.as_ref().and_then(|annotations| annotations.get(REVISION)?.parse().ok()).unwrap_or(0)
}

fn next_revision(sets: &Sets) -> i64 {
    sets.old.iter().map(|set| revision_of(&set.metadata)).max().unwrap_or(0) + 1
}

/// Pods of old sets that are still there, ended ones aside.
fn old_pods(cluster: &Cluster, sets: &Sets) -> usize {
    let there = |set: &Arc<ReplicaSet>| {
        let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
        let pods = cluster.caches.pods.in_namespace(namespace);
        pods.iter().filter(|pod| is_controlled_by(pod.as_ref(), set.as_ref()) && !super::pods::has_ended(pod)).count()
    };
    sets.old.iter().map(there).sum()
}

async fn create_set(
    cluster: &Arc<Cluster>,
    deployment: &Deployment,
    strategy: &Strategy,
    replicas: i32,
    revision: i64,
) -> Result<Option<ReplicaSet>, Failure> {
    let Key { namespace, name } = Key::of(deployment);
    let Some(spec) = &deployment.spec else { return Ok(None) };
    let mut template = without_hash(&spec.template);
    let text = serde_json::to_vec(&template).unwrap_or_default();
    let hash = safe_encode(&fnv32(&text).to_string());
    template.metadata.get_or_insert_default().labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
    // What kubectl notes of its own about the deployment says nothing about the set.
    let mut annotations: BTreeMap<_, _> = deployment.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|name, _| name != "kubectl.kubernetes.io/last-applied-configuration");
    annotations.extend(strategy.annotations());
    annotations.insert(REVISION.to_owned(), revision.to_string());
    let set = ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{hash}")),
            namespace: Some(namespace.clone()),
            labels: template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()),
            annotations: Some(annotations),
            owner_references: Some(vec![reference(deployment)]),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: Some(replicas),
            min_ready_seconds: spec.min_ready_seconds,
            selector,
            template: Some(template),
        }),
        status: None,
    };
    match cluster.api(&namespace).create(&PostParams::default(), &set).await {
        Err(error) if is_terminating(&error) => Ok(None),
        created => {
            let created: ReplicaSet = created.during(&format!("create ReplicaSet {namespace}/{name}-{hash}"))?;
            cluster.caches.replica_sets.wrote(created.clone());
            scaled(cluster, deployment, "up", &format!("{name}-{hash}"), replicas);
            Ok(Some(created))
        }
    }
}

fn scaled(cluster: &Arc<Cluster>, deployment: &Deployment, way: &str, set: &str, replicas: i32) {
    let message = format!("Scaled {way} replica set {set} to {replicas}");
    record(cluster, COMPONENT, None, deployment, News::normal("ScalingReplicaSet", message));
}

async fn scale(
    cluster: &Arc<Cluster>,
    deployment: &Deployment,
    strategy: &Strategy,
    set: &ReplicaSet,
    replicas: i32,
) -> Result<(), Failure> {
    let annotations: BTreeMap<_, _> = strategy.annotations().into();
    let patch = json!({ "metadata": { "annotations": annotations }, "spec": { "replicas": replicas } });
    patch_set(cluster, set, patch).await?;
    let way = if replicas > rollout::wanted(set) { "up" } else { "down" };
    scaled(cluster, deployment, way, set.metadata.name.as_deref().unwrap_or_default(), replicas);
    Ok(())
}

async fn annotate(cluster: &Cluster, set: &ReplicaSet, revision: i64) -> Result<(), Failure> {
    patch_set(cluster, set, json!({ "metadata": { "annotations": { REVISION: revision.to_string() } } })).await
}

async fn patch_set(cluster: &Cluster, set: &ReplicaSet, patch: serde_json::Value) -> Result<(), Failure> {
    let key = Key::of(set);
    let api = cluster.api::<ReplicaSet>(&key.namespace);
    let patched = api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await;
    if let Some(set) = patched.unless_gone(&format!("update ReplicaSet {key}"))? {
        cluster.caches.replica_sets.wrote(set);
    }
    Ok(())
}

async fn set_revision(cluster: &Cluster, deployment: &Deployment, revision: i64) -> Result<(), Failure> {
    if revision_of(&deployment.metadata) == revision {
        return Ok(());
    }
    let key = Key::of(deployment);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { REVISION: revision.to_string() } } }));
    let api = cluster.api::<Deployment>(&key.namespace);
    let patched = api.patch(&key.name, &PatchParams::default(), &patch).await;
    if let Some(deployment) = patched.unless_gone(&format!("update Deployment {key}"))? {
        cluster.caches.deployments.wrote(deployment);
    }
    Ok(())
}

/// Deletes the oldest sets beyond the history's limit, once the rollout is complete.
async fn clean_up(cluster: &Cluster, deployment: &Deployment, strategy: &Strategy, sets: &Sets) -> Result<(), Failure> {
    let limit = deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(10);
    let surplus = sets.old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    if surplus == 0 || !strategy.is_complete(sets) {
        return Ok(());
    }
    for set in sets.old.iter().take(surplus).filter(|set| rollout::wanted(set) == 0 && rollout::there(set) == 0) {
        let key = Key::of(set.as_ref());
        let api = cluster.api::<ReplicaSet>(&key.namespace);
        api.delete(&key.name, &DeleteParams::background()).await.unless_gone(&format!("delete ReplicaSet {key}"))?;
    }
    Ok(())
}

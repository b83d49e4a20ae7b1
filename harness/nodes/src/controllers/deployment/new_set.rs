//! The `ReplicaSet` of a Deployment's template: found, kept up to date, or made.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::annotations::{self, REVISION, revision_of};
use super::conditions::{self, PROGRESSING};
use super::sets::{HASH, Sets, without_hash};
use super::strategy::Strategy;
use super::{COMPONENT, status};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating, message_of, reason_of};
use crate::controllers::owners::{is_controlled_by, reference};
use crate::controllers::statuses;
use crate::events::{News, record};
use crate::names::{fnv32a, safe_encode};
use crate::times;

/// Brings annotations of the new set and of the Deployment up to date.
pub(super) async fn update(cluster: &Arc<Cluster>, deployment: &Deployment, sets: &mut Sets) -> Result<(), Failure> {
    let Some(new) = sets.new.clone() else { return Ok(()) };
    let revision = next_revision(sets);
    let wanted = annotations::of_new_set(deployment, new.metadata.annotations.as_ref(), revision);
    let least = deployment.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    let has_least = new.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0) == least;
    let shown = wanted.get(REVISION).cloned().unwrap_or_default();
    if new.metadata.annotations.as_ref() != Some(&wanted) || !has_least {
        let patch = json!({ "metadata": { "annotations": wanted }, "spec": { "minReadySeconds": least } });
        sets.new = super::patch_set(cluster, &new, patch).await?.or(sets.new.take());
    }
    show_revision(cluster, deployment, &shown).await?;
    let name = new.metadata.name.as_deref().unwrap_or_default();
    note_progress(cluster, deployment, "FoundNewReplicaSet", format!("Found new replica set {name:?}"), true).await
}

fn next_revision(sets: &Sets) -> i64 {
    sets.old.iter().map(|set| revision_of(&set.metadata)).max().unwrap_or(0) + 1
}

/// Writes the revision of the new set on the Deployment.
async fn show_revision(cluster: &Cluster, deployment: &Deployment, revision: &str) -> Result<(), Failure> {
    if deployment.metadata.annotations.as_ref().and_then(|all| all.get(REVISION)).is_some_and(|now| now == revision) {
        return Ok(());
    }
    let key = Key::of(deployment);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { REVISION: revision } } }));
    let api = cluster.api::<Deployment>(&key.namespace);
    let patched = api.patch(&key.name, &PatchParams::default(), &patch).await;
    if let Some(deployment) = patched.unless_gone(&format!("update Deployment {key}"))? {
        cluster.caches.deployments.wrote(deployment);
    }
    Ok(())
}

/// Sets the condition `Progressing`, where the Deployment has a deadline; if `first`, only where it has none so far.
async fn note_progress(
    cluster: &Cluster,
    deployment: &Deployment,
    reason: &str,
    message: String,
    first: bool,
) -> Result<(), Failure> {
    let known = deployment.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let cares = deployment.spec.as_ref().and_then(status::deadline).is_some();
    if !cares || first && conditions::find(known, PROGRESSING).is_some() {
        return Ok(());
    }
    let holds = if reason == FAILED { "False" } else { "True" };
    let condition = conditions::new(PROGRESSING, holds, reason, message, &times::now(&cluster.clock));
    let mut all = known.to_vec();
    conditions::set(&mut all, condition);
    let before = deployment.status.clone().unwrap_or_default();
    let after = DeploymentStatus { conditions: Some(all), ..before.clone() };
    statuses::write(cluster, &cluster.caches.deployments, deployment, Some(&before), &after).await
}

const FAILED: &str = "ReplicaSetCreateError";

/// Makes the set of the Deployment's template; none when the namespace is going or another set has its name.
pub(super) async fn create(
    cluster: &Arc<Cluster>,
    deployment: &Deployment,
    strategy: &Strategy,
    sets: &Sets,
) -> Result<Option<Arc<ReplicaSet>>, Failure> {
    let revision = next_revision(sets);
    let replicas = strategy.first_replicas(sets);
    let Some(set) = set_of(deployment, strategy, replicas, revision) else { return Ok(None) };
    let Key { namespace, name } = Key::of(&set);
    let created = match cluster.api(&namespace).create(&PostParams::default(), &set).await {
        Ok(created) => created,
        Err(error) if is_terminating(&error) => return Ok(None),
        Err(error) if reason_of(&error) == "AlreadyExists" => {
            return there_already(cluster, deployment, &set).await;
        }
        Err(error) => {
            let message = format!("Failed to create new replica set {name:?}: {}", message_of(&error));
            record(cluster, COMPONENT, None, deployment, News::warning(FAILED, message.clone()));
            note_progress(cluster, deployment, FAILED, message, false).await?;
            return Err(error).during(&format!("create ReplicaSet {namespace}/{name}"));
        }
    };
    cluster.caches.replica_sets.wrote(created.clone());
    if replicas > 0 {
        super::scaled(cluster, deployment, "up", &name, replicas);
    }
    show_revision(cluster, deployment, &revision.to_string()).await?;
    let message = format!("Created new replica set {name:?}");
    note_progress(cluster, deployment, "NewReplicaSetCreated", message, false).await?;
    Ok(Some(Arc::new(created)))
}

/// A set has the name of the one to be made: it is that one, or the two templates have one hash. Then the collision is
/// counted, and makes another hash.
async fn there_already(
    cluster: &Cluster,
    deployment: &Deployment,
    set: &ReplicaSet,
) -> Result<Option<Arc<ReplicaSet>>, Failure> {
    let key = Key::of(set);
    let found = cluster.api::<ReplicaSet>(&key.namespace).get(&key.name).await;
    let Some(found) = found.unless_gone(&format!("get ReplicaSet {key}"))? else { return Ok(None) };
    let template = |set: &ReplicaSet| set.spec.as_ref().and_then(|spec| spec.template.as_ref()).map(without_hash);
    if is_controlled_by(&found, deployment) && template(&found) == template(set) {
        cluster.caches.replica_sets.wrote(found.clone());
        return Ok(Some(Arc::new(found)));
    }
    let before = deployment.status.clone().unwrap_or_default();
    let count = before.collision_count.unwrap_or(0) + 1;
    let after = DeploymentStatus { collision_count: Some(count), ..before.clone() };
    statuses::write(cluster, &cluster.caches.deployments, deployment, Some(&before), &after).await?;
    Ok(None)
}

/// The set as it is made.
fn set_of(deployment: &Deployment, strategy: &Strategy, replicas: i32, revision: i64) -> Option<ReplicaSet> {
    let spec = deployment.spec.as_ref()?;
    let Key { namespace, name } = Key::of(deployment);
    let mut template = without_hash(&spec.template);
    // The original hashes Go's printed form of the template; names are as long and from the same alphabet here.
    let mut text = serde_json::to_vec(&template).unwrap_or_default();
    if let Some(count) = deployment.status.as_ref().and_then(|status| status.collision_count) {
        text.extend(count.to_le_bytes());
    }
    let hash = safe_encode(&fnv32a(&text).to_string());
    template.metadata.get_or_insert_default().labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
    let mut annotations = annotations::of_new_set(deployment, None, revision);
    annotations.extend(annotations::sizes(strategy));
    Some(ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{hash}")),
            namespace: Some(namespace),
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
    })
}

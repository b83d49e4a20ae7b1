//! The status of a Deployment, which `kubectl rollout status` reads.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::rollout::{Sets, Strategy, available, there};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure};

/// A condition as it should be.
struct Wanted {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

pub(super) async fn write(cluster: &Cluster, key: &Key, sets: &Sets, strategy: &Strategy) -> Result<(), Failure> {
    let Some(deployment) = cluster.caches.deployments.get(key) else { return Ok(()) };
    let all = || sets.new.iter().chain(&sets.old);
    let ready = |set: &&std::sync::Arc<k8s_openapi::api::apps::v1::ReplicaSet>| {
        set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)
    };
    let replicas: i32 = all().map(|set| there(set)).sum();
    let available: i32 = all().map(|set| available(set)).sum();
    let unavailable = (all().map(|set| super::rollout::wanted(set)).sum::<i32>() - available).max(0);
    let numbers = json!({
        "observedGeneration": deployment.metadata.generation,
        "replicas": zero_is_absent(replicas),
        "updatedReplicas": zero_is_absent(sets.new.as_ref().map_or(0, |set| there(set))),
        "readyReplicas": zero_is_absent(all().map(|set| ready(&set)).sum()),
        "availableReplicas": zero_is_absent(available),
        "unavailableReplicas": zero_is_absent(unavailable),
    });
    let before = deployment.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let mut wanted = vec![availability(strategy, available)];
    wanted.extend(progress(&deployment, sets, strategy));
    if is_current(&deployment, &numbers, &wanted) {
        return Ok(());
    }
    let conditions: Vec<_> = wanted.iter().map(|condition| condition.since(before, cluster)).collect();
    let mut status = numbers;
    status["conditions"] = Value::Array(conditions);
    let api = cluster.api::<Deployment>(&key.namespace);
    let patch = Patch::Merge(json!({ "status": status }));
    let operation = format!("update the status of Deployment {key}");
    if let Some(written) = api.patch_status(&key.name, &PatchParams::default(), &patch).await.unless_gone(&operation)? {
        cluster.caches.deployments.wrote(written);
    }
    Ok(())
}

/// Go leaves zero counts out; a merge patch says so with null.
fn zero_is_absent(count: i32) -> Value {
    if count == 0 { Value::Null } else { count.into() }
}

fn availability(strategy: &Strategy, available: i32) -> Wanted {
    if available >= strategy.replicas - strategy.max_unavailable {
        Wanted {
            kind: "Available",
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.".to_owned(),
        }
    } else {
        Wanted {
            kind: "Available",
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.".to_owned(),
        }
    }
}

fn progress(deployment: &Deployment, sets: &Sets, strategy: &Strategy) -> Option<Wanted> {
    let new = sets.new.as_ref()?.metadata.name.as_deref().unwrap_or_default();
    let (reason, message) = if deployment.spec.as_ref().and_then(|spec| spec.paused) == Some(true) {
        ("DeploymentPaused", "Deployment is paused".to_owned())
    } else if strategy.is_complete(sets) {
        ("NewReplicaSetAvailable", format!("ReplicaSet \"{new}\" has successfully progressed."))
    } else {
        ("ReplicaSetUpdated", format!("ReplicaSet \"{new}\" is progressing."))
    };
    let status = if reason == "DeploymentPaused" { "Unknown" } else { "True" };
    Some(Wanted { kind: "Progressing", status, reason, message })
}

impl Wanted {
    fn is(&self, condition: &DeploymentCondition) -> bool {
        condition.type_ == self.kind
            && condition.status == self.status
            && condition.reason.as_deref() == Some(self.reason)
            && condition.message.as_deref() == Some(&self.message)
    }

    fn since(&self, before: &[DeploymentCondition], cluster: &Cluster) -> Value {
        let now = json!(cluster.clock.wall());
        let same_kind = before.iter().find(|condition| condition.type_ == self.kind);
        let transition = same_kind
            .filter(|condition| condition.status == self.status)
            .and_then(|condition| condition.last_transition_time.as_ref())
            .map_or_else(|| now.clone(), |time| json!(time));
        let update = same_kind
            .filter(|condition| self.is(condition))
            .and_then(|condition| condition.last_update_time.as_ref())
            .map_or_else(|| now.clone(), |time| json!(time));
        json!({
            "type": self.kind, "status": self.status, "reason": self.reason, "message": self.message,
            "lastTransitionTime": transition, "lastUpdateTime": update,
        })
    }
}

fn is_current(deployment: &Deployment, numbers: &Value, wanted: &[Wanted]) -> bool {
    let Some(now) = &deployment.status else { return false };
    let is = |now: Option<i32>, name: &str| i64::from(now.unwrap_or(0)) == numbers[name].as_i64().unwrap_or(0);
    let conditions = now.conditions.as_deref().unwrap_or_default();
    now.observed_generation == numbers["observedGeneration"].as_i64()
        && is(now.replicas, "replicas")
        && is(now.updated_replicas, "updatedReplicas")
        && is(now.ready_replicas, "readyReplicas")
        && is(now.available_replicas, "availableReplicas")
        && is(now.unavailable_replicas, "unavailableReplicas")
        && wanted.len() == conditions.len()
        && wanted.iter().all(|wanted| conditions.iter().any(|condition| wanted.is(condition)))
}

//! The status of a Deployment, which `kubectl rollout status` reads.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::conditions::{self, AVAILABLE, COMPLETE, Conditions, PROGRESSING, REPLICA_FAILURE, TIMED_OUT};
use super::sets::{Sets, available, ready, there, wanted};
use super::strategy::Strategy;
use crate::ages::Ages;

/// How far a rollout has come, for its status.
pub(super) struct Progress<'a> {
    pub(super) ages: &'a Ages,
    pub(super) deployment: &'a Deployment,
    pub(super) sets: &'a Sets,
    pub(super) strategy: &'a Strategy,
    pub(super) now: Time,
}

/// How long a rollout may stand still; none when the Deployment does not care (kubernetes v1.20, `HasProgressDeadline`).
pub(super) fn deadline(spec: &DeploymentSpec) -> Option<Duration> {
    let seconds = spec.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Go leaves zero counts out.
fn some(count: i32) -> Option<i32> {
    Some(count).filter(|count| *count != 0)
}

/// Whether the rollout has come to its end (kubernetes v1.20, `DeploymentComplete`).
pub(super) fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let all = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let counts = [status.updated_replicas, status.replicas, status.available_replicas];
    counts.iter().all(|count| count.unwrap_or(0) == all)
        && status.observed_generation.unwrap_or(0) >= deployment.metadata.generation.unwrap_or(0)
}

impl Progress<'_> {
    /// The counts, and whether enough pods are available. All that a paused Deployment's status says.
    pub(super) fn counted(&self) -> DeploymentStatus {
        let sum = |count: fn(&k8s_openapi::api::apps::v1::ReplicaSet) -> i32| -> i32 {
            self.sets.all().map(|set| count(set)).sum()
        };
        let before = self.deployment.status.clone().unwrap_or_default();
        let available = sum(available);
        let mut conditions = before.conditions.unwrap_or_default();
        let (holds, reason, message) = if available >= self.strategy.replicas - self.strategy.max_unavailable {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        conditions::set(&mut conditions, conditions::new(AVAILABLE, holds, reason, message, &self.now));
        DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            replicas: some(sum(there)),
            updated_replicas: some(self.sets.new.as_ref().map_or(0, |set| there(set))),
            ready_replicas: some(sum(ready)),
            available_replicas: some(available),
            unavailable_replicas: some((sum(wanted) - available).max(0)),
            collision_count: before.collision_count,
            conditions: Some(conditions),
            ..DeploymentStatus::default()
        }
    }

    /// The same with how the rollout goes on.
    pub(super) fn rolling(&self) -> DeploymentStatus {
        let mut status = self.counted();
        let mut conditions = status.conditions.take().unwrap_or_default();
        match self.deployment.spec.as_ref().and_then(deadline) {
            None => conditions::remove(&mut conditions, PROGRESSING),
            Some(deadline) => self.progress(&status, &mut conditions, deadline),
        }
        match self.failure() {
            Some(failure) => conditions::set(&mut conditions, failure),
            None => conditions::remove(&mut conditions, REPLICA_FAILURE),
        }
        status.conditions = Some(conditions);
        status
    }

    fn progress(&self, status: &DeploymentStatus, conditions: &mut Conditions, deadline: Duration) {
        let current = conditions::find(conditions, PROGRESSING).cloned();
        let was_complete = status.replicas == status.updated_replicas
            && current.as_ref().and_then(|condition| condition.reason.as_deref()) == Some(COMPLETE);
        // After its end only a new rollout can be late.
        if was_complete {
            return;
        }
        let new = |status, reason, message| conditions::new(PROGRESSING, status, reason, message, &self.now);
        if is_complete(self.deployment, status) {
            let message = format!("{} has successfully progressed.", self.subject());
            conditions::set(conditions, new("True", COMPLETE, message));
        } else if self.progresses(status) {
            let mut condition = new("True", "ReplicaSetUpdated", format!("{} is progressing.", self.subject()));
            // Progress is noted also where only its time is new.
            if let Some(current) = current {
                if current.status == "True" {
                    condition.last_transition_time = current.last_transition_time;
                }
                conditions::remove(conditions, PROGRESSING);
            }
            conditions::set(conditions, condition);
        } else if self.left(current.as_ref(), deadline).is_some_and(|left| left.is_zero()) {
            let message = format!("{} has timed out progressing.", self.subject());
            conditions::set(conditions, new("False", TIMED_OUT, message));
        }
    }

    /// Whose progress is meant.
    fn subject(&self) -> String {
        let quoted = |name: Option<&String>| format!("{:?}", name.map_or("", String::as_str));
        match &self.sets.new {
            Some(new) => format!("ReplicaSet {}", quoted(new.metadata.name.as_ref())),
            None => format!("Deployment {}", quoted(self.deployment.metadata.name.as_ref())),
        }
    }

    fn progresses(&self, status: &DeploymentStatus) -> bool {
        let before = self.deployment.status.clone().unwrap_or_default();
        let grew = |after: Option<i32>, before: Option<i32>| after.unwrap_or(0) > before.unwrap_or(0);
        let old = |status: &DeploymentStatus| status.replicas.unwrap_or(0) - status.updated_replicas.unwrap_or(0);
        grew(status.updated_replicas, before.updated_replicas)
            || grew(status.ready_replicas, before.ready_replicas)
            || grew(status.available_replicas, before.available_replicas)
            || old(status) < old(&before)
    }

    /// How long until the rollout is late; zero when it is, none when it cannot be.
    fn left(&self, current: Option<&DeploymentCondition>, deadline: Duration) -> Option<Duration> {
        let current = current?;
        match current.reason.as_deref() {
            Some(COMPLETE) => None,
            Some(TIMED_OUT) => Some(Duration::ZERO),
            _ => {
                let since = current.last_update_time.as_ref()?.0;
                let what = format!("progress/{}", self.deployment.metadata.uid.as_deref().unwrap_or_default());
                Some(self.ages.left(&what, since, deadline).unwrap_or_default())
            }
        }
    }

    /// When to look again whether the rollout is late: none when it has ended or has been called late.
    pub(super) fn look_again(&self, status: &DeploymentStatus) -> Option<Duration> {
        let deadline = self.deployment.spec.as_ref().and_then(deadline)?;
        let current = conditions::find(status.conditions.as_deref().unwrap_or_default(), PROGRESSING);
        if is_complete(self.deployment, status) {
            return None;
        }
        self.left(current, deadline).filter(|left| !left.is_zero())
    }

    /// A set that cannot make its pods; the new one's trouble first.
    fn failure(&self) -> Option<DeploymentCondition> {
        let of = |set: &k8s_openapi::api::apps::v1::ReplicaSet| {
            let conditions = set.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
            conditions.into_iter().find(|condition| condition.type_ == REPLICA_FAILURE)
        };
        let condition = self.sets.new.iter().chain(&self.sets.old).find_map(|set| of(set))?;
        Some(DeploymentCondition {
            type_: condition.type_,
            status: condition.status,
            reason: condition.reason,
            message: condition.message,
            last_update_time: condition.last_transition_time.clone(),
            last_transition_time: condition.last_transition_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Clock;

    fn now() -> Time {
        Time("2026-11-22T10:00:00Z".parse().unwrap())
    }

    /// A Deployment of two replicas in the middle of a rollout.
    fn status_of(status: &Value, available: i32, now: Time) -> DeploymentStatus {
        let ages = Ages::new(Clock::real());
        let deployment = json!({
            "metadata": {"name": "web", "generation": 3, "uid": "u"},
            "spec": {"replicas": 2, "selector": {}, "template": {}, "progressDeadlineSeconds": 600},
            "status": status,
        });
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        let new = json!({
            "metadata": {"name": "web-1"}, "spec": {"replicas": 2, "selector": {}},
            "status": {"replicas": 2, "availableReplicas": available, "readyReplicas": available},
        });
        let sets = Sets { new: Some(Arc::new(serde_json::from_value(new).unwrap())), old: Vec::new() };
        let strategy = Strategy::of(deployment.spec.as_ref().unwrap());
        Progress { ages: &ages, deployment: &deployment, sets: &sets, strategy: &strategy, now }.rolling()
    }

    fn progressing(status: &DeploymentStatus) -> (String, String) {
        let condition = conditions::find(status.conditions.as_deref().unwrap(), PROGRESSING).unwrap();
        (condition.reason.clone().unwrap(), condition.message.clone().unwrap())
    }

    fn before(reason: &str, time: &str) -> Value {
        json!({"conditions": [{
            "type": "Progressing", "status": "True", "reason": reason,
            "lastUpdateTime": time, "lastTransitionTime": time,
        }], "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1})
    }

    #[rstest]
    #[case::goes_on(
        2,
        "ReplicaSetUpdated",
        "NewReplicaSetAvailable",
        "ReplicaSet \"web-1\" has successfully progressed."
    )]
    #[case::stands(
        1,
        "NewReplicaSetCreated",
        "ProgressDeadlineExceeded",
        "ReplicaSet \"web-1\" has timed out progressing."
    )]
    fn tells_how_the_rollout_goes(
        #[case] available: i32,
        #[case] reason: &str,
        #[case] expected: &str,
        #[case] message: &str,
    ) {
        let status = status_of(&before(reason, "2020-01-01T00:00:00Z"), available, now());
        assert_eq!(progressing(&status), (expected.to_owned(), message.to_owned()));
    }

    #[test]
    fn notes_the_time_of_every_progress() {
        let mut before = before("ReplicaSetUpdated", "2020-01-01T00:00:00Z");
        before["updatedReplicas"] = json!(1);
        let status = status_of(&before, 1, now());
        let conditions = status.conditions.unwrap();
        let condition = conditions::find(&conditions, PROGRESSING).unwrap();
        assert_eq!(condition.reason.as_deref(), Some("ReplicaSetUpdated"));
        assert_eq!(condition.last_update_time, Some(now()));
        assert_ne!(condition.last_transition_time, Some(now()));
    }

    #[test]
    fn leaves_zero_counts_out() {
        let status = status_of(&json!({}), 0, now());
        assert_eq!(status.available_replicas, None);
        assert_eq!(status.unavailable_replicas, Some(2));
    }
}

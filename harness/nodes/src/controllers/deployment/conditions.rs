//! The conditions of a Deployment, in the order and with the times that the original gives them (kubernetes v1.20,
//! `pkg/controller/deployment/util`).

use k8s_openapi::api::apps::v1::DeploymentCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub(super) const PROGRESSING: &str = "Progressing";
pub(super) const AVAILABLE: &str = "Available";
pub(super) const REPLICA_FAILURE: &str = "ReplicaFailure";

pub(super) const TIMED_OUT: &str = "ProgressDeadlineExceeded";
pub(super) const PAUSED: &str = "DeploymentPaused";
pub(super) const COMPLETE: &str = "NewReplicaSetAvailable";

pub(super) type Conditions = Vec<DeploymentCondition>;

pub(super) fn find<'a>(conditions: &'a [DeploymentCondition], kind: &str) -> Option<&'a DeploymentCondition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

pub(super) fn reason<'a>(conditions: &'a [DeploymentCondition], kind: &str) -> Option<&'a str> {
    find(conditions, kind)?.reason.as_deref()
}

pub(super) fn remove(conditions: &mut Conditions, kind: &str) {
    conditions.retain(|condition| condition.type_ != kind);
}

/// A condition that holds since `now`.
pub(super) fn new(
    kind: &str,
    status: &str,
    reason: &str,
    message: impl Into<String>,
    now: &Time,
) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.into()),
        last_transition_time: Some(now.clone()),
        last_update_time: Some(now.clone()),
    }
}

/// Puts `condition` last, unless one with its status and reason is there. The time of the transition stays while the
/// status does.
pub(super) fn set(conditions: &mut Conditions, condition: DeploymentCondition) {
    let mut condition = condition;
    if let Some(current) = find(conditions, &condition.type_) {
        if current.status == condition.status && current.reason == condition.reason {
            return;
        }
        if current.status == condition.status {
            condition.last_transition_time.clone_from(&current.last_transition_time);
        }
    }
    remove(conditions, &condition.type_);
    conditions.push(condition);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn puts_what_changed_last_and_keeps_the_time_of_the_transition() {
        let mut conditions = Conditions::new();
        set(&mut conditions, new(PROGRESSING, "True", "A", "", &at(1)));
        set(&mut conditions, new(AVAILABLE, "True", "B", "", &at(2)));
        set(&mut conditions, new(PROGRESSING, "True", "C", "", &at(3)));
        let kinds: Vec<_> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
        assert_eq!(kinds, [AVAILABLE, PROGRESSING]);
        assert_eq!(conditions[1].last_transition_time, Some(at(1)));
        assert_eq!(conditions[1].last_update_time, Some(at(3)));
    }

    #[test]
    fn leaves_the_same_reason_alone() {
        let mut conditions = Conditions::new();
        set(&mut conditions, new(AVAILABLE, "True", "A", "one", &at(1)));
        let before = conditions.clone();
        set(&mut conditions, new(AVAILABLE, "True", "A", "two", &at(2)));
        assert_eq!(conditions, before);
    }
}

//! What a `StatefulSet` does next, and the status that follows (kubernetes v1.20,
//! `pkg/controller/statefulset/stateful_set_control.go`).

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};

use super::identity::{self, ordinal, revision_of};
use super::runs;
use crate::controllers::history::{Revision, name_of, template_in};
use crate::controllers::pods::phase_of;
use crate::controllers::replicaset::count;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Act {
    Create(Box<Pod>),
    Delete(Arc<Pod>),
    /// Deletes a failed pod, whose successor comes next.
    Recreate(Arc<Pod>),
}

pub(super) struct Plan {
    pub(super) acts: Vec<Act>,
    pub(super) status: StatefulSetStatus,
}

struct Revisions<'a> {
    set: &'a StatefulSet,
    spec: &'a StatefulSetSpec,
    current: &'a Revision,
    update: &'a Revision,
}

fn is_going(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn is_healthy(pod: &Pod) -> bool {
    runs(pod) && !is_going(pod)
}

fn rolls(spec: &StatefulSetSpec) -> bool {
    spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()).unwrap_or("RollingUpdate")
        == "RollingUpdate"
}

/// Pods from this ordinal on are to be of the update revision.
fn partition(spec: &StatefulSetSpec) -> Option<usize> {
    let rolling = spec.update_strategy.as_ref()?.rolling_update.as_ref()?;
    Some(usize::try_from(rolling.partition.unwrap_or(0)).unwrap_or(0))
}

impl Revisions<'_> {
    /// Pod `ordinal` as it is to be made now.
    fn pod(&self, ordinal: usize, current_replicas: i32) -> Pod {
        let stays = rolls(self.spec)
            && match partition(self.spec) {
                Some(partition) => ordinal < partition,
                None => ordinal < usize::try_from(current_replicas).unwrap_or(0),
            };
        let revision = if stays { self.current } else { self.update };
        let template: PodTemplateSpec = template_in(revision).unwrap_or_else(|| self.spec.template.clone());
        identity::pod(self.set, &template, name_of(revision), ordinal)
    }

    /// Counts `pod` in or out, by its revision.
    fn count(&self, status: &mut StatefulSetStatus, pod: &Pod, by: i32) {
        let add = |counted: bool, number: &mut Option<i32>| {
            if counted {
                *number = Some(number.unwrap_or(0) + by);
            }
        };
        let revision = revision_of(pod);
        add(revision == Some(name_of(self.current)), &mut status.current_replicas);
        add(revision == Some(name_of(self.update)), &mut status.updated_replicas);
    }
}

impl Plan {
    pub(super) fn of(set: &StatefulSet, own: &[Arc<Pod>], current: &Revision, update: &Revision) -> Self {
        let spec = set.spec.clone().unwrap_or_default();
        let revisions = Revisions { set, spec: &spec, current, update };
        let replicas = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
        let mut status = StatefulSetStatus {
            observed_generation: set.metadata.generation,
            replicas: count(own.len()),
            ready_replicas: Some(count(own.iter().filter(|pod| runs(pod)).count())),
            current_revision: Some(name_of(current).to_owned()),
            update_revision: Some(name_of(update).to_owned()),
            ..StatefulSetStatus::default()
        };
        for pod in own.iter().filter(|pod| !is_going(pod)) {
            revisions.count(&mut status, pod, 1);
        }
        let mut plan = Self { acts: Vec::new(), status };
        if set.metadata.deletion_timestamp.is_none() {
            plan.fill(&revisions, own, replicas);
        }
        plan
    }

    fn fill(&mut self, revisions: &Revisions<'_>, own: &[Arc<Pod>], replicas: usize) {
        let set = revisions.set;
        let one_by_one = revisions.spec.pod_management_policy.as_deref() != Some("Parallel");
        let at = |wanted: usize| own.iter().find(|pod| ordinal(set, pod) == Some(wanted));
        let before = set.status.as_ref().and_then(|status| status.current_replicas).unwrap_or(0);
        for number in 0..replicas {
            match at(number) {
                Some(pod) if phase_of(pod) != "Failed" => {
                    if one_by_one && !is_healthy(pod) {
                        return;
                    }
                }
                found => {
                    if let Some(failed) = found {
                        self.acts.push(Act::Recreate(failed.clone()));
                        revisions.count(&mut self.status, failed, -1);
                        self.status.replicas -= 1;
                        // A finalizer may keep the name for long; its deletion brings the set back here.
                        if is_going(failed) {
                            return;
                        }
                    }
                    let pod = revisions.pod(number, before);
                    revisions.count(&mut self.status, &pod, 1);
                    self.status.replicas += 1;
                    self.acts.push(Act::Create(Box::new(pod)));
                    if one_by_one {
                        return;
                    }
                }
            }
        }
        if !self.shrink(revisions, own, replicas, one_by_one) {
            self.roll(revisions, own, replicas);
        }
    }

    /// Deletes pods beyond the wanted number, the highest first; whether that is all for now.
    fn shrink(&mut self, revisions: &Revisions<'_>, own: &[Arc<Pod>], replicas: usize, one_by_one: bool) -> bool {
        let number = |pod: &Arc<Pod>| ordinal(revisions.set, pod);
        let mut condemned: Vec<_> = own.iter().filter(|pod| number(pod).is_some_and(|at| at >= replicas)).collect();
        condemned.sort_by_key(|pod| number(pod));
        let first_unhealthy = condemned.iter().find(|pod| !is_healthy(pod)).and_then(|pod| number(pod));
        for pod in condemned.into_iter().rev() {
            if is_going(pod) {
                if one_by_one {
                    return true;
                }
                continue;
            }
            if one_by_one && !runs(pod) && number(pod) != first_unhealthy {
                return true;
            }
            self.acts.push(Act::Delete(pod.clone()));
            revisions.count(&mut self.status, pod, -1);
            if one_by_one {
                return true;
            }
        }
        false
    }

    /// Deletes the highest pod that is not of the update revision, once all above it are healthy.
    fn roll(&mut self, revisions: &Revisions<'_>, own: &[Arc<Pod>], replicas: usize) {
        if !rolls(revisions.spec) {
            return;
        }
        let first = partition(revisions.spec).unwrap_or(0);
        for number in (first..replicas).rev() {
            let Some(pod) = own.iter().find(|pod| ordinal(revisions.set, pod) == Some(number)) else { return };
            if revision_of(pod) != Some(name_of(revisions.update)) && !is_going(pod) {
                self.acts.push(Act::Delete(pod.clone()));
                self.status.current_replicas = Some(self.status.current_replicas.unwrap_or(0) - 1);
                return;
            }
            if !is_healthy(pod) {
                return;
            }
        }
    }

    /// Ends a rollout that has come to its end, and leaves zero counts out as Go does.
    pub(super) fn complete(&mut self, set: &StatefulSet) {
        let status = &mut self.status;
        let all = Some(status.replicas);
        let ready = Some(status.ready_replicas.unwrap_or(0));
        let updated = Some(status.updated_replicas.unwrap_or(0));
        if set.spec.as_ref().is_some_and(rolls) && updated == all && ready == all {
            status.current_replicas = updated;
            status.current_revision.clone_from(&status.update_revision);
        }
        for number in [&mut status.current_replicas, &mut status.updated_replicas, &mut status.ready_replicas] {
            *number = number.filter(|number| *number != 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::ControllerRevision;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn set(replicas: i32, more: &Value) -> StatefulSet {
        let mut spec = json!({"replicas": replicas, "selector": {}, "template": {}, "serviceName": ""});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(json!({"metadata": {"name": "db"}, "spec": spec, "status": {"replicas": 0}})).unwrap()
    }

    fn revision(name: &str) -> Revision {
        Arc::new(ControllerRevision {
            metadata: serde_json::from_value(json!({ "name": name })).unwrap(),
            ..ControllerRevision::default()
        })
    }

    /// A pod, as `0r`: its ordinal, and whether it runs (r), fails (f), goes (g) or waits; an upper-case letter is of
    /// the old revision.
    fn pod(text: &str) -> Arc<Pod> {
        let (number, state) = text.split_at(1);
        let revision = if state.chars().all(char::is_uppercase) { "old" } else { "new" };
        let state = state.to_lowercase();
        let phase = match state.as_str() {
            "r" | "g" => "Running",
            "f" => "Failed",
            _ => "Pending",
        };
        let ready = if state == "r" { "True" } else { "False" };
        let mut pod = json!({
            "metadata": {"name": format!("db-{number}"), "labels": {"controller-revision-hash": revision}},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        });
        if state == "g" {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[rstest]
    #[case::first(2, json!({}), &[], &["+db-0"])]
    #[case::waits_for_the_first(2, json!({}), &["0w"], &[])]
    #[case::second(2, json!({}), &["0r"], &["+db-1"])]
    #[case::all_at_once(3, json!({"podManagementPolicy": "Parallel"}), &[], &["+db-0", "+db-1", "+db-2"])]
    #[case::highest_goes_first(1, json!({}), &["0r", "1r", "2r"], &["-db-2"])]
    #[case::one_after_the_other(1, json!({}), &["0r", "1r", "2g"], &[])]
    #[case::failed(1, json!({}), &["0f"], &["*db-0", "+db-0"])]
    #[case::rolls_from_the_top(3, json!({}), &["0R", "1R", "2R"], &["-db-2"])]
    #[case::waits_for_the_new_one(3, json!({}), &["0R", "1R", "2w"], &[])]
    #[case::rolls_on(3, json!({}), &["0R", "1R", "2r"], &["-db-1"])]
    #[case::partition(3, json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}}), &["0R", "1R", "2r"], &[])]
    #[case::on_delete(2, json!({"updateStrategy": {"type": "OnDelete"}}), &["0R", "1R"], &[])]
    fn does_one_thing_after_the_other(
        #[case] replicas: i32,
        #[case] more: Value,
        #[case] own: &[&str],
        #[case] expected: &[&str],
    ) {
        let own: Vec<_> = own.iter().map(|text| pod(text)).collect();
        let plan = Plan::of(&set(replicas, &more), &own, &revision("old"), &revision("new"));
        let name = |pod: &Pod| pod.metadata.name.clone().unwrap();
        let acts: Vec<_> = plan
            .acts
            .iter()
            .map(|act| match act {
                Act::Create(pod) => format!("+{}", name(pod)),
                Act::Delete(pod) => format!("-{}", name(pod)),
                Act::Recreate(pod) => format!("*{}", name(pod)),
            })
            .collect();
        assert_eq!(acts, expected);
    }

    #[test]
    fn takes_the_update_for_the_current_revision_when_all_have_it() {
        let set = set(2, &json!({}));
        let own = [pod("0r"), pod("1r")];
        let mut plan = Plan::of(&set, &own, &revision("old"), &revision("new"));
        plan.complete(&set);
        assert_eq!(plan.status.current_revision.as_deref(), Some("new"));
        assert_eq!((plan.status.current_replicas, plan.status.updated_replicas), (Some(2), Some(2)));
    }
}

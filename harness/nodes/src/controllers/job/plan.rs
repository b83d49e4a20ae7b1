//! How many pods a Job makes or deletes now, and whether it has come to its end.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

use crate::controllers::pods::{given_up_first, is_active, phase_of};
use crate::controllers::replicaset::count;

/// Why a Job fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    TooOften,
    TooLate,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) create: usize,
    pub(super) delete: Vec<Arc<Pod>>,
    pub(super) failed: Option<Failed>,
    /// Pods that go on, those to be made aside.
    pub(super) active: i32,
    pub(super) succeeded: i32,
    pub(super) failures: i32,
}

pub(super) fn has_finished(job: &Job) -> bool {
    finish_of(job).is_some()
}

/// The condition with which a Job has finished: `Complete` or `Failed`.
pub(crate) fn finish_of(job: &Job) -> Option<&str> {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_end = |kind: &str| matches!(kind, "Complete" | "Failed");
    conditions.iter().find(|one| is_end(&one.type_) && one.status == "True").map(|one| one.type_.as_str())
}

impl Plan {
    pub(super) fn of(job: &Job, own: &[Arc<Pod>], late: bool) -> Self {
        let spec = job.spec.clone().unwrap_or_default();
        let in_phase = |phase: &str| count(own.iter().filter(|pod| phase_of(pod) == phase).count());
        let (succeeded, failures) = (in_phase("Succeeded"), in_phase("Failed"));
        let mut active: Vec<_> = own.iter().filter(|pod| is_active(pod)).cloned().collect();
        let parallelism = spec.parallelism.unwrap_or(1);
        let limit = spec.backoff_limit.unwrap_or(6);
        let known = job.status.as_ref().and_then(|status| status.failed).unwrap_or(0);
        let too_often = failures > known && count(active.len()) != parallelism && failures > limit
            || restarts_beyond(job, own, limit);
        let failed = match (too_often, late) {
            (true, _) => Some(Failed::TooOften),
            (false, true) => Some(Failed::TooLate),
            (false, false) => None,
        };
        if failed.is_some() {
            let failures = failures + count(active.len());
            return Self { create: 0, delete: active, failed, active: 0, succeeded, failures };
        }
        let running = count(active.len());
        let wanted = match spec.completions {
            None if succeeded > 0 => running,
            None => parallelism,
            Some(completions) => (completions - succeeded).min(parallelism),
        };
        let stays = job.metadata.deletion_timestamp.is_some();
        let create = if stays { 0 } else { usize::try_from(wanted - running).unwrap_or(0) };
        let mut delete = Vec::new();
        if !stays && running > parallelism {
            active.sort_by(|a, b| given_up_first(a, b));
            delete = active.drain(..usize::try_from(running - parallelism).unwrap_or(0)).collect();
        }
        let active = running - count(delete.len());
        let create = if running < parallelism { create } else { 0 };
        Self { create, delete, failed, active, succeeded, failures }
    }

    /// Whether all has been done, with `active` pods left.
    pub(super) fn is_complete(&self, job: &Job, active: i32) -> bool {
        match job.spec.as_ref().and_then(|spec| spec.completions) {
            None => self.succeeded > 0 && active == 0,
            Some(completions) => self.succeeded >= completions,
        }
    }
}

/// Whether containers were restarted in their pods as often as pods may fail.
fn restarts_beyond(job: &Job, own: &[Arc<Pod>], limit: i32) -> bool {
    let pod_spec = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    if pod_spec.and_then(|spec| spec.restart_policy.as_deref()) != Some("OnFailure") {
        return false;
    }
    let goes_on = own.iter().filter(|pod| matches!(phase_of(pod), "Running" | "Pending"));
    let statuses = goes_on.filter_map(|pod| pod.status.as_ref()).flat_map(|status| {
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
    });
    let restarts: i32 = statuses.map(|status| status.restart_count).sum();
    if limit == 0 { restarts > 0 } else { restarts >= limit }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn job(spec: &Value, failed: i32) -> Job {
        let mut all = json!({"template": {"spec": {"containers": [], "restartPolicy": "Never"}}, "backoffLimit": 1});
        for (key, value) in spec.as_object().unwrap() {
            all[key] = value.clone();
        }
        serde_json::from_value(json!({"metadata": {"name": "j"}, "spec": all, "status": {"failed": failed}})).unwrap()
    }

    /// Pods by the first letters of their phases.
    fn pods(text: &str) -> Vec<Arc<Pod>> {
        let phase = |letter| match letter {
            'R' => "Running",
            'S' => "Succeeded",
            'F' => "Failed",
            _ => "Pending",
        };
        let pod = |letter| serde_json::from_value(json!({"metadata": {}, "status": {"phase": phase(letter)}}));
        text.chars().map(|letter| Arc::new(pod(letter).unwrap())).collect()
    }

    #[rstest]
    #[case::begins(json!({"completions": 1, "parallelism": 1}), "", (1, 0), None, false)]
    #[case::in_parallel(json!({"completions": 5, "parallelism": 2}), "RS", (1, 0), None, false)]
    #[case::the_last(json!({"completions": 3, "parallelism": 2}), "SSR", (0, 0), None, false)]
    #[case::complete(json!({"completions": 2, "parallelism": 2}), "SS", (0, 0), None, true)]
    #[case::too_many(json!({"completions": 5, "parallelism": 1}), "RRR", (0, 2), None, false)]
    #[case::work_queue(json!({"parallelism": 2}), "SR", (0, 0), None, false)]
    #[case::work_queue_done(json!({"parallelism": 2}), "SS", (0, 0), None, true)]
    #[case::again(json!({"completions": 1, "parallelism": 1}), "F", (1, 0), None, false)]
    #[case::too_often(json!({"completions": 1, "parallelism": 1}), "FF", (0, 0), Some(Failed::TooOften), false)]
    fn makes_pods_until_enough_have_succeeded(
        #[case] spec: Value,
        #[case] own: &str,
        #[case] expected: (usize, usize),
        #[case] failed: Option<Failed>,
        #[case] complete: bool,
    ) {
        let job = job(&spec, 0);
        let plan = Plan::of(&job, &pods(own), false);
        assert_eq!((plan.create, plan.delete.len()), expected);
        assert_eq!(plan.failed, failed);
        assert_eq!(plan.failed.is_none() && plan.is_complete(&job, plan.active + count(plan.create)), complete);
    }

    #[test]
    fn ends_what_runs_when_it_is_late() {
        let plan = Plan::of(&job(&json!({"completions": 1, "parallelism": 2}), 0), &pods("RP"), true);
        assert_eq!((plan.failed, plan.delete.len(), plan.failures), (Some(Failed::TooLate), 2, 2));
    }

    #[test]
    fn counts_restarts_inside_of_pods() {
        let mut job = job(&json!({"completions": 1, "parallelism": 1}), 0);
        job.spec.as_mut().unwrap().template.spec.as_mut().unwrap().restart_policy = Some("OnFailure".to_owned());
        let pod = json!({"metadata": {}, "status": {"phase": "Running", "containerStatuses": [{
            "name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 1,
        }]}});
        let own = [Arc::new(serde_json::from_value(pod).unwrap())];
        assert_eq!(Plan::of(&job, &own, false).failed, Some(Failed::TooOften));
    }
}

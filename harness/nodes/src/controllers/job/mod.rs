//! `Job` → Pods that run to their end (kubernetes v1.20, `pkg/controller/job`).
//!
//! `ttlSecondsAfterFinished` does nothing, as in 1.20, where the feature `TTLAfterFinished` is alpha and off.

mod plan;

pub(crate) use self::plan::finish_of;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus};
use k8s_openapi::api::core::v1::Pod;

use self::plan::{Failed, Plan};
use super::claims::Claim;
use super::owners::controller_of;
use super::{pods, statuses};
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, Failure};
use crate::events::{News, record};
use crate::queue::{Queue, work};
use crate::selectors::selects;
use crate::times;

const COMPONENT: &str = "job-controller";

/// How long a Job waits before it makes a pod in place of one that failed: 10 s, doubled each time up to six minutes.
/// The first comes at once.
const BACKOFF: Delay = Delay::new("job-backoff", Duration::from_secs(10));

const LONGEST_BACKOFF: Duration = Duration::from_mins(6);

/// A Job may run for its `activeDeadlineSeconds`.
const DEADLINE: Delay = Delay::new("job-deadline", Duration::ZERO);

struct Jobs {
    cluster: Arc<Cluster>,
    queue: Arc<Queue<Key>>,
    /// How often pods of a Job failed since one last succeeded, by the Job's UID.
    failures: Mutex<BTreeMap<String, u32>>,
}

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let jobs = Arc::new(Jobs { cluster: cluster.clone(), queue: queue.clone(), failures: Mutex::default() });
    let home = Arc::downgrade(&jobs);
    cluster.caches.jobs.on_change(move |change| {
        let Some(home) = home.upgrade() else { return };
        match (change.old, change.new) {
            (_, Some(job)) => home.queue.push(Key::of(job.as_ref())),
            (Some(gone), None) => home.forget(gone),
            (None, None) => {}
        }
    });
    let home = Arc::downgrade(&jobs);
    cluster.caches.pods.on_change(move |change| {
        let Some(home) = home.upgrade() else { return };
        let Some(pod) = change.any() else { return };
        let failed = |pod: &Arc<Pod>| pods::phase_of(pod) == "Failed";
        let fails = change.new.is_some_and(failed) && !change.old.is_some_and(failed);
        home.pod_changed(pod, fails);
    });
    work(cluster, "job", queue, move |key| {
        let jobs = jobs.clone();
        async move { jobs.reconcile(key).await }
    });
}

fn uid_of(job: &Job) -> String {
    job.metadata.uid.clone().unwrap_or_default()
}

impl Jobs {
    fn pod_changed(&self, pod: &Pod, fails: bool) {
        let namespace = Key::of(pod).namespace;
        let of_whom = controller_of(pod).filter(|owner| owner.kind == "Job").map(|owner| owner.name.clone());
        let keys: Vec<_> = match (of_whom, controller_of(pod)) {
            (Some(name), _) => vec![Key::new(namespace, name)],
            (None, Some(_)) => return,
            (None, None) => {
                let jobs = self.cluster.caches.jobs.in_namespace(&namespace).into_iter();
                let selected = jobs.filter(|job| {
                    let selector = job.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                    selector.is_some_and(|selector| selects(selector, pod.metadata.labels.as_ref()))
                });
                selected.map(|job| Key::of(job.as_ref())).collect()
            }
        };
        for key in keys {
            let job = self.cluster.caches.jobs.get(&key);
            match job.as_deref().filter(|_| fails).and_then(|job| self.backoff(job)) {
                Some(delay) => self.queue.push_after(&self.cluster, key, delay),
                None => self.queue.push(key),
            }
        }
    }

    /// How long a failure of a pod waits before it is looked at; none for the first.
    fn backoff(&self, job: &Job) -> Option<Delay> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let doublings = failures.get(&uid_of(job)).copied().unwrap_or(0).checked_sub(1)?;
        let duration = BACKOFF.duration * 2_u32.pow(doublings.min(6));
        Some(BACKOFF.lasting(duration.min(LONGEST_BACKOFF)))
    }

    fn forget(&self, job: &Job) {
        self.queue.forget_later(&Key::of(job));
        let uid = uid_of(job);
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        self.cluster.ages.forget(&format!("job/{uid}"));
    }

    async fn reconcile(&self, key: Key) -> Result<(), Failure> {
        let cluster = &self.cluster;
        let Some(job) = cluster.caches.jobs.get(&key) else { return Ok(()) };
        if plan::has_finished(&job) {
            self.queue.forget_later(&key);
            return Ok(());
        }
        let Some(spec) = &job.spec else { return Ok(()) };
        let Some(selector) = &spec.selector else { return Ok(()) };
        let claim = Claim { cluster, owner: job.as_ref(), selector, cache: &cluster.caches.pods };
        let own = claim.of(|_| true).await?;
        let before = job.status.clone().unwrap_or_default();
        let started = before.start_time.clone().unwrap_or_else(|| times::now(&cluster.clock));
        let late = spec.active_deadline_seconds.is_some_and(|seconds| {
            let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            let left = cluster.ages.left(&format!("job/{}", uid_of(&job)), started.0, limit);
            if let Some(left) = left {
                self.queue.push_after(cluster, key.clone(), DEADLINE.lasting(left));
            }
            left.is_none()
        });
        let plan = Plan::of(&job, &own, late);
        self.act(&job, &plan, JobStatus { start_time: Some(started), ..before }).await
    }

    async fn act(&self, job: &Job, plan: &Plan, before: JobStatus) -> Result<(), Failure> {
        let cluster = &self.cluster;
        let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
        let mut trouble = None;
        let mut active = plan.active;
        for pod in &plan.delete {
            pods::delete(cluster, COMPONENT, job, pod).await?;
        }
        for _ in 0..plan.create {
            match pods::create(cluster, COMPONENT, job, &pods::from_template(&template, job)).await {
                Ok(Some(_)) => active += 1,
                Ok(None) => break,
                Err(failure) => {
                    trouble = Some(failure);
                    break;
                }
            }
        }
        let now = times::now(&cluster.clock);
        let mut after = before.clone();
        let condition = |kind: &str, reason: Option<&str>, message: Option<&str>| JobCondition {
            type_: kind.to_owned(),
            status: "True".to_owned(),
            reason: reason.map(str::to_owned),
            message: message.map(str::to_owned),
            last_probe_time: Some(now.clone()),
            last_transition_time: Some(now.clone()),
        };
        if let Some(failed) = plan.failed {
            let (reason, message) = failed.words();
            let conditions = after.conditions.get_or_insert_default();
            conditions.push(condition("Failed", Some(reason), Some(message)));
            record(cluster, COMPONENT, None, job, News::warning(reason, message));
        } else if plan.is_complete(job, active) {
            if active > 0 {
                let message = "Too many active pods running after completion count reached";
                record(cluster, COMPONENT, None, job, News::warning("TooManyActivePods", message));
            }
            after.conditions.get_or_insert_default().push(condition("Complete", None, None));
            after.completion_time = Some(now.clone());
            record(cluster, COMPONENT, None, job, News::normal("Completed", "Job completed"));
        }
        let count = |number: i32| Some(number).filter(|number| *number != 0);
        self.count_failures(job, &before, plan);
        after.active = count(active);
        after.succeeded = count(plan.succeeded);
        after.failed = count(plan.failures);
        let was = job.status.clone().unwrap_or_default();
        statuses::write(cluster, &cluster.caches.jobs, job, Some(&was), &after).await?;
        trouble.map_or(Ok(()), Err)
    }

    fn count_failures(&self, job: &Job, before: &JobStatus, plan: &Plan) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if plan.succeeded > before.succeeded.unwrap_or(0) {
            failures.remove(&uid_of(job));
        } else if plan.failures > before.failed.unwrap_or(0) {
            *failures.entry(uid_of(job)).or_default() += 1;
        }
    }
}

impl Failed {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::TooOften => ("BackoffLimitExceeded", "Job has reached the specified backoff limit"),
            Self::TooLate => ("DeadlineExceeded", "Job was active longer than specified deadline"),
        }
    }
}

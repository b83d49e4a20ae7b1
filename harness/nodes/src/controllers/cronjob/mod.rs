//! `CronJob` (`batch/v1beta1`) → Jobs at their times (kubernetes v1.20, `pkg/controller/cronjob`, the first of its two
//! controllers). The original looks every ten seconds; here a Job comes at its time.

mod schedule;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJobStatus, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{DeleteParams, PostParams};

use self::schedule::Schedule;
use super::job::finish_of;
use super::owners::{controller_of, is_controlled_by, reference};
use super::statuses;
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, During as _, Failure, is_terminating, message_of};
use crate::events::{self, News, record};
use crate::old_kinds::CronJob;
use crate::queue::{Queue, work};
use crate::times::second;

const COMPONENT: &str = "cronjob-controller";

/// Until the next time of a schedule.
const NEXT: Delay = Delay::new("cron-schedule", Duration::ZERO);

/// How many times may have been missed before a schedule is given up (the same package's `utils.go`).
const MOST_MISSED: usize = 100;

struct CronJobs {
    cluster: Arc<Cluster>,
    queue: Arc<Queue<Key>>,
    /// The time that each was last served at or, before that, made, by UID and in schedule time.
    served: Mutex<BTreeMap<String, Timestamp>>,
}

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let cron_jobs = Arc::new(CronJobs { cluster: cluster.clone(), queue: queue.clone(), served: Mutex::default() });
    let home = Arc::downgrade(&cron_jobs);
    cluster.caches.cron_jobs.on_change(move |change| {
        let Some(home) = home.upgrade() else { return };
        match (change.old, change.new) {
            (_, Some(cron_job)) => home.queue.push(Key::of(cron_job.as_ref())),
            (Some(gone), None) => {
                home.queue.forget_later(&Key::of(gone.as_ref()));
                let uid = gone.metadata.uid.as_deref().unwrap_or_default();
                home.served.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
            }
            (None, None) => {}
        }
    });
    let jobs = queue.clone();
    cluster.caches.jobs.on_change(move |change| {
        for job in change.both() {
            if let Some(owner) = controller_of(job.as_ref()).filter(|owner| owner.kind == "CronJob") {
                jobs.push(Key::new(Key::of(job.as_ref()).namespace, &owner.name));
            }
        }
    });
    work(cluster, "cronjob", queue, move |key| {
        let cron_jobs = cron_jobs.clone();
        async move { cron_jobs.reconcile(key).await }
    });
}

/// What a time of the schedule asks for.
enum Due {
    Nothing,
    Job(Timestamp),
}

impl CronJobs {
    fn tell(&self, cron_job: &CronJob, news: News) {
        record(&self.cluster, COMPONENT, None, cron_job, news);
    }

    /// The time that schedules go by: wall time, and what the clock has jumped.
    fn now(&self) -> Timestamp {
        self.ahead(self.cluster.clock.wall())
    }

    fn ahead(&self, wall: Timestamp) -> Timestamp {
        let ahead = SignedDuration::try_from(self.cluster.clock.ahead()).unwrap_or_default();
        wall.checked_add(ahead).unwrap_or(wall)
    }

    /// The wall time that a time of the schedule came at.
    fn wall(&self, scheduled: Timestamp) -> Timestamp {
        let ahead = SignedDuration::try_from(self.cluster.clock.ahead()).unwrap_or_default();
        second(scheduled.checked_sub(ahead).unwrap_or(scheduled))
    }

    async fn reconcile(&self, key: Key) -> Result<(), Failure> {
        let caches = &self.cluster.caches;
        let Some(cron_job) = caches.cron_jobs.get(&key) else { return Ok(()) };
        let mut own: Vec<_> = caches.jobs.in_namespace(&key.namespace);
        own.retain(|job| is_controlled_by(job.as_ref(), cron_job.as_ref()));
        let before = cron_job.status.clone().unwrap_or_default();
        let after = self.seen(&cron_job, &own, before.clone());
        statuses::write(&self.cluster, &caches.cron_jobs, cron_job.as_ref(), Some(&before), &after).await?;
        if cron_job.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        self.clean_up(&cron_job, &own).await?;
        let suspended = cron_job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or(false);
        if suspended {
            self.queue.forget_later(&key);
            return Ok(());
        }
        match self.due(&key, &cron_job) {
            Due::Nothing => Ok(()),
            Due::Job(scheduled) => self.run(&cron_job, &own, scheduled, after).await,
        }
    }

    /// The status after a look at the Jobs: which of them are still active.
    fn seen(&self, cron_job: &CronJob, own: &[Arc<Job>], before: CronJobStatus) -> CronJobStatus {
        let mut active = before.active.clone().unwrap_or_default();
        for job in own {
            let (uid, name) = (&job.metadata.uid, job.metadata.name.as_deref().unwrap_or_default());
            let listed = active.iter().any(|reference| &reference.uid == uid);
            match finish_of(job) {
                Some(end) if listed => {
                    active.retain(|reference| &reference.uid != uid);
                    let message = format!("Saw completed job: {name}, status: {end}");
                    self.tell(cron_job, News::normal("SawCompletedJob", message));
                }
                None if !listed => {
                    let message = format!("Saw a job that the controller did not create or forgot: {name}");
                    self.tell(cron_job, News::warning("UnexpectedJob", message));
                }
                _ => {}
            }
        }
        active.retain(|reference| {
            let there = own.iter().any(|job| job.metadata.uid == reference.uid);
            if !there {
                let name = reference.name.as_deref().unwrap_or_default();
                self.tell(cron_job, News::normal("MissingJob", format!("Active job went missing: {name}")));
            }
            there
        });
        CronJobStatus { active: Some(active).filter(|active| !active.is_empty()), ..before }
    }

    /// Deletes the oldest finished Jobs beyond the limits of the history.
    async fn clean_up(&self, cron_job: &CronJob, own: &[Arc<Job>]) -> Result<(), Failure> {
        let Some(spec) = &cron_job.spec else { return Ok(()) };
        let ends = [("Complete", spec.successful_jobs_history_limit), ("Failed", spec.failed_jobs_history_limit)];
        for (end, limit) in ends {
            let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { continue };
            let mut finished: Vec<_> = own.iter().filter(|job| finish_of(job) == Some(end)).collect();
            finished.retain(|job| job.metadata.deletion_timestamp.is_none());
            finished.sort_by_key(|job| {
                let started = job.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0);
                (started.is_none(), started, job.metadata.name.clone())
            });
            let surplus = finished.len().saturating_sub(limit);
            for job in finished.into_iter().take(surplus) {
                self.delete(cron_job, job).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, cron_job: &CronJob, job: &Job) -> Result<(), Failure> {
        let key = Key::of(job);
        let api = self.cluster.api::<Job>(&key.namespace);
        match api.delete(&key.name, &DeleteParams::background()).await {
            Ok(answer) => {
                answer.either(|going| self.cluster.caches.jobs.wrote(going), drop);
                self.tell(cron_job, News::normal("SuccessfulDelete", format!("Deleted job {}", key.name)));
                Ok(())
            }
            Err(error) => {
                let message = format!("Deleted job: {}", message_of(&error));
                self.tell(cron_job, News::warning("FailedDelete", message));
                Err(error).during(&format!("delete Job {key}"))
            }
        }
    }

    /// Whether a time of the schedule has come, and is not too late; otherwise waits for the next.
    fn due(&self, key: &Key, cron_job: &CronJob) -> Due {
        let Some(spec) = &cron_job.spec else { return Due::Nothing };
        let cannot = |reason: String| {
            let message = format!("Cannot determine if job needs to be started: {reason}");
            self.tell(cron_job, News::warning("FailedNeedsStart", message));
            Due::Nothing
        };
        let schedule = match Schedule::parse(&spec.schedule) {
            Ok(schedule) => schedule,
            Err(error) => return cannot(format!("unparseable schedule: {} : {error}", spec.schedule)),
        };
        let now = self.now();
        let limit = spec.starting_deadline_seconds.map(SignedDuration::from_secs);
        let earliest = limit.and_then(|limit| now.checked_sub(limit).ok());
        let since = self.served_at(cron_job);
        let mut last = None;
        let mut next = schedule.next(earliest.map_or(since, |earliest| earliest.max(since)));
        let mut missed = 0;
        while let Some(time) = next.filter(|time| *time <= now) {
            last = Some(time);
            next = schedule.next(time);
            missed += 1;
            if missed > MOST_MISSED {
                let reason = "too many missed start time (> 100). \
                              Set or decrease .spec.startingDeadlineSeconds or check clock skew";
                return cannot(reason.to_owned());
            }
        }
        if let Some(wait) = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok()) {
            self.queue.push_after(&self.cluster, key.clone(), NEXT.lasting(wait));
        }
        last.map_or(Due::Nothing, Due::Job)
    }

    fn served_at(&self, cron_job: &CronJob) -> Timestamp {
        let uid = cron_job.metadata.uid.clone().unwrap_or_default();
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        *served.entry(uid).or_insert_with(|| {
            let last = cron_job.status.as_ref().and_then(|status| status.last_schedule_time.as_ref());
            let made = cron_job.metadata.creation_timestamp.as_ref();
            self.ahead(last.or(made).map_or_else(|| self.cluster.clock.wall(), |time| time.0))
        })
    }

    async fn run(
        &self,
        cron_job: &CronJob,
        own: &[Arc<Job>],
        scheduled: Timestamp,
        before: CronJobStatus,
    ) -> Result<(), Failure> {
        let policy = cron_job.spec.as_ref().and_then(|spec| spec.concurrency_policy.as_deref()).unwrap_or("Allow");
        let mut after = before.clone();
        let active = after.active.get_or_insert_default();
        if policy == "Forbid" && !active.is_empty() {
            // The end of the active Job brings this one back here.
            return Ok(());
        }
        if policy == "Replace" {
            for job in own.iter().filter(|job| active.iter().any(|reference| reference.uid == job.metadata.uid)) {
                self.delete(cron_job, job).await?;
            }
            active.clear();
        }
        let Some(job) = self.create(cron_job, scheduled).await? else { return Ok(()) };
        active.push(ObjectReference {
            resource_version: job.metadata.resource_version.clone(),
            ..events::reference(&job)
        });
        after.last_schedule_time = Some(Time(self.wall(scheduled)));
        let uid = cron_job.metadata.uid.clone().unwrap_or_default();
        self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, scheduled);
        statuses::write(&self.cluster, &self.cluster.caches.cron_jobs, cron_job, Some(&before), &after).await
    }

    /// Makes the Job of a time, named after it: it cannot be made twice.
    async fn create(&self, cron_job: &CronJob, scheduled: Timestamp) -> Result<Option<Job>, Failure> {
        let Key { namespace, name } = Key::of(cron_job);
        let template = cron_job.spec.as_ref().map(|spec| spec.job_template.clone()).unwrap_or_default();
        let from = template.metadata.unwrap_or_default();
        let job = Job {
            metadata: ObjectMeta {
                name: Some(format!("{name}-{}", scheduled.as_second())),
                labels: from.labels,
                annotations: from.annotations,
                owner_references: Some(vec![reference(cron_job)]),
                ..ObjectMeta::default()
            },
            spec: template.spec,
            status: None,
        };
        match self.cluster.api::<Job>(&namespace).create(&PostParams::default(), &job).await {
            Ok(created) => {
                self.cluster.caches.jobs.wrote(created.clone());
                let made = created.metadata.name.as_deref().unwrap_or_default();
                self.tell(cron_job, News::normal("SuccessfulCreate", format!("Created job {made}")));
                Ok(Some(created))
            }
            Err(error) if is_terminating(&error) => Ok(None),
            Err(error) => {
                let message = format!("Error creating job: {}", message_of(&error));
                self.tell(cron_job, News::warning("FailedCreate", message));
                Err(error).during(&format!("create a Job of CronJob {namespace}/{name}"))
            }
        }
    }
}

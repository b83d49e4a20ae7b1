//! Jobs and `CronJobs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nodes::program::{ExitCode, PodContext, Programs};
use serde_json::{Value, json};

use super::is;
use crate::support::{Kind, TestCluster};

fn job(name: &str, image: &str, more: &Value) -> Value {
    let mut spec = json!({
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}},
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": spec})
}

fn ended<'a>(job: &'a Value, how: &str) -> Option<&'a Value> {
    job["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == how && one["status"] == "True")
}

fn programs() -> Programs {
    let done = |context: PodContext| async move {
        context.log.line("done");
        ExitCode::SUCCESS
    };
    let fails = |_: PodContext| async { ExitCode(3) };
    let waits = |context: PodContext| async move {
        context.stop.cancelled().await;
        ExitCode::SUCCESS
    };
    Programs::new().with("test/done", done).with("test/fails", fails).with("test/waits", waits)
}

pub async fn runs_a_job_to_its_completions(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.create("batch/v1", "Job", job("three", "test/done", &json!({"completions": 3, "parallelism": 2}))).await;
    let job = cluster.until_one("batch/v1", "Job", |job| ended(job, "Complete").is_some()).await;
    assert_eq!(job["status"]["succeeded"], 3);
    assert_eq!(job["status"].get("active"), None);
    assert!(job["status"]["completionTime"].is_string() && job["status"]["startTime"].is_string());
    let pods = cluster.until("v1", "Pod", |pods| pods.len() == 3).await;
    assert!(pods.iter().all(|pod| is(pod, "/status/phase", "Succeeded")));
    assert!(pods.iter().all(|pod| is(pod, "/status/containerStatuses/0/state/terminated/reason", "Completed")));
    cluster.until_one("v1", "Event", |event| is(event, "/reason", "Completed")).await;
    cluster.end().await;
}

pub async fn gives_a_job_up_that_fails_too_often(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    let before = cluster.clock.now();
    let _progress = cluster.clock.wants_progress();
    cluster.create("batch/v1", "Job", job("bad", "test/fails", &json!({"backoffLimit": 2}))).await;
    let job = cluster.until_one("batch/v1", "Job", |job| ended(job, "Failed").is_some()).await;
    let condition = ended(&job, "Failed").unwrap();
    assert_eq!(condition["reason"], "BackoffLimitExceeded");
    assert_eq!(condition["message"], "Job has reached the specified backoff limit");
    assert_eq!(job["status"]["failed"], 3);
    // The second failure waits before it is followed by a third try.
    assert!(cluster.clock.now().saturating_sub(before) >= Duration::from_secs(10));
    cluster.end().await;
}

pub async fn ends_a_job_at_its_deadline(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    cluster.create("batch/v1", "Job", job("slow", "test/waits", &json!({"activeDeadlineSeconds": 120}))).await;
    cluster.until_one("v1", "Pod", super::runs).await;
    let _progress = cluster.clock.wants_progress();
    let job = cluster.until_one("batch/v1", "Job", |job| ended(job, "Failed").is_some()).await;
    assert_eq!(ended(&job, "Failed").unwrap()["reason"], "DeadlineExceeded");
    cluster.until("v1", "Pod", <[Value]>::is_empty).await;
    cluster.end().await;
}

pub async fn restarts_containers_of_a_job_in_their_pod(kind: Kind) {
    let tries = Arc::new(AtomicU32::new(0));
    let second = move |_: PodContext| {
        let this = tries.fetch_add(1, Ordering::SeqCst);
        async move { if this == 0 { ExitCode(1) } else { ExitCode::SUCCESS } }
    };
    let cluster = TestCluster::start(kind, Programs::new().with("test/second", second)).await;
    let containers = json!([{"name": "main", "image": "test/second"}]);
    let template = json!({"template": {"spec": {"restartPolicy": "OnFailure", "containers": containers}}});
    cluster.create("batch/v1", "Job", job("again", "", &template)).await;
    cluster.until_one("batch/v1", "Job", |job| ended(job, "Complete").is_some()).await;
    let pods = cluster.until("v1", "Pod", |pods| pods.len() == 1).await;
    assert_eq!(pods[0]["status"]["containerStatuses"][0]["restartCount"], 1);
    cluster.end().await;
}

pub async fn runs_jobs_at_the_times_of_a_schedule(kind: Kind) {
    let cluster = TestCluster::start(kind, programs()).await;
    let template = job("", "test/done", &json!({}))["spec"].clone();
    let spec = json!({
        "schedule": "*/10 * * * *", "successfulJobsHistoryLimit": 1, "jobTemplate": {"spec": template},
    });
    cluster.create("batch/v1beta1", "CronJob", json!({"metadata": {"name": "often"}, "spec": spec})).await;
    let before = cluster.clock.now();
    let _progress = cluster.clock.wants_progress();
    let first = cluster.until_one("batch/v1", "Job", |job| ended(job, "Complete").is_some()).await;
    assert!(cluster.clock.now().saturating_sub(before) <= Duration::from_mins(10));
    let name = first["metadata"]["name"].as_str().unwrap();
    let time: i64 = name.strip_prefix("often-").unwrap().parse().unwrap();
    assert_eq!(time % 600, 0);
    assert_eq!(first["metadata"]["ownerReferences"][0]["kind"], "CronJob");
    cluster
        .until("batch/v1", "Job", |jobs| {
            jobs.iter().any(|job| job["metadata"]["name"] != name && ended(job, "Complete").is_some())
                && !jobs.iter().any(|job| job["metadata"]["name"] == name)
        })
        .await;
    cluster.patch("batch/v1beta1", "CronJob", "often", json!({"spec": {"suspend": true}})).await;
    cluster.until_one("batch/v1beta1", "CronJob", |one| one["status"].get("active").is_none()).await;
    cluster.until_one("v1", "Event", |event| is(event, "/reason", "SawCompletedJob")).await;
    cluster.end().await;
}

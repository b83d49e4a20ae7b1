//! Jobs (pkg/apis/batch/validation/validation.go, Kubernetes 1.20).

use super::at::{At, Causes};
use super::{cron, go, meta, pods, workloads};
use crate::selector::LabelSelector;

/// What is wrong with a job.
pub fn job(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    generated_selector(at, causes);
    job_spec(&spec, causes);
    let selector = spec.child("selector");
    if !selector.is_set() {
        causes.push(selector.required(""));
    }
    meta::selector(&selector, causes);
    let labels = spec.down("template.metadata.labels");
    let selected =
        selector.is_set() && LabelSelector::from_value(selector.value()).matches_labels(Some(labels.value()));
    if meta::is_usable(&selector) && !selected {
        workloads::mismatch(&labels, causes);
    }
}

/// A job that does not select its pods itself has the labels that the server gave them.
fn generated_selector(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    if spec.child("manualSelector").is_true() || !spec.child("selector").is_set() {
        return;
    }
    let metadata = at.child("metadata");
    let labels = spec.down("template.metadata.labels");
    for (key, field) in [("controller-uid", "uid"), ("job-name", "name")] {
        let (label, wanted) = (labels.key(key), metadata.child(field).text());
        if !label.is_set() {
            causes.push(label.required(&format!("must be '{wanted}'")));
        } else if label.text() != wanted {
            causes.push(label.invalid(go::map(labels.map()), &format!("must be '{wanted}'")));
        }
    }
    let selector = spec.child("selector");
    let own = serde_json::json!({
        "controller-uid": metadata.child("uid").value(),
        "job-name": metadata.child("name").value(),
    });
    if meta::is_usable(&selector) && !LabelSelector::from_value(selector.value()).matches_labels(Some(&own)) {
        causes.push(selector.invalid(go::selector(selector.value()), "`selector` not auto-generated"));
    }
}

fn job_spec(spec: &At<'_>, causes: &mut Causes) {
    for field in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        spec.child(field).nonnegative(causes);
    }
    let template = spec.child("template");
    pods::template(&template, causes);
    let policy = template.down("spec.restartPolicy");
    match policy.text() {
        "OnFailure" | "Never" => {}
        "Always" | "" => causes.push(policy.required("valid values: \"OnFailure\", \"Never\"")),
        _ => causes.push(policy.unsupported(&["OnFailure", "Never"])),
    }
}

/// What of a job may not change has changed.
pub fn job_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let field = |at: &At<'_>, field: &str| at.child("spec").child(field).value().clone();
    let completions = at.down("spec.completions");
    completions.immutable(&field(before, "completions"), go::pointer(completions.value()), causes);
    let selector = at.down("spec.selector");
    selector.immutable(&field(before, "selector"), go::selector(selector.value()), causes);
    let template = at.down("spec.template");
    // The original writes out the whole template, addresses of its parts included.
    template.immutable(&field(before, "template"), "core.PodTemplateSpec{}", causes);
}

/// What is wrong with a job that comes again and again.
pub fn cron_job(at: &At<'_>, is_new: bool, causes: &mut Causes) {
    let spec = at.child("spec");
    let schedule = spec.child("schedule");
    if schedule.text().is_empty() {
        causes.push(schedule.required(""));
    } else if let Err(why) = cron::parse(schedule.text()) {
        causes.push(schedule.wrong(&why));
    }
    spec.child("startingDeadlineSeconds").nonnegative(causes);
    spec.child("concurrencyPolicy").one_of(&["Allow", "Forbid", "Replace"], causes);
    let job = spec.down("jobTemplate.spec");
    job_spec(&job, causes);
    let selector = job.child("selector");
    if selector.is_set() {
        causes.push(selector.invalid(go::selector(selector.value()), "`selector` will be auto-generated"));
    }
    let manual = job.child("manualSelector");
    if manual.is_true() {
        let known = [crate::status::quoted("nil"), crate::status::quoted("false")];
        causes.push(crate::status::Cause::unsupported(manual.path(), true, &known));
    }
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        spec.child(field).nonnegative(causes);
    }
    let name = at.down("metadata.name");
    if is_new && name.text().len() > 52 {
        causes.push(name.wrong("must be no more than 52 characters"));
    }
}

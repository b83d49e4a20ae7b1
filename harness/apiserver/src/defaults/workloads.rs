//! Defaults of what runs pods.

use serde_json::{Map, Value, json};

use super::pods::template;
use super::{as_map, child, items, set, storage, text};

/// Labels of the template, where there are any.
fn template_labels(spec: &Map<String, Value>) -> Option<Value> {
    let labels = spec.get("template").and_then(|template| template.pointer("/metadata/labels"));
    labels.filter(|labels| labels.as_object().is_some_and(|map| !map.is_empty())).cloned()
}

fn is_empty(value: Option<&Value>) -> bool {
    value.and_then(Value::as_object).is_none_or(Map::is_empty)
}

/// An object without labels gets those of its template.
fn inherit_labels(object: &mut Value, labels: Option<Value>) {
    let meta = child(object, "metadata");
    if let Some(labels) = labels
        && is_empty(meta.get("labels"))
    {
        meta.insert("labels".to_owned(), labels);
    }
}

pub(super) fn replication_controller(object: &mut Value) {
    let spec = child(object, "spec");
    if spec.contains_key("template") {
        template(spec);
    }
    set(spec, "replicas", 1);
    let labels = template_labels(spec);
    if let Some(labels) = labels.clone()
        && is_empty(spec.get("selector"))
    {
        spec.insert("selector".to_owned(), labels);
    }
    inherit_labels(object, labels);
}

pub(super) fn deployment(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "replicas", 1);
    template(spec);
    let strategy = as_map(spec.entry("strategy").or_insert_with(|| json!({})));
    set(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = as_map(strategy.entry("rollingUpdate").or_insert_with(|| json!({})));
        set(rolling, "maxUnavailable", "25%");
        set(rolling, "maxSurge", "25%");
    }
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
}

pub(super) fn replica_set(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "replicas", 1);
    template(spec);
}

pub(super) fn stateful_set(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "replicas", 1);
    template(spec);
    set(spec, "podManagementPolicy", "OrderedReady");
    let strategy = as_map(spec.entry("updateStrategy").or_insert_with(|| json!({})));
    if text(strategy, "type").is_empty() {
        set(strategy, "type", "RollingUpdate");
        strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
    }
    if text(strategy, "type") == "RollingUpdate"
        && let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate")
    {
        set(rolling, "partition", 0);
    }
    set(spec, "revisionHistoryLimit", 10);
    for claim in items(spec, "volumeClaimTemplates") {
        claim.insert("kind".to_owned(), Value::from("PersistentVolumeClaim"));
        claim.insert("apiVersion".to_owned(), Value::from("v1"));
        storage::claim(claim);
    }
}

/// Where a daemon set counts the changes of its template: the annotation stands for a field that only old versions had,
/// so that it is there whatever a client sends (pkg/apis/apps/v1/conversion.go).
const TEMPLATE_COUNT: &str = "deprecated.daemonset.template.generation";

pub(super) fn daemon_set(object: &mut Value) {
    let counted = object.pointer("/metadata/annotations").and_then(|map| map.get(TEMPLATE_COUNT)).is_some();
    if !counted {
        set_template_count(object, "0");
    }
    let spec = child(object, "spec");
    template(spec);
    let strategy = as_map(spec.entry("updateStrategy").or_insert_with(|| json!({})));
    set(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        set(as_map(strategy.entry("rollingUpdate").or_insert_with(|| json!({}))), "maxUnavailable", 1);
    }
    set(spec, "revisionHistoryLimit", 10);
}

fn job_spec(spec: &mut Map<String, Value>) {
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        set(spec, "completions", 1);
    }
    set(spec, "parallelism", 1);
    set(spec, "backoffLimit", 6);
}

pub(super) fn job(object: &mut Value) {
    let spec = child(object, "spec");
    job_spec(spec);
    template(spec);
    let labels = template_labels(spec);
    inherit_labels(object, labels);
}

/// A new job selects its pods by its own uid, unless it says that it has a selector of its own
/// (pkg/registry/batch/job/strategy.go).
pub(super) fn new_job(object: &mut Value) {
    let meta = |key: &str| object.pointer(&format!("/metadata/{key}")).cloned().unwrap_or_default();
    let (uid, name) = (meta("uid"), meta("name"));
    let spec = child(object, "spec");
    if spec.get("manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    let labels = child(spec.entry("template").or_insert_with(|| json!({})), "metadata");
    let labels = as_map(labels.entry("labels").or_insert_with(|| json!({})));
    labels.entry("job-name").or_insert(name);
    labels.entry("controller-uid").or_insert_with(|| uid.clone());
    let selector = as_map(spec.entry("selector").or_insert_with(|| json!({})));
    let labels = as_map(selector.entry("matchLabels").or_insert_with(|| json!({})));
    labels.entry("controller-uid").or_insert(uid);
    // As when it is read again.
    job(object);
}

/// Counts a change of a daemon set's template.
pub fn count_template(object: &mut Value, before: Option<&Value>) {
    let template = |object: &Value| object.pointer("/spec/template").cloned();
    let count = match before {
        None => 1,
        Some(before) => {
            let counted =
                before.pointer("/metadata/annotations").and_then(|map| map.get(TEMPLATE_COUNT)).and_then(Value::as_str);
            let counted: i64 = counted.and_then(|count| count.parse().ok()).unwrap_or(0);
            counted + i64::from(template(before) != template(object))
        }
    };
    set_template_count(object, &count.to_string());
}

fn set_template_count(object: &mut Value, count: &str) {
    let annotations = as_map(child(object, "metadata").entry("annotations").or_insert_with(|| json!({})));
    annotations.insert(TEMPLATE_COUNT.to_owned(), Value::from(count));
    annotations.sort_keys();
}

/// Keeps what a daemon set has counted where a client writes its status.
pub fn keep_template_count(object: &mut Value, before: &Value) {
    let counted = before.pointer("/metadata/annotations").and_then(|map| map.get(TEMPLATE_COUNT));
    set_template_count(object, counted.and_then(Value::as_str).unwrap_or("0"));
}

pub(super) fn cron_job(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "concurrencyPolicy", "Allow");
    set(spec, "suspend", false);
    set(spec, "successfulJobsHistoryLimit", 3);
    set(spec, "failedJobsHistoryLimit", 1);
    // The job's own defaults wait for the job; its template's do not.
    let job = child(spec.entry("jobTemplate").or_insert_with(|| json!({})), "spec");
    template(job);
}

/// Without metrics, 80 % of the CPU that pods ask for.
pub(super) fn autoscaler(object: &mut Value) {
    let annotations = object.pointer("/metadata/annotations");
    let other_metrics = annotations.is_some_and(|map| map.get("autoscaling.alpha.kubernetes.io/metrics").is_some());
    let spec = child(object, "spec");
    set(spec, "minReplicas", 1);
    if !other_metrics {
        set(spec, "targetCPUUtilizationPercentage", 80);
    }
}

/// The same, for versions that have a list of metrics.
pub(super) fn beta_autoscaler(object: &mut Value, flat_targets: bool) {
    let spec = child(object, "spec");
    set(spec, "minReplicas", 1);
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let resource = if flat_targets {
            json!({"name": "cpu", "targetAverageUtilization": 80})
        } else {
            json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}})
        };
        spec.insert("metrics".to_owned(), json!([{"type": "Resource", "resource": resource}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn counted(object: &Value) -> Option<&str> {
        object.pointer("/metadata/annotations")?.get(TEMPLATE_COUNT)?.as_str()
    }

    #[rstest]
    #[case::nothing_yet(json!({}), "0")]
    #[case::what_a_client_says(json!({"metadata": {"annotations": {TEMPLATE_COUNT: "7"}}}), "7")]
    fn shows_the_count_of_a_daemon_set(#[case] mut object: Value, #[case] expected: &str) {
        daemon_set(&mut object);
        assert_eq!(counted(&object), Some(expected));
    }

    #[test]
    fn keeps_the_count_where_the_status_is_written() {
        let before = json!({"metadata": {"annotations": {TEMPLATE_COUNT: "3"}}});
        let mut object = json!({"metadata": {"annotations": {TEMPLATE_COUNT: "9"}}});
        keep_template_count(&mut object, &before);
        assert_eq!(counted(&object), Some("3"));
    }
}

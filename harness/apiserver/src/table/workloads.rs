//! Cells of what runs pods.

use serde_json::Value;

use super::{count, joined, labels, list, or_none, selector, since, text};
use crate::clock::{ServerClock, human_duration};

/// Names and images of containers.
fn containers(object: &Value, template: &str) -> [Value; 2] {
    let containers = list(object, &format!("{template}/spec/containers"));
    [joined(containers, "/name").into(), joined(containers, "/image").into()]
}

fn with_containers(mut cells: Vec<Value>, object: &Value, selector: Option<String>) -> Vec<Value> {
    cells.extend(containers(object, "/spec/template"));
    cells.extend(selector.map(Value::from));
    cells
}

pub(super) fn template(object: &Value) -> Vec<Value> {
    let [names, images] = containers(object, "/template");
    vec![names, images, labels(object.pointer("/template/metadata/labels")).into()]
}

pub(super) fn replicas(object: &Value, age: Value, selector: String) -> Vec<Value> {
    let cells = vec![
        count(object, "/spec/replicas").into(),
        count(object, "/status/replicas").into(),
        count(object, "/status/readyReplicas").into(),
        age,
    ];
    with_containers(cells, object, Some(selector))
}

fn ready(object: &Value) -> Value {
    format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas")).into()
}

pub(super) fn deployment(object: &Value, age: Value) -> Vec<Value> {
    let cells = vec![
        ready(object),
        count(object, "/status/updatedReplicas").into(),
        count(object, "/status/availableReplicas").into(),
        age,
    ];
    with_containers(cells, object, Some(selector(object.pointer("/spec/selector"))))
}

pub(super) fn stateful_set(object: &Value, age: Value) -> Vec<Value> {
    with_containers(vec![ready(object), age], object, None)
}

pub(super) fn daemon_set(object: &Value, age: Value) -> Vec<Value> {
    let counted = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let mut cells: Vec<Value> = counted.iter().map(|field| count(object, &format!("/status/{field}")).into()).collect();
    cells.push(labels(object.pointer("/spec/template/spec/nodeSelector")).into());
    cells.push(age);
    with_containers(cells, object, Some(selector(object.pointer("/spec/selector"))))
}

pub(super) fn job(object: &Value, age: Value, clock: ServerClock) -> Vec<Value> {
    let succeeded = count(object, "/status/succeeded");
    let completions = match object.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None => match count(object, "/spec/parallelism") {
            parallel if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
            _ => format!("{succeeded}/1"),
        },
    };
    let (started, ended) = (text(object, "/status/startTime"), text(object, "/status/completionTime"));
    let duration = match (clock.seconds_since(started), clock.seconds_since(ended)) {
        (None, _) => String::new(),
        (Some(began), None) => human_duration(began),
        (Some(began), Some(ended)) => human_duration(began - ended),
    };
    with_containers(
        vec![completions.into(), duration.into(), age],
        object,
        Some(selector(object.pointer("/spec/selector"))),
    )
}

pub(super) fn cron_job(object: &Value, age: Value, clock: ServerClock) -> Vec<Value> {
    let suspended = match object.pointer("/spec/suspend").and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = text(object, "/status/lastScheduleTime");
    let last = if last.is_empty() { "<none>".to_owned() } else { since(clock, last) };
    let mut cells = vec![
        text(object, "/spec/schedule").into(),
        suspended.into(),
        list(object, "/status/active").len().into(),
        last.into(),
        age,
    ];
    cells.extend(containers(object, "/spec/jobTemplate/spec/template"));
    cells.push(selector(object.pointer("/spec/jobTemplate/spec/selector")).into());
    cells
}

pub(super) fn autoscaler(object: &Value, age: Value) -> Vec<Value> {
    let target = |key: &str| text(object, &format!("/spec/scaleTargetRef/{key}"));
    let percent = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).map(|number| format!("{number}%"));
    let targets = percent("/spec/targetCPUUtilizationPercentage").map(|wanted| {
        let current = percent("/status/currentCPUUtilizationPercentage").unwrap_or_else(|| "<unknown>".to_owned());
        format!("{current}/{wanted}")
    });
    let least = object.pointer("/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), ToString::to_string);
    vec![
        format!("{}/{}", target("kind"), target("name")).into(),
        or_none(targets.unwrap_or_default()).into(),
        least.into(),
        count(object, "/spec/maxReplicas").into(),
        count(object, "/status/currentReplicas").into(),
        age,
    ]
}

pub(super) fn revision(object: &Value, age: Value) -> Vec<Value> {
    let owners = list(object, "/metadata/ownerReferences");
    let controller = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    let controller = controller.map(|owner| {
        let kind = match text(owner, "/apiVersion").split_once('/') {
            Some((group, _)) => format!("{}.{group}", text(owner, "/kind")),
            None => text(owner, "/kind").to_owned(),
        };
        format!("{}/{}", kind.to_lowercase(), text(owner, "/name"))
    });
    vec![or_none(controller.unwrap_or_default()).into(), count(object, "/revision").into(), age]
}

//! Events (pkg/apis/core/validation/events.go, Kubernetes 1.20): those that come as `events.k8s.io/v1` are judged
//! more strictly.

use super::at::{At, Causes};
use super::{go, words};
use crate::registry::Resource;

/// Whether a client asks in a version that is strict.
pub fn is_strict(asked: &Resource) -> bool {
    asked.group == "events.k8s.io" && asked.version == "v1"
}

/// What is wrong with an event.
pub fn event(at: &At<'_>, causes: &mut Causes) {
    let involved = at.down("involvedObject.namespace");
    let namespace = at.down("metadata.namespace").text();
    let detail = "does not match event.namespace";
    if at.child("eventTime").is_set() {
        if involved.text().is_empty() && namespace != "kube-system" {
            causes.push(involved.wrong(detail));
        }
        let controller = At::new(at.child("reportingComponent").value(), "reportingController");
        if controller.text().is_empty() {
            causes.push(controller.required(""));
        }
        controller.check(words::qualified_name, causes);
        for (field, most) in [("reportingInstance", 128), ("action", 128), ("reason", 128)] {
            let field = at.child(field);
            if field.text().is_empty() {
                causes.push(field.required(""));
            }
            if field.text().len() > most {
                causes.push(field.invalid("\"\"", &format!("can have at most {most} characters")));
            }
        }
        if at.child("message").text().len() > 1024 {
            causes.push(at.child("message").invalid("\"\"", "can have at most 1024 characters"));
        }
    } else {
        let fits =
            if involved.text().is_empty() { matches!(namespace, "" | "default") } else { involved.text() == namespace };
        if !fits {
            causes.push(involved.wrong(detail));
        }
    }
    let place = At::new(at.down("metadata.namespace").value(), "namespace");
    place.check(words::subdomain, causes);
}

fn series(at: &At<'_>, causes: &mut Causes) {
    let series = at.child("series");
    if !series.is_set() {
        return;
    }
    if series.child("count").int().unwrap_or(0) < 2 {
        causes.push(series.child("count").invalid("\"\"", "should be at least 2"));
    }
    if !series.child("lastObservedTime").is_set() {
        causes.push(series.child("lastObservedTime").required(""));
    }
}

/// What is wrong with a new event, strictly.
pub fn new_event(at: &At<'_>, causes: &mut Causes) {
    series(at, causes);
    if !at.child("eventTime").is_set() {
        causes.push(at.child("eventTime").required(""));
    }
    let kind = at.child("type");
    if !["Normal", "Warning"].contains(&kind.text()) {
        causes.push(kind.invalid("\"\"", &format!("has invalid value: {}", kind.text())));
    }
    let source = at.child("source");
    let is_set = |field: &str| match field {
        "source" => !source.child("component").text().is_empty() || !source.child("host").text().is_empty(),
        "count" => at.child("count").int().unwrap_or(0) != 0,
        _ => at.child(field).is_set(),
    };
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"].into_iter().filter(|field| is_set(field)) {
        causes.push(at.child(field).invalid("\"\"", "needs to be unset"));
    }
}

/// What of an event may not change has changed, strictly.
pub fn update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    if at.child("series").value() != before.child("series").value() {
        series(at, causes);
    }
    for (field, shown) in [
        ("involvedObject", "involvedObject"),
        ("reason", "reason"),
        ("message", "message"),
        ("source", "source"),
        ("firstTimestamp", "firstTimestamp"),
        ("lastTimestamp", "lastTimestamp"),
        ("count", "count"),
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingComponent", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        let place = At::new(at.child(field).value(), shown);
        place.immutable(before.child(field).value(), go::pointer(place.value()), causes);
    }
}

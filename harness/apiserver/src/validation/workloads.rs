//! What runs pods (pkg/apis/apps/validation, pkg/apis/core/validation, Kubernetes 1.20).

use super::at::{At, Causes};
use super::{go, meta, pods, words};
use crate::selector::LabelSelector;
use crate::status::quoted;

/// What is wrong with the spec of a Deployment.
pub fn deployment(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    spec.child("replicas").nonnegative(causes);
    selector_and_template(&spec, "deployment", "ReplicaSet", causes);
    strategy(&spec.child("strategy"), causes);
    for field in ["minReadySeconds", "revisionHistoryLimit"] {
        spec.child(field).nonnegative(causes);
    }
    let deadline = spec.child("progressDeadlineSeconds");
    deadline.nonnegative(causes);
    let ready = spec.child("minReadySeconds").int().unwrap_or(0);
    if deadline.int().is_some_and(|deadline| deadline <= ready) {
        causes.push(deadline.wrong("must be greater than minReadySeconds"));
    }
}

/// What is wrong with the spec of a `ReplicaSet`.
pub fn replica_set(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    spec.child("replicas").nonnegative(causes);
    spec.child("minReadySeconds").nonnegative(causes);
    selector_and_template(&spec, "deployment", "ReplicaSet", causes);
}

/// What is wrong with the spec of a `ReplicationController`.
pub fn replication_controller(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    spec.child("minReadySeconds").nonnegative(causes);
    let selector = spec.child("selector");
    if selector.is_empty() {
        causes.push(selector.required(""));
    }
    spec.child("replicas").nonnegative(causes);
    let template = spec.child("template");
    if !template.is_set() {
        causes.push(template.required(""));
        return;
    }
    let labels = template.down("metadata.labels");
    let matches = selector.entries().all(|(key, value)| labels.value().get(key) == Some(value.value()));
    if !matches {
        mismatch(&labels, causes);
    }
    pods::template(&template, causes);
    always_restarted(&template, "ReplicationController", causes);
}

/// What is wrong with the spec of a `StatefulSet`, whose pods are not looked at.
pub fn stateful_set(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    let policy = spec.child("podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&policy.text()) {
        causes.push(policy.wrong("must be 'OrderedReady' or 'Parallel'"));
    }
    let strategy = spec.child("updateStrategy");
    let rolling = strategy.child("rollingUpdate");
    match strategy.child("type").text() {
        "OnDelete" => {
            if rolling.is_set() {
                let partition = rolling.child("partition").int().unwrap_or(0);
                let shown = format!("apps.RollingUpdateStatefulSetStrategy{{Partition:{partition}}}");
                causes.push(rolling.invalid(shown, "only allowed for updateStrategy 'RollingUpdate'"));
            }
        }
        "RollingUpdate" => rolling.child("partition").nonnegative(causes),
        other => {
            let shown = format!(
                "apps.StatefulSetUpdateStrategy{{Type:{}, RollingUpdate:(*apps.RollingUpdateStatefulSetStrategy)(nil)}}",
                quoted(other)
            );
            causes.push(strategy.invalid(shown, "must be 'RollingUpdate' or 'OnDelete'"));
        }
    }
    spec.child("replicas").nonnegative(causes);
    required_selector(&spec.child("selector"), "statefulset", causes);
    let (selector, template) = (spec.child("selector"), spec.child("template"));
    if meta::is_usable(&selector) {
        check_labels(&selector, &template.down("metadata.labels"), false, causes);
        let metadata = |field: &str| {
            At::new(template.child("metadata").child(field).value(), format!("{}.{field}", template.path()))
        };
        meta::labels(&metadata("labels"), causes);
        meta::annotations(&metadata("annotations"), causes);
    } else {
        causes.push(selector.invalid(go::selector(selector.value()), ""));
    }
    always_restarted(&template, "StatefulSet", causes);
}

/// What is wrong with the spec of a `DaemonSet`.
pub fn daemon_set(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    let (selector, template) = (spec.child("selector"), spec.child("template"));
    meta::selector(&selector, causes);
    if meta::is_usable(&selector) {
        check_labels(&selector, &template.down("metadata.labels"), true, causes);
    }
    if selector.is_set() && is_empty(&selector) {
        causes.push(selector.invalid(go::selector(selector.value()), "empty selector is invalid for daemonset"));
    }
    pods::template(&template, causes);
    always_restarted(&template, "DaemonSet", causes);
    spec.child("minReadySeconds").nonnegative(causes);
    let strategy = spec.child("updateStrategy");
    match strategy.child("type").text() {
        "OnDelete" => {}
        "RollingUpdate" => {
            let most = strategy.down("rollingUpdate.maxUnavailable");
            int_or_percent(&most, causes);
            if number(&most) == 0 {
                causes.push(most.invalid(go::int_or_string(most.value()), "cannot be 0"));
            }
            not_above_all(&most, causes);
        }
        other => {
            let shown = format!(
                "apps.DaemonSetUpdateStrategy{{Type:{}, RollingUpdate:(*apps.RollingUpdateDaemonSet)(nil)}}",
                quoted(other)
            );
            let known = [quoted("RollingUpdate"), quoted("OnDelete")];
            causes.push(crate::status::Cause::unsupported(strategy.path(), shown, &known));
        }
    }
    spec.child("revisionHistoryLimit").nonnegative(causes);
}

fn is_empty(selector: &At<'_>) -> bool {
    selector.child("matchLabels").is_empty() && selector.child("matchExpressions").is_empty()
}

fn required_selector(at: &At<'_>, kind: &str, causes: &mut Causes) {
    if !at.is_set() {
        causes.push(at.required(""));
        return;
    }
    meta::selector(at, causes);
    if is_empty(at) {
        let detail = format!("empty selector is invalid for {kind}");
        causes.push(at.invalid(go::selector(at.value()), &detail));
    }
}

fn selector_and_template(spec: &At<'_>, kind: &str, named: &str, causes: &mut Causes) {
    let (selector, template) = (spec.child("selector"), spec.child("template"));
    required_selector(&selector, kind, causes);
    if !meta::is_usable(&selector) {
        causes.push(selector.invalid(go::selector(selector.value()), "invalid label selector"));
        return;
    }
    check_labels(&selector, &template.down("metadata.labels"), false, causes);
    pods::template(&template, causes);
    if spec.child("replicas").int().is_some_and(|replicas| replicas > 1) {
        for volume in template.down("spec.volumes").items() {
            let disk = volume.child("gcePersistentDisk");
            if disk.is_set() && !disk.child("readOnly").is_true() {
                let detail = "must be true for replicated pods > 1; GCE PD can only be mounted on multiple machines if it is read-only";
                causes.push(disk.child("readOnly").invalid(false, detail));
            }
        }
    }
    always_restarted(&template, named, causes);
}

/// Labels that the selector does not select. A missing selector selects nothing, an empty one everything.
fn check_labels(selector: &At<'_>, labels: &At<'_>, empty_counts: bool, causes: &mut Causes) {
    let given = LabelSelector::from_value(selector.value());
    let matches = selector.is_set() && given.matches_labels(Some(labels.value()));
    let counts = empty_counts || !selector.is_set() || !given.is_empty();
    if counts && !matches {
        mismatch(labels, causes);
    }
}

/// The template does not have the labels that are selected.
pub fn mismatch(labels: &At<'_>, causes: &mut Causes) {
    causes.push(labels.invalid(go::map(labels.map()), "`selector` does not match template `labels`"));
}

fn always_restarted(template: &At<'_>, kind: &str, causes: &mut Causes) {
    let policy = template.down("spec.restartPolicy");
    if policy.text() != "Always" {
        causes.push(policy.unsupported(&["Always"]));
    }
    let deadline = template.down("spec.activeDeadlineSeconds");
    if deadline.is_set() {
        causes.push(deadline.forbidden(&format!("activeDeadlineSeconds in {kind} is not Supported")));
    }
}

fn strategy(at: &At<'_>, causes: &mut Causes) {
    let rolling = at.child("rollingUpdate");
    match at.child("type").text() {
        "Recreate" => {
            if rolling.is_set() {
                causes.push(rolling.forbidden("may not be specified when strategy `type` is 'Recreate'"));
            }
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.child("maxUnavailable"), rolling.child("maxSurge"));
            int_or_percent(&unavailable, causes);
            int_or_percent(&surge, causes);
            if number(&unavailable) == 0 && number(&surge) == 0 {
                let shown = go::int_or_string(unavailable.value());
                causes.push(unavailable.invalid(shown, "may not be 0 when `maxSurge` is 0"));
            }
            not_above_all(&unavailable, causes);
        }
        other => {
            let shown = format!(
                "apps.DeploymentStrategy{{Type:{}, RollingUpdate:(*apps.RollingUpdateDeployment)(nil)}}",
                quoted(other)
            );
            let known = [quoted("Recreate"), quoted("RollingUpdate")];
            causes.push(crate::status::Cause::unsupported(at.path(), shown, &known));
        }
    }
}

/// A number that is not negative, or a percentage.
pub fn int_or_percent(at: &At<'_>, causes: &mut Causes) {
    if at.value().is_string() {
        let shown = go::int_or_string(at.value());
        causes.extend(words::percent(at.text()).iter().map(|fault| at.invalid(&shown, fault)));
    } else {
        at.nonnegative(causes);
    }
}

fn percent(at: &At<'_>) -> Option<i64> {
    at.text().strip_suffix('%').and_then(|number| number.parse().ok())
}

fn number(at: &At<'_>) -> i64 {
    percent(at).or_else(|| at.int()).or_else(|| at.text().parse().ok()).unwrap_or(0)
}

/// A percentage of not more than all.
pub fn not_above_all(at: &At<'_>, causes: &mut Causes) {
    if percent(at).is_some_and(|percent| percent > 100) {
        causes.push(at.invalid(go::int_or_string(at.value()), "must not be greater than 100%"));
    }
}

/// A selector that has changed.
pub fn fixed_selector(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let (new, old) = (at.down("spec.selector"), before.down("spec.selector"));
    new.immutable(old.value(), go::selector(new.value()), causes);
}

/// What of a `StatefulSet` may not change has changed.
pub fn stateful_set_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let fixed = |at: &At<'_>| {
        let mut spec = at.child("spec").value().clone();
        if let Some(map) = spec.as_object_mut() {
            for key in ["replicas", "template", "updateStrategy"] {
                map.remove(key);
            }
        }
        spec
    };
    if fixed(at) != fixed(before) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'template', and 'updateStrategy' are forbidden";
        causes.push(at.child("spec").forbidden(detail));
    }
    at.down("spec.replicas").nonnegative(causes);
}

/// Numbers of a status: none negative, none above all.
pub fn status(at: &At<'_>, counted: &[&str], causes: &mut Causes) {
    let status = at.child("status");
    for field in ["replicas"].iter().chain(counted).chain(&["observedGeneration", "collisionCount"]) {
        status.child(field).nonnegative(causes);
    }
    let all = status.child("replicas").int().unwrap_or(0);
    for field in counted {
        let part = status.child(field);
        if part.int().is_some_and(|part| part > all) {
            causes.push(part.wrong("cannot be greater than status.replicas"));
        }
    }
    let (available, ready) = (status.child("availableReplicas"), status.child("readyReplicas"));
    if available.int().unwrap_or(0) > ready.int().unwrap_or(0) {
        causes.push(available.wrong("cannot be greater than readyReplicas"));
    }
}

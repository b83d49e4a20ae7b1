//! Where pods may run: affinities, tolerations, spreading (pkg/apis/core/validation/validation.go, Kubernetes 1.20).

use super::at::{At, Causes};
use super::{meta, words};
use crate::status::quoted;

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// What is wrong with an affinity.
pub fn affinity(at: &At<'_>, causes: &mut Causes) {
    let nodes = at.child("nodeAffinity");
    let required = nodes.child("requiredDuringSchedulingIgnoredDuringExecution");
    if required.is_set() {
        node_selector(&required, causes);
    }
    for term in nodes.child("preferredDuringSchedulingIgnoredDuringExecution").items() {
        weight(&term.child("weight"), causes);
        node_term(&term.child("preference"), causes);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = at.child(kind);
        for term in pods.child("requiredDuringSchedulingIgnoredDuringExecution").items() {
            pod_term(&term, causes);
        }
        for term in pods.child("preferredDuringSchedulingIgnoredDuringExecution").items() {
            weight(&term.child("weight"), causes);
            pod_term(&term.child("podAffinityTerm"), causes);
        }
    }
}

fn weight(at: &At<'_>, causes: &mut Causes) {
    let weight = at.int().unwrap_or(0);
    if !(1..=100).contains(&weight) {
        causes.push(at.invalid(weight, "must be in the range 1-100"));
    }
}

/// What is wrong with a selector of nodes.
pub fn node_selector(at: &At<'_>, causes: &mut Causes) {
    let terms = at.child("nodeSelectorTerms");
    if terms.is_empty() {
        causes.push(terms.required("must have at least one node selector term"));
    }
    terms.items().for_each(|term| node_term(&term, causes));
}

fn node_term(at: &At<'_>, causes: &mut Causes) {
    for requirement in at.child("matchExpressions").items() {
        let values = requirement.child("values");
        match requirement.child("operator").text() {
            "In" | "NotIn" if values.is_empty() => {
                causes.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                causes.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
            }
            "Gt" | "Lt" if values.len() != 1 => {
                causes.push(values.required("must be specified single value when `operator` is 'Lt' or 'Gt'"));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            _ => causes.push(requirement.child("operator").wrong("not a valid selector operator")),
        }
        requirement.child("key").check(words::qualified_name, causes);
    }
    for requirement in at.child("matchFields").items() {
        let values = requirement.child("values");
        match requirement.child("operator").text() {
            "In" | "NotIn" => {
                if values.len() != 1 {
                    let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                    causes.push(values.required(detail));
                }
            }
            _ => causes.push(requirement.child("operator").wrong("not a valid selector operator")),
        }
        if requirement.child("key").text() == "metadata.name" {
            values.items().for_each(|value| value.check(words::subdomain, causes));
        } else {
            causes.push(requirement.child("key").wrong("not a valid field selector key"));
        }
    }
}

fn pod_term(at: &At<'_>, causes: &mut Causes) {
    let selector = at.child("labelSelector");
    meta::selector(&At::new(selector.value(), format!("{}.matchExpressions", at.path())), causes);
    for name in at.child("namespaces").items() {
        let place = at.child("namespace");
        causes.extend(words::label(name.text()).iter().map(|fault| place.invalid(quoted(name.text()), fault)));
    }
    let key = at.child("topologyKey");
    if key.text().is_empty() {
        causes.push(key.required("can not be empty"));
    }
    key.check(words::qualified_name, causes);
}

fn effect(at: &At<'_>, causes: &mut Causes) {
    if !EFFECTS.contains(&at.text()) {
        causes.push(at.unsupported(EFFECTS));
    }
}

/// What is wrong with tolerations.
pub fn tolerations(at: &At<'_>, causes: &mut Causes) {
    for toleration in at.items() {
        let (key, operator) = (toleration.child("key"), toleration.child("operator"));
        key.check_given(words::qualified_name, causes);
        if key.text().is_empty() && operator.text() != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            causes.push(operator.wrong(detail));
        }
        if toleration.child("tolerationSeconds").is_set() && toleration.child("effect").text() != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(toleration.child("effect").wrong(detail));
        }
        let value = toleration.child("value").text();
        match operator.text() {
            "Equal" | "" => {
                let faults = words::label_value(value);
                if !faults.is_empty() {
                    causes.push(operator.invalid(quoted(value), &faults.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let shown = go_toleration(&toleration);
                    causes.push(operator.invalid(shown, "value must be empty when `operator` is 'Exists'"));
                }
            }
            _ => causes.push(operator.unsupported(&["Equal", "Exists"])),
        }
        if !toleration.child("effect").text().is_empty() {
            effect(&toleration.child("effect"), causes);
        }
    }
}

fn go_toleration(at: &At<'_>) -> String {
    let part = |key: &str| quoted(at.child(key).text());
    let seconds = if at.child("tolerationSeconds").is_set() { "(*int64)(0xc000000000)" } else { "(*int64)(nil)" };
    format!(
        "core.Toleration{{Key:{}, Operator:{}, Value:{}, Effect:{}, TolerationSeconds:{seconds}}}",
        part("key"),
        part("operator"),
        part("value"),
        part("effect")
    )
}

/// What is wrong with the taints of a node.
pub fn taints(at: &At<'_>, causes: &mut Causes) {
    let mut known: Vec<(&str, &str)> = Vec::new();
    for taint in at.items() {
        taint.child("key").check(words::qualified_name, causes);
        let value = taint.child("value");
        let faults = words::label_value(value.text());
        if !faults.is_empty() {
            causes.push(value.wrong(&faults.join(";")));
        }
        if taint.child("effect").text().is_empty() {
            causes.push(taint.child("effect").required(""));
        } else {
            effect(&taint.child("effect"), causes);
        }
        let pair = (taint.child("key").text(), taint.child("effect").text());
        if known.contains(&pair) {
            let shown = format!(
                "core.Taint{{Key:{}, Value:{}, Effect:{}, TimeAdded:<nil>}}: taints must be unique by key and effect pair",
                quoted(pair.0),
                quoted(value.text()),
                quoted(pair.1)
            );
            causes.push(taint.duplicate(shown));
        }
        known.push(pair);
    }
}

/// What is wrong with the rules by which pods spread.
pub fn spreading(at: &At<'_>, causes: &mut Causes) {
    let all: Vec<At<'_>> = at.items().collect();
    for (index, one) in all.iter().enumerate() {
        let skew = one.child("maxSkew");
        if skew.int().unwrap_or(0) <= 0 {
            causes.push(skew.invalid(skew.int().unwrap_or(0), "must be greater than zero"));
        }
        let (key, action) = (one.child("topologyKey"), one.child("whenUnsatisfiable"));
        if key.text().is_empty() {
            causes.push(key.required("can not be empty"));
        }
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&action.text()) {
            causes.push(action.unsupported(&["DoNotSchedule", "ScheduleAnyway"]));
        }
        let repeated = all.iter().skip(index + 1).any(|other| {
            other.child("topologyKey").text() == key.text() && other.child("whenUnsatisfiable").text() == action.text()
        });
        if repeated {
            let shown = quoted(&format!("{{{}, {}}}", key.text(), action.text()));
            causes.push(one.child("{topologyKey, whenUnsatisfiable}").duplicate(shown));
        }
    }
}

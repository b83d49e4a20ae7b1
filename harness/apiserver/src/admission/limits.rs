//! `LimitRanger`: what containers, pods and claims of a namespace may ask for (plugin/pkg/admission/limitranger,
//! Kubernetes 1.20).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::text;
use crate::objects::Place;
use crate::quantity::Quantity;
use crate::status::Failure;

type Amounts = Map<String, Value>;

fn amounts(value: &Value, pointer: &str) -> Amounts {
    value.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn amount(amounts: &Amounts, name: &str) -> Option<Quantity> {
    amounts.get(name).and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok())
}

fn limits(range: &Value) -> impl Iterator<Item = &Value> {
    range.pointer("/spec/limits").and_then(Value::as_array).into_iter().flatten()
}

const CONTAINERS: [(&str, &str); 2] = [("containers", "container"), ("initContainers", "init container")];

impl Place<'_> {
    fn limit_ranges(&self) -> Vec<Value> {
        let found = self.state.store.list(&Arc::from("limitranges"), Some(self.namespace)).objects;
        found.into_iter().map(|(_, stored)| stored.value.clone()).collect()
    }

    /// Gives a pod the defaults of its namespace, and holds it to its limits.
    pub(super) fn limit_pod(&self, pod: &mut Value) -> Result<(), Failure> {
        for range in self.limit_ranges() {
            fill_pod(pod, &range);
            self.refuse(pod, &pod_faults(pod, &range))?;
        }
        Ok(())
    }

    /// Holds a claim to the limits of its namespace.
    pub(super) fn limit_claim(&self, claim: &Value) -> Result<(), Failure> {
        for range in self.limit_ranges() {
            let requests = amounts(claim, "/spec/resources/requests");
            let mut faults = Vec::new();
            for limit in limits(&range).filter(|limit| text(limit, "/type") == "PersistentVolumeClaim") {
                for (name, _) in amounts(limit, "/min") {
                    faults.extend(below("PersistentVolumeClaim", &name, limit, &requests, &Amounts::new()));
                }
                for (name, _) in amounts(limit, "/max") {
                    let Some(most) = amount(&amounts(limit, "/max"), &name) else { continue };
                    let said = format!("maximum {name} usage per PersistentVolumeClaim is {most}");
                    match amount(&requests, &name) {
                        None => faults.push(format!("{said}.  No request is specified")),
                        Some(asked) if asked > most => faults.push(format!("{said}, but request is {asked}")),
                        Some(_) => {}
                    }
                }
            }
            self.refuse(claim, &faults)?;
        }
        Ok(())
    }

    fn refuse(&self, object: &Value, faults: &[String]) -> Result<(), Failure> {
        let mut unique: Vec<&str> = Vec::new();
        for fault in faults {
            if !unique.contains(&fault.as_str()) {
                unique.push(fault);
            }
        }
        match unique.as_slice() {
            [] => Ok(()),
            [one] => Err(self.refused(object, one)),
            all => Err(self.refused(object, &format!("[{}]", all.join(", ")))),
        }
    }
}

fn fill_pod(pod: &mut Value, range: &Value) {
    let (mut requests, mut most) = (Amounts::new(), Amounts::new());
    for limit in limits(range).filter(|limit| text(limit, "/type") == "Container") {
        requests.extend(amounts(limit, "/defaultRequest"));
        most.extend(amounts(limit, "/default"));
    }
    let mut notes = Vec::new();
    for (key, word) in CONTAINERS {
        let containers = pod.pointer_mut(&format!("/spec/{key}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = text(container, "/name").to_owned();
            let mut set = |kind: &str, defaults: &Amounts| {
                let mut added: Vec<&str> = Vec::new();
                for (resource, amount) in defaults {
                    if container.pointer(&format!("/resources/{kind}")).and_then(|known| known.get(resource)).is_none()
                    {
                        container["resources"][kind][resource.as_str()] = amount.clone();
                        added.push(resource);
                    }
                }
                added.sort_unstable();
                added.join(", ")
            };
            let (limited, requested) = (set("limits", &most), set("requests", &requests));
            for (added, kind) in [(requested, "request"), (limited, "limit")] {
                if !added.is_empty() {
                    notes.push(format!("{added} {kind} for {word} {name}"));
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        if !pod.pointer("/metadata/annotations").is_some_and(Value::is_object) {
            pod["metadata"]["annotations"] = json!({});
        }
        pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"] = Value::from(note);
    }
}

/// What a pod asks for as a whole: its containers together, or the greediest of those that run before.
fn of_pod(pod: &Value, kind: &str) -> Amounts {
    let mut total = Amounts::new();
    let containers = |key: &str| {
        let containers = pod.pointer(&format!("/spec/{key}")).and_then(Value::as_array);
        containers.into_iter().flatten().map(|one| amounts(one, &format!("/resources/{kind}")))
    };
    for asked in containers("containers") {
        for (name, _) in &asked {
            let Some(more) = amount(&asked, name) else { continue };
            let sum = amount(&total, name).map_or_else(|| more.clone(), |sum| sum.plus(&more));
            total.insert(name.clone(), Value::from(sum.to_string()));
        }
    }
    for asked in containers("initContainers") {
        for (name, text) in &asked {
            if amount(&total, name) < amount(&asked, name) {
                total.insert(name.clone(), text.clone());
            }
        }
    }
    total
}

fn pod_faults(pod: &Value, range: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for limit in limits(range) {
        match text(limit, "/type") {
            "Container" => {
                for (key, _) in CONTAINERS {
                    let containers = pod.pointer(&format!("/spec/{key}")).and_then(Value::as_array);
                    for one in containers.into_iter().flatten() {
                        let of = |kind: &str| amounts(one, &format!("/resources/{kind}"));
                        faults.extend(beyond("Container", limit, &of("requests"), &of("limits")));
                    }
                }
            }
            "Pod" => faults.extend(beyond("Pod", limit, &of_pod(pod, "requests"), &of_pod(pod, "limits"))),
            _ => {}
        }
    }
    faults
}

fn beyond(kind: &str, limit: &Value, requests: &Amounts, limits: &Amounts) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, _) in amounts(limit, "/min") {
        faults.extend(below(kind, &name, limit, requests, limits));
    }
    for (name, _) in amounts(limit, "/max") {
        faults.extend(above(kind, &name, limit, requests, limits));
    }
    for (name, _) in amounts(limit, "/maxLimitRequestRatio") {
        faults.extend(stretched(kind, &name, limit, requests, limits));
    }
    faults
}

fn below(kind: &str, name: &str, limit: &Value, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let least = amount(&amounts(limit, "/min"), name)?;
    let said = format!("minimum {name} usage per {kind} is {least}");
    match (amount(requests, name), amount(limits, name)) {
        (None, _) => Some(format!("{said}.  No request is specified")),
        (Some(asked), _) if asked < least => Some(format!("{said}, but request is {asked}")),
        (_, Some(most)) if most < least => Some(format!("{said}, but limit is {most}")),
        _ => None,
    }
}

fn above(kind: &str, name: &str, limit: &Value, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let most = amount(&amounts(limit, "/max"), name)?;
    let said = format!("maximum {name} usage per {kind} is {most}");
    match (amount(requests, name), amount(limits, name)) {
        (_, None) => Some(format!("{said}.  No limit is specified")),
        (_, Some(bound)) if bound > most => Some(format!("{said}, but limit is {bound}")),
        (Some(asked), _) if asked > most => Some(format!("{said}, but request is {asked}")),
        _ => None,
    }
}

fn stretched(kind: &str, name: &str, limit: &Value, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let most = amount(&amounts(limit, "/maxLimitRequestRatio"), name)?;
    let said = format!("{name} max limit to request ratio per {kind} is {most}");
    let Some(asked) = amount(requests, name).filter(|asked| asked.nano() != 0) else {
        return Some(format!("{said}, but no request is specified or request is 0"));
    };
    let Some(bound) = amount(limits, name).filter(|bound| bound.nano() != 0) else {
        return Some(format!("{said}, but no limit is specified or limit is 0"));
    };
    // Thousandths are exact enough to compare; the ratio is shown with six places.
    let ratio = bound.nano().saturating_mul(1_000_000) / asked.nano();
    (ratio.saturating_mul(1000) > most.nano()).then(|| {
        let (whole, rest) = (ratio / 1_000_000, ratio % 1_000_000);
        format!("{said}, but provided ratio is {whole}.{rest:06}")
    })
}

//! Cells of the other kinds.

use serde_json::Value;

use super::{count, flag, list, or, or_none, since, text};
use crate::clock::ServerClock;

fn size(object: &Value, key: &str) -> usize {
    object.get(key).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// The cells after the name; `None` for kinds without columns of their own.
pub(super) fn cells(full_name: &str, object: &Value, age: &Value) -> Option<Vec<Value>> {
    let age = || age.clone();
    Some(match full_name {
        "namespaces" => vec![text(object, "/status/phase").into(), age()],
        "configmaps" => vec![(size(object, "data") + size(object, "binaryData")).into(), age()],
        "secrets" => vec![text(object, "/type").into(), size(object, "data").into(), age()],
        "serviceaccounts" => vec![list(object, "/secrets").len().into(), age()],
        "nodes" => node(object, age()),
        "resourcequotas" => quota(object, age()),
        "componentstatuses" => component(object),
        "poddisruptionbudgets.policy" => budget(object, age()),
        "podsecuritypolicies.policy" => security_policy(object),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            binding(object, age())
        }
        "certificatesigningrequests.certificates.k8s.io" => signing_request(object, age()),
        "leases.coordination.k8s.io" => vec![text(object, "/spec/holderIdentity").into(), age()],
        "priorityclasses.scheduling.k8s.io" => {
            vec![count(object, "/value").into(), flag(object, "/globalDefault").into(), age()]
        }
        "runtimeclasses.node.k8s.io" => vec![text(object, "/handler").into(), age()],
        "validatingwebhookconfigurations.admissionregistration.k8s.io"
        | "mutatingwebhookconfigurations.admissionregistration.k8s.io" => {
            vec![list(object, "/webhooks").len().into(), age()]
        }
        "apiservices.apiregistration.k8s.io" => api_service(object, age()),
        "flowschemas.flowcontrol.apiserver.k8s.io" => flow_schema(object, age()),
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => priority_level(object, age()),
        _ => return None,
    })
}

fn node(object: &Value, age: Value) -> Vec<Value> {
    let ready = list(object, "/status/conditions").iter().rfind(|condition| text(condition, "/type") == "Ready");
    let mut status = match ready.map(|condition| text(condition, "/status")) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if flag(object, "/spec/unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<&str> = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let address = |kind: &str| {
        let found = list(object, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
        Value::from(or_none(found.map(|address| text(address, "/address")).unwrap_or_default()))
    };
    let info = |key: &str| Value::from(or(text(object, &format!("/status/nodeInfo/{key}")), "<unknown>"));
    vec![
        status.into(),
        or_none(roles.join(",")).into(),
        age,
        text(object, "/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

fn quota(object: &Value, age: Value) -> Vec<Value> {
    let hard = object.pointer("/status/hard").and_then(Value::as_object);
    let mut names: Vec<&String> = hard.into_iter().flatten().map(|(name, _)| name).collect();
    names.sort();
    let (limits, requests): (Vec<&String>, Vec<&String>) =
        names.into_iter().partition(|name| name.starts_with("limits."));
    let shown = |names: Vec<&String>| {
        let amount = |kind: &str, name: &str| {
            let found = object.pointer(&format!("/status/{kind}")).and_then(|map| map.get(name));
            found.and_then(Value::as_str).unwrap_or("0").to_owned()
        };
        let all = names.iter().map(|name| format!("{name}: {}/{}", amount("used", name), amount("hard", name)));
        Value::from(all.collect::<Vec<_>>().join(", "))
    };
    vec![age, shown(requests), shown(limits)]
}

fn component(object: &Value) -> Vec<Value> {
    let healthy = list(object, "/conditions").iter().find(|condition| text(condition, "/type") == "Healthy");
    let Some(condition) = healthy else { return vec!["Unknown".into(), "".into(), "".into()] };
    let status = if text(condition, "/status") == "True" { "Healthy" } else { "Unhealthy" };
    vec![status.into(), text(condition, "/message").into(), text(condition, "/error").into()]
}

fn budget(object: &Value, age: Value) -> Vec<Value> {
    let amount = |field: &str| match object.pointer(&format!("/spec/{field}")) {
        Some(Value::String(text)) => text.clone(),
        Some(number) => number.to_string(),
        None => "N/A".to_owned(),
    };
    vec![
        amount("minAvailable").into(),
        amount("maxUnavailable").into(),
        count(object, "/status/disruptionsAllowed").into(),
        age,
    ]
}

fn security_policy(object: &Value) -> Vec<Value> {
    let all = |field: &str| {
        let items: Vec<&str> = list(object, &format!("/spec/{field}")).iter().filter_map(Value::as_str).collect();
        Value::from(items.join(","))
    };
    let rule = |field: &str| Value::from(text(object, &format!("/spec/{field}/rule")));
    vec![
        flag(object, "/spec/privileged").to_string().into(),
        all("allowedCapabilities"),
        rule("seLinux"),
        rule("runAsUser"),
        rule("fsGroup"),
        rule("supplementalGroups"),
        flag(object, "/spec/readOnlyRootFilesystem").into(),
        all("volumes"),
    ]
}

fn binding(object: &Value, age: Value) -> Vec<Value> {
    let subjects = |kind: &str| {
        let of_kind = list(object, "/subjects").iter().filter(|subject| text(subject, "/kind") == kind);
        let names = of_kind.map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", text(subject, "/namespace"), text(subject, "/name")),
            _ => text(subject, "/name").to_owned(),
        });
        Value::from(names.collect::<Vec<_>>().join(", "))
    };
    let role = format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"));
    vec![role.into(), age, subjects("User"), subjects("Group"), subjects("ServiceAccount")]
}

fn signing_request(object: &Value, age: Value) -> Vec<Value> {
    let has = |kind: &str| list(object, "/status/conditions").iter().any(|condition| text(condition, "/type") == kind);
    let mut status = if has("Denied") {
        "Denied".to_owned()
    } else if has("Approved") {
        "Approved".to_owned()
    } else {
        "Pending".to_owned()
    };
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !text(object, "/status/certificate").is_empty() {
        status.push_str(",Issued");
    }
    vec![age, or_none(text(object, "/spec/signerName")).into(), text(object, "/spec/username").into(), status.into()]
}

fn api_service(object: &Value, age: Value) -> Vec<Value> {
    let service = object.pointer("/spec/service").map_or_else(
        || "Local".to_owned(),
        |service| format!("{}/{}", text(service, "/namespace"), text(service, "/name")),
    );
    let available = list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Available");
    let available = match available.map(|condition| (text(condition, "/status"), text(condition, "/reason"))) {
        None => "Unknown".to_owned(),
        Some(("True", _)) => "True".to_owned(),
        Some((status, "")) => status.to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
    };
    vec![service.into(), available.into(), age]
}

fn flow_schema(object: &Value, age: Value) -> Vec<Value> {
    let dangling = list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Dangling");
    vec![
        text(object, "/spec/priorityLevelConfiguration/name").into(),
        count(object, "/spec/matchingPrecedence").into(),
        or_none(text(object, "/spec/distinguisherMethod/type")).into(),
        age,
        dangling.map_or("?", |condition| text(condition, "/status")).into(),
    ]
}

fn priority_level(object: &Value, age: Value) -> Vec<Value> {
    let number = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_else(|| Value::from("<none>"));
    let queuing = "/spec/limited/limitResponse/queuing";
    vec![
        text(object, "/spec/type").into(),
        number("/spec/limited/assuredConcurrencyShares"),
        number(&format!("{queuing}/queues")),
        number(&format!("{queuing}/handSize")),
        number(&format!("{queuing}/queueLengthLimit")),
        age,
    ]
}

pub(super) fn event(object: &Value, clock: ServerClock) -> Vec<Value> {
    let or_other = |first: &str, other: &str| {
        let found = text(object, first);
        if found.is_empty() { text(object, other) } else { found }
    };
    let first = or_other("/firstTimestamp", "/eventTime");
    let last = text(object, "/lastTimestamp");
    let last = if last.is_empty() { first } else { last };
    let (last, times) = match object.get("series") {
        Some(series) => (text(series, "/lastObservedTime"), count(series, "/count") + 1),
        None => (last, count(object, "/count").max(1)),
    };
    let (kind, name) = (text(object, "/involvedObject/kind").to_lowercase(), text(object, "/involvedObject/name"));
    let subject = if name.is_empty() { kind } else { format!("{kind}/{name}") };
    let (component, host) =
        (or_other("/source/component", "/reportingComponent"), or_other("/source/host", "/reportingInstance"));
    let source = if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") };
    vec![
        since(clock, last).into(),
        text(object, "/type").into(),
        text(object, "/reason").into(),
        subject.into(),
        text(object, "/involvedObject/fieldPath").into(),
        source.into(),
        text(object, "/message").trim().into(),
        since(clock, first).into(),
        times.into(),
        text(object, "/metadata/name").into(),
    ]
}

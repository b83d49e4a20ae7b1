//! Whether a pod fits on a node, and in the scheduler's words why not (kubernetes v1.20,
//! `pkg/scheduler/framework/plugins`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::affinity::wants;
use super::quantity::thousandths;
use super::taints::{SCHEDULING, exists, tolerates, untolerated};

/// The taint of a node on which nothing is to be put.
pub(crate) const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Amounts by resource, in thousandths.
type Amounts = BTreeMap<String, i128>;

/// Why a pod cannot be on the node; empty when it can. Only the first of the scheduler's filters that refuses speaks, as
/// in the original, with all that it has to say.
pub(crate) fn reasons(pod: &Pod, node: &Node, there: &[&Pod]) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let closed = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
    let closed_taint = k8s_openapi::api::core::v1::Taint {
        key: UNSCHEDULABLE.to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Default::default()
    };
    if closed && !tolerations.iter().any(|toleration| tolerates(toleration, &closed_taint)) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    let lacks = insufficient(spec, node, there);
    if !lacks.is_empty() {
        return lacks;
    }
    if spec.node_name.as_ref().is_some_and(|name| !name.is_empty() && Some(name) != node.metadata.name.as_ref()) {
        return vec!["node(s) didn't match the requested hostname".to_owned()];
    }
    let ports = host_ports(spec);
    if there.iter().filter_map(|pod| pod.spec.as_ref()).flat_map(host_ports).any(|port| ports.contains(&port)) {
        return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
    }
    if !wants(spec, node) {
        return vec!["node(s) didn't match Pod's node affinity".to_owned()];
    }
    if let Some(taint) = untolerated(node, tolerations, SCHEDULING) {
        let value = taint.value.as_deref().unwrap_or_default();
        return vec![format!("node(s) had taint {{{}: {value}}}, that the pod didn't tolerate", taint.key)];
    }
    Vec::new()
}

/// Why no node is fit for a pod, as events and the condition `PodScheduled` have it: `refusals` are the reasons of each
/// node.
pub(crate) fn message(refusals: &[Vec<String>]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for reason in refusals.iter().flatten() {
        *counts.entry(reason).or_default() += 1;
    }
    let mut texts: Vec<_> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    format!("0/{} nodes are available: {}.", refusals.len(), texts.join(", "))
}

/// What containers ask for, together; init containers one after the other.
fn requests(spec: &PodSpec) -> Amounts {
    let of = |resources: Option<&BTreeMap<String, Quantity>>| -> Amounts {
        let pairs = resources.into_iter().flatten();
        pairs.filter_map(|(name, amount)| Some((name.clone(), thousandths(&amount.0)?))).collect()
    };
    let mut sum = Amounts::new();
    for container in &spec.containers {
        for (name, amount) in of(container.resources.as_ref().and_then(|all| all.requests.as_ref())) {
            *sum.entry(name).or_default() += amount;
        }
    }
    for container in spec.init_containers.iter().flatten() {
        for (name, amount) in of(container.resources.as_ref().and_then(|all| all.requests.as_ref())) {
            let most = sum.entry(name).or_default();
            *most = (*most).max(amount);
        }
    }
    sum
}

fn insufficient(spec: &PodSpec, node: &Node, there: &[&Pod]) -> Vec<String> {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let most = |name: &str| allocatable.and_then(|all| thousandths(&all.get(name)?.0)).unwrap_or(0);
    let mut lacks = Vec::new();
    if i128::try_from(there.len()).unwrap_or(i128::MAX) * 1_000 + 1_000 > most("pods") {
        lacks.push("Too many pods".to_owned());
    }
    let wanted = requests(spec);
    let wanted: Vec<_> = wanted.into_iter().filter(|(_, amount)| *amount > 0).collect();
    if wanted.is_empty() {
        return lacks;
    }
    let mut used = Amounts::new();
    for spec in there.iter().filter_map(|pod| pod.spec.as_ref()) {
        for (name, amount) in requests(spec) {
            *used.entry(name).or_default() += amount;
        }
    }
    let is_over = |(name, amount): &&(String, i128)| used.get(name).copied().unwrap_or(0) + amount > most(name);
    lacks.extend(wanted.iter().filter(is_over).map(|(name, _)| format!("Insufficient {name}")));
    lacks
}

fn host_ports(spec: &PodSpec) -> Vec<(i32, String)> {
    let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    let taken = ports.filter_map(|port| Some((port.host_port.filter(|number| *number > 0)?, port.protocol.clone())));
    taken.map(|(number, protocol)| (number, protocol.unwrap_or_else(|| "TCP".to_owned()))).collect()
}

/// What every pod of a `DaemonSet` tolerates (kubernetes v1.20, `pkg/controller/daemon/util`).
pub(crate) fn daemon_tolerations(host_network: bool) -> Vec<k8s_openapi::api::core::v1::Toleration> {
    let node = |name: &str, effect: &str| exists(&format!("node.kubernetes.io/{name}"), effect);
    let mut all = vec![
        node("not-ready", "NoExecute"),
        node("unreachable", "NoExecute"),
        node("disk-pressure", "NoSchedule"),
        node("memory-pressure", "NoSchedule"),
        node("pid-pressure", "NoSchedule"),
        node("unschedulable", "NoSchedule"),
    ];
    if host_network {
        all.push(node("network-unavailable", "NoSchedule"));
    }
    all
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn node(spec: &Value) -> Node {
        let allocatable = json!({"cpu": "2", "memory": "1Gi", "pods": "2"});
        let labels = json!({"disk": "fast"});
        serde_json::from_value(json!({
            "metadata": {"name": "n1", "labels": labels}, "spec": spec, "status": {"allocatable": allocatable},
        }))
        .unwrap()
    }

    fn pod(container: &Value, more: &Value) -> Pod {
        let mut container = container.clone();
        container["name"] = json!("c");
        let mut spec = json!({"containers": [container]});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap()
    }

    fn asking(cpu: &str, memory: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    #[rstest]
    #[case::fits(json!({}), json!({}), json!({}), &[])]
    #[case::cordoned(json!({"unschedulable": true}), json!({}), json!({}), &["node(s) were unschedulable"])]
    #[case::tolerated(
        json!({"unschedulable": true}), json!({}),
        json!({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}), &[]
    )]
    #[case::another_disk(
        json!({}), json!({}), json!({"nodeSelector": {"disk": "slow"}}), &["node(s) didn't match Pod's node affinity"]
    )]
    #[case::tainted(
        json!({"taints": [{"key": "role", "value": "db", "effect": "NoSchedule"}]}), json!({}), json!({}),
        &["node(s) had taint {role: db}, that the pod didn't tolerate"]
    )]
    #[case::too_large(json!({}), asking("1.5", "2Gi"), json!({}), &["Insufficient cpu", "Insufficient memory"])]
    #[case::port(
        json!({}), json!({"ports": [{"containerPort": 1, "hostPort": 80}]}), json!({}),
        &["node(s) didn't have free ports for the requested pod ports"]
    )]
    fn says_why_not(#[case] spec: Value, #[case] container: Value, #[case] more: Value, #[case] expected: &[&str]) {
        let mut first = asking("1", "100Mi");
        first["ports"] = json!([{"containerPort": 1, "hostPort": 80, "protocol": "TCP"}]);
        let first = pod(&first, &json!({}));
        assert_eq!(reasons(&pod(&container, &more), &node(&spec), &[&first]), expected);
    }

    #[test]
    fn counts_pods() {
        let one = pod(&json!({}), &json!({}));
        assert_eq!(reasons(&one, &node(&json!({})), &[&one, &one]), ["Too many pods"]);
    }

    #[test]
    fn sums_the_reasons_of_all_nodes_up() {
        let refusals = [vec!["b".to_owned()], vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!(message(&refusals), "0/2 nodes are available: 1 a, 2 b.");
    }
}

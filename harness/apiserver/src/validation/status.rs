//! Statuses, which have an endpoint of their own, and rules of their own (pkg/apis/*/validation, Kubernetes 1.20).

use std::net::IpAddr;

use super::at::{At, Causes};
use super::{certificates, network, objects, pods, resources, words, workloads};
use crate::registry::Resource;
use crate::status::quoted;

/// What is wrong with the status of `at` as the successor of `before`.
pub fn rules(resource: &Resource, at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let status = at.child("status");
    let counts = |fields: &[&str], causes: &mut Causes| {
        for field in fields {
            status.child(field).nonnegative(causes);
        }
    };
    match &*resource.full_name {
        "pods" => pod(at, before, causes),
        "namespaces" => objects::namespace_status(at, causes),
        "nodes" => objects::node_update(at, before, causes),
        "deployments.apps" => {
            counts(
                &[
                    "observedGeneration",
                    "replicas",
                    "updatedReplicas",
                    "readyReplicas",
                    "availableReplicas",
                    "unavailableReplicas",
                    "collisionCount",
                ],
                causes,
            );
            workloads::status(at, &["updatedReplicas", "readyReplicas", "availableReplicas"], causes);
            no_fewer_collisions(at, before, causes);
        }
        "replicasets.apps" | "replicationcontrollers" => {
            counts(
                &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"],
                causes,
            );
            workloads::status(at, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"], causes);
        }
        "statefulsets.apps" => {
            counts(
                &[
                    "replicas",
                    "readyReplicas",
                    "currentReplicas",
                    "updatedReplicas",
                    "observedGeneration",
                    "collisionCount",
                ],
                causes,
            );
            workloads::status(at, &["readyReplicas", "currentReplicas", "updatedReplicas"], causes);
            no_fewer_collisions(at, before, causes);
        }
        "daemonsets.apps" => {
            counts(
                &[
                    "currentNumberScheduled",
                    "numberMisscheduled",
                    "desiredNumberScheduled",
                    "numberReady",
                    "observedGeneration",
                    "updatedNumberScheduled",
                    "numberAvailable",
                    "numberUnavailable",
                    "collisionCount",
                ],
                causes,
            );
            no_fewer_collisions(at, before, causes);
        }
        "jobs.batch" => counts(&["active", "succeeded", "failed"], causes),
        "horizontalpodautoscalers.autoscaling" => counts(&["currentReplicas", "desiredReplicas"], causes),
        "services" | "ingresses.networking.k8s.io" => network::load_balancer_status(at, causes),
        "resourcequotas" => {
            resources::hard(&status.child("hard"), causes);
            resources::hard(&status.child("used"), causes);
        }
        "persistentvolumeclaims" => {
            for (_, amount) in status.child("capacity").entries() {
                if resources::quantity(&amount).nano() < 0 {
                    causes.push(amount.invalid(amount.text(), "must be a valid resource quantity"));
                }
            }
        }
        "certificatesigningrequests.certificates.k8s.io" => certificates::request(at, false, causes),
        _ => {}
    }
}

fn no_fewer_collisions(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let (now, then) = (at.down("status.collisionCount"), before.down("status.collisionCount"));
    let count = now.int().unwrap_or(0);
    if then.is_set() && count < then.int().unwrap_or(0) {
        causes.push(now.invalid(count, "cannot be decremented"));
    }
}

fn pod(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let nominated = at.down("status.nominatedNodeName");
    if nominated.text() != before.down("status.nominatedNodeName").text() {
        nominated.check_given(words::subdomain, causes);
    }
    pods::status(at, before, causes);
    let mut faults = Causes::new();
    addresses(&at.down("status.podIPs"), &mut faults);
    let mut known = Causes::new();
    addresses(&before.down("status.podIPs"), &mut known);
    if known.is_empty() {
        causes.extend(faults);
    }
}

/// At most one address of each family.
fn addresses(at: &At<'_>, causes: &mut Causes) {
    for address in at.items() {
        let ip = address.child("ip");
        causes.extend(words::ip(ip.text()).iter().map(|fault| address.invalid(quoted(ip.text()), fault)));
    }
    if at.len() < 2 {
        return;
    }
    let parsed: Vec<Option<IpAddr>> = at.items().map(|address| address.child("ip").text().parse().ok()).collect();
    let of_both = parsed.iter().flatten().any(IpAddr::is_ipv4) && parsed.iter().flatten().any(IpAddr::is_ipv6);
    if !of_both || parsed.len() > 2 {
        let shown: Vec<String> =
            at.items().map(|address| format!("core.PodIP{{IP:{}}}", quoted(address.child("ip").text()))).collect();
        let shown = format!("[]core.PodIP{{{}}}", shown.join(", "));
        causes.push(at.invalid(shown, "may specify no more than one IP for each IP family"));
    }
    let mut seen: Vec<&str> = Vec::new();
    for address in at.items() {
        let ip = address.child("ip").text();
        if seen.contains(&ip) {
            causes.push(address.duplicate(format!("core.PodIP{{IP:{}}}", quoted(ip))));
        }
        seen.push(ip);
    }
}

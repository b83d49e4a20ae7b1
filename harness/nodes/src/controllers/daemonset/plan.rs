//! Which pods a `DaemonSet` makes and deletes, and the status that follows (kubernetes v1.20,
//! `pkg/controller/daemon`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};
use k8s_openapi::api::core::v1::{
    Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, PodTemplateSpec,
};

use super::HASH;
use crate::controllers::deployment::strategy::share;
use crate::controllers::pods::{self, created, node_of, phase_of};
use crate::controllers::scheduling::affinity::{named, wants};
use crate::controllers::scheduling::fit::daemon_tolerations;
use crate::controllers::scheduling::taints::{EXECUTION, SCHEDULING, untolerated};

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Vec<Pod>,
    pub(super) delete: Vec<Arc<Pod>>,
    /// Nodes and pods that failed there.
    pub(super) failed: Vec<(String, String)>,
    pub(super) status: DaemonSetStatus,
    /// When a ready pod becomes available.
    pub(super) look_again: Option<Duration>,
}

pub(super) fn hash_of(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(HASH).map(String::as_str)
}

fn is_going(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Where a pod is, or is meant to be.
fn target(pod: &Pod) -> Option<&str> {
    node_of(pod).or_else(|| named(pod.spec.as_ref()?))
}

/// Whether a pod of the set is to start on the node, and whether one that is there may stay.
fn belongs(spec: &PodSpec, node: &Node) -> (bool, bool) {
    let other =
        spec.node_name.as_ref().is_some_and(|name| !name.is_empty() && Some(name) != node.metadata.name.as_ref());
    if other || !wants(spec, node) {
        return (false, false);
    }
    let mut tolerations = spec.tolerations.clone().unwrap_or_default();
    tolerations.extend(daemon_tolerations(spec.host_network.unwrap_or(false)));
    let free = |effects| untolerated(node, &tolerations, effects).is_none();
    (free(SCHEDULING), free(EXECUTION))
}

impl Plan {
    pub(super) fn of(
        set: &DaemonSet,
        nodes: &[Arc<Node>],
        own: &[Arc<Pod>],
        hash: &str,
        available_in: impl Fn(&Pod) -> Option<Duration>,
    ) -> Self {
        let Some(spec) = &set.spec else { return Self::default() };
        let pod_spec = spec.template.spec.clone().unwrap_or_default();
        let mut by_node = BTreeMap::<&str, Vec<&Arc<Pod>>>::new();
        for pod in own {
            by_node.entry(target(pod).unwrap_or_default()).or_default().push(pod);
        }
        for pods in by_node.values_mut() {
            // What is bound first, then the oldest.
            pods.sort_by_key(|pod| (node_of(pod).is_none(), created(pod), pod.metadata.name.clone()));
        }
        let mut plan = Self::default();
        let mut unavailable = 0;
        for node in nodes {
            let name = node.metadata.name.as_deref().unwrap_or_default();
            let (starts, stays) = belongs(&pod_spec, node);
            let there = by_node.remove(name).unwrap_or_default();
            if starts && there.is_empty() {
                plan.create.push(pod_for(set, &spec.template, hash, name));
            } else if stays {
                plan.keep_one(name, &there);
            } else {
                plan.delete.extend(there.iter().filter(|pod| !is_going(pod)).map(|pod| (*pod).clone()));
            }
            let available = plan.count(starts, &there, hash, &available_in);
            unavailable += usize::from(starts && !available);
        }
        // Meant for nodes that are gone, and never bound: nobody else would delete them.
        let homeless = by_node.into_values().flatten().filter(|pod| node_of(pod).is_none() && !is_going(pod));
        plan.delete.extend(homeless.cloned());
        let rolls = spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete");
        if rolls && plan.create.is_empty() && plan.delete.is_empty() {
            plan.roll(set, own, hash, unavailable, &available_in);
        }
        let missing = plan.status.desired_number_scheduled - plan.status.number_available.unwrap_or(0);
        plan.status.number_unavailable = Some(missing).filter(|missing| *missing != 0);
        plan
    }

    /// Of several pods on a node the oldest stays; failed ones go.
    fn keep_one(&mut self, node: &str, there: &[&Arc<Pod>]) {
        let mut running = 0;
        for pod in there.iter().filter(|pod| !is_going(pod)) {
            if phase_of(pod) == "Failed" {
                self.failed.push((node.to_owned(), pod.metadata.name.clone().unwrap_or_default()));
                self.delete.push((*pod).clone());
            } else {
                running += 1;
                if running > 1 {
                    self.delete.push((*pod).clone());
                }
            }
        }
    }

    /// Counts a node; whether its pod is available.
    fn count(
        &mut self,
        starts: bool,
        there: &[&Arc<Pod>],
        hash: &str,
        available_in: &impl Fn(&Pod) -> Option<Duration>,
    ) -> bool {
        let status = &mut self.status;
        let Some(pod) = there.first() else {
            status.desired_number_scheduled += i32::from(starts);
            return false;
        };
        if !starts {
            status.number_misscheduled += 1;
            return false;
        }
        status.desired_number_scheduled += 1;
        status.current_number_scheduled += 1;
        if hash_of(pod) == Some(hash) {
            status.updated_number_scheduled = Some(status.updated_number_scheduled.unwrap_or(0) + 1);
        }
        let left = available_in(pod);
        status.number_ready += i32::from(left.is_some());
        match left {
            Some(Duration::ZERO) => {
                status.number_available = Some(status.number_available.unwrap_or(0) + 1);
                !is_going(pod)
            }
            Some(left) => {
                self.look_again = Some(self.look_again.map_or(left, |known| known.min(left)));
                false
            }
            None => false,
        }
    }

    /// Deletes pods of former revisions, as many as may be unavailable at once.
    fn roll(
        &mut self,
        set: &DaemonSet,
        own: &[Arc<Pod>],
        hash: &str,
        unavailable: usize,
        available_in: &impl Fn(&Pod) -> Option<Duration>,
    ) {
        let rolling = set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref()?.rolling_update.as_ref());
        let one = k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(1);
        let most = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&one);
        let most = share(Some(most), self.status.desired_number_scheduled, true);
        let most = usize::try_from(most).unwrap_or(0);
        let old = own.iter().filter(|pod| hash_of(pod) != Some(hash) && !is_going(pod));
        let (available, useless): (Vec<_>, Vec<_>) = old.partition(|pod| available_in(pod) == Some(Duration::ZERO));
        self.delete.extend(useless.into_iter().cloned());
        self.delete.extend(available.into_iter().take(most.saturating_sub(unavailable)).cloned());
    }
}

/// A pod for the node `name`: the scheduler binds it there by its affinity.
fn pod_for(set: &DaemonSet, template: &PodTemplateSpec, hash: &str, name: &str) -> Pod {
    let mut pod = pods::from_template(template, set);
    pod.metadata.labels.get_or_insert_default().insert(HASH.to_owned(), hash.to_owned());
    if let Some(generation) = pod_template_generation(set) {
        pod.metadata.labels.get_or_insert_default().insert("pod-template-generation".to_owned(), generation);
    }
    let spec = pod.spec.get_or_insert_default();
    let tolerations = spec.tolerations.get_or_insert_default();
    for toleration in daemon_tolerations(spec.host_network.unwrap_or(false)) {
        if !tolerations.contains(&toleration) {
            tolerations.push(toleration);
        }
    }
    let field = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![name.to_owned()]),
    };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_with(|| NodeSelector { node_selector_terms: vec![NodeSelectorTerm::default()] });
    for term in &mut required.node_selector_terms {
        term.match_fields = Some(vec![field.clone()]);
    }
    pod
}

/// The generation that clients of `extensions/v1beta1` compared; still on every pod in 1.20.
fn pod_template_generation(set: &DaemonSet) -> Option<String> {
    set.metadata.annotations.as_ref()?.get("deprecated.daemonset.template.generation").cloned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn set(more: &Value) -> DaemonSet {
        let mut spec = json!({"selector": {}, "template": {"spec": {"containers": []}}});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(json!({"metadata": {"name": "agent", "uid": "u"}, "spec": spec})).unwrap()
    }

    fn node(text: &str) -> Arc<Node> {
        let spec =
            if text.ends_with('t') { json!({"taints": [{"key": "k", "effect": "NoSchedule"}]}) } else { json!({}) };
        Arc::new(serde_json::from_value(json!({"metadata": {"name": &text[..1]}, "spec": spec})).unwrap())
    }

    /// A pod as `a-new`: its node and its revision; `!` at the end when it has failed, `?` when it is not ready.
    fn pod(text: &str) -> Arc<Pod> {
        let (node, revision) = text.trim_end_matches(['!', '?']).split_once('-').unwrap();
        let phase = if text.ends_with('!') { "Failed" } else { "Running" };
        let ready = if text.ends_with('?') { "False" } else { "True" };
        let pod = json!({
            "metadata": {"name": text, "labels": {HASH: revision}}, "spec": {"containers": [], "nodeName": node},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[rstest]
    #[case::every_node(json!({}), &["a", "b"], &["a-new"], &["b"], &[], (2, 1))]
    #[case::not_on_tainted_nodes(json!({}), &["a", "bt"], &["a-new"], &[], &[], (1, 1))]
    #[case::stays_where_it_was(json!({}), &["at"], &["a-new"], &[], &[], (0, 0))]
    #[case::failed(json!({}), &["a"], &["a-new!"], &[], &["a-new!"], (1, 1))]
    #[case::one_of_two(json!({}), &["a"], &["a-new", "a-old"], &[], &["a-old"], (1, 1))]
    #[case::one_at_a_time(json!({}), &["a", "b"], &["a-old", "b-old"], &[], &["a-old"], (2, 2))]
    #[case::waits_for_the_new_one(json!({}), &["a", "b"], &["a-new?", "b-old"], &[], &[], (2, 2))]
    #[case::replaces_what_does_not_work(json!({}), &["a", "b"], &["a-old?", "b-old"], &[], &["a-old?"], (2, 2))]
    #[case::on_delete(json!({"updateStrategy": {"type": "OnDelete"}}), &["a"], &["a-old"], &[], &[], (1, 1))]
    #[case::half_at_once(
        json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "50%"}}}), &["a", "b", "c", "d"],
        &["a-old", "b-old", "c-old", "d-old"], &[], &["a-old", "b-old"], (4, 4)
    )]
    fn puts_a_pod_on_every_node(
        #[case] more: Value,
        #[case] nodes: &[&str],
        #[case] own: &[&str],
        #[case] create: &[&str],
        #[case] delete: &[&str],
        #[case] counts: (i32, i32),
    ) {
        let nodes: Vec<_> = nodes.iter().map(|text| node(text)).collect();
        let own: Vec<_> = own.iter().map(|text| pod(text)).collect();
        let plan = Plan::of(&set(&more), &nodes, &own, "new", |pod| pods::is_ready(pod).then_some(Duration::ZERO));
        let created: Vec<_> = plan.create.iter().filter_map(|pod| named(pod.spec.as_ref()?)).collect();
        let deleted: Vec<_> = plan.delete.iter().filter_map(|pod| pod.metadata.name.as_deref()).collect();
        assert_eq!((created.as_slice(), deleted.as_slice()), (create, delete));
        assert_eq!((plan.status.desired_number_scheduled, plan.status.current_number_scheduled), counts);
    }
}

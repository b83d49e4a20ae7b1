//! Pods → nodes: those that fit, in turn (kubernetes v1.20, kube-scheduler).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{Binding, Node, ObjectReference, Pod, PodCondition};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::pods::{has_ended, node_of};
use super::scheduling::fit;
use super::scheduling::volumes::{self, Volumes};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, code_of, reason_of};
use crate::events::{News, record_action};
use crate::queue::{Queue, work};
use crate::times;

const COMPONENT: &str = "default-scheduler";

struct Scheduler {
    cluster: Arc<Cluster>,
    /// Pods that were bound and are not seen so yet: their nodes, by UID.
    bound: Mutex<BTreeMap<String, String>>,
    turn: Mutex<usize>,
}

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let pods = queue.clone();
    let home = Arc::downgrade(cluster);
    cluster.caches.pods.on_change(move |change| {
        if let Some(pod) = change.new.filter(|pod| waits_for_node(pod)) {
            pods.push(Key::of(pod.as_ref()));
        }
        // What a pod leaves behind may be what others wait for.
        let left = change.old.is_some_and(|pod| node_of(pod).is_some()) && change.new.is_none_or(|pod| has_ended(pod));
        if let Some(home) = home.upgrade().filter(|_| left) {
            push_refused(&home, &pods);
        }
    });
    let (nodes, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.nodes.on_change(move |change| {
        let concerns = |node: &Arc<Node>| {
            let allocatable = node.status.as_ref().and_then(|status| status.allocatable.clone());
            (node.metadata.labels.clone(), node.spec.clone(), allocatable)
        };
        if let Some(home) = home.upgrade().filter(|_| change.old.map(concerns) != change.new.map(concerns)) {
            push_waiting(&home, &nodes);
        }
    });
    let (claims, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.claims.on_change(move |change| {
        let (Some(home), Some(claim)) = (home.upgrade(), change.any()) else { return };
        let key = Key::of(claim.as_ref());
        let waiting = home.caches.pods.in_namespace(&key.namespace).into_iter().filter(|pod| waits_for_node(pod));
        for pod in waiting.filter(|pod| volumes::claims_of(pod).any(|name| name == key.name)) {
            claims.push(Key::of(pod.as_ref()));
        }
    });
    let scheduler = Arc::new(Scheduler { cluster: cluster.clone(), bound: Mutex::default(), turn: Mutex::default() });
    work(cluster, "scheduler", queue, move |key| {
        let scheduler = scheduler.clone();
        async move { scheduler.schedule(key).await }
    });
}

fn waits_for_node(pod: &Pod) -> bool {
    let ours = pod.spec.as_ref().is_some_and(|spec| spec.scheduler_name.as_deref().unwrap_or(COMPONENT) == COMPONENT);
    ours && node_of(pod).is_none() && pod.metadata.deletion_timestamp.is_none() && !has_ended(pod)
}

fn push_waiting(cluster: &Cluster, queue: &Queue<Key>) {
    for pod in cluster.caches.pods.all().iter().filter(|pod| waits_for_node(pod)) {
        queue.push(Key::of(pod.as_ref()));
    }
}

/// Pods that no node was fit for.
fn push_refused(cluster: &Cluster, queue: &Queue<Key>) {
    for pod in cluster.caches.pods.all().iter().filter(|pod| waits_for_node(pod) && refusal(pod).is_some()) {
        queue.push(Key::of(pod.as_ref()));
    }
}

fn refusal(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
}

impl Scheduler {
    async fn schedule(&self, key: Key) -> Result<(), Failure> {
        let caches = &self.cluster.caches;
        let Some(pod) = caches.pods.get(&key).filter(|pod| waits_for_node(pod)) else { return Ok(()) };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        if self.bound().contains_key(&uid) {
            return Ok(());
        }
        let nodes = caches.nodes.all();
        if nodes.is_empty() {
            // The first node brings the pod back here.
            return Ok(());
        }
        let selected = match Volumes::of(&self.cluster, &pod) {
            Volumes::Refused(reason) => {
                let refusals = vec![vec![reason]; nodes.len()];
                return self.refuse(&pod, &key, fit::message(&refusals)).await;
            }
            Volumes::Ready => None,
            Volumes::Wait { node } => Some(node),
        };
        let all = self.placed();
        let refused = |node: &Node| {
            let name = node.metadata.name.as_deref();
            let there: Vec<_> =
                all.iter().filter(|(on, _)| Some(on.as_str()) == name).map(|(_, pod)| pod.as_ref()).collect();
            let mut reasons = fit::reasons(&pod, node, &there);
            if reasons.is_empty() {
                reasons.extend(volumes::conflict(&self.cluster, &pod, node));
            }
            reasons
        };
        let refusals: Vec<_> = nodes.iter().map(|node| refused(node)).collect();
        let fitting: Vec<_> =
            nodes.iter().zip(&refusals).filter(|(_, reasons)| reasons.is_empty()).map(|(node, _)| node).collect();
        let earlier = selected.clone().flatten();
        let Some(node) = self.choose(&fitting, earlier.as_deref()) else {
            return self.refuse(&pod, &key, fit::message(&refusals)).await;
        };
        let name = node.metadata.name.clone().unwrap_or_default();
        if selected.is_some() {
            // Volumes are made where the pod is to be; it is bound when they are.
            return volumes::select(&self.cluster, &pod, &name).await;
        }
        self.bind(&pod, &key, &uid, &name).await
    }

    /// One of the fitting nodes: the one of an earlier choice, or the next in turn.
    fn choose<'a>(&self, fitting: &[&'a Arc<Node>], earlier: Option<&str>) -> Option<&'a Arc<Node>> {
        let again = fitting.iter().find(|node| earlier.is_some() && node.metadata.name.as_deref() == earlier);
        if let Some(again) = again {
            return Some(again);
        }
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = fitting.get(turn.checked_rem(fitting.len())?).copied();
        *turn = turn.wrapping_add(1);
        chosen
    }

    /// All pods that are on nodes, with these.
    fn placed(&self) -> Vec<(String, Arc<Pod>)> {
        let mut bound = self.bound();
        let pods = self.cluster.caches.pods.all();
        let mut placed = Vec::new();
        let mut unseen = BTreeMap::new();
        for pod in pods.into_iter().filter(|pod| !has_ended(pod)) {
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            if let Some(node) = node_of(&pod) {
                placed.push((node.to_owned(), pod.clone()));
            } else if let Some(node) = bound.get(&uid) {
                placed.push((node.clone(), pod.clone()));
                unseen.insert(uid, node.clone());
            }
        }
        *bound = unseen;
        placed
    }

    fn bound(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bind(&self, pod: &Pod, key: &Key, uid: &str, node: &str) -> Result<(), Failure> {
        let api = Api::<Pod>::namespaced(self.cluster.scheduler.clone(), &key.namespace);
        let target = ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(node.to_owned()),
            ..ObjectReference::default()
        };
        let mut binding = Binding { target, ..Binding::default() };
        binding.metadata.name = Some(key.name.clone());
        binding.metadata.namespace = Some(key.namespace.clone());
        binding.metadata.uid = Some(uid.to_owned());
        self.bound().insert(uid.to_owned(), node.to_owned());
        let bound: Result<serde_json::Value, _> =
            api.create_subresource("binding", &key.name, &PostParams::default(), &binding).await;
        let operation = format!("bind Pod {key} to {node}");
        match bound {
            Ok(_) => {}
            // Bound meanwhile, or being deleted.
            Err(error) if code_of(&error) == 409 => {
                self.bound().remove(uid);
                return Ok(());
            }
            // A server that knows no bindings answers for the path; one that misses the pod names it.
            Err(error) if matches!(code_of(&error), 404 | 405) && !names_pod(&error, &key.name) => {
                let patch = Patch::Merge(json!({ "spec": { "nodeName": node } }));
                api.patch(&key.name, &PatchParams::default(), &patch).await.unless_gone(&operation)?;
            }
            failed => {
                self.bound().remove(uid);
                failed.unless_gone(&operation)?;
                return Ok(());
            }
        }
        let message = format!("Successfully assigned {key} to {node}");
        record_action(&self.cluster, COMPONENT, "Binding", pod, News::normal("Scheduled", message));
        Ok(())
    }

    /// Says that no node is fit, unless the pod says so already.
    async fn refuse(&self, pod: &Pod, key: &Key, message: String) -> Result<(), Failure> {
        let known = refusal(pod);
        if known.is_some_and(|condition| condition.message.as_ref() == Some(&message)) {
            return Ok(());
        }
        let since = known.and_then(|condition| condition.last_transition_time.clone());
        let condition = PodCondition {
            type_: "PodScheduled".to_owned(),
            status: "False".to_owned(),
            reason: Some("Unschedulable".to_owned()),
            message: Some(message.clone()),
            last_transition_time: since.or_else(|| Some(times::now(&self.cluster.clock))),
            ..PodCondition::default()
        };
        let mut conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
        conditions.retain(|one| one.type_ != condition.type_);
        conditions.push(condition);
        let patch =
            Patch::Merge(json!({ "metadata": { "uid": pod.metadata.uid }, "status": { "conditions": conditions } }));
        let api = Api::<Pod>::namespaced(self.cluster.scheduler.clone(), &key.namespace);
        let operation = format!("update the status of Pod {key}");
        let patched = api.patch_status(&key.name, &PatchParams::default(), &patch).await;
        if let Some(patched) = patched.unless_gone(&operation)? {
            self.cluster.caches.pods.wrote(patched);
        }
        record_action(&self.cluster, COMPONENT, "Scheduling", pod, News::warning("FailedScheduling", message));
        Ok(())
    }
}

fn names_pod(error: &kube::Error, name: &str) -> bool {
    match error {
        kube::Error::Api(status) => {
            reason_of(error) == "NotFound" && status.details.as_ref().is_some_and(|details| details.name == name)
        }
        _ => false,
    }
}

//! Pods → nodes, in turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::pods::has_ended;
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, code_of, reason_of};
use crate::events::{News, record};
use crate::queue::{Queue, work};

const COMPONENT: &str = "default-scheduler";

/// A node as the scheduler sees it.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

pub(crate) fn start(cluster: &Arc<Cluster>, targets: Vec<Target>) {
    let queue = Queue::new(cluster.clock.clone());
    let pods = queue.clone();
    cluster.caches.pods.on_change(move |change| {
        if let Some(pod) = change.new.filter(|pod| waits_for_node(pod)) {
            pods.push(Key::of(pod.as_ref()));
        }
    });
    let (home, targets, turn) = (cluster.clone(), Arc::new(targets), Arc::new(AtomicUsize::new(0)));
    work(cluster, "scheduler", queue, move |key| schedule(home.clone(), targets.clone(), turn.clone(), key));
}

fn waits_for_node(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let is_ours = spec.is_some_and(|spec| {
        spec.node_name.as_deref().unwrap_or_default().is_empty()
            && spec.scheduler_name.as_deref().unwrap_or(COMPONENT) == COMPONENT
    });
    is_ours && pod.metadata.deletion_timestamp.is_none() && !has_ended(pod)
}

async fn schedule(
    cluster: Arc<Cluster>,
    targets: Arc<Vec<Target>>,
    turn: Arc<AtomicUsize>,
    key: Key,
) -> Result<(), Failure> {
    let Some(pod) = cluster.caches.pods.get(&key).filter(|pod| waits_for_node(pod)) else { return Ok(()) };
    let Some(node) = choose(&pod, &targets, turn.fetch_add(1, Ordering::Relaxed)) else {
        return unschedulable(&cluster, &pod, &key, targets.len()).await;
    };
    let api = cluster.api::<Pod>(&key.namespace);
    let target = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.name.clone()),
        ..ObjectReference::default()
    };
    let mut binding = Binding { target, ..Binding::default() };
    binding.metadata.name = Some(key.name.clone());
    binding.metadata.namespace = Some(key.namespace.clone());
    let bound: Result<serde_json::Value, _> =
        api.create_subresource("binding", &key.name, &PostParams::default(), &binding).await;
    let operation = format!("bind Pod {key} to {}", node.name);
    match bound {
        Ok(_) => {}
        // Bound meanwhile, or being deleted.
        Err(error) if code_of(&error) == 409 => return Ok(()),
        // A server that knows no bindings answers for the path; one that misses the pod names it.
        Err(error) if matches!(code_of(&error), 404 | 405) && !names_pod(&error, &key.name) => {
            let patch = Patch::Merge(json!({ "spec": { "nodeName": node.name } }));
            api.patch(&key.name, &PatchParams::default(), &patch).await.unless_gone(&operation)?;
        }
        failed => {
            failed.unless_gone(&operation)?;
            return Ok(());
        }
    }
    let message = format!("Successfully assigned {key} to {}", node.name);
    record(&cluster, COMPONENT, None, pod.as_ref(), News::normal("Scheduled", message));
    Ok(())
}

fn names_pod(error: &kube::Error, name: &str) -> bool {
    match error {
        kube::Error::Api(status) => {
            reason_of(error) == "NotFound" && status.details.as_ref().is_some_and(|details| details.name == name)
        }
        _ => false,
    }
}

/// The next node in turn whose labels satisfy the pod's node selector.
fn choose<'a>(pod: &Pod, targets: &'a [Target], turn: usize) -> Option<&'a Target> {
    let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.clone()).unwrap_or_default();
    let fits = |target: &&Target| selector.iter().all(|(key, value)| target.labels.get(key) == Some(value));
    let fitting: Vec<_> = targets.iter().filter(fits).collect();
    (!fitting.is_empty()).then(|| fitting[turn % fitting.len()])
}

async fn unschedulable(cluster: &Arc<Cluster>, pod: &Pod, key: &Key, nodes: usize) -> Result<(), Failure> {
    let message = format!("0/{nodes} nodes are available: {nodes} node(s) didn't match Pod's node affinity.");
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    if conditions
        .iter()
        .any(|condition| condition.type_ == "PodScheduled" && condition.message.as_ref() == Some(&message))
    {
        return Ok(());
    }
    let patch = Patch::Merge(json!({ "status": { "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastProbeTime": null, "lastTransitionTime": cluster.clock.wall(),
    }] } }));
    let api = cluster.api::<Pod>(&key.namespace);
    api.patch_status(&key.name, &PatchParams::default(), &patch)
        .await
        .unless_gone(&format!("update the status of Pod {key}"))?;
    record(cluster, COMPONENT, None, pod, News::warning("FailedScheduling", message));
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!({}), 0, Some("a"))]
    #[case(json!({}), 1, Some("b"))]
    #[case(json!({}), 2, Some("a"))]
    #[case(json!({"disk": "fast"}), 0, Some("b"))]
    #[case(json!({"disk": "slow"}), 0, None)]
    fn chooses_fitting_nodes_in_turn(
        #[case] selector: serde_json::Value,
        #[case] turn: usize,
        #[case] expected: Option<&str>,
    ) {
        let targets = [
            Target { name: "a".to_owned(), labels: BTreeMap::new() },
            Target { name: "b".to_owned(), labels: BTreeMap::from([("disk".to_owned(), "fast".to_owned())]) },
        ];
        let pod = json!({"metadata": {}, "spec": {"containers": [], "nodeSelector": selector}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        assert_eq!(choose(&pod, &targets, turn).map(|target| target.name.as_str()), expected);
    }
}

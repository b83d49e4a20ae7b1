//! Taints: nodes that are cordoned get one, and pods leave nodes whose taints they do not tolerate (kubernetes v1.20,
//! `pkg/controller/nodelifecycle`).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::pods::node_of;
use super::scheduling::fit::UNSCHEDULABLE;
use super::scheduling::taints::{EXECUTION, tolerates, untolerated};
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, During as _, Failure};
use crate::events::{News, record};
use crate::queue::{Queue, work};
use crate::times;

const COMPONENT: &str = "taint-controller";

/// A pod may tolerate a taint for its `tolerationSeconds`.
const TOLERATION: Delay = Delay::new("taint-toleration", Duration::ZERO);

/// A node, or a pod on one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Node(String),
    Pod(Key),
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(name) => write!(f, "Node {name}"),
            Self::Pod(key) => write!(f, "Pod {key}"),
        }
    }
}

fn taints(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

fn drives_out(node: &Node) -> bool {
    taints(node).iter().any(|taint| EXECUTION.contains(&taint.effect.as_str()))
}

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let (nodes, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.nodes.on_change(move |change| {
        let Some(node) = change.new else { return };
        let spec = |node: &Arc<Node>| node.spec.clone();
        if change.old.map(spec) == change.new.map(spec) {
            return;
        }
        nodes.push(Work::Node(node.metadata.name.clone().unwrap_or_default()));
        let tainted = drives_out(node) || change.old.is_some_and(|old| drives_out(old));
        for pod in home.upgrade().filter(|_| tainted).into_iter().flat_map(|home| home.caches.pods.all()) {
            if node_of(&pod) == node.metadata.name.as_deref() {
                nodes.push(Work::Pod(Key::of(pod.as_ref())));
            }
        }
    });
    let (pods, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.pods.on_change(move |change| {
        let Some(pod) = change.any() else { return };
        let key = Work::Pod(Key::of(pod.as_ref()));
        if change.new.is_none() {
            pods.forget_later(&key);
            return;
        }
        let node = node_of(pod).and_then(|name| home.upgrade()?.caches.nodes.get(&Key::new("", name)));
        if node.is_some_and(|node| drives_out(&node)) {
            pods.push(key);
        }
    });
    let (home, again) = (cluster.clone(), queue.clone());
    work(cluster, "node-taints", queue, move |work| {
        let (cluster, queue) = (home.clone(), again.clone());
        async move {
            match work {
                Work::Node(name) => cordon(&cluster, &name).await,
                Work::Pod(key) => evict(&cluster, &queue, key).await,
            }
        }
    });
}

/// Taints a node that is cordoned, and takes the taint away when it is not.
async fn cordon(cluster: &Cluster, name: &str) -> Result<(), Failure> {
    let Some(node) = cluster.caches.nodes.get(&Key::new("", name)) else { return Ok(()) };
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
    let is_it = |taint: &Taint| taint.key == UNSCHEDULABLE && taint.effect == "NoSchedule";
    if cordoned == taints(&node).iter().any(is_it) {
        return Ok(());
    }
    let mut wanted: Vec<_> = taints(&node).iter().filter(|taint| !is_it(taint)).cloned().collect();
    if cordoned {
        wanted.push(Taint {
            key: UNSCHEDULABLE.to_owned(),
            effect: "NoSchedule".to_owned(),
            time_added: Some(times::now(&cluster.clock)),
            value: None,
        });
    }
    let wanted = if wanted.is_empty() { json!(null) } else { json!(wanted) };
    let version = &node.metadata.resource_version;
    let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": version }, "spec": { "taints": wanted } }));
    let api = Api::<Node>::all(cluster.client.clone());
    let patched = api.patch(name, &PatchParams::default(), &patch).await;
    if let Some(patched) = patched.unless_gone(&format!("taint Node {name}"))? {
        cluster.caches.nodes.wrote(patched);
    }
    Ok(())
}

/// How long the pod may stay: for ever, or for as long as it tolerates all taints that drive it out.
fn stay(pod: &Pod, node: &Node) -> Option<Duration> {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    if untolerated(node, tolerations, EXECUTION).is_some() {
        return Some(Duration::ZERO);
    }
    let driving = taints(node).iter().filter(|taint| EXECUTION.contains(&taint.effect.as_str()));
    let used = tolerations.iter().filter(|toleration| driving.clone().any(|taint| tolerates(toleration, taint)));
    let seconds = used.filter_map(|toleration| toleration.toleration_seconds).min()?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

async fn evict(cluster: &Arc<Cluster>, queue: &Arc<Queue<Work>>, key: Key) -> Result<(), Failure> {
    let Some(pod) = cluster.caches.pods.get(&key) else { return Ok(()) };
    let node = node_of(&pod).and_then(|name| cluster.caches.nodes.get(&Key::new("", name)));
    let stay = node.as_ref().filter(|_| pod.metadata.deletion_timestamp.is_none()).and_then(|node| stay(&pod, node));
    let what = format!("taint/{}", pod.metadata.uid.as_deref().unwrap_or_default());
    let Some(limit) = stay else {
        cluster.ages.forget(&what);
        queue.forget_later(&Work::Pod(key));
        return Ok(());
    };
    let since = cluster.ages.first_seen(&what);
    if let Some(left) = cluster.ages.left(&what, since, limit) {
        queue.push_after(cluster, Work::Pod(key), TOLERATION.lasting(left));
        return Ok(());
    }
    cluster.ages.forget(&what);
    let message = format!("Marking for deletion Pod {key}");
    record(cluster, COMPONENT, None, pod.as_ref(), News::normal("TaintManagerEviction", message));
    let deleted = cluster.api::<Pod>(&key.namespace).delete(&key.name, &DeleteParams::default()).await;
    deleted.unless_gone(&format!("delete Pod {key}"))?;
    Ok(())
}

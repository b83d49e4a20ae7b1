//! `ReplicaSet` → Pods.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::owners::{controller_of, is_controlled_by, reference};
use super::pods::{is_active, is_ready};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating};
use crate::events::{News, record};
use crate::queue::{Queue, work};

const COMPONENT: &str = "replicaset-controller";

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let sets = queue.clone();
    cluster.caches.replica_sets.on_change(move |change| {
        if let Some(set) = change.any() {
            sets.push(Key::of(set.as_ref()));
        }
    });
    let pods = queue.clone();
    cluster.caches.pods.on_change(move |change| {
        for pod in change.both() {
            if let Some(owner) = controller_of(pod.as_ref()).filter(|owner| owner.kind == "ReplicaSet") {
                pods.push(Key::new(Key::of(pod.as_ref()).namespace, &owner.name));
            }
        }
    });
    let home = cluster.clone();
    work(cluster, "replicaset", queue, move |key| reconcile(home.clone(), key));
}

async fn reconcile(cluster: Arc<Cluster>, key: Key) -> Result<(), Failure> {
    let Some(set) = cluster.caches.replica_sets.get(&key) else { return Ok(()) };
    let Some(spec) = &set.spec else { return Ok(()) };
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    let mut active: Vec<_> =
        cluster.caches.pods.in_namespace(&key.namespace).into_iter().filter(|pod| is_mine(pod, &set)).collect();
    let mut trouble = None;
    if set.metadata.deletion_timestamp.is_none() {
        for _ in active.len()..wanted {
            match create_pod(&cluster, &set, &key).await {
                Ok(Some(pod)) => active.push(pod),
                Ok(None) => break,
                Err(failure) => {
                    trouble = Some(failure);
                    break;
                }
            }
        }
        if active.len() > wanted {
            // Those that serve least go first: unbound, then not ready, then the youngest.
            active.sort_by_key(|pod| (pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()), is_ready(pod)));
            let surplus = active.len() - wanted;
            for pod in active.drain(..surplus) {
                delete_pod(&cluster, &set, &pod).await?;
            }
        }
    }
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let mut status = json!({
        "replicas": active.len(),
        "fullyLabeledReplicas": active.len(),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "observedGeneration": set.metadata.generation,
        "conditions": null,
    });
    if let Some(failure) = &trouble {
        status["conditions"] = json!([{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": failure.source.to_string(), "lastTransitionTime": cluster.clock.wall(),
        }]);
    }
    if !is_current(&set, &status) {
        let api = cluster.api::<ReplicaSet>(&key.namespace);
        let patch = Patch::Merge(json!({ "status": status }));
        let operation = format!("update the status of ReplicaSet {key}");
        if let Some(set) = api.patch_status(&key.name, &PatchParams::default(), &patch).await.unless_gone(&operation)? {
            cluster.caches.replica_sets.wrote(set);
        }
    }
    trouble.map_or(Ok(()), Err)
}

fn is_mine(pod: &Pod, set: &ReplicaSet) -> bool {
    is_controlled_by(pod, set) && is_active(pod)
}

/// Whether the set's status says already what `status` would.
fn is_current(set: &ReplicaSet, status: &serde_json::Value) -> bool {
    let number = |name: &str| status[name].as_i64();
    let is = |now: Option<i32>, name: &str| i64::from(now.unwrap_or(0)) == number(name).unwrap_or(0);
    set.status.as_ref().is_some_and(|now| {
        i64::from(now.replicas) == number("replicas").unwrap_or(0)
            && is(now.fully_labeled_replicas, "fullyLabeledReplicas")
            && is(now.ready_replicas, "readyReplicas")
            && is(now.available_replicas, "availableReplicas")
            && now.observed_generation == number("observedGeneration")
            && now.conditions.is_some() != status["conditions"].is_null()
    })
}

async fn create_pod(cluster: &Arc<Cluster>, set: &ReplicaSet, key: &Key) -> Result<Option<Arc<Pod>>, Failure> {
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    let from = template.metadata.unwrap_or_default();
    let metadata = ObjectMeta {
        generate_name: Some(format!("{}-", key.name)),
        labels: from.labels,
        annotations: from.annotations,
        finalizers: from.finalizers,
        owner_references: Some(vec![reference(set)]),
        ..ObjectMeta::default()
    };
    let pod = Pod { metadata, spec: template.spec, status: None };
    match cluster.api::<Pod>(&key.namespace).create(&PostParams::default(), &pod).await {
        Err(error) if is_terminating(&error) => Ok(None),
        Err(error) => {
            record(cluster, COMPONENT, None, set, News::warning("FailedCreate", format!("Error creating: {error}")));
            Err(error).during(&format!("create a pod of ReplicaSet {key}"))
        }
        Ok(pod) => {
            let name = pod.metadata.name.clone().unwrap_or_default();
            cluster.caches.pods.wrote(pod.clone());
            record(cluster, COMPONENT, None, set, News::normal("SuccessfulCreate", format!("Created pod: {name}")));
            Ok(Some(Arc::new(pod)))
        }
    }
}

async fn delete_pod(cluster: &Arc<Cluster>, set: &ReplicaSet, pod: &Pod) -> Result<(), Failure> {
    let key = Key::of(pod);
    let deleted = cluster.api::<Pod>(&key.namespace).delete(&key.name, &DeleteParams::default()).await;
    let deleted = deleted.unless_gone(&format!("delete Pod {key}"))?;
    if let Some(answer) = deleted {
        answer.either(|going| cluster.caches.pods.wrote(going), drop);
    }
    record(cluster, COMPONENT, None, set, News::normal("SuccessfulDelete", format!("Deleted pod: {}", key.name)));
    Ok(())
}

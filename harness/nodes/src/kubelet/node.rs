//! Node objects, as kubelets register them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, During as _, Failure};
use crate::config::NodeSpec;
use crate::times::second;

/// The taint of a node whose kubelet has not said that it is ready.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// The labels of a node.
pub(crate) fn labels(spec: &NodeSpec) -> BTreeMap<String, String> {
    let fixed = [
        ("kubernetes.io/hostname", spec.name.as_str()),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", "amd64"),
        ("beta.kubernetes.io/os", "linux"),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed.chain(spec.roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), String::new()))).collect()
}

/// What kubelets and the controllers of nodes note on every node.
fn annotations() -> BTreeMap<String, String> {
    let all =
        [("node.alpha.kubernetes.io/ttl", "0"), ("volumes.kubernetes.io/controller-managed-attach-detach", "true")];
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Registers a node whose kubelet listens on `port`, and makes it Ready.
pub(crate) async fn register(cluster: &Arc<Cluster>, spec: &NodeSpec, version: &str, port: u16) -> Result<(), Failure> {
    let _busy = cluster.clock.busy();
    let api = Api::<Node>::all(cluster.kubelet.clone());
    let mut node = Node::default();
    node.metadata.name = Some(spec.name.clone());
    node.metadata.labels = Some(labels(spec));
    node.metadata.annotations = Some(annotations());
    let created = api.create(&PostParams::default(), &node).await;
    let created = created.unless_there(&format!("create Node {}", spec.name))?;
    let status = status(spec, version, port, &json!(second(cluster.clock.wall())));
    let patch = Patch::Merge(json!({ "status": status }));
    let operation = format!("update the status of Node {}", spec.name);
    api.patch_status(&spec.name, &PatchParams::default(), &patch).await.during(&operation)?;
    // A real API server taints new nodes as not ready, and the node controller takes that away when they are
    // (kubernetes v1.20, admission plugin `TaintNodesByCondition`).
    let known = match created {
        Some(created) => created,
        None => api.get(&spec.name).await.during(&format!("get Node {}", spec.name))?,
    };
    let taints = known.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let others: Vec<_> = taints.iter().filter(|taint| taint.key != NOT_READY).collect();
    let labelled = known.metadata.labels.unwrap_or_default();
    let has_labels = labels(spec).iter().all(|(name, value)| labelled.get(name) == Some(value));
    if others.len() < taints.len() || !has_labels {
        let others = if others.is_empty() { Value::Null } else { json!(others) };
        let patch = Patch::Merge(json!({ "metadata": { "labels": labels(spec) }, "spec": { "taints": others } }));
        let operation = format!("update Node {}", spec.name);
        api.patch(&spec.name, &PatchParams::default(), &patch).await.during(&operation)?;
    }
    Ok(())
}

fn status(spec: &NodeSpec, version: &str, port: u16, now: &Value) -> Value {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let capacity = json!({ "cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110" });
    json!({
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "addresses": [
            { "type": "InternalIP", "address": spec.ip },
            { "type": "Hostname", "address": spec.name },
        ],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
        "nodeInfo": {
            "machineID": spec.machine_id,
            "systemUUID": uuid(&spec.machine_id, "system"),
            "bootID": uuid(&spec.machine_id, "boot"),
            "kernelVersion": "5.4.0", "osImage": "simulated", "containerRuntimeVersion": "containerd://1.4.3",
            "kubeletVersion": version, "kubeProxyVersion": version, "operatingSystem": "linux", "architecture": "amd64",
        },
    })
}

/// Another identity of the same machine.
fn uuid(machine_id: &str, of: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{of}/{machine_id}").as_bytes()).to_string()
}

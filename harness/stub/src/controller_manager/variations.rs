//! Clusters where the controller deviates.

use kubesphere::names::labels;
use serde_json::{Value, json};

use crate::{Behaviour, Deviation};

/// The host's own Cluster, before it is created.
pub fn of_host_cluster(mut cluster: Value, behaviour: Behaviour) -> Value {
    let is = |deviation| behaviour.deviates(deviation);
    if is(Deviation::HostClusterMisnamed) {
        cluster["metadata"]["name"] = "host-cluster".into();
    }
    let lost =
        [(Deviation::HostClusterUnlabelled, labels::HOST_CLUSTER), (Deviation::HostClusterUnmanaged, labels::MANAGED)];
    for (deviation, label) in lost {
        if is(deviation)
            && let Some(labels) = cluster["metadata"]["labels"].as_object_mut()
        {
            labels.shift_remove(label);
        }
    }
    cluster
}

/// The status of a joined Cluster.
pub fn of_status(cluster: &mut Value, behaviour: Behaviour) {
    let is = |deviation| behaviour.deviates(deviation);
    if is(Deviation::NodesMiscounted) {
        cluster["status"]["nodeCount"] = (cluster["status"]["nodeCount"].as_u64().unwrap_or_default() + 1).into();
    }
    if is(Deviation::UidMissing)
        && let Some(status) = cluster["status"].as_object_mut()
    {
        status.shift_remove("uid");
    }
    if is(Deviation::ClusterDecorated) {
        cluster["metadata"]["labels"]["topology.kubernetes.io/zone"] = "zone-a".into();
        cluster["metadata"]["annotations"]["example.org/owner"] = "platform".into();
    }
    let Some(conditions) = cluster["status"]["conditions"].as_array_mut() else { return };
    if is(Deviation::ClusterDecorated) {
        conditions.retain(|condition| condition["type"] != "Initialized");
        conditions.insert(0, json!({"type": "Initialized", "status": "False", "reason": "Unknown"}));
    }
    if is(Deviation::ConditionsReordered) {
        conditions.reverse();
    }
}

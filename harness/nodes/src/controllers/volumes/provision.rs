//! A volume for a claim, as an external provisioner of its class makes it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::{PROVISIONED_BY, SELECTED_NODE};
use crate::cluster::{Cluster, During as _, Failure};
use crate::events::{News, record, reference};

/// The provisioner's name in events.
const COMPONENT: &str = "local-provisioner";

/// Makes the volume of `claim`; none when it is there already.
pub(super) async fn volume(
    cluster: &Arc<Cluster>,
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
) -> Result<Option<PersistentVolume>, Failure> {
    let Some(volume) = of(claim, class) else { return Ok(None) };
    let name = volume.metadata.name.clone().unwrap_or_default();
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let claimed = claim.metadata.name.as_deref().unwrap_or_default();
    let message = format!("External provisioner is provisioning volume for claim \"{namespace}/{claimed}\"");
    record(cluster, COMPONENT, None, claim, News::normal("Provisioning", message));
    let api = Api::<PersistentVolume>::all(cluster.client.clone());
    let created = api.create(&PostParams::default(), &volume).await;
    let Some(created) = created.unless_there(&format!("create PersistentVolume {name}"))? else { return Ok(None) };
    cluster.caches.volumes.wrote(created.clone());
    let message = format!("Successfully provisioned volume {name}");
    record(cluster, COMPONENT, None, claim, News::normal("ProvisioningSucceeded", message));
    Ok(Some(created))
}

fn of(claim: &PersistentVolumeClaim, class: &StorageClass) -> Option<PersistentVolume> {
    let spec = claim.spec.as_ref()?;
    let name = format!("pvc-{}", claim.metadata.uid.as_deref()?);
    let node = claim.metadata.annotations.as_ref().and_then(|all| all.get(SELECTED_NODE));
    let affinity = node.map(|node| {
        let expression = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
        json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [expression] }] } })
    });
    let volume = json!({
        "metadata": { "name": name, "annotations": { PROVISIONED_BY: class.provisioner } },
        "spec": {
            "accessModes": spec.access_modes,
            "capacity": { "storage": spec.resources.as_ref().and_then(|all| all.requests.as_ref()?.get("storage")) },
            "claimRef": reference(claim),
            "persistentVolumeReclaimPolicy": class.reclaim_policy.as_deref().unwrap_or("Delete"),
            "storageClassName": class.metadata.name,
            "volumeMode": spec.volume_mode.as_deref().unwrap_or("Filesystem"),
            "local": affinity.is_some().then(|| json!({ "path": format!("/var/openebs/local/{name}") })),
            "hostPath": affinity.is_none().then(|| json!({ "path": format!("/var/openebs/local/{name}") })),
            "nodeAffinity": affinity,
        },
    });
    serde_json::from_value(volume).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_volume_on_the_chosen_node() {
        let claim = serde_json::from_value(json!({
            "metadata": {"name": "data", "namespace": "ns", "uid": "u", "annotations": {SELECTED_NODE: "n1"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }));
        let class = serde_json::from_value(json!({"metadata": {"name": "local"}, "provisioner": "p"}));
        let volume = of(&claim.unwrap(), &class.unwrap()).unwrap();
        let spec = volume.spec.unwrap();
        assert_eq!(volume.metadata.name.as_deref(), Some("pvc-u"));
        assert_eq!(spec.claim_ref.unwrap().name.as_deref(), Some("data"));
        assert_eq!(spec.capacity.unwrap()["storage"].0, "1Gi");
        assert!(spec.local.is_some() && spec.host_path.is_none() && spec.node_affinity.is_some());
    }
}

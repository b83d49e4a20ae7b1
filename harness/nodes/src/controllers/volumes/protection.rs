//! Keeps claims and volumes while they are in use (kubernetes v1.20, `pkg/controller/volume/{pvc,pv}protection`).

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure};
use crate::controllers::pods::{has_ended, node_of};
use crate::controllers::scheduling::volumes::claims_of;

const OF_CLAIMS: &str = "kubernetes.io/pvc-protection";
const OF_VOLUMES: &str = "kubernetes.io/pv-protection";

/// The finalizers without `done`; none where it is not among them.
fn without(finalizers: Option<&Vec<String>>, done: &str) -> Option<Vec<String>> {
    let finalizers = finalizers?;
    finalizers.iter().any(|one| one == done).then(|| finalizers.iter().filter(|one| *one != done).cloned().collect())
}

pub(super) async fn let_claim_go(cluster: &Cluster, claim: &PersistentVolumeClaim, key: &Key) -> Result<(), Failure> {
    let Some(kept) = without(claim.metadata.finalizers.as_ref(), OF_CLAIMS) else { return Ok(()) };
    let pods = cluster.caches.pods.in_namespace(&key.namespace);
    let uses = |pod: &k8s_openapi::api::core::v1::Pod| {
        node_of(pod).is_some() && !has_ended(pod) && claims_of(pod).any(|name| name == key.name)
    };
    if pods.iter().any(|pod| uses(pod)) {
        return Ok(());
    }
    let patch = Patch::Merge(json!({ "metadata": { "uid": claim.metadata.uid, "finalizers": kept } }));
    let api = cluster.api::<PersistentVolumeClaim>(&key.namespace);
    let patched = api.patch(&key.name, &PatchParams::default(), &patch).await;
    patched.unless_gone(&format!("let PersistentVolumeClaim {key} go"))?;
    Ok(())
}

pub(super) async fn let_volume_go(cluster: &Cluster, volume: &PersistentVolume, phase: &str) -> Result<(), Failure> {
    let Some(kept) = without(volume.metadata.finalizers.as_ref(), OF_VOLUMES) else { return Ok(()) };
    if phase == "Bound" {
        return Ok(());
    }
    let name = volume.metadata.name.as_deref().unwrap_or_default();
    let patch = Patch::Merge(json!({ "metadata": { "uid": volume.metadata.uid, "finalizers": kept } }));
    let api = Api::<PersistentVolume>::all(cluster.client.clone());
    let patched = api.patch(name, &PatchParams::default(), &patch).await;
    patched.unless_gone(&format!("let PersistentVolume {name} go"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_its_own_finalizer_only() {
        let finalizers = vec!["a".to_owned(), OF_CLAIMS.to_owned()];
        assert_eq!(without(Some(&finalizers), OF_CLAIMS), Some(vec!["a".to_owned()]));
        assert_eq!(without(Some(&finalizers), OF_VOLUMES), None);
        assert_eq!(without(None, OF_VOLUMES), None);
    }
}

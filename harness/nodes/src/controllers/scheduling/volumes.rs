//! Whether the claims of a pod are bound, and where their volumes are to be made (kubernetes v1.20,
//! `pkg/scheduler/framework/plugins/volumebinding`).

use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::affinity::reaches;
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure};
use crate::controllers::volumes::{SELECTED_NODE, is_bound, waits_for_consumer};

/// What the claims of a pod say to its scheduling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Volumes {
    /// All are bound, or there are none.
    Ready,
    /// No node can be fit yet, in the scheduler's words.
    Refused(String),
    /// Some are bound once a node is chosen: the one that was chosen before, if any.
    Wait { node: Option<String> },
}

/// The names of a pod's claims.
pub(crate) fn claims_of(pod: &Pod) -> impl Iterator<Item = &str> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    volumes.iter().filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
}

impl Volumes {
    pub(crate) fn of(cluster: &Cluster, pod: &Pod) -> Self {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let (mut waits, mut node) = (false, None);
        for name in claims_of(pod) {
            let Some(claim) = cluster.caches.claims.get(&Key::new(namespace, name)) else {
                return Self::Refused(format!("persistentvolumeclaim {name:?} not found"));
            };
            if claim.metadata.deletion_timestamp.is_some() {
                return Self::Refused(format!("persistentvolumeclaim {name:?} is being deleted"));
            }
            if is_bound(&claim) {
                continue;
            }
            if !waits_for_consumer(cluster, &claim) {
                return Self::Refused("pod has unbound immediate PersistentVolumeClaims".to_owned());
            }
            waits = true;
            node = node.or_else(|| claim.metadata.annotations.as_ref()?.get(SELECTED_NODE).cloned());
        }
        if waits { Self::Wait { node } } else { Self::Ready }
    }
}

/// Why a volume of the pod keeps it from `node`, in the scheduler's words.
pub(crate) fn conflict(cluster: &Cluster, pod: &Pod, node: &Node) -> Option<String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let claims = claims_of(pod).filter_map(|name| cluster.caches.claims.get(&Key::new(namespace, name)));
    let mut volumes = claims.filter_map(|claim| {
        let name = claim.spec.as_ref()?.volume_name.clone()?;
        cluster.caches.volumes.get(&Key::new("", name))
    });
    let is_away = volumes.any(|volume| !reaches(&volume, node));
    is_away.then(|| "node(s) had volume node affinity conflict".to_owned())
}

/// Notes the chosen node on the claims that wait for it.
pub(crate) async fn select(cluster: &Cluster, pod: &Pod, node: &str) -> Result<(), Failure> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    for name in claims_of(pod) {
        let key = Key::new(namespace, name);
        let Some(claim) = cluster.caches.claims.get(&key).filter(|claim| !is_bound(claim)) else { continue };
        let chosen = claim.metadata.annotations.as_ref().and_then(|all| all.get(SELECTED_NODE));
        if chosen.is_some_and(|chosen| chosen == node) {
            continue;
        }
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { SELECTED_NODE: node } } }));
        let api = cluster.api::<PersistentVolumeClaim>(namespace);
        let patched = api.patch(name, &PatchParams::default(), &patch).await;
        if let Some(patched) = patched.unless_gone(&format!("update PersistentVolumeClaim {key}"))? {
            cluster.caches.claims.wrote(patched);
        }
    }
    Ok(())
}

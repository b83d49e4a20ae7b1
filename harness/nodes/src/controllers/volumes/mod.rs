//! Claims and volumes: binding, provisioning for a class, and the protection of what is in use (kubernetes v1.20,
//! `pkg/controller/volume`). An external provisioner is played as well: volumes need no disk here.

mod claims;
mod protection;
mod provision;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::scheduling::volumes::claims_of;
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure};
use crate::queue::{Queue, work};

const COMPONENT: &str = "persistentvolume-controller";

/// The node that the first pod of a claim is to be on.
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
const PROVISIONER: &str = "volume.beta.kubernetes.io/storage-provisioner";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// A claim or a volume, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Claim(Key),
    Volume(String),
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Claim(key) => write!(f, "PersistentVolumeClaim {key}"),
            Self::Volume(name) => write!(f, "PersistentVolume {name}"),
        }
    }
}

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let claims = queue.clone();
    cluster.caches.claims.on_change(move |change| {
        for claim in change.both() {
            claims.push(Work::Claim(Key::of(claim.as_ref())));
            if let Some(volume) = volume_of(claim) {
                claims.push(Work::Volume(volume.to_owned()));
            }
        }
    });
    let (volumes, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.volumes.on_change(move |change| {
        let Some(volume) = change.any() else { return };
        volumes.push(Work::Volume(volume.metadata.name.clone().unwrap_or_default()));
        if let Some(claim) = claim_of(volume) {
            volumes.push(Work::Claim(claim));
        } else if let Some(home) = home.upgrade() {
            push_unbound(&home, &volumes);
        }
    });
    let (classes, home) = (queue.clone(), Arc::downgrade(cluster));
    cluster.caches.classes.on_change(move |_| {
        if let Some(home) = home.upgrade() {
            push_unbound(&home, &classes);
        }
    });
    // A claim in use stays until its last pod is gone.
    let pods = queue.clone();
    cluster.caches.pods.on_change(move |change| {
        let Some(pod) = change.any() else { return };
        for name in claims_of(pod) {
            pods.push(Work::Claim(Key::new(Key::of(pod.as_ref()).namespace, name)));
        }
    });
    let home = cluster.clone();
    work(cluster, "persistent-volumes", queue, move |work| {
        let cluster = home.clone();
        async move {
            match work {
                Work::Claim(key) => claim(&cluster, &key).await,
                Work::Volume(name) => volume(&cluster, &name).await,
            }
        }
    });
}

fn push_unbound(cluster: &Cluster, queue: &Queue<Work>) {
    for claim in cluster.caches.claims.all().iter().filter(|claim| !is_bound(claim)) {
        queue.push(Work::Claim(Key::of(claim.as_ref())));
    }
}

/// The volume that a claim is for.
fn volume_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.volume_name.as_deref().filter(|name| !name.is_empty())
}

/// The claim that a volume is for.
fn claim_of(volume: &PersistentVolume) -> Option<Key> {
    let reference = volume.spec.as_ref()?.claim_ref.as_ref()?;
    Some(Key::new(reference.namespace.clone().unwrap_or_default(), reference.name.clone().unwrap_or_default()))
}

/// Whether a claim has its volume for good.
pub(crate) fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    let complete = claim.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(BIND_COMPLETED));
    complete && volume_of(claim).is_some()
}

fn class_of(cluster: &Cluster, claim: &PersistentVolumeClaim) -> Option<Arc<StorageClass>> {
    let name = claim.spec.as_ref()?.storage_class_name.as_deref()?;
    cluster.caches.classes.get(&Key::new("", name))
}

/// Whether a claim's volume is made where its first pod is to be.
pub(crate) fn waits_for_consumer(cluster: &Cluster, claim: &PersistentVolumeClaim) -> bool {
    let class = class_of(cluster, claim);
    class.and_then(|class| class.volume_binding_mode.clone()).as_deref() == Some("WaitForFirstConsumer")
}

async fn claim(cluster: &Arc<Cluster>, key: &Key) -> Result<(), Failure> {
    let Some(claim) = cluster.caches.claims.get(key) else { return Ok(()) };
    if claim.metadata.deletion_timestamp.is_some() {
        return protection::let_claim_go(cluster, &claim, key).await;
    }
    if is_bound(&claim) { claims::check(cluster, &claim).await } else { claims::bind(cluster, &claim, key).await }
}

async fn volume(cluster: &Arc<Cluster>, name: &str) -> Result<(), Failure> {
    let Some(volume) = cluster.caches.volumes.get(&Key::new("", name)) else { return Ok(()) };
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let wanted = phase_for(cluster, &volume);
    if wanted != phase {
        set_phase(cluster, name, wanted).await?;
    }
    if volume.metadata.deletion_timestamp.is_some() {
        return protection::let_volume_go(cluster, &volume, wanted).await;
    }
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let provisioned = volume.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(PROVISIONED_BY));
    if wanted == "Released" && policy == Some("Delete") && provisioned {
        let api = Api::<PersistentVolume>::all(cluster.client.clone());
        let deleted = api.delete(name, &DeleteParams::default()).await;
        deleted.unless_gone(&format!("delete PersistentVolume {name}"))?;
    }
    Ok(())
}

/// What a volume is for its claim.
fn phase_for(cluster: &Cluster, volume: &PersistentVolume) -> &'static str {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    let (Some(reference), Some(key)) = (reference, claim_of(volume)) else { return "Available" };
    // It was set aside for a claim that is yet to come.
    if reference.uid.as_deref().unwrap_or_default().is_empty() {
        return "Available";
    }
    let claim = cluster.caches.claims.get(&key).filter(|claim| claim.metadata.uid == reference.uid);
    if claim.is_some() { "Bound" } else { "Released" }
}

async fn set_phase(cluster: &Cluster, name: &str, phase: &str) -> Result<(), Failure> {
    let patch = Patch::Merge(json!({ "status": { "phase": phase } }));
    let api = Api::<PersistentVolume>::all(cluster.client.clone());
    let patched = api.patch_status(name, &PatchParams::default(), &patch).await;
    if let Some(patched) = patched.unless_gone(&format!("update the status of PersistentVolume {name}"))? {
        cluster.caches.volumes.wrote(patched);
    }
    Ok(())
}

//! Claims without a volume get one: one that is there and fits, or a new one of their class.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, VolumeResourceRequirements};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    BIND_COMPLETED, BOUND_BY_CONTROLLER, COMPONENT, PROVISIONER, SELECTED_NODE, class_of, provision, volume_of,
    waits_for_consumer,
};
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure};
use crate::controllers::scheduling::quantity::thousandths;
use crate::controllers::statuses;
use crate::events::{News, record, reference};

/// A bound claim whose volume is gone has lost its data.
pub(super) async fn check(cluster: &Arc<Cluster>, claim: &PersistentVolumeClaim) -> Result<(), Failure> {
    let name = volume_of(claim).unwrap_or_default();
    let volume = cluster.caches.volumes.get(&Key::new("", name));
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let Some(volume) = volume else {
        let found = Api::<PersistentVolume>::all(cluster.client.clone()).get(name).await;
        if phase == Some("Lost") || found.unless_gone(&format!("get PersistentVolume {name}"))?.is_some() {
            return Ok(());
        }
        let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
        record(cluster, COMPONENT, None, claim, News::warning("ClaimLost", message));
        return statuses::patch(cluster, &cluster.caches.claims, claim, &json!({ "phase": "Lost" })).await;
    };
    if phase == Some("Bound") { Ok(()) } else { show_bound(cluster, claim, &volume).await }
}

pub(super) async fn bind(cluster: &Arc<Cluster>, claim: &PersistentVolumeClaim, key: &Key) -> Result<(), Failure> {
    if let Some(volume) = candidate(cluster, claim) {
        return take(cluster, claim, key, &volume, volume_of(claim).is_none()).await;
    }
    // It asks for a volume that is not there, or not free.
    if volume_of(claim).is_some() {
        return Ok(());
    }
    let class_name = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.clone()).unwrap_or_default();
    let tell = |news: News| record(cluster, COMPONENT, None, claim, news);
    let Some(class) = class_of(cluster, claim) else {
        tell(if class_name.is_empty() {
            let message = "no persistent volumes available for this claim and no storage class is set";
            News::normal("FailedBinding", message)
        } else {
            let message = format!("storageclass.storage.k8s.io {class_name:?} not found");
            News::warning("ProvisioningFailed", message)
        });
        return Ok(());
    };
    let selected = claim.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(SELECTED_NODE));
    if waits_for_consumer(cluster, claim) && !selected {
        let message = "waiting for first consumer to be created before binding";
        tell(News::normal("WaitForFirstConsumer", message));
        return Ok(());
    }
    // Nothing can make these.
    if class.provisioner == "kubernetes.io/no-provisioner" {
        return Ok(());
    }
    let asked = claim.metadata.annotations.as_ref().and_then(|all| all.get(PROVISIONER));
    if asked != Some(&class.provisioner) {
        let message = format!(
            "waiting for a volume to be created, either by external provisioner {:?} or manually created by system \
             administrator",
            class.provisioner
        );
        tell(News::normal("ExternalProvisioning", message));
        return annotate(cluster, key, &json!({ PROVISIONER: class.provisioner })).await;
    }
    let Some(volume) = provision::volume(cluster, claim, &class).await? else { return Ok(()) };
    take(cluster, claim, key, &volume, true).await
}

async fn annotate(cluster: &Cluster, key: &Key, annotations: &Value) -> Result<(), Failure> {
    patch(cluster, key, json!({ "metadata": { "annotations": annotations } })).await
}

async fn patch(cluster: &Cluster, key: &Key, patch: Value) -> Result<(), Failure> {
    let api = cluster.api::<PersistentVolumeClaim>(&key.namespace);
    let patched = api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await;
    if let Some(patched) = patched.unless_gone(&format!("update PersistentVolumeClaim {key}"))? {
        cluster.caches.claims.wrote(patched);
    }
    Ok(())
}

fn amount(resources: Option<&VolumeResourceRequirements>) -> i128 {
    let storage = resources.and_then(|resources| resources.requests.as_ref()?.get("storage"));
    storage.and_then(|storage| thousandths(&storage.0)).unwrap_or(0)
}

/// The smallest volume that is free, or set aside for the claim, and fits.
fn candidate(cluster: &Cluster, claim: &PersistentVolumeClaim) -> Option<Arc<PersistentVolume>> {
    let spec = claim.spec.as_ref()?;
    let wanted = amount(spec.resources.as_ref());
    let size = |volume: &PersistentVolume| -> i128 {
        let capacity = volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref()?.get("storage"));
        capacity.and_then(|storage| thousandths(&storage.0)).unwrap_or(0)
    };
    let fits = |volume: &&Arc<PersistentVolume>| {
        let Some(own) = &volume.spec else { return false };
        let asked = volume_of(claim).is_none_or(|name| volume.metadata.name.as_deref() == Some(name));
        let same_class = own.storage_class_name.as_deref().unwrap_or_default()
            == spec.storage_class_name.as_deref().unwrap_or_default();
        let modes = own.access_modes.as_deref().unwrap_or_default();
        let has_modes = spec.access_modes.iter().flatten().all(|mode| modes.contains(mode));
        let free = own.claim_ref.as_ref().is_none_or(|reference| {
            reference.name == claim.metadata.name
                && reference.namespace == claim.metadata.namespace
                && reference.uid.as_ref().is_none_or(|uid| Some(uid) == claim.metadata.uid.as_ref())
        });
        asked
            && same_class
            && has_modes
            && free
            && size(volume) >= wanted
            && volume.metadata.deletion_timestamp.is_none()
    };
    let volumes = cluster.caches.volumes.all();
    volumes.iter().filter(fits).min_by_key(|volume| (volume_claimless(volume), size(volume))).cloned()
}

/// Volumes that were set aside for a claim come first.
fn volume_claimless(volume: &PersistentVolume) -> bool {
    volume.spec.as_ref().is_none_or(|spec| spec.claim_ref.is_none())
}

/// Binds volume and claim to each other; `by_controller` if the claim did not ask for this volume.
async fn take(
    cluster: &Arc<Cluster>,
    claim: &PersistentVolumeClaim,
    key: &Key,
    volume: &PersistentVolume,
    by_controller: bool,
) -> Result<(), Failure> {
    let name = volume.metadata.name.clone().unwrap_or_default();
    let owned =
        volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()).and_then(|reference| reference.uid.as_ref());
    if owned != claim.metadata.uid.as_ref() {
        let annotations = json!({ BOUND_BY_CONTROLLER: "yes" });
        let body = json!({
            "metadata": { "resourceVersion": volume.metadata.resource_version, "annotations": annotations },
            "spec": { "claimRef": reference(claim) },
        });
        let api = Api::<PersistentVolume>::all(cluster.client.clone());
        let patched = api.patch(&name, &PatchParams::default(), &Patch::Merge(body)).await;
        let Some(patched) = patched.unless_gone(&format!("bind PersistentVolume {name}"))? else { return Ok(()) };
        cluster.caches.volumes.wrote(patched);
    }
    let mut annotations = json!({ BIND_COMPLETED: "yes" });
    if by_controller {
        annotations[BOUND_BY_CONTROLLER] = json!("yes");
    }
    let body = json!({ "metadata": { "annotations": annotations }, "spec": { "volumeName": name } });
    patch(cluster, key, body).await?;
    show_bound(cluster, claim, volume).await
}

async fn show_bound(
    cluster: &Arc<Cluster>,
    claim: &PersistentVolumeClaim,
    volume: &PersistentVolume,
) -> Result<(), Failure> {
    let spec = volume.spec.clone().unwrap_or_default();
    let status = json!({ "phase": "Bound", "accessModes": spec.access_modes, "capacity": spec.capacity });
    statuses::patch(cluster, &cluster.caches.claims, claim, &status).await
}

//! Writes the part of a status that changed.

use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use super::claims::Namespaced;
use crate::cache::{Cache, Key};
use crate::cluster::{Cluster, During as _, Failure};
use crate::merge;

/// Turns the status of `object` from `before` into `after`; nothing is sent when they are the same.
pub(crate) async fn write<K: Namespaced, S: Serialize>(
    cluster: &Cluster,
    cache: &Cache<K>,
    object: &K,
    before: Option<&S>,
    after: &S,
) -> Result<(), Failure> {
    let value = |status: &S| serde_json::to_value(status).unwrap_or_default();
    let before = before.map_or_else(|| json!({}), value);
    let Some(change) = merge::patch(&before, &value(after)) else { return Ok(()) };
    patch(cluster, cache, object, &change).await
}

/// Merges `change` into the status of `object`.
pub(crate) async fn patch<K: Namespaced>(
    cluster: &Cluster,
    cache: &Cache<K>,
    object: &K,
    change: &Value,
) -> Result<(), Failure> {
    let key = Key::of(object);
    let patch = Patch::Merge(json!({ "metadata": { "uid": object.meta().uid }, "status": change }));
    let api = cluster.api::<K>(&key.namespace);
    let written = api.patch_status(&key.name, &PatchParams::default(), &patch).await;
    if let Some(written) = written.unless_gone(&format!("update the status of {} {key}", K::kind(&())))? {
        cache.wrote(written);
    }
    Ok(())
}

//! Namespaces that are being deleted: empties them, then lets them go.

mod conditions;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, WatchParams};
use kube::core::{ApiResource, WatchEvent};
use serde_json::json;

use self::conditions::Left;
use super::resources::{Deletable, deletable};
use crate::cache::Key;
use crate::clock::Delay;
use crate::cluster::{Cluster, During as _, Failure, message_of};
use crate::queue::{Queue, work};
use crate::times;

/// The finalizer that this controller takes away.
const FINALIZER: &str = "kubernetes";

/// How long until a namespace is looked at again when no watch tells that something of it is gone.
const LOOK_AGAIN: Delay = Delay::new("namespace-look-again", Duration::from_secs(5));

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let namespaces = queue.clone();
    cluster.caches.namespaces.on_change(move |change| {
        if let Some(namespace) = change.new.filter(|namespace| is_due(namespace)) {
            namespaces.push(Key::of(namespace.as_ref()).name);
        }
    });
    let (home, again) = (cluster.clone(), queue.clone());
    work(cluster, "namespace", queue, move |name| finalize(home.clone(), again.clone(), name));
}

fn is_due(namespace: &Namespace) -> bool {
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_deref()).unwrap_or_default();
    namespace.metadata.deletion_timestamp.is_some() && finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

async fn finalize(cluster: Arc<Cluster>, queue: Arc<Queue<String>>, name: String) -> Result<(), Failure> {
    let Some(namespace) = cluster.caches.namespaces.get(&Key::new("", &name)).filter(|namespace| is_due(namespace))
    else {
        return Ok(());
    };
    let (mut remaining, mut left, mut failed) = (None, Left::default(), None);
    for resource in deletable(&cluster).await?.into_iter().filter(|resource| resource.namespaced) {
        match empty(&cluster, &resource, &name, &mut left).await {
            Ok(None) => {}
            Ok(Some(version)) => remaining = Some((resource, version)),
            Err(failure) => {
                left.failures.push(message_of(&failure.source));
                failed = Some(failure);
            }
        }
    }
    let Some(namespace) = tell(&cluster, &namespace, &left).await? else { return Ok(()) };
    if let Some(failure) = failed {
        return Err(failure);
    }
    if let Some((resource, version)) = remaining {
        // Pods take their time to stop and finalizers theirs: look again when something of the kind is gone.
        let home = cluster.clone();
        cluster.spawn(async move {
            wait_for_deletion(&home, &resource, &name, &version).await;
            queue.push(name);
        });
        return Ok(());
    }
    let mut spec = namespace.spec.clone().unwrap_or_default();
    let others = spec.finalizers.unwrap_or_default().into_iter().filter(|finalizer| finalizer != FINALIZER);
    spec.finalizers = Some(others.collect());
    let finalized = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": namespace.metadata, "spec": spec, "status": namespace.status,
    });
    let operation = format!("finalize Namespace {name}");
    let body = finalized.to_string().into_bytes();
    let request = http::Request::put(format!("/api/v1/namespaces/{name}/finalize"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(kube::Error::HttpError)
        .during(&operation)?;
    cluster.client.request::<serde_json::Value>(request).await.unless_gone(&operation)?;
    Ok(())
}

/// Writes what is left into the namespace's conditions; the namespace as it is then, or none when it is gone.
async fn tell(cluster: &Cluster, namespace: &Arc<Namespace>, left: &Left) -> Result<Option<Arc<Namespace>>, Failure> {
    let before = namespace.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let after = left.conditions(before, &times::now(&cluster.clock));
    if after == before {
        return Ok(Some(namespace.clone()));
    }
    let name = namespace.name_any();
    let patch =
        Patch::Merge(json!({ "metadata": { "uid": namespace.metadata.uid }, "status": { "conditions": after } }));
    let api = Api::<Namespace>::all(cluster.client.clone());
    let patched = api.patch_status(&name, &PatchParams::default(), &patch).await;
    let patched = patched.unless_gone(&format!("update the status of Namespace {name}"))?;
    Ok(patched.map(|patched| {
        cluster.caches.namespaces.wrote(patched.clone());
        Arc::new(patched)
    }))
}

/// Deletes the resource's objects in the namespace; the version of the list if any are left.
async fn empty(
    cluster: &Cluster,
    resource: &Deletable,
    namespace: &str,
    counts: &mut Left,
) -> Result<Option<String>, Failure> {
    let api = resource.api(cluster, namespace);
    let what = format!("{} of Namespace {namespace}", resource.resource.plural);
    let list = || async {
        let listed = api.list_metadata(&ListParams::default()).await;
        // Some resources of discovery cannot be listed after all (their definition went meanwhile).
        listed.unless_gone(&format!("list {what}"))
    };
    let Some(found) = list().await?.filter(|found| !found.items.is_empty()) else { return Ok(None) };
    let background = DeleteParams::background();
    if resource.collection {
        api.delete_collection(&background, &ListParams::default()).await.unless_gone(&format!("delete {what}"))?;
    } else {
        for object in found.items.iter().filter(|object| object.metadata.deletion_timestamp.is_none()) {
            let name = object.name_any();
            api.delete(&name, &background).await.unless_gone(&format!("delete {name} of {what}"))?;
        }
    }
    let Some(left) = list().await?.filter(|left| !left.items.is_empty()) else { return Ok(None) };
    let ApiResource { plural, group, .. } = &resource.resource;
    counts.resources.insert(format!("{plural}.{group}"), left.items.len());
    for finalizer in left.items.iter().flat_map(|object| object.metadata.finalizers.iter().flatten()) {
        *counts.finalizers.entry(finalizer.clone()).or_default() += 1;
    }
    Ok(Some(left.metadata.resource_version.unwrap_or_default()))
}

/// Waits until an object of the kind is deleted. Without a watch that can tell, a delay takes its place: to look again at
/// once would neither end nor let the clock move.
async fn wait_for_deletion(cluster: &Cluster, resource: &Deletable, namespace: &str, version: &str) {
    if !(resource.watchable && sees_deletion(cluster, resource, namespace, version).await) {
        cluster.clock.sleep(LOOK_AGAIN).await;
    }
}

/// Watches the kind; whether an object was deleted before the watch ended.
async fn sees_deletion(cluster: &Cluster, resource: &Deletable, namespace: &str, version: &str) -> bool {
    let api = resource.api(cluster, namespace);
    let Ok(events) = api.watch_metadata(&WatchParams::default(), version).await else { return false };
    let mut events = std::pin::pin!(events);
    while let Some(Ok(event)) = events.next().await {
        match event {
            WatchEvent::Deleted(_) => return true,
            WatchEvent::Error(_) => return false,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, VirtualClock};
    use crate::testing::client;

    #[rstest::rstest]
    #[case::the_kind_has_no_watch(false)]
    #[case::the_server_refuses_the_watch(true)]
    #[tokio::test]
    async fn looks_again_only_after_a_delay_when_no_watch_can_tell(#[case] watchable: bool) {
        let clock = VirtualClock::new();
        let cluster = Cluster::new(crate::Components::alike(&client()), Clock::virtual_from(clock.clone()));
        tokio::spawn(clock.clone().drive(cluster.stop.clone()));
        let _progress = clock.wants_progress();
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&());
        let resource = Deletable { resource, namespaced: true, collection: true, watchable };
        wait_for_deletion(&cluster, &resource, "ns", "1").await;
        assert_eq!(clock.now(), LOOK_AGAIN.duration);
        cluster.shut_down().await;
    }
}

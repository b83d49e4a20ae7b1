//! The namespace controller, which runs on hosts, members and clusters that are neither: every namespace gets a label and
//! a finalizer (seen on v3.3.2 and v3.4.1), and belongs to its workspace (kubesphere,
//! `pkg/controller/namespace/namespace_controller.go`, in which a version before v3.3 and one after v3.4 agree). Roles for
//! people, which the original adds, are not played.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use kubesphere::names::{NAMESPACE_FINALIZER, WORKSPACE, labels};
use nodes::clock::Delay;
use nodes::program::PodContext;
use serde_json::{Value, json};

use crate::apiserver::klog;
use crate::delays::WATCH_PAUSE;
use crate::member::{ApiClient, CallError, Target};

/// The first pause after a failure, and the longest (controller-runtime's default limits).
const RETRY: Delay = Delay::new("namespace-retry", Duration::from_millis(5));
const LONGEST_RETRY: Duration = Duration::from_secs(1000);

/// Runs for ever: looks at every namespace that changes.
pub async fn run(ctx: &PodContext) {
    let client = ApiClient::own(ctx);
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
    let namespaces: Api<DynamicObject> = Api::all_with(ctx.client.clone(), &kind);
    let mut changes = pin!(watcher(namespaces, watcher::Config::default()));
    let mut retries = FuturesUnordered::new();
    let memory = ctx.memory.part("namespaces");
    let done = Done::of(memory.take_before());
    let kept = done.clone();
    memory.keep(move || json!(*kept.lock()));
    // What the watch has shown last of each that is to be looked at; nothing of those that are tried again.
    let mut waiting: BTreeMap<String, Option<DynamicObject>> = BTreeMap::new();
    let mut pauses: BTreeMap<String, Duration> = BTreeMap::new();
    loop {
        let change = if waiting.is_empty() {
            tokio::select! {
                change = changes.next() => change,
                Some(name) = retries.next() => {
                    waiting.insert(name, None);
                    continue;
                }
            }
        } else {
            // Several changes that are here already are one.
            changes.next().now_or_never().flatten()
        };
        match change {
            Some(Ok(Event::Apply(namespace) | Event::InitApply(namespace))) => {
                let name = namespace.metadata.name.clone().unwrap_or_default();
                if is_settled(&namespace.metadata) || done.has(&namespace.metadata) {
                    waiting.remove(&name);
                } else {
                    waiting.insert(name, Some(namespace));
                }
                continue;
            }
            Some(Ok(_)) => continue,
            Some(Err(_)) => {
                // The watch starts again by itself; the pause keeps it from doing so in a loop.
                ctx.clock.sleep(WATCH_PAUSE).await;
                continue;
            }
            None => {}
        }
        // The watch never ends, so that something waits here.
        let Some((name, seen)) = waiting.pop_first() else { return };
        let version = seen.as_ref().and_then(|seen| seen.metadata.resource_version.clone());
        match reconcile(&client, &name, seen.and_then(|seen| serde_json::to_value(seen).ok())).await {
            Ok(()) => {
                pauses.remove(&name);
                done.note(name, version);
            }
            Err(error) => {
                klog(ctx, 'E', "namespace_controller.go", &format!("Reconciler error, namespace {name}: {error}"));
                let pause = pauses.entry(name.clone()).or_insert(RETRY.duration);
                let retry = ctx.clock.sleep(RETRY.lasting(*pause));
                *pause = (*pause * 2).min(LONGEST_RETRY);
                retries.push(async move {
                    retry.await;
                    name
                });
            }
        }
    }
}

/// The version of each namespace with which the controller was done last, by name.
#[derive(Clone)]
struct Done(Arc<Mutex<BTreeMap<String, String>>>);

impl Done {
    fn of(before: Option<Value>) -> Self {
        let before = before.and_then(|before| serde_json::from_value(before).ok());
        Self(Arc::new(Mutex::new(before.unwrap_or_default())))
    }

    fn has(&self, namespace: &ObjectMeta) -> bool {
        let known = namespace.name.as_ref().and_then(|name| self.lock().get(name).cloned());
        known.is_some() && known == namespace.resource_version
    }

    fn note(&self, name: String, version: Option<String>) {
        if let Some(version) = version {
            self.lock().insert(name, version);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is nothing to do about a namespace whatever workspaces there are: the watch tells as much.
fn is_settled(namespace: &ObjectMeta) -> bool {
    let is_ours = namespace.finalizers.iter().flatten().any(|finalizer| finalizer == NAMESPACE_FINALIZER);
    let has_label = namespace.labels.iter().flatten().any(|(label, _)| label == labels::WORKSPACE);
    let has_owner = namespace.owner_references.iter().flatten().any(|owner| owner.kind == WORKSPACE.kind);
    match namespace.deletion_timestamp {
        Some(_) => !is_ours,
        None => is_ours && !has_label && !has_owner,
    }
}

/// Brings one namespace up to date, in as many updates as the original makes. `seen` is what the watch has shown, by which
/// the original goes, too.
async fn reconcile(client: &ApiClient, name: &str, seen: Option<Value>) -> Result<(), CallError> {
    let target = Target::core("namespaces").named(name);
    let found = if seen.is_some() { seen } else { client.find(&target).await? };
    let Some(mut namespace) = found else { return Ok(()) };
    let is_going = !namespace["metadata"]["deletionTimestamp"].is_null();
    if set_finalizer(&mut namespace["metadata"], !is_going) {
        if !is_going {
            namespace["metadata"]["labels"][labels::NAMESPACE] = name.into();
        }
        namespace = client.update(&target, &namespace).await?;
    }
    if is_going {
        return Ok(());
    }
    let workspace = match namespace["metadata"]["labels"][labels::WORKSPACE].as_str() {
        Some(workspace) => {
            let workspaces = Target::group(WORKSPACE.group, WORKSPACE.version, WORKSPACE.plural);
            client.find(&workspaces.named(workspace)).await?
        }
        None => None,
    };
    if set_owner(&mut namespace["metadata"], workspace.as_ref()) {
        client.update(&target, &namespace).await?;
    }
    Ok(())
}

/// Adds or removes the controller's finalizer; whether that changed anything.
fn set_finalizer(metadata: &mut Value, wanted: bool) -> bool {
    let mut finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let ours = finalizers.iter().position(|finalizer| finalizer == NAMESPACE_FINALIZER);
    match (ours, wanted) {
        (None, true) => finalizers.push(NAMESPACE_FINALIZER.into()),
        (Some(ours), false) => drop(finalizers.remove(ours)),
        _ => return false,
    }
    metadata["finalizers"] = finalizers.into();
    true
}

/// Makes `workspace` the one that controls the namespace, or none; whether that changed anything.
fn set_owner(metadata: &mut Value, workspace: Option<&Value>) -> bool {
    let owners = metadata["ownerReferences"].as_array().cloned().unwrap_or_default();
    let is_workspace = |owner: &&Value| owner["kind"] == WORKSPACE.kind;
    let wanted = workspace.map(|workspace| {
        json!({
            "apiVersion": WORKSPACE.api_version(), "kind": WORKSPACE.kind,
            "name": workspace["metadata"]["name"], "uid": workspace["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        })
    });
    let now = owners.iter().find(is_workspace);
    if now.map(|owner| &owner["uid"]) == wanted.as_ref().map(|owner| &owner["uid"]) {
        return false;
    }
    metadata["ownerReferences"] = owners.iter().filter(|owner| !is_workspace(owner)).cloned().chain(wanted).collect();
    true
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OTHER: &str = "other.io/finalizer";

    #[rstest]
    #[case::first(json!([]), true, Some(json!([NAMESPACE_FINALIZER])))]
    #[case::after_others(json!([OTHER]), true, Some(json!([OTHER, NAMESPACE_FINALIZER])))]
    #[case::there(json!([NAMESPACE_FINALIZER]), true, None)]
    #[case::going(json!([NAMESPACE_FINALIZER, OTHER]), false, Some(json!([OTHER])))]
    #[case::gone(json!([OTHER]), false, None)]
    fn sets_the_finalizer(#[case] before: Value, #[case] wanted: bool, #[case] after: Option<Value>) {
        let mut metadata = json!({"finalizers": before});
        assert_eq!(set_finalizer(&mut metadata, wanted), after.is_some());
        assert_eq!(metadata["finalizers"], after.unwrap_or(before));
    }

    #[rstest]
    #[case::new(json!({}), false)]
    #[case::known(json!({"finalizers": [NAMESPACE_FINALIZER]}), true)]
    #[case::to_be_bound(json!({"finalizers": [NAMESPACE_FINALIZER], "labels": {labels::WORKSPACE: "w"}}), false)]
    #[case::to_be_freed(json!({"finalizers": [NAMESPACE_FINALIZER], "ownerReferences": [owner("1")]}), false)]
    #[case::going(json!({"finalizers": [NAMESPACE_FINALIZER], "deletionTimestamp": "2021-01-13T13:20:00Z"}), false)]
    #[case::let_go(json!({"finalizers": [OTHER], "deletionTimestamp": "2021-01-13T13:20:00Z"}), true)]
    fn leaves_alone_what_is_settled(#[case] metadata: Value, #[case] settled: bool) {
        assert_eq!(is_settled(&serde_json::from_value(metadata).unwrap()), settled);
    }

    #[test]
    fn is_done_with_one_version_of_a_namespace() {
        let done = Done::of(None);
        done.note("a".to_owned(), Some("1".to_owned()));
        done.note("b".to_owned(), None);
        let after = Done::of(Some(json!(*done.lock())));
        let has = |name: &str, version: &str| {
            after.has(&serde_json::from_value(json!({"name": name, "resourceVersion": version})).unwrap())
        };
        assert!(has("a", "1"));
        assert!(!has("a", "2") && !has("b", "1") && !has("c", "1"));
    }

    fn workspace(uid: &str) -> Value {
        json!({"metadata": {"name": "w", "uid": uid}})
    }

    fn owner(uid: &str) -> Value {
        json!({
            "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "name": "w", "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        })
    }

    #[rstest]
    #[case::bound(json!([]), Some(workspace("1")), true, json!([owner("1")]))]
    #[case::bound_already(json!([owner("1")]), Some(workspace("1")), false, json!([owner("1")]))]
    #[case::bound_anew(json!([{"kind": "Other"}, owner("1")]), Some(workspace("2")), true, json!([{"kind": "Other"}, owner("2")]))]
    #[case::free(json!([{"kind": "Other"}]), None, false, json!([{"kind": "Other"}]))]
    #[case::freed(json!([{"kind": "Other"}, owner("1")]), None, true, json!([{"kind": "Other"}]))]
    fn sets_the_owner(
        #[case] before: Value,
        #[case] workspace: Option<Value>,
        #[case] changes: bool,
        #[case] after: Value,
    ) {
        let mut metadata = json!({"labels": {labels::WORKSPACE: "w"}, "ownerReferences": before});
        assert_eq!(set_owner(&mut metadata, workspace.as_ref()), changes);
        assert_eq!(metadata, json!({"labels": {labels::WORKSPACE: "w"}, "ownerReferences": after}));
    }
}

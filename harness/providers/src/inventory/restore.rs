//! Removes what is too much in a cluster and puts back what was changed: webhooks, workloads and finalizers first, since
//! they keep everything else from going.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;

use super::{AT_A_TIME, Inventory, InventoryError, Keeper, Object};

/// How long a namespace or kind is waited for before what holds it is looked at again.
const GOING_LIMIT: Duration = Duration::from_secs(30);
/// How often what is left is removed again: controllers may make children of what goes until they see it go, and a
/// process whose pod is gone lives on for a moment.
pub(super) const ROUNDS: usize = 3;
/// Differences that an error names.
const SHOWN: usize = 8;

/// Whether and how a cluster differs from an inventory.
struct Difference<'a> {
    extra: Vec<Object>,
    changed: Vec<(&'a Object, Object)>,
    missing: Vec<String>,
}

impl Difference<'_> {
    fn is_empty(&self) -> bool {
        self.extra.is_empty() && self.changed.is_empty() && self.missing.is_empty()
    }

    fn text(&self) -> String {
        let extra = self.extra.iter().map(|object| format!("{} is left", object.key()));
        let changed = self.changed.iter().map(|(before, _)| format!("{} is changed", before.key()));
        let missing = self.missing.iter().map(|key| format!("{key} is gone"));
        let all: Vec<_> = missing.chain(changed).chain(extra).collect();
        let more = all.len().saturating_sub(SHOWN);
        let shown = all[..all.len() - more].join(", ");
        if more == 0 { shown } else { format!("{shown} and {more} more") }
    }
}

impl Inventory {
    /// Makes the cluster behind `client` hold what this inventory holds.
    ///
    /// # Errors
    /// When it stays different, or the API server does not answer.
    pub(crate) async fn restore(&self, client: &kube::Client, keeper: Keeper) -> Result<(), InventoryError> {
        for _ in 0..ROUNDS {
            let difference = self.difference(client, keeper).await?;
            if difference.is_empty() {
                return Ok(());
            }
            // What is gone is not made again: nobody knows what else hung on it.
            if !difference.missing.is_empty() {
                return Err(InventoryError::Dirty(difference.text()));
            }
            remove(client, &difference.extra, keeper).await?;
            for (before, now) in difference.changed {
                put_back(client, before, &now).await?;
            }
        }
        let difference = self.difference(client, keeper).await?;
        if difference.is_empty() { Ok(()) } else { Err(InventoryError::Dirty(difference.text())) }
    }

    async fn difference(&self, client: &kube::Client, keeper: Keeper) -> Result<Difference<'_>, InventoryError> {
        let now = Self::take(client).await?;
        let own = |object: &Object| keeper == Keeper::Controllers && object.is_the_clusters_own();
        let missing = self.objects.iter().filter(|(key, object)| !own(object) && !now.objects.contains_key(key));
        let missing =
            missing.filter(|(_, object)| object.compared().is_some()).map(|(key, _)| key.to_string()).collect();
        let (mut extra, mut changed) = (Vec::new(), Vec::new());
        for (key, object) in now.objects {
            match self.objects.get(&key) {
                None if own(&object) => {}
                None => extra.push(object),
                Some(before) if before.compared() != object.compared() => changed.push((before, object)),
                Some(_) => {}
            }
        }
        Ok(Difference { extra, changed, missing })
    }
}

pub(super) async fn remove(client: &kube::Client, extra: &[Object], keeper: Keeper) -> Result<(), InventoryError> {
    let (mut webhooks, mut namespaces, mut kinds, mut contents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for object in extra {
        if object.resource.plural.ends_with("webhookconfigurations") {
            webhooks.push(object);
        } else if object.is("", "namespaces") {
            namespaces.push(object);
        } else if object.is("apiextensions.k8s.io", "customresourcedefinitions") {
            kinds.push(object);
        } else {
            contents.push(object);
        }
    }
    each(client, &webhooks, Act::Delete).await?;
    // Where controllers run, they remove what a namespace or an owner holds.
    let going = |namespace: &str| namespaces.iter().any(|object| name(object) == namespace);
    let held = |object: &Object| object.has_owner() || object.namespace().is_some_and(going);
    if keeper == Keeper::Controllers {
        // A namespace that holds pods is looked at again only after half their grace period (kubernetes v1.20,
        // `namespace_controller.go`), so they go first, and before them what would make new ones. It is they, too, that
        // would give back the finalizers that are taken away next.
        for kinds in [&["deployments", "statefulsets", "daemonsets", "jobs"][..], &["replicasets"], &["pods"]] {
            let of_kinds = |object: &&&Object| held(object) && kinds.contains(&object.resource.plural.as_str());
            each(client, &contents.iter().filter(of_kinds).copied().collect::<Vec<_>>(), Act::Delete).await?;
        }
    }
    // Not from kinds: theirs keeps objects from being forgotten in the storage.
    each(client, &contents, Act::Release).await?;
    if keeper == Keeper::Controllers {
        contents.retain(|object| !held(object));
    }
    each(client, &contents, Act::Delete).await?;
    each(client, &kinds, Act::Delete).await?;
    each(client, &namespaces, Act::Delete).await?;
    // Not before: ks-controller-manager, while it runs, gives a namespace that stays its finalizer again.
    each(client, &namespaces, Act::Release).await?;
    if keeper == Keeper::Nobody {
        each(client, &namespaces, Act::Finalize).await?;
    }
    each(client, &kinds, Act::AwaitGone).await?;
    each(client, &namespaces, Act::AwaitGone).await
}

/// What is done to an object that is too much.
#[derive(Clone, Copy)]
enum Act {
    Release,
    Delete,
    Finalize,
    AwaitGone,
}

async fn each(client: &kube::Client, objects: &[&Object], act: Act) -> Result<(), InventoryError> {
    let acts: Vec<BoxFuture<'_, _>> = objects
        .iter()
        .map(|object| match act {
            Act::Release => release(client, object).boxed(),
            Act::Delete => delete(client, object).boxed(),
            Act::Finalize => finalize(client, object).boxed(),
            Act::AwaitGone => gone(client, object).boxed(),
        })
        .collect();
    stream::iter(acts).buffer_unordered(AT_A_TIME).try_collect().await
}

fn api(client: &kube::Client, object: &Object) -> Api<DynamicObject> {
    match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &object.resource),
        None => Api::all_with(client.clone(), &object.resource),
    }
}

fn name(object: &Object) -> &str {
    object.content.metadata.name.as_deref().unwrap_or_default()
}

/// What is gone already, or is another object of the same name by now, is as good as done.
pub(super) fn unless_gone<T>(operation: String, answer: Result<T, kube::Error>) -> Result<(), InventoryError> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(InventoryError::api(operation)(error)),
    }
}

pub(super) async fn delete(client: &kube::Client, object: &Object) -> Result<(), InventoryError> {
    // Nobody waits for a pod's good-bye.
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
    unless_gone(format!("delete {}", object.key()), api(client, object).delete(name(object), &at_once).await)
}

/// Takes the finalizers away: who should have done it may be gone. A namespace may have got one since it was listed.
async fn release(client: &kube::Client, object: &Object) -> Result<(), InventoryError> {
    if !object.is("", "namespaces") && object.content.metadata.finalizers.as_ref().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let patched = api(client, object).patch(name(object), &PatchParams::default(), &patch).await;
    unless_gone(format!("take the finalizers from {}", object.key()), patched)
}

/// Lets a namespace go that holds nothing any more, in the place of the namespace controller.
async fn finalize(client: &kube::Client, object: &Object) -> Result<(), InventoryError> {
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name(object)}, "spec": {"finalizers": []},
    });
    let request = http::Request::put(format!("/api/v1/namespaces/{}/finalize", name(object)))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into_bytes())
        .map_err(|error| InventoryError::api("finalize a namespace")(kube::Error::HttpError(error)))?;
    unless_gone(format!("finalize {}", object.key()), client.request_text(request).await)
}

/// Waits until an object is gone. The next look at everything tells whether it is, and what is wrong with a broken watch.
pub(super) async fn gone(client: &kube::Client, object: &Object) -> Result<(), InventoryError> {
    let uid = object.content.metadata.uid.clone().unwrap_or_default();
    let going = await_condition(api(client, object), name(object), conditions::is_deleted(&uid));
    let _whether_it_went = tokio::time::timeout(GOING_LIMIT, going).await;
    Ok(())
}

async fn put_back(client: &kube::Client, before: &Object, now: &Object) -> Result<(), InventoryError> {
    let restored = before.restored(now);
    let put = api(client, before).replace(name(before), &PostParams::default(), &restored).await;
    unless_gone(format!("restore {}", before.key()), put)
}

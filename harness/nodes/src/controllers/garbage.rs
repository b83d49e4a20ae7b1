//! Garbage collection by owner references, among the kinds that are cached. Owners of other kinds are asked for when a
//! dependent appears.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;

use crate::cache::{Cache, Key, Kind};
use crate::cluster::{Cluster, During as _, Failure};
use crate::queue::{Queue, work};

/// Keeps an owner until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Keeps an owner until its dependents forget it.
const ORPHAN: &str = "orphan";

/// A cached kind, by its place in the list of them.
type Place = usize;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// An object with owners: are they there?
    Dependent(Place, Key),
    /// An object that is being deleted and waits for its dependents.
    Owner(Place, Key),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Dependent(_, key) | Self::Owner(_, key)) = self;
        key.fmt(f)
    }
}

type Get = Box<dyn Fn(&Key) -> Option<ObjectMeta> + Send + Sync>;
type Dependents = Box<dyn Fn(&str, &str) -> Vec<Key> + Send + Sync>;

struct CachedKind {
    resource: ApiResource,
    get: Get,
    /// The objects in a namespace that an object with this UID owns.
    dependents: Dependents,
}

struct Garbage {
    cluster: Arc<Cluster>,
    kinds: Vec<CachedKind>,
}

pub(crate) fn start(cluster: &Arc<Cluster>) {
    let queue = Queue::new(cluster.clock.clone());
    let caches = &cluster.caches;
    let mut kinds = Vec::new();
    // Both owners and dependents; what owns comes before what is owned only for the reader.
    add(&mut kinds, &queue, &caches.deployments);
    add(&mut kinds, &queue, &caches.replica_sets);
    add(&mut kinds, &queue, &caches.pods);
    add(&mut kinds, &queue, &caches.services);
    add(&mut kinds, &queue, &caches.service_accounts);
    add(&mut kinds, &queue, &caches.config_maps);
    add(&mut kinds, &queue, &caches.secrets);
    let garbage = Arc::new(Garbage { cluster: cluster.clone(), kinds });
    hook(&garbage, &queue, &caches.deployments);
    hook(&garbage, &queue, &caches.replica_sets);
    hook(&garbage, &queue, &caches.pods);
    hook(&garbage, &queue, &caches.services);
    hook(&garbage, &queue, &caches.service_accounts);
    hook(&garbage, &queue, &caches.config_maps);
    hook(&garbage, &queue, &caches.secrets);
    work(cluster, "garbage-collector", queue, move |work| {
        let garbage = garbage.clone();
        async move {
            match work {
                Work::Dependent(place, key) => garbage.dependent(place, &key).await,
                Work::Owner(place, key) => garbage.owner(place, &key).await,
            }
        }
    });
}

/// Adds a kind, whose objects queue themselves when they have owners or wait for dependents.
fn add<K: Kind>(kinds: &mut Vec<CachedKind>, queue: &Arc<Queue<Work>>, cache: &Arc<Cache<K>>) {
    let place = kinds.len();
    let (get, dependents) = (Arc::downgrade(cache), Arc::downgrade(cache));
    kinds.push(CachedKind {
        resource: ApiResource::erase::<K>(&()),
        get: Box::new(move |key| get.upgrade()?.get(key).map(|object| object.meta().clone())),
        dependents: Box::new(move |namespace, uid| {
            let objects = dependents.upgrade().map(|cache| cache.in_namespace(namespace)).unwrap_or_default();
            let owned = |meta: &ObjectMeta| meta.owner_references.iter().flatten().any(|owner| owner.uid == uid);
            objects.iter().filter(|object| owned(object.meta())).map(|object| Key::of(object.as_ref())).collect()
        }),
    });
    let queue = queue.clone();
    cache.on_change(move |change| {
        let Some(new) = change.new else { return };
        let (meta, key) = (new.meta(), Key::of(new.as_ref()));
        let owners = |meta: &ObjectMeta| meta.owner_references.clone().unwrap_or_default();
        if !owners(meta).is_empty() && change.old.is_none_or(|old| owners(old.meta()) != owners(meta)) {
            queue.push(Work::Dependent(place, key.clone()));
        }
        if is_waiting_owner(meta) {
            queue.push(Work::Owner(place, key));
        }
    });
}

/// When an object goes, its dependents and its waiting owners are looked at.
fn hook<K: Kind>(garbage: &Arc<Garbage>, queue: &Arc<Queue<Work>>, cache: &Arc<Cache<K>>) {
    let (garbage, queue) = (Arc::downgrade(garbage), queue.clone());
    cache.on_change(move |change| {
        let (Some(old), Some(garbage)) = (change.old, garbage.upgrade()) else { return };
        let replaced = change.new.is_some_and(|new| new.meta().uid != old.meta().uid);
        if change.new.is_some() && !replaced {
            return;
        }
        let meta = old.meta();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        for (place, key) in garbage.dependents(namespace, meta.uid.as_deref().unwrap_or_default()) {
            queue.push(Work::Dependent(place, key));
        }
        for owner in meta.owner_references.iter().flatten() {
            if let Some(place) = garbage.place_of(owner) {
                queue.push(Work::Owner(place, Key::new(namespace, &owner.name)));
            }
        }
    });
}

fn is_waiting_owner(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some() && (has_finalizer(meta, FOREGROUND) || has_finalizer(meta, ORPHAN))
}

fn has_finalizer(meta: &ObjectMeta, finalizer: &str) -> bool {
    meta.finalizers.iter().flatten().any(|one| one == finalizer)
}

/// What an owner reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Solid,
    Gone,
    /// It is being deleted in the foreground and waits for this dependent.
    Waiting,
}

impl Garbage {
    fn dependents(&self, namespace: &str, uid: &str) -> Vec<(Place, Key)> {
        let places = self.kinds.iter().enumerate();
        places
            .flat_map(|(place, kind)| (kind.dependents)(namespace, uid).into_iter().map(move |key| (place, key)))
            .collect()
    }

    fn place_of(&self, owner: &OwnerReference) -> Option<Place> {
        self.kinds
            .iter()
            .position(|kind| kind.resource.kind == owner.kind && kind.resource.api_version == owner.api_version)
    }

    fn api(&self, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client.clone(), namespace, resource)
    }

    async fn dependent(&self, place: Place, key: &Key) -> Result<(), Failure> {
        let Some(kind) = self.kinds.get(place) else { return Ok(()) };
        let Some(cached) = (kind.get)(key) else { return Ok(()) };
        let (_, found) = self.owners_of(&cached, &key.namespace).await?;
        if found.iter().all(|owner| *owner == Owner::Solid) {
            return Ok(());
        }
        // The cache may be behind, as just after its owners let an object go: what follows needs the object as it is.
        let operation = format!("collect {} {key}", kind.resource.kind);
        let api = self.api(&kind.resource, &key.namespace);
        let Some(object) = api.get_metadata(&key.name).await.unless_gone(&operation)? else { return Ok(()) };
        let meta = object.metadata;
        let (owners, found) = self.owners_of(&meta, &key.namespace).await?;
        if meta.deletion_timestamp.is_some() || found.iter().all(|owner| *owner == Owner::Solid) {
            return Ok(());
        }
        let collected = if found.contains(&Owner::Solid) {
            let kept: Vec<_> =
                owners.iter().zip(&found).filter(|(_, owner)| **owner != Owner::Gone).map(|(owner, _)| owner).collect();
            if kept.len() == owners.len() {
                return Ok(());
            }
            let version = &meta.resource_version;
            let patch = json!({ "metadata": { "resourceVersion": version, "ownerReferences": kept } });
            api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        } else {
            // Whoever waits for this one waits for what this one owns as well.
            let has_dependents = !self.dependents(&key.namespace, meta.uid.as_deref().unwrap_or_default()).is_empty();
            let policy = if found.contains(&Owner::Waiting) && has_dependents {
                DeleteParams::foreground()
            } else {
                DeleteParams::background()
            };
            let only_this = Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() };
            api.delete(&key.name, &policy.preconditions(only_this)).await.map(drop)
        };
        collected.unless_gone(&operation).map(drop)
    }

    /// The owners of an object and what has become of each.
    async fn owners_of(
        &self,
        meta: &ObjectMeta,
        namespace: &str,
    ) -> Result<(Vec<OwnerReference>, Vec<Owner>), Failure> {
        let owners = meta.owner_references.clone().unwrap_or_default();
        let mut found = Vec::new();
        for owner in &owners {
            found.push(self.state_of(owner, namespace).await?);
        }
        Ok((owners, found))
    }

    async fn state_of(&self, owner: &OwnerReference, namespace: &str) -> Result<Owner, Failure> {
        let key = Key::new(namespace, &owner.name);
        let place = self.place_of(owner);
        let cached = place.and_then(|place| self.kinds.get(place)).and_then(|kind| (kind.get)(&key));
        let meta = match cached.filter(|meta| meta.uid.as_ref() == Some(&owner.uid)) {
            Some(meta) => Some(meta),
            // The cache may be behind: nothing is deleted on its word alone.
            None => self.ask_for(owner, namespace).await?.filter(|meta| meta.uid.as_ref() == Some(&owner.uid)),
        };
        Ok(match meta {
            None => Owner::Gone,
            Some(meta) if meta.deletion_timestamp.is_some() && has_finalizer(&meta, FOREGROUND) => Owner::Waiting,
            Some(_) => Owner::Solid,
        })
    }

    async fn ask_for(&self, owner: &OwnerReference, namespace: &str) -> Result<Option<ObjectMeta>, Failure> {
        let operation = format!("get {} {}", owner.kind, owner.name);
        let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
        let known = self.place_of(owner).and_then(|place| self.kinds.get(place));
        if let Some(kind) = known {
            let found = self.api(&kind.resource, namespace).get_metadata(&owner.name).await;
            return Ok(found.unless_gone(&operation)?.map(|object| object.metadata));
        }
        // Owners may be namespaced as their dependents or belong to the whole cluster.
        let guess = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &owner.kind));
        let Some(resource) = self.discover(guess).await? else { return Ok(None) };
        let found = if resource.1 {
            self.api(&resource.0, namespace).get_metadata(&owner.name).await
        } else {
            Api::<DynamicObject>::all_with(self.cluster.client.clone(), &resource.0).get_metadata(&owner.name).await
        };
        Ok(found.unless_gone(&operation)?.map(|object| object.metadata))
    }

    /// The resource of a kind as the server has it, and whether it is namespaced.
    async fn discover(&self, guess: ApiResource) -> Result<Option<(ApiResource, bool)>, Failure> {
        let client = &self.cluster.client;
        let operation = format!("discover {}", guess.api_version);
        let list = if guess.group.is_empty() {
            client.list_core_api_resources(&guess.version).await
        } else {
            client.list_api_group_resources(&guess.api_version).await
        };
        let Some(list) = list.unless_gone(&operation)? else { return Ok(None) };
        let same_kind = list.resources.into_iter().find(|one| one.kind == guess.kind && !one.name.contains('/'));
        Ok(same_kind.map(|one| (ApiResource { plural: one.name, ..guess }, one.namespaced)))
    }

    async fn owner(&self, place: Place, key: &Key) -> Result<(), Failure> {
        let Some(kind) = self.kinds.get(place) else { return Ok(()) };
        let Some(meta) = (kind.get)(key).filter(is_waiting_owner) else { return Ok(()) };
        let uid = meta.uid.clone().unwrap_or_default();
        let dependents = self.dependents(&key.namespace, &uid);
        let done = if has_finalizer(&meta, ORPHAN) {
            for (place, dependent) in &dependents {
                self.orphan(*place, dependent, &uid).await?;
            }
            ORPHAN
        } else {
            for (place, dependent) in &dependents {
                self.dependent(*place, dependent).await?;
            }
            if dependents.iter().any(|(place, dependent)| self.blocks(*place, dependent, &uid)) {
                // The deletion of the last of them brings this owner back here.
                return Ok(());
            }
            FOREGROUND
        };
        let kept: Vec<_> = meta.finalizers.iter().flatten().filter(|finalizer| *finalizer != done).collect();
        let version = meta.resource_version.clone();
        let patch = json!({ "metadata": { "uid": uid, "resourceVersion": version, "finalizers": kept } });
        let operation = format!("let {} {key} go", kind.resource.kind);
        let api = self.api(&kind.resource, &key.namespace);
        api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await.unless_gone(&operation)?;
        Ok(())
    }

    fn blocks(&self, place: Place, key: &Key, owner: &str) -> bool {
        let meta = self.kinds.get(place).and_then(|kind| (kind.get)(key));
        let owners = meta.and_then(|meta| meta.owner_references).unwrap_or_default();
        owners.iter().any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }

    /// Takes one owner out of a dependent's references.
    async fn orphan(&self, place: Place, key: &Key, owner: &str) -> Result<(), Failure> {
        let Some(kind) = self.kinds.get(place) else { return Ok(()) };
        let Some(meta) = (kind.get)(key) else { return Ok(()) };
        let kept: Vec<_> = meta.owner_references.iter().flatten().filter(|reference| reference.uid != owner).collect();
        let kept = if kept.is_empty() { json!(null) } else { json!(kept) };
        let patch = Patch::Merge(json!({ "metadata": { "uid": meta.uid, "ownerReferences": kept } }));
        let operation = format!("orphan {} {key}", kind.resource.kind);
        let api = self.api(&kind.resource, &key.namespace);
        api.patch(&key.name, &PatchParams::default(), &patch).await.unless_gone(&operation)?;
        Ok(())
    }
}

//! What is done about dependents without owners, and owners that wait (kubernetes v1.20,
//! `pkg/controller/garbagecollector/garbagecollector.go`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;

use super::Garbage;
use super::graph::{FOREGROUND, ORPHAN, Object, Place, Uid, Waits, waits};
use crate::cluster::{During as _, Failure};
use crate::controllers::resources::Deletable;

/// What an owner reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Solid,
    Gone,
    /// It is being deleted in the foreground and waits for this dependent.
    Waiting,
}

impl Garbage {
    pub(super) async fn dependent(&self, uid: &Uid) -> Result<(), Failure> {
        let Some(object) = self.object(uid) else { return Ok(()) };
        let Some(resource) = self.resource(object.place) else { return Ok(()) };
        let found = self.states_of(&object.owners, &object.key.namespace).await?;
        if found.iter().all(|owner| *owner == Owner::Solid) {
            return Ok(());
        }
        // What was seen may be behind, as just after its owners let an object go: what follows needs it as it is.
        let operation = format!("collect {} {}", resource.resource.kind, object.key);
        let api = resource.api(&self.cluster, &object.key.namespace);
        let Some(now) = api.get_metadata(&object.key.name).await.unless_gone(&operation)? else {
            self.is_gone(uid);
            return Ok(());
        };
        let meta = now.metadata;
        if meta.uid.as_ref() != Some(uid) {
            self.is_gone(uid);
            return Ok(());
        }
        let owners = meta.owner_references.clone().unwrap_or_default();
        let found = self.states_of(&owners, &object.key.namespace).await?;
        if meta.deletion_timestamp.is_some() || found.iter().all(|owner| *owner == Owner::Solid) {
            return Ok(());
        }
        let collected = if found.contains(&Owner::Solid) {
            let stays = |(_, state): &(&OwnerReference, &Owner)| **state == Owner::Solid;
            let kept: Vec<_> = owners.iter().zip(&found).filter(stays).map(|(owner, _)| owner).collect();
            let version = &meta.resource_version;
            let patch = json!({ "metadata": { "uid": uid, "resourceVersion": version, "ownerReferences": kept } });
            api.patch_metadata(&object.key.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        } else {
            let policy = self.policy(uid, &meta, &found);
            let only_this = Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() };
            api.delete(&object.key.name, &policy.preconditions(only_this)).await.map(drop)
        };
        collected.unless_gone(&operation).map(drop)
    }

    /// How to delete: as the object's own finalizers say; whoever waits for this one waits for what it owns as well.
    fn policy(&self, uid: &Uid, meta: &ObjectMeta, found: &[Owner]) -> DeleteParams {
        let has = |finalizer: &str| meta.finalizers.iter().flatten().any(|one| one == finalizer);
        if found.contains(&Owner::Waiting) && !self.dependents(uid).is_empty() {
            DeleteParams::foreground()
        } else if has(ORPHAN) {
            DeleteParams::orphan()
        } else if has(FOREGROUND) {
            DeleteParams::foreground()
        } else {
            DeleteParams::background()
        }
    }

    async fn states_of(&self, owners: &[OwnerReference], namespace: &str) -> Result<Vec<Owner>, Failure> {
        let mut found = Vec::new();
        for owner in owners {
            found.push(self.state_of(owner, namespace).await?);
        }
        Ok(found)
    }

    async fn state_of(&self, owner: &OwnerReference, namespace: &str) -> Result<Owner, Failure> {
        if let Some((place, own)) = self.whereabouts(&owner.uid) {
            let same_namespace = own.is_empty() || own == namespace;
            let resource = self.resource(place);
            let same_kind = resource.is_some_and(|one| one.resource.kind == owner.kind);
            if same_namespace && same_kind {
                let waits = self.object(&owner.uid).map(|object| object.waits);
                return Ok(if waits == Some(Waits::Deletion) { Owner::Waiting } else { Owner::Solid });
            }
        }
        // What was seen may be behind: nothing is deleted on its word alone.
        let meta = match self.ask_for(owner, namespace).await? {
            Asked::Unanswerable => return Ok(Owner::Solid),
            Asked::Absent => None,
            Asked::Found(meta) => Some(meta).filter(|meta| meta.uid.as_ref() == Some(&owner.uid)),
        };
        Ok(match meta {
            None => Owner::Gone,
            Some(meta) if waits(&meta) == Waits::Deletion => Owner::Waiting,
            Some(_) => Owner::Solid,
        })
    }

    async fn ask_for(&self, owner: &OwnerReference, namespace: &str) -> Result<Asked, Failure> {
        let operation = format!("get {} {}", owner.kind, owner.name);
        let resource = match self.known(owner) {
            Some(resource) => resource,
            None => match self.discover(owner).await? {
                Some(resource) => resource,
                // The server has no such kind; it may come back, and its objects with it.
                None => return Ok(Asked::Unanswerable),
            },
        };
        // An object of the whole cluster cannot be owned by one of a namespace: nobody knows of which.
        if resource.namespaced && namespace.is_empty() {
            return Ok(Asked::Unanswerable);
        }
        let found = resource.api(&self.cluster, namespace).get_metadata(&owner.name).await;
        Ok(found.unless_gone(&operation)?.map_or(Asked::Absent, |object| Asked::Found(Box::new(object.metadata))))
    }

    /// The resource of an owner's kind, as the server's discovery has it.
    async fn discover(&self, owner: &OwnerReference) -> Result<Option<Deletable>, Failure> {
        let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
        let guess = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &owner.kind));
        let client = &self.cluster.client;
        let operation = format!("discover {}", guess.api_version);
        let list = if guess.group.is_empty() {
            client.list_core_api_resources(&guess.version).await
        } else {
            client.list_api_group_resources(&guess.api_version).await
        };
        let Some(list) = list.unless_gone(&operation)? else { return Ok(None) };
        let same_kind = list.resources.into_iter().find(|one| one.kind == guess.kind && !one.name.contains('/'));
        Ok(same_kind.map(|one| Deletable {
            resource: ApiResource { plural: one.name, ..guess },
            namespaced: one.namespaced,
            collection: false,
            watchable: false,
        }))
    }

    pub(super) async fn owner(&self, uid: &Uid) -> Result<(), Failure> {
        let Some(object) = self.object(uid).filter(|object| object.waits != Waits::Nothing) else { return Ok(()) };
        let Some(resource) = self.resource(object.place) else { return Ok(()) };
        let dependents = self.dependents(uid);
        let done = if object.waits == Waits::Orphans {
            for dependent in &dependents {
                self.orphan(dependent, uid).await?;
            }
            ORPHAN
        } else {
            for dependent in &dependents {
                self.dependent(dependent).await?;
            }
            if dependents.iter().any(|dependent| self.blocks(dependent, uid)) {
                // The deletion of the last of them brings this owner back here.
                return Ok(());
            }
            FOREGROUND
        };
        self.let_go(&resource, &object, uid, done).await
    }

    /// Takes the finalizer `done` from an owner.
    async fn let_go(&self, resource: &Deletable, object: &Object, uid: &Uid, done: &str) -> Result<(), Failure> {
        let operation = format!("let {} {} go", resource.resource.kind, object.key);
        let api: Api<DynamicObject> = resource.api(&self.cluster, &object.key.namespace);
        let Some(now) = api.get_metadata(&object.key.name).await.unless_gone(&operation)? else {
            self.is_gone(uid);
            return Ok(());
        };
        let meta = now.metadata;
        if meta.uid.as_ref() != Some(uid) {
            self.is_gone(uid);
            return Ok(());
        }
        let kept: Vec<_> = meta.finalizers.iter().flatten().filter(|finalizer| *finalizer != done).collect();
        let version = meta.resource_version.clone();
        let patch = json!({ "metadata": { "uid": uid, "resourceVersion": version, "finalizers": kept } });
        let patched = api.patch_metadata(&object.key.name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unless_gone(&operation)?;
        Ok(())
    }

    fn blocks(&self, dependent: &Uid, owner: &str) -> bool {
        let owners = self.object(dependent).map(|object| object.owners).unwrap_or_default();
        owners.iter().any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }

    /// Takes one owner out of a dependent's references.
    async fn orphan(&self, dependent: &Uid, owner: &str) -> Result<(), Failure> {
        let Some(object) = self.object(dependent) else { return Ok(()) };
        let Some(resource) = self.resource(object.place) else { return Ok(()) };
        let kept: Vec<_> = object.owners.iter().filter(|reference| reference.uid != owner).collect();
        let kept = if kept.is_empty() { json!(null) } else { json!(kept) };
        let patch = Patch::Merge(json!({ "metadata": { "uid": dependent, "ownerReferences": kept } }));
        let operation = format!("orphan {} {}", resource.resource.kind, object.key);
        let api = resource.api(&self.cluster, &object.key.namespace);
        let patched = api.patch_metadata(&object.key.name, &PatchParams::default(), &patch).await;
        match patched {
            // Another object has taken its name: this one is gone.
            Err(error) if crate::cluster::code_of(&error) == 409 => self.is_gone(dependent),
            patched => {
                if let Some(patched) = patched.unless_gone(&operation)? {
                    self.saw(object.place, &patched.metadata);
                }
            }
        }
        Ok(())
    }

    fn known(&self, owner: &OwnerReference) -> Option<Deletable> {
        self.resource_where(|one| one.resource.kind == owner.kind && one.resource.api_version == owner.api_version)
    }
}

/// The answer to a question about an owner.
enum Asked {
    Found(Box<ObjectMeta>),
    Absent,
    Unanswerable,
}

/// The place of a kind in the list of them.
pub(super) fn place_of(resources: &[Deletable], wanted: &ApiResource) -> Option<Place> {
    resources.iter().position(|one| one.resource.group == wanted.group && one.resource.plural == wanted.plural)
}

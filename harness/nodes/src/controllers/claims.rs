//! Which objects a controller's owner takes for its own (kubernetes v1.20, `pkg/controller/controller_ref_manager.go`).

use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde_json::json;

use super::owners::{controller_of, reference};
use crate::cache::{Cache, Key, Kind};
use crate::cluster::{Cluster, During as _, Failure};
use crate::selectors::selects;

/// The scope of owners and dependents: both live in namespaces.
pub(crate) trait Namespaced: Kind + Resource<Scope = NamespaceResourceScope> {}
impl<K: Kind + Resource<Scope = NamespaceResourceScope>> Namespaced for K {}

/// What `owner` may own: objects that `selector` selects and `fits` takes.
pub(crate) struct Claim<'a, O, K> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) owner: &'a O,
    pub(crate) selector: &'a LabelSelector,
    pub(crate) cache: &'a Cache<K>,
}

impl<O: Namespaced, K: Namespaced> Claim<'_, O, K> {
    /// The objects of the owner: those that it controls and selects. Others that it controls are released, and those
    /// that nobody controls are adopted.
    pub(crate) async fn of(&self, fits: impl Fn(&K) -> bool) -> Result<Vec<Arc<K>>, Failure> {
        self.among(|_| true, fits).await
    }

    /// The objects of the owner among those that are `considered`; the others keep the owner that they have.
    pub(crate) async fn among(
        &self,
        considered: impl Fn(&K) -> bool,
        fits: impl Fn(&K) -> bool,
    ) -> Result<Vec<Arc<K>>, Failure> {
        let going = self.owner.meta().deletion_timestamp.is_some();
        let mut own = Vec::new();
        for object in self.cache.in_namespace(&Key::of(self.owner).namespace) {
            if !considered(&object) {
                continue;
            }
            let selected = selects(self.selector, object.meta().labels.as_ref()) && fits(&object);
            match controller_of(object.as_ref()) {
                Some(controller) if Some(&controller.uid) != self.owner.meta().uid.as_ref() => {}
                Some(_) if selected => own.push(object),
                Some(_) if !going => self.release(&object).await?,
                None if selected && !going && object.meta().deletion_timestamp.is_none() => {
                    own.extend(self.adopt(&object).await?);
                }
                _ => {}
            }
        }
        Ok(own)
    }

    async fn release(&self, object: &K) -> Result<(), Failure> {
        let uid = &self.owner.meta().uid;
        let references = json!([{ "$patch": "delete", "uid": uid }]);
        self.patch(object, &references, "release").await?;
        Ok(())
    }

    async fn adopt(&self, object: &K) -> Result<Option<Arc<K>>, Failure> {
        // The cache may be behind: an owner that is going takes nothing more.
        let Key { namespace, name } = Key::of(self.owner);
        let asked = self.cluster.api::<O>(&namespace).get(&name).await;
        let fresh = asked.unless_gone(&format!("get {} {namespace}/{name}", O::kind(&())))?;
        let stays = fresh.is_some_and(|fresh| {
            fresh.meta().uid == self.owner.meta().uid && fresh.meta().deletion_timestamp.is_none()
        });
        if !stays {
            return Ok(None);
        }
        self.patch(object, &json!([reference(self.owner)]), "adopt").await
    }

    async fn patch(&self, object: &K, references: &serde_json::Value, verb: &str) -> Result<Option<Arc<K>>, Failure> {
        let key = Key::of(object);
        let api: Api<K> = self.cluster.api(&key.namespace);
        let patch = json!({ "metadata": { "uid": object.meta().uid, "ownerReferences": references } });
        let patched = api.patch(&key.name, &PatchParams::default(), &Patch::Strategic(patch)).await;
        let patched = patched.unless_gone(&format!("{verb} {} {key}", K::kind(&())))?;
        Ok(patched.map(|patched| {
            self.cache.wrote(patched.clone());
            Arc::new(patched)
        }))
    }
}

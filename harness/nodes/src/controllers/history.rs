//! The former templates of a `StatefulSet` or `DaemonSet`, kept as `ControllerRevisions` (kubernetes v1.20,
//! `pkg/controller/history` and `stateful_set_utils.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};

use super::claims::{Claim, Namespaced};
use super::owners::reference;
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating, reason_of};
use crate::names::{fnv32, safe_encode};

/// A revision, and the owner's template in it.
pub(crate) type Revision = Arc<ControllerRevision>;

/// Whose history is kept, and how.
pub(crate) struct History<'a, O> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) owner: &'a O,
    pub(crate) selector: &'a LabelSelector,
    pub(crate) template: &'a PodTemplateSpec,
    /// The label whose value tells revisions apart.
    pub(crate) label: &'static str,
    pub(crate) collisions: i32,
}

/// What became of the revision of the owner's template.
pub(crate) enum Current {
    Is(Revision),
    /// Another revision has its name: count a collision and try again.
    Collides,
    /// The namespace is going.
    Going,
}

/// The patch that puts `template` into its owner: keys in order and letters escaped as Go's encoder does it, since the
/// names of revisions are hashes of this text.
fn data_of(template: &PodTemplateSpec) -> Value {
    let mut value = serde_json::to_value(template).unwrap_or_default();
    value["$patch"] = json!("replace");
    value["metadata"]["creationTimestamp"] = Value::Null;
    // Go writes the empty struct, not nothing.
    if let Some(containers) = value.pointer_mut("/spec/containers").and_then(Value::as_array_mut) {
        for container in containers {
            if container.get("resources").is_none() {
                container["resources"] = json!({});
            }
        }
    }
    sorted(&json!({ "spec": { "template": value } }))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let in_order: BTreeMap<_, _> = object.iter().collect();
            Value::Object(in_order.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(array) => array.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn text_of(data: &Value) -> String {
    let text = data.to_string();
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What makes two revisions say the same: the template without what is null.
fn essence(data: &Value) -> Value {
    match data {
        Value::Object(object) => object
            .iter()
            .filter(|(_, value)| !value.is_null() && !value.as_object().is_some_and(Map::is_empty))
            .map(|(key, value)| (key.clone(), essence(value)))
            .collect(),
        Value::Array(array) => array.iter().map(essence).collect(),
        other => other.clone(),
    }
}

/// The template in a revision.
pub(crate) fn template_in(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut template = revision.data.as_ref()?.0.pointer("/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    serde_json::from_value(template).ok()
}

fn same(a: &ControllerRevision, data: &Value) -> bool {
    a.data.as_ref().is_some_and(|own| essence(&own.0) == essence(data))
}

/// The name of a revision.
pub(crate) fn name_of(revision: &ControllerRevision) -> &str {
    revision.metadata.name.as_deref().unwrap_or_default()
}

impl<O: Namespaced> History<'_, O> {
    /// The owner's revisions, from the oldest.
    pub(crate) async fn list(&self) -> Result<Vec<Revision>, Failure> {
        let Self { cluster, owner, selector, .. } = self;
        let claim = Claim { cluster, owner: *owner, selector, cache: &cluster.caches.revisions };
        let mut revisions = claim.of(|_| true).await?;
        revisions.sort_by_key(|revision| {
            (revision.revision, revision.metadata.creation_timestamp.as_ref().map(|time| time.0))
        });
        Ok(revisions)
    }

    /// The revision of the owner's template, which is the newest of `revisions` then.
    pub(crate) async fn current(&self, revisions: &[Revision]) -> Result<Current, Failure> {
        let data = data_of(self.template);
        let next = revisions.last().map_or(1, |last| last.revision + 1);
        match revisions.iter().rfind(|revision| same(revision, &data)) {
            Some(found) if Some(found.revision) == revisions.last().map(|last| last.revision) => {
                Ok(Current::Is(found.clone()))
            }
            Some(found) => self.renumber(found, next).await,
            None => self.create(data, next).await,
        }
    }

    /// An old revision is the newest again.
    async fn renumber(&self, revision: &Revision, number: i64) -> Result<Current, Failure> {
        let key = Key::of(revision.as_ref());
        let api = self.cluster.api::<ControllerRevision>(&key.namespace);
        let patch = Patch::Merge(json!({ "revision": number }));
        let patched = api.patch(&key.name, &PatchParams::default(), &patch).await;
        match patched.unless_gone(&format!("update ControllerRevision {key}"))? {
            None => Ok(Current::Collides),
            Some(patched) => Ok(Current::Is(self.keep(patched))),
        }
    }

    async fn create(&self, data: Value, number: i64) -> Result<Current, Failure> {
        let Key { namespace, name } = Key::of(self.owner);
        let text = text_of(&data);
        let collisions = if self.collisions > 0 { self.collisions.to_string() } else { String::new() };
        let hash = safe_encode(&fnv32(format!("{text}{collisions}").as_bytes()).to_string());
        let mut labels = self.template.metadata.as_ref().and_then(|meta| meta.labels.clone()).unwrap_or_default();
        labels.insert(self.label.to_owned(), hash.clone());
        let revision = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(format!("{name}-{hash}")),
                labels: Some(labels),
                annotations: self.owner.meta().annotations.clone(),
                owner_references: Some(vec![reference(self.owner)]),
                ..ObjectMeta::default()
            },
            data: Some(RawExtension(data.clone())),
            revision: number,
        };
        let api = self.cluster.api::<ControllerRevision>(&namespace);
        let operation = format!("create ControllerRevision {namespace}/{name}-{hash}");
        match api.create(&PostParams::default(), &revision).await {
            Err(error) if is_terminating(&error) => Ok(Current::Going),
            Err(error) if reason_of(&error) == "AlreadyExists" => {
                let found = api.get(name_of(&revision)).await.unless_gone(&operation)?;
                match found.filter(|found| same(found, &data)) {
                    Some(found) => Ok(Current::Is(self.keep(found))),
                    None => Ok(Current::Collides),
                }
            }
            created => Ok(Current::Is(self.keep(created.during(&operation)?))),
        }
    }

    fn keep(&self, revision: ControllerRevision) -> Revision {
        self.cluster.caches.revisions.wrote(revision.clone());
        Arc::new(revision)
    }

    /// Deletes the oldest of `revisions` that nobody uses, beyond `limit`.
    pub(crate) async fn truncate(
        &self,
        revisions: &[Revision],
        limit: Option<i32>,
        is_used: impl Fn(&ControllerRevision) -> bool,
    ) -> Result<(), Failure> {
        let unused: Vec<_> = revisions.iter().filter(|revision| !is_used(revision)).collect();
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let surplus = unused.len().saturating_sub(limit);
        for revision in unused.into_iter().take(surplus) {
            let key = Key::of(revision.as_ref());
            let api = self.cluster.api::<ControllerRevision>(&key.namespace);
            let deleted = api.delete(&key.name, &DeleteParams::default()).await;
            deleted.unless_gone(&format!("delete ControllerRevision {key}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(image: &str) -> PodTemplateSpec {
        let containers = json!([{"name": "main", "image": image}]);
        serde_json::from_value(json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": containers}}))
            .unwrap()
    }

    #[test]
    fn writes_the_template_as_a_patch() {
        let expected = "{\"spec\":{\"template\":{\"$patch\":\"replace\",\"metadata\":{\"creationTimestamp\":null,\
                        \"labels\":{\"app\":\"db\"}},\"spec\":{\"containers\":[{\"image\":\"a\\u003cb\",\
                        \"name\":\"main\",\"resources\":{}}]}}}}";
        assert_eq!(text_of(&data_of(&template("a<b"))), expected);
    }

    #[test]
    fn finds_the_template_again() {
        let revision =
            ControllerRevision { data: Some(RawExtension(data_of(&template("a")))), ..ControllerRevision::default() };
        assert!(same(&revision, &data_of(&template("a"))));
        assert!(!same(&revision, &data_of(&template("b"))));
        let found = template_in(&revision).unwrap();
        assert_eq!(found.spec.unwrap().containers[0].image.as_deref(), Some("a"));
    }
}

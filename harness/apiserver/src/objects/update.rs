//! Changing what is there: an object's successor, and putting it in its place.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::checks::creates_on_update;
use super::{Intent, Part, Place, text, unconvertible, undecodable};
use crate::consent::Operation;
use crate::custom::{definition, instance};
use crate::registry::Resource;
use crate::shape::{
    check, counts_generations, fill, in_order, keep_identity, metadata, put_or_remove, same, same_entries, shape,
    shape_applied,
};
use crate::status::{Cause, Failure};
use crate::store::{Refusal, Stored};
use crate::{defaults, limits, pods, services};

impl Place<'_> {
    /// The stored object as who changes it sees it.
    fn seen<'a>(&self, stored: &'a Stored) -> Result<Cow<'a, Value>, Failure> {
        if self.resource.custom.is_none() {
            return Ok(Cow::Borrowed(&stored.value));
        }
        let converted = instance::through_webhook(self.resource, &stored.value, &self.resource.api_version())?;
        Ok(Cow::Owned(instance::served(self.resource, converted.as_ref().unwrap_or(&stored.value))))
    }

    /// Replaces the object `name` by what `change` makes of it, in one step however many write at once.
    /// Tells too whether it was created.
    ///
    /// # Errors
    /// As the original refuses, and what `change` returns.
    pub fn update(
        &self,
        name: &str,
        part: Part,
        intent: Intent,
        change: impl Fn(&Value) -> Result<Value, Failure>,
    ) -> Result<(Arc<Stored>, bool), Failure> {
        loop {
            let Some(before) = self.state.store.get(self.table(), &self.key(name)) else {
                if intent == Intent::Put || (intent == Intent::Apply && part == Part::Object) {
                    let object = change(&Value::Null)?;
                    self.check_name(name, &object)?;
                    if intent == Intent::Apply {
                        self.check_unborn(name, &object)?;
                    } else if &**self.table() != "services" {
                        self.check_uid(name, &object, "")?;
                    }
                    if part == Part::Object && (intent == Intent::Apply || creates_on_update(self.resource)) {
                        return self.create_as(object, intent).map(|stored| (stored, true));
                    }
                }
                return Err(Failure::not_found(self.resource, name));
            };
            let seen = self.seen(&before)?;
            let changed = change(&seen)?;
            let given = text(&changed, "/metadata/resourceVersion").to_owned();
            let object =
                self.successor(name, part, intent, changed, (&before, &seen)).map_err(|unfit| match unfit {
                    Unfit::Refused(failure) => failure,
                    Unfit::Undecodable(why) => match intent {
                        Intent::Apply => unconvertible(self.requested, &why),
                        Intent::Patch => not_patched(change(&seen), &why),
                        _ => undecodable(self.resource, &why),
                    },
                })?;
            self.ask(Operation::Update, Some(&object), Some(&before.value))?;
            if same(&object, &before.value) {
                return Ok((before, false));
            }
            if self.dry_run {
                return Ok((Stored::detached(object), false));
            }
            limits::check_size(&object)?;
            match self.commit(name, &before, object) {
                Ok(stored) => return Ok((stored, false)),
                Err(Refusal::Changed) if intent == Intent::Put && !given.is_empty() => {
                    return Err(Failure::conflict(self.resource, name));
                }
                Err(_) => {}
            }
        }
    }

    fn commit(&self, name: &str, before: &Arc<Stored>, object: Value) -> Result<Arc<Stored>, Refusal> {
        let key = self.key(name);
        let store = &self.state.store;
        let stored = if finished(self.resource, &object) {
            // The answer shows the object as it was asked for, those who watch see what was there: it is gone.
            let shown = Stored::detached(object);
            store.remove(self.table(), &key, before)?;
            self.after_removal(&before.value);
            shown
        } else {
            store.replace(self.table(), &key, before, object)?
        };
        self.after_write();
        Ok(stored)
    }

    fn successor(
        &self,
        name: &str,
        part: Part,
        intent: Intent,
        changed: Value,
        (before, old): (&Arc<Stored>, &Value),
    ) -> Result<Value, Unfit> {
        let resource = self.resource;
        let mut object = changed;
        let ownership = Self::ownership(&mut object, intent, part);
        let shape = if intent == Intent::Apply { shape_applied } else { shape };
        shape(resource, &mut object).map_err(Unfit::Undecodable)?;
        self.check_name(name, &object)?;
        if intent == Intent::Put {
            self.check_uid(name, &object, text(&before.value, "/metadata/uid"))?;
        }
        self.check_rights(&object, Some(&before.value))?;
        self.check_revision(name, intent, &object, before)?;
        self.check_place(&mut object)?;
        fill(resource, &mut object);
        let owners = self.owners(Some(old), &object, ownership);
        defaults::drop_disabled(resource, &mut object);
        let mut object = match part {
            Part::Object => {
                let mut object = object;
                if resource.has_status()
                    && let Some(map) = object.as_object_mut()
                {
                    put_or_remove(map, "status", old.get("status"));
                }
                object
            }
            Part::Status => self.status_of(object, old),
            Part::Finalize => with(&object, [("status", old.get("status").cloned())]),
        };
        let revision = metadata(&mut object).remove("resourceVersion");
        keep_identity(&mut object, old);
        if &**self.table() == "services" && part == Part::Object && revision.is_none() {
            // Their storage looks at the object before it knows what it replaces (`REST.Update` of
            // pkg/registry/core/service/storage/rest.go), so that they must name a revision after all.
            metadata(&mut object).remove("resourceVersion");
        }
        if let Some(owners) = owners {
            metadata(&mut object).insert("managedFields".to_owned(), owners);
        }
        if &**self.table() == "namespaces" && part == Part::Object {
            // Only the finalize subresource changes them.
            let mut spec = Value::Object(Map::new());
            if let Some(spec) = spec.as_object_mut() {
                put_or_remove(spec, "finalizers", old.pointer("/spec/finalizers"));
            }
            object["spec"] = spec;
        }
        if &**self.table() == "services" {
            services::keep_allocation(&mut object, old);
            self.allocate_ports(&mut object);
        }
        if &**self.table() == "pods" && part == Part::Object {
            pods::keep_account(&mut object, old);
        }
        fill(resource, &mut object);
        if &**self.table() == definition::RESOURCE && part == Part::Object {
            definition::keep_status(&mut object);
        }
        if part == Part::Object && resource.custom.is_none() {
            self.admit_change(&mut object, old)?;
        }
        self.count_generation(part, &mut object, old);
        if part == Part::Finalize {
            return Ok(in_order(resource, object));
        }
        check(resource, self.requested, &object, Some((old, part)))?;
        if part == Part::Object && resource.custom.is_none() {
            self.judge_change(&object, old)?;
        }
        Ok(self.in_storage(object)?)
    }

    /// What an update of the status makes: of built-in kinds the client's metadata and status beside everything else
    /// that was there, of others the status alone (the strategies of `status` in Kubernetes 1.20).
    fn status_of(&self, mut object: Value, old: &Value) -> Value {
        let mut taken = |key: &str| object.get_mut(key).map(Value::take);
        let status = taken("status");
        if self.resource.custom.is_some() || self.resource.group == "apiextensions.k8s.io" {
            return with(old, [("status", status)]);
        }
        let mut merged = match taken("metadata") {
            Some(meta) => with(old, [("status", status), ("metadata", Some(meta))]),
            None => with(old, [("status", status)]),
        };
        let kept = match &**self.table() {
            "daemonsets.apps" => {
                defaults::keep_template_count(&mut merged, old);
                return merged;
            }
            "deployments.apps" => "labels",
            "pods" => "ownerReferences",
            _ => return merged,
        };
        put_or_remove(metadata(&mut merged), kept, old.pointer(&format!("/metadata/{kept}")));
        merged
    }

    fn count_generation(&self, part: Part, object: &mut Value, old: &Value) {
        if part != Part::Object || !counts_generations(self.resource) {
            return;
        }
        let counted = |key: &str| match key {
            "metadata" | "kind" | "apiVersion" => false,
            "status" => !self.resource.has_status(),
            _ => true,
        };
        // Its annotations go to its replica sets.
        let annotated = &**self.table() == "deployments.apps"
            && object.pointer("/metadata/annotations") != old.pointer("/metadata/annotations");
        if !same_entries(object, old, counted) || annotated {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            metadata(object).insert("generation".to_owned(), Value::from(generation + 1));
        }
    }
}

/// `object` with these values in place of its own of their keys, or without those that are none.
fn with<const N: usize>(object: &Value, values: [(&str, Option<Value>); N]) -> Value {
    let Value::Object(map) = object else { return object.clone() };
    let mut merged = Map::with_capacity(map.len() + N);
    let mut values = values.map(Some);
    for (known, kept) in map {
        let other = values.iter_mut().find(|other| other.as_ref().is_some_and(|(key, _)| key == known));
        let kept = match other.and_then(Option::take) {
            Some((_, value)) => value,
            None => Some(kept.clone()),
        };
        if let Some(kept) = kept {
            merged.insert(known.clone(), kept);
        }
    }
    for (key, value) in values.into_iter().flatten() {
        if let Some(value) = value {
            merged.insert(key.to_owned(), value);
        }
    }
    Value::Object(merged)
}

/// Why there is no successor.
enum Unfit {
    /// What the change made is not of the kind's type.
    Undecodable(String),
    /// Anything else.
    Refused(Failure),
}

impl From<Failure> for Unfit {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// 422 for a patch that makes what is not of the kind's type.
fn not_patched(made: Result<Value, Failure>, why: &str) -> Failure {
    match made {
        Ok(made) => {
            Failure::invalid("", "", "", &[Cause::invalid("patch", crate::status::quoted(&made.to_string()), why)])
        }
        Err(failure) => failure,
    }
}

/// Whether nothing holds a deleted object any more.
fn finished(resource: &Resource, object: &Value) -> bool {
    let held = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).is_some_and(|items| !items.is_empty());
    if object.pointer("/metadata/deletionTimestamp").is_none() || held("/metadata/finalizers") {
        return false;
    }
    match &*resource.full_name {
        "namespaces" => !held("/spec/finalizers"),
        "pods" => object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64) == Some(0),
        _ => true,
    }
}

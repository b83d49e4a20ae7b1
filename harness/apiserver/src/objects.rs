//! Writing objects: what every write has in common, whatever the kind.

use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value};

use crate::admission::{Admission, Operation, Spot};
use crate::registry::Resource;
use crate::shape::{check, counts_generations, fill, in_order, keep_identity, metadata, put_or_remove, same, shape};
use crate::state::State;
use crate::status::{Cause, Failure};
use crate::store::{Key, Refusal, Stored};
use crate::{crd, defaults, limits, pods, services};

/// Where a write goes.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The server.
    pub state: &'a State,
    /// The resource.
    pub resource: &'a Arc<Resource>,
    /// The namespace; empty for cluster-wide resources.
    pub namespace: &'a str,
    /// Nothing is stored.
    pub dry_run: bool,
    /// Who writes and what must agree; the server itself where there is none.
    pub admission: Option<Admission<'a>>,
}

/// Which part of an object an update may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status, where the status is a part of its own.
    Object,
    /// The status.
    Status,
    /// A namespace's `spec.finalizers`.
    Finalize,
}

/// How an update is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A whole object: custom resources must name the revision they replace.
    Put,
    /// A change to whatever is there.
    Patch,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Kinds that a PUT may create, as their strategies say in Kubernetes 1.20.
fn creates_on_update(resource: &Resource) -> bool {
    matches!(&*resource.full_name, "endpoints" | "events" | "services" | "leases.coordination.k8s.io")
        || resource.group == "rbac.authorization.k8s.io"
}

/// Five characters that cannot form words, as `generateName` appends them.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let pick = || ALPHABET.get(rand::random_range(0..ALPHABET.len())).copied().unwrap_or(b'x');
    (0..5).map(|_| char::from(pick())).collect()
}

/// What a body of a wrong shape is told.
fn undecodable(resource: &Resource, text: &str) -> Failure {
    let (kind, version) = (&resource.kind, &resource.version);
    Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {text}"))
}

impl Place<'_> {
    /// The key of `name` here.
    pub fn key(&self, name: &str) -> Key {
        Key::new(self.namespace, name)
    }

    /// Where the resource's objects are stored.
    pub fn table(&self) -> &Arc<str> {
        &self.resource.full_name
    }

    fn spot(&self) -> Spot<'_> {
        Spot { state: self.state, resource: self.resource, namespace: self.namespace, dry_run: self.dry_run }
    }

    /// Refuses what gives more rights than the user has.
    fn check_rights(&self, object: &Value, before: Option<&Value>) -> Result<(), Failure> {
        self.admission.map_or(Ok(()), |admission| admission.check_rights(self.spot(), object, before))
    }

    /// Asks webhooks about a write that is otherwise in order.
    pub fn ask(&self, operation: Operation, object: Option<&Value>, before: Option<&Value>) -> Result<(), Failure> {
        let Some(admission) = self.admission.filter(|admission| admission.webhooks.is_some()) else { return Ok(()) };
        let object = object.map(|object| in_order(self.resource, object.clone()));
        admission.ask(self.spot(), operation, object.as_ref(), before)
    }

    /// The stored object.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, name: &str) -> Result<Arc<Stored>, Failure> {
        let found = self.state.store.get(self.table(), &self.key(name));
        found.ok_or_else(|| Failure::not_found(self.resource, name))
    }

    /// The namespace must be there, and not on its way out.
    fn check_namespace(&self, object: &Value) -> Result<(), Failure> {
        if !self.resource.namespaced {
            return Ok(());
        }
        let found = self.state.store.get(&Arc::from("namespaces"), &Key::new("", self.namespace));
        let namespace = found.ok_or_else(|| Failure::core_not_found("namespaces", self.namespace))?;
        if namespace.value.pointer("/metadata/deletionTimestamp").is_some() {
            let name = Some(text(object, "/metadata/name")).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| text(object, "/metadata/generateName"));
            return Err(Failure::namespace_terminating(self.resource, name, self.namespace));
        }
        Ok(())
    }

    fn check_place(&self, object: &mut Value) -> Result<(), Failure> {
        let meta = metadata(object);
        if self.resource.namespaced {
            let given = meta.get("namespace").and_then(Value::as_str).unwrap_or_default();
            if !given.is_empty() && given != self.namespace {
                let text = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Failure::bad_request(text));
            }
            meta.insert("namespace".to_owned(), Value::from(self.namespace));
        } else {
            meta.remove("namespace");
        }
        Ok(())
    }

    /// Creates `object`.
    ///
    /// # Errors
    /// As the original refuses.
    pub fn create(&self, mut object: Value) -> Result<Arc<Stored>, Failure> {
        let resource = self.resource;
        shape(resource, &mut object).map_err(|text| undecodable(resource, &text))?;
        self.check_place(&mut object)?;
        self.check_namespace(&object)?;
        self.check_rights(&object, None)?;
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Failure::internal("resourceVersion should not be set on objects to be created"));
        }
        self.identify(&mut object);
        self.reset_status(&mut object);
        fill(resource, &mut object);
        if resource.custom.is_none() {
            defaults::fill_new(resource, &mut object);
        }
        if &**self.table() == "customresourcedefinitions.apiextensions.k8s.io" {
            crd::fill_status(&mut object, &self.state.clock.stamp());
        }
        check(resource, &object, None)?;
        // A webhook that is asked about a Service sees it before it has its addresses: while it thinks, others may
        // be given theirs.
        self.ask(Operation::Create, Some(&object), None)?;
        let is_service = &**self.table() == "services";
        let guard = is_service.then(|| self.state.allocation.lock().unwrap_or_else(PoisonError::into_inner));
        if is_service {
            self.allocate(&mut object)?;
        }
        if &**self.table() == "pods" {
            self.admit_pod(&mut object);
        }
        let name = text(&object, "/metadata/name").to_owned();
        let object = in_order(resource, object);
        if self.dry_run {
            return match self.state.store.get(self.table(), &self.key(&name)) {
                Some(_) => Err(Failure::already_exists(resource, &name)),
                None => Ok(Stored::detached(object)),
            };
        }
        limits::check_size(&object)?;
        let stored = self
            .state
            .store
            .create(self.table(), self.key(&name), object)
            .map_err(|_| Failure::already_exists(resource, &name))?;
        drop(guard);
        self.after_write();
        Ok(stored)
    }

    /// Gives a new object its name, if it has only a prefix, and what makes it unique.
    fn identify(&self, object: &mut Value) {
        let stamp = self.state.clock.stamp();
        let counts = counts_generations(self.resource);
        let meta = metadata(object);
        for key in ["selfLink", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            meta.remove(key);
        }
        meta.insert("uid".to_owned(), Value::from(uuid::Uuid::new_v4().to_string()));
        meta.insert("creationTimestamp".to_owned(), Value::from(stamp));
        if counts {
            meta.insert("generation".to_owned(), Value::from(1));
        }
        let prefix = meta.get("generateName").and_then(Value::as_str).filter(|prefix| !prefix.is_empty());
        let unnamed = meta.get("name").and_then(Value::as_str).is_none_or(str::is_empty);
        let name = prefix.filter(|_| unnamed).map(|prefix| {
            let kept: String = prefix.chars().take(58).collect();
            format!("{kept}{}", random_suffix())
        });
        if let Some(name) = name {
            meta.insert("name".to_owned(), Value::from(name));
        }
    }

    /// A client cannot create most objects with a status of its own.
    fn reset_status(&self, object: &mut Value) {
        let keeps = matches!(&**self.table(), "nodes" | "persistentvolumes" | "services");
        if self.resource.has_status()
            && !keeps
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }

    fn after_write(&self) {
        if &**self.table() == "customresourcedefinitions.apiextensions.k8s.io" {
            self.state.reload_definitions();
        }
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
                if intent == Intent::Put && part == Part::Object && creates_on_update(self.resource) {
                    return self.create(change(&Value::Null)?).map(|stored| (stored, true));
                }
                return Err(Failure::not_found(self.resource, name));
            };
            let changed = change(&before.value)?;
            let given = text(&changed, "/metadata/resourceVersion").to_owned();
            let object = self.successor(name, part, intent, changed, &before)?;
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
            // The answer shows the object as it was asked for; it is gone afterwards.
            let shown = Stored::detached(object.clone());
            store.remove(self.table(), &key, before, Some(object))?;
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
        before: &Arc<Stored>,
    ) -> Result<Value, Failure> {
        let resource = self.resource;
        let mut object = changed;
        let sent = (intent == Intent::Patch).then(|| object.to_string());
        shape(resource, &mut object).map_err(|text| match sent {
            Some(sent) => {
                let cause = Cause::invalid("patch", crate::status::quoted(&sent), &text);
                Failure::invalid("", "", "", &[cause])
            }
            None => undecodable(resource, &text),
        })?;
        self.check_place(&mut object)?;
        let given = text(&object, "/metadata/name");
        if given != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        self.check_rights(&object, Some(&before.value))?;
        self.check_revision(name, intent, &object, before)?;
        let old = &before.value;
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
            Part::Status => with(old, "status", object.get("status")),
            Part::Finalize => {
                let mut merged = old.clone();
                let finalizers = object.pointer("/spec/finalizers").cloned();
                if let Some(spec) = merged.get_mut("spec").and_then(Value::as_object_mut) {
                    put_or_remove(spec, "finalizers", finalizers.as_ref());
                }
                merged
            }
        };
        keep_identity(&mut object, old);
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
        if &**self.table() == "customresourcedefinitions.apiextensions.k8s.io" && part == Part::Object {
            crd::fill_status(&mut object, &self.state.clock.stamp());
        }
        self.count_generation(part, &mut object, old);
        if part == Part::Finalize {
            return Ok(in_order(resource, object));
        }
        check(resource, &object, Some(old))?;
        Ok(in_order(resource, object))
    }

    fn check_revision(&self, name: &str, intent: Intent, object: &Value, before: &Arc<Stored>) -> Result<(), Failure> {
        let resource = self.resource;
        let given = text(object, "/metadata/resourceVersion");
        if given.is_empty() {
            if intent == Intent::Put && resource.custom.is_some() {
                let cause = Cause::invalid("metadata.resourceVersion", "0x0", "must be specified for an update");
                return Err(Failure::invalid(&resource.plural, &resource.group, name, &[cause]));
            }
        } else if given != before.revision.to_string() {
            return Err(Failure::conflict(resource, name));
        }
        let (uid, known) = (text(object, "/metadata/uid"), text(&before.value, "/metadata/uid"));
        if intent == Intent::Put && !uid.is_empty() && uid != known {
            let place = if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{place}{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {known}",
                resource.plural
            );
            return Err(Failure::conflict_because(resource, name, &why));
        }
        Ok(())
    }

    fn count_generation(&self, part: Part, object: &mut Value, old: &Value) {
        if part != Part::Object || !counts_generations(self.resource) {
            return;
        }
        let relevant = |value: &Value| -> Map<String, Value> {
            let skipped: &[&str] = if self.resource.has_status() { &["metadata", "status"] } else { &["metadata"] };
            let entries = value.as_object().into_iter().flatten();
            entries.filter(|(key, _)| !skipped.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let (mut new, mut before) = (relevant(object), relevant(old));
        for map in [&mut new, &mut before] {
            map.remove("kind");
            map.remove("apiVersion");
        }
        if new != before {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            metadata(object).insert("generation".to_owned(), Value::from(generation + 1));
        }
    }

    /// What goes with an object that is removed: a definition takes its objects along.
    pub fn after_removal(&self, removed: &Value) {
        if &**self.table() != "customresourcedefinitions.apiextensions.k8s.io" {
            return;
        }
        for resource in crd::resources(removed) {
            for (key, stored) in self.state.store.list(&resource.full_name, None).objects {
                // Gone already is as good.
                let _ = self.state.store.remove(&resource.full_name, &key, &stored, None);
            }
        }
        self.state.reload_definitions();
    }
}

/// `object` with `value` in place of its `key`.
fn with(object: &Value, key: &str, value: Option<&Value>) -> Value {
    let mut merged = object.clone();
    if let Some(map) = merged.as_object_mut() {
        put_or_remove(map, key, value);
    }
    merged
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

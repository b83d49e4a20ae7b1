//! Writing objects: what every write has in common, whatever the kind.

mod checks;
mod update;

use std::sync::{Arc, PoisonError};

use serde_json::Value;

use crate::consent::{Consent, Operation, Spot};
use crate::custom::{definition, instance};
use crate::fields::text;
use crate::managed::{self, Sent, Tracker};
use crate::registry::Resource;
use crate::shape::{check, counts_generations, fill, in_order, metadata, put_or_remove, shape, shape_applied};
use crate::state::State;
use crate::status::Failure;
use crate::store::{Key, Stored};
use crate::{conversion, defaults, flowcontrol, limits};

/// Where a write goes.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The server.
    pub state: &'a State,
    /// The resource, in the version in which its objects are kept.
    pub resource: &'a Arc<Resource>,
    /// The resource, in the version in which it is written.
    pub requested: &'a Arc<Resource>,
    /// The namespace; empty for cluster-wide resources.
    pub namespace: &'a str,
    /// Nothing is stored.
    pub dry_run: bool,
    /// Who writes, as `metadata.managedFields` names it.
    pub manager: &'a str,
    /// Who writes and what must agree; the server itself where there is none.
    pub consent: Option<Consent<'a>>,
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
    /// A configuration was applied, to what is there or to nothing: who owns what is settled already.
    Apply,
    /// Another number of replicas: who owns what stays as it is.
    Scale,
}

/// Who owns the fields of an object that is written.
enum Ownership {
    /// Who changes them; the client said this.
    Tracked(Sent),
    /// As it is written here.
    Settled(Option<Value>),
}

/// Five characters that cannot form words, as `generateName` appends them.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let pick = || ALPHABET.get(rand::random_range(0..ALPHABET.len())).copied().unwrap_or(b'x');
    (0..5).map(|_| char::from(pick())).collect()
}

/// What a body of a wrong shape is told.
pub fn undecodable(resource: &Resource, text: &str) -> Failure {
    let (kind, version) = (&resource.kind, &resource.version);
    Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {text}"))
}

/// What an applied configuration is told that does not fit Go's types.
fn unconvertible(resource: &Resource, text: &str) -> Failure {
    let (group, version, kind) = (&resource.group, &resource.version, &resource.kind);
    let why = text.split_once("unmarshalerDecoder: ").map_or(text, |(_, why)| why);
    Failure::internal(format!(
        "failed to convert new object to proper version: unable to convert unstructured object to {group}/{version}, Kind={kind}: {why}"
    ))
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
        self.consent.map_or(Ok(()), |consent| consent.check_rights(self.spot(), object, before))
    }

    /// Asks webhooks about a write that is otherwise in order.
    pub fn ask(&self, operation: Operation, object: Option<&Value>, before: Option<&Value>) -> Result<(), Failure> {
        let Some(consent) = self.consent.filter(|consent| consent.webhooks.is_some()) else { return Ok(()) };
        let object = object.map(|object| in_order(self.resource, object.clone()));
        consent.ask(self.spot(), operation, object.as_ref(), before)
    }

    /// The stored object.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, name: &str) -> Result<Arc<Stored>, Failure> {
        let found = self.state.store.get(self.table(), &self.key(name));
        found.ok_or_else(|| Failure::not_found(self.resource, name))
    }

    /// Creates `object`.
    ///
    /// # Errors
    /// As the original refuses.
    pub fn create(&self, object: Value) -> Result<Arc<Stored>, Failure> {
        self.create_as(object, Intent::Put)
    }

    fn create_as(&self, mut object: Value, intent: Intent) -> Result<Arc<Stored>, Failure> {
        let resource = self.resource;
        let ownership = Self::ownership(&mut object, intent, Part::Object);
        let shape = if intent == Intent::Apply { shape_applied } else { shape };
        shape(resource, &mut object).map_err(|text| match intent {
            Intent::Apply => unconvertible(self.requested, &text),
            _ => undecodable(resource, &text),
        })?;
        // The admission plugin `NamespaceLifecycle` comes before the object's own rules.
        self.check_namespace(&object)?;
        self.check_rights(&object, None)?;
        self.check_place(&mut object)?;
        let generated = !text(&object, "/metadata/generateName").is_empty();
        let given = metadata(&mut object).remove("resourceVersion");
        fill(resource, &mut object);
        // The original looks at the object as it was sent, before it makes one to be stored of it.
        let owners = self.owners(None, &object, ownership);
        defaults::drop_disabled(resource, &mut object);
        self.identify(&mut object);
        if self.reset_status(&mut object) {
            fill(resource, &mut object);
        }
        if resource.custom.is_none() {
            self.admit_new(&mut object)?;
            defaults::fill_new(resource, &mut object);
        }
        if &**self.table() == definition::RESOURCE {
            definition::begin_status(&mut object);
        }
        put_or_remove(metadata(&mut object), "managedFields", owners.as_ref());
        check(resource, self.requested, &object, None)?;
        // A webhook that is asked about a Service sees it before it has its addresses: while it thinks, others may
        // be given theirs.
        self.ask(Operation::Create, Some(&object), None)?;
        let is_service = &**self.table() == "services";
        let guard = is_service.then(|| self.state.allocation.lock().unwrap_or_else(PoisonError::into_inner));
        if is_service && self.dry_run {
            // No address is taken for what will not be there; ports are (pkg/registry/core/service/storage/rest.go).
            self.allocate_ports(&mut object);
        } else if is_service {
            self.allocate(&mut object)?;
        }
        if &**self.table() == "pods" {
            self.admit_pod(&mut object);
        }
        let name = text(&object, "/metadata/name").to_owned();
        let object = self.in_storage(object)?;
        let taken = || self.taken(&name, generated);
        self.charge_new(&object)?;
        if self.dry_run {
            let known = self.state.store.get(self.table(), &self.key(&name));
            return if known.is_some() { Err(taken()) } else { Ok(Stored::detached(object)) };
        }
        // The storage takes what is no number, or zero, for none.
        let given = given.filter(|_| intent != Intent::Apply);
        if given.as_ref().and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok()).is_some_and(|n| n > 0) {
            return Err(Failure::internal("resourceVersion should not be set on objects to be created"));
        }
        limits::check_size(&object)?;
        let stored = self.state.store.create(self.table(), self.key(&name), object).map_err(|_| taken())?;
        drop(guard);
        self.after_write();
        Ok(stored)
    }

    /// `object` as it is stored; a webhook may have to convert it.
    fn in_storage(&self, object: Value) -> Result<Value, Failure> {
        let wanted = self.resource.custom.as_ref().map(|custom| custom.storage_version().to_owned());
        let converted = match wanted {
            Some(wanted) => instance::through_webhook(self.resource, &object, &wanted)?,
            None => None,
        };
        Ok(in_order(self.resource, converted.unwrap_or(object)))
    }

    /// What is said about a name that is taken.
    fn taken(&self, name: &str, generated: bool) -> Failure {
        if generated {
            return Failure::generated_name_taken(self.resource);
        }
        let mut failure = Failure::already_exists(self.resource, name);
        let known = self.state.store.get(self.table(), &self.key(name));
        if known.is_some_and(|known| known.value.pointer("/metadata/deletionTimestamp").is_some()) {
            failure.message.insert_str(0, "object is being deleted: ");
        }
        failure
    }

    /// Gives a new object its name, if it has only a prefix, and what makes it unique.
    fn identify(&self, object: &mut Value) {
        let stamp = self.state.clock.stamp();
        let counts = counts_generations(self.resource);
        let meta = metadata(object);
        for key in ["selfLink", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"] {
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

    /// A client cannot create most objects with a status of its own. Tells whether it had one.
    fn reset_status(&self, object: &mut Value) -> bool {
        let keeps = matches!(&**self.table(), "nodes" | "persistentvolumes");
        let Some(map) = object.as_object_mut().filter(|_| self.resource.has_status() && !keeps) else { return false };
        map.remove("status").is_some()
    }

    /// Nobody knows the UID of what is not there yet.
    fn check_unborn(&self, name: &str, object: &Value) -> Result<(), Failure> {
        let uid = text(object, "/metadata/uid");
        if uid.is_empty() {
            return Ok(());
        }
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        Err(Failure::conflict_because(self.resource, name, &why))
    }

    /// Takes what `object` says of who owns it out of it. What a client sends to a subresource of that counts nothing.
    fn ownership(object: &mut Value, intent: Intent, part: Part) -> Ownership {
        if matches!(intent, Intent::Apply | Intent::Scale) {
            return Ownership::Settled(metadata(object).shift_remove("managedFields"));
        }
        let sent = managed::take(object);
        Ownership::Tracked(if part == Part::Object { sent } else { Sent::Nothing })
    }

    /// The `metadata.managedFields` of what `before` has become.
    fn owners(&self, before: Option<&Value>, after: &Value, ownership: Ownership) -> Option<Value> {
        match ownership {
            Ownership::Settled(owners) => owners,
            Ownership::Tracked(sent) => {
                let before = before.map(|before| conversion::shown(self.requested, before));
                let after = conversion::shown(self.requested, after);
                self.tracker(&self.state.clock.stamp()).updated(before.as_deref(), &after, sent)
            }
        }
    }

    /// Follows who owns the fields of objects here.
    pub fn tracker<'t>(&'t self, now: &'t str) -> Tracker<'t> {
        Tracker { resource: self.requested, manager: self.manager, now }
    }

    /// What goes with a write: a definition is settled before the next request.
    pub fn after_write(&self) {
        if &**self.table() == definition::RESOURCE {
            definition::settle(self.state);
        }
        self.after_flow_change();
    }

    fn after_flow_change(&self) {
        if matches!(&**self.table(), flowcontrol::SCHEMAS | flowcontrol::LEVELS) {
            flowcontrol::sync(self.state);
        }
    }

    /// What goes with an object that is removed: a Service takes its Endpoints along, names of a definition are free
    /// again, and one that is going away may have waited for this object.
    pub fn after_removal(&self, removed: &Value) {
        if &**self.table() == "services" {
            let (endpoints, key) = (Arc::from("endpoints"), self.key(text(removed, "/metadata/name")));
            if let Some(found) = self.state.store.get(&endpoints, &key) {
                // Someone else was quicker, which is as good.
                let _ = self.state.store.remove(&endpoints, &key, &found);
            }
        }
        if &**self.table() == definition::RESOURCE || instance::is_terminating(self.resource) {
            definition::settle(self.state);
        }
        self.after_flow_change();
    }
}

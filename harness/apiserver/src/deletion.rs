//! Deleting objects: finalizers, grace, namespaces (`registry/store.go`, `rest/delete.go` of apiserver and the kinds'
//! own storage, Kubernetes 1.20).

mod options;

use std::sync::Arc;

use serde_json::{Value, json};

pub use options::{DeleteOptions, Policy};

use crate::consent::Operation;
use crate::custom::definition;
use crate::fields::text;
use crate::objects::Place;
use crate::registry::Resource;
use crate::status::Failure;
use crate::store::{Refusal, Stored};

/// What came of a deletion.
pub enum Deleted {
    /// It is still there for a while, or its last state is shown.
    Object {
        /// What is shown.
        shown: Arc<Stored>,
        /// Whether it is gone.
        gone: bool,
    },
    /// It is gone, and its name and UID are told.
    Gone(Arc<Stored>),
}

/// The finalizers that the garbage collector removes.
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Kinds that answer with what they were (`ReturnDeletedObject` of their storage).
fn shows_deleted(resource: &Resource) -> bool {
    matches!(
        &*resource.full_name,
        "namespaces"
            | "pods"
            | "podtemplates"
            | "resourcequotas"
            | "serviceaccounts"
            | "persistentvolumes"
            | "persistentvolumeclaims"
            | "storageclasses.storage.k8s.io"
            | "csidrivers.storage.k8s.io"
            | "csinodes.storage.k8s.io"
            | "volumeattachments.storage.k8s.io"
            | "podsecuritypolicies.policy"
    )
}

fn finalizers(object: &Value) -> Vec<String> {
    let found = object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
    found.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    if let Some(Value::Object(meta)) = object.get_mut("metadata") {
        if finalizers.is_empty() {
            meta.remove("finalizers");
        } else {
            meta.insert("finalizers".to_owned(), Value::from(finalizers));
        }
    }
}

/// The finalizers that an object is to have while it goes: what options ask for, or what it has.
fn wanted_finalizers(resource: &Resource, object: &Value, options: &DeleteOptions) -> Vec<String> {
    let old = finalizers(object);
    // Events are not collected (`DefaultGarbageCollectionPolicy` of their strategy).
    let collected = resource.plural != "events";
    let held = old.iter().find(|name| [ORPHAN, FOREGROUND].contains(&name.as_str()));
    let orphan = match (options.orphan, options.policy) {
        _ if !collected => false,
        (Some(orphan), _) => orphan,
        (None, Some(policy)) => policy == Policy::Orphan,
        (None, None) => held.is_some_and(|name| name == ORPHAN),
    };
    let foreground = match (options.orphan, options.policy) {
        _ if !collected => false,
        (Some(_), _) => false,
        (None, Some(policy)) => policy == Policy::Foreground,
        (None, None) => held.is_some_and(|name| name == FOREGROUND),
    };
    let mut wanted: Vec<String> =
        old.into_iter().filter(|name| ![ORPHAN, FOREGROUND].contains(&name.as_str())).collect();
    wanted.extend(orphan.then(|| ORPHAN.to_owned()));
    wanted.extend(foreground.then(|| FOREGROUND.to_owned()));
    wanted
}

/// Whether two lists name the same finalizers, in whatever order.
fn same_set(one: &[String], other: &[String]) -> bool {
    one.iter().all(|name| other.contains(name)) && other.iter().all(|name| one.contains(name))
}

/// How a graceful deletion goes on.
enum Grace {
    /// The kind knows none, or it has run out.
    None,
    /// It is under way already, and nothing makes it shorter.
    Pending,
    /// So many seconds from when it began.
    Seconds(i64),
}

impl Place<'_> {
    /// Deletes the object `name`.
    ///
    /// # Errors
    /// As the original refuses.
    pub fn delete(&self, name: &str, options: &DeleteOptions) -> Result<Deleted, Failure> {
        loop {
            let before = self.get(name)?;
            self.ask(Operation::Delete, None, Some(&before.value))?;
            let tried = if &*self.resource.full_name == "namespaces" {
                self.delete_namespace(name, options, &before)?
            } else if &*self.resource.full_name == definition::RESOURCE
                && before.value.pointer("/metadata/deletionTimestamp").is_none()
            {
                self.delete_definition(name, options, &before)?
            } else {
                self.delete_object(name, options, &before)?
            };
            match tried {
                Ok(deleted) => return Ok(deleted),
                Err(Refusal::Gone) => return Err(Failure::not_found(self.resource, name)),
                Err(_) => {}
            }
        }
    }

    /// A definition is marked; its objects go first.
    fn delete_definition(
        &self,
        name: &str,
        options: &DeleteOptions,
        before: &Arc<Stored>,
    ) -> Result<Result<Deleted, Refusal>, Failure> {
        self.check_marking(name, options, before)?;
        let mut object = before.value.clone();
        let now = self.state.clock.stamp();
        definition::begin_deletion(&mut object, &now);
        let mut held = finalizers(&object);
        if !held.iter().any(|name| name == definition::CLEANUP_FINALIZER) {
            held.push(definition::CLEANUP_FINALIZER.to_owned());
        }
        set_finalizers(&mut object, &held);
        if let Some(Value::Object(meta)) = object.get_mut("metadata") {
            meta.insert("deletionTimestamp".to_owned(), Value::from(now));
        }
        let marked = self.store_marked(name, before, object);
        if marked.is_ok() && !self.dry_run {
            self.after_write();
        }
        Ok(marked.map(|shown| Deleted::Object { shown, gone: false }))
    }

    /// Checks what must be true of an object that is only marked.
    fn check_marking(&self, name: &str, options: &DeleteOptions, before: &Stored) -> Result<(), Failure> {
        let failed = |what: &str, wanted: &str, known: &str| {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {known}");
            Err(Failure::conflict_because(self.resource, name, &why))
        };
        let (uid, revision) = (text(&before.value, "/metadata/uid"), before.revision.to_string());
        if let Some(wanted) = options.uid.as_deref().filter(|wanted| *wanted != uid) {
            return failed("UID", wanted, uid);
        }
        if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != revision) {
            return failed("ResourceVersion", wanted, &revision);
        }
        Ok(())
    }

    /// A namespace first goes into termination, and is gone once nothing holds it.
    fn delete_namespace(
        &self,
        name: &str,
        options: &DeleteOptions,
        before: &Arc<Stored>,
    ) -> Result<Result<Deleted, Refusal>, Failure> {
        self.check_marking(name, options, before)?;
        // The admission plugin `NamespaceLifecycle`.
        if ["default", "kube-system", "kube-public"].contains(&name) {
            return Err(Failure::refused(self.resource, name, "this namespace may not be deleted"));
        }
        if before.value.pointer("/metadata/deletionTimestamp").is_some() {
            let held = before.value.pointer("/spec/finalizers").and_then(Value::as_array);
            if held.is_some_and(|held| !held.is_empty()) {
                return Ok(Ok(Deleted::Object { shown: Arc::clone(before), gone: false }));
            }
            return self.delete_object(name, options, before);
        }
        let mut object = before.value.clone();
        let mut wanted = finalizers(&object);
        for (finalizer, asked) in [(ORPHAN, options.orphan), (FOREGROUND, options.orphan.map(|orphan| !orphan))] {
            let by_policy = options.policy.map(|policy| policy.finalizer() == Some(finalizer));
            match asked.or(by_policy) {
                Some(true) if !wanted.iter().any(|name| name == finalizer) => wanted.push(finalizer.to_owned()),
                Some(false) => wanted.retain(|name| name != finalizer),
                _ => {}
            }
        }
        set_finalizers(&mut object, &wanted);
        object["metadata"]["deletionTimestamp"] = Value::from(self.state.clock.stamp());
        if let Some(map) = object.as_object_mut() {
            let status = map.entry("status").or_insert_with(|| json!({}));
            status["phase"] = Value::from("Terminating");
        }
        Ok(self.store_marked(name, before, object).map(|shown| Deleted::Object { shown, gone: false }))
    }

    fn delete_object(
        &self,
        name: &str,
        options: &DeleteOptions,
        before: &Arc<Stored>,
    ) -> Result<Result<Deleted, Refusal>, Failure> {
        self.check_preconditions(name, options, before)?;
        Ok(self.try_delete(name, options, before))
    }

    fn check_preconditions(&self, name: &str, options: &DeleteOptions, before: &Stored) -> Result<(), Failure> {
        let known = text(&before.value, "/metadata/uid");
        if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != known) {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({known}). The object might have been deleted and then recreated"
            );
            return Err(Failure::delete_precondition(self.resource, name, &why));
        }
        let revision = before.revision.to_string();
        if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != revision) {
            let why = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({revision}). The object might have been modified"
            );
            return Err(Failure::delete_precondition(self.resource, name, &why));
        }
        Ok(())
    }

    fn try_delete(&self, name: &str, options: &DeleteOptions, before: &Arc<Stored>) -> Result<Deleted, Refusal> {
        let grace = self.grace_of(&before.value, options);
        if matches!(grace, Grace::Pending) {
            return Ok(Deleted::Object { shown: Arc::clone(before), gone: false });
        }
        let mut object = before.value.clone();
        let wanted = wanted_finalizers(self.resource, &object, options);
        if !same_set(&wanted, &finalizers(&object)) {
            set_finalizers(&mut object, &wanted);
        }
        match grace {
            Grace::Seconds(seconds) => {
                self.begin_grace(&mut object, seconds);
                let marked = self.store_marked(name, before, object)?;
                if seconds > 0 || !wanted.is_empty() {
                    return Ok(Deleted::Object { shown: marked, gone: false });
                }
                self.remove(name, &marked)
            }
            _ if wanted.is_empty() => self.remove(name, before),
            _ => {
                self.mark_as_deleting(&mut object);
                let shown =
                    if object == before.value { Arc::clone(before) } else { self.store_marked(name, before, object)? };
                Ok(Deleted::Object { shown, gone: false })
            }
        }
    }

    fn remove(&self, name: &str, last: &Arc<Stored>) -> Result<Deleted, Refusal> {
        if !self.dry_run {
            self.state.store.remove(self.table(), &self.key(name), last)?;
            self.after_removal(&last.value);
        }
        let last = Arc::clone(last);
        Ok(if shows_deleted(self.resource) { Deleted::Object { shown: last, gone: true } } else { Deleted::Gone(last) })
    }

    fn store_marked(&self, name: &str, before: &Arc<Stored>, object: Value) -> Result<Arc<Stored>, Refusal> {
        let object = crate::shape::in_order(self.resource, object);
        if self.dry_run {
            return Ok(Stored::detached(object));
        }
        self.state.store.replace(self.table(), &self.key(name), before, object)
    }

    /// Sets when an object goes that something still holds: now.
    fn mark_as_deleting(&self, object: &mut Value) {
        let now = self.state.clock.stamp();
        let known = text(object, "/metadata/deletionTimestamp").to_owned();
        if known.is_empty() {
            raise_generation(object);
        }
        // Stamps of one form are ordered as texts.
        if (known.is_empty() || known > now)
            && let Some(Value::Object(meta)) = object.get_mut("metadata")
        {
            meta.insert("deletionTimestamp".to_owned(), Value::from(now));
        }
        if let Some(Value::Object(meta)) = object.get_mut("metadata") {
            meta.insert("deletionGracePeriodSeconds".to_owned(), Value::from(0));
        }
    }

    fn begin_grace(&self, object: &mut Value, seconds: i64) {
        let begun = object.pointer("/metadata/deletionTimestamp").is_some();
        if !begun {
            raise_generation(object);
        }
        let known = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        let stamp = if begun {
            self.state.clock.stamp_moved(text(object, "/metadata/deletionTimestamp"), seconds - known)
        } else {
            self.state.clock.stamp_after(seconds)
        };
        if let Some(Value::Object(meta)) = object.get_mut("metadata") {
            meta.insert("deletionTimestamp".to_owned(), Value::from(stamp));
            meta.insert("deletionGracePeriodSeconds".to_owned(), Value::from(seconds));
        }
    }

    /// The grace of a pod; no other kind has any.
    fn grace_of(&self, object: &Value, options: &DeleteOptions) -> Grace {
        if &**self.table() != "pods" {
            return Grace::None;
        }
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            let known = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
            return match options.grace_period_seconds {
                _ if known == 0 => Grace::None,
                Some(seconds) if seconds < known => Grace::Seconds(seconds),
                _ => Grace::Pending,
            };
        }
        let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        let ended = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
        let at_once = text(object, "/spec/nodeName").is_empty() || ended;
        Grace::Seconds(if at_once { 0 } else { options.grace_period_seconds.unwrap_or(own) })
    }
}

fn raise_generation(object: &mut Value) {
    if let Some(generation) = object.pointer("/metadata/generation").and_then(Value::as_i64).filter(|n| *n > 0) {
        object["metadata"]["generation"] = Value::from(generation + 1);
    }
}

//! Deleting objects: finalizers, grace, namespaces.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admission::Operation;
use crate::objects::Place;
use crate::status::Failure;
use crate::store::{Key, Refusal, Stored};

/// How an object is to be deleted (`DeleteOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Only this very object.
    pub uid: Option<String>,
    /// Only in this revision.
    pub resource_version: Option<String>,
    /// Seconds until it goes.
    pub grace_period_seconds: Option<i64>,
    /// A finalizer that its dependents' collector removes.
    pub finalizer: Option<&'static str>,
}

impl DeleteOptions {
    /// Reads a `DeleteOptions` object and the query parameters of the same names.
    #[must_use]
    pub fn read(body: &Value, query: &crate::request::Query) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let policy = text("/propagationPolicy").or_else(|| query.get("propagationPolicy").map(str::to_owned));
        let grace = body.get("gracePeriodSeconds").and_then(Value::as_i64);
        let orphan = body.get("orphanDependents") == Some(&Value::Bool(true)) || query.flag("orphanDependents");
        Self {
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            grace_period_seconds: grace.or_else(|| query.get("gracePeriodSeconds").and_then(|text| text.parse().ok())),
            finalizer: match policy.as_deref() {
                Some("Orphan") => Some("orphan"),
                Some("Foreground") => Some("foregroundDeletion"),
                _ if orphan => Some("orphan"),
                _ => None,
            },
        }
    }
}

/// What came of a deletion.
pub enum Deleted {
    /// It is still there for a while, or its last state is shown.
    Object(Arc<Stored>),
    /// It is gone.
    Gone(Arc<Stored>),
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn held(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_array).is_some_and(|items| !items.is_empty())
}

impl Place<'_> {
    /// Deletes the object `name`.
    ///
    /// # Errors
    /// As the original refuses.
    pub fn delete(&self, name: &str, options: &DeleteOptions) -> Result<Deleted, Failure> {
        if &*self.resource.full_name == "namespaces" && ["default", "kube-system", "kube-public"].contains(&name) {
            return Err(Failure::refused(self.resource, name, "this namespace may not be deleted"));
        }
        loop {
            let before = self.get(name)?;
            self.check_preconditions(name, options, &before)?;
            self.ask(Operation::Delete, None, Some(&before.value))?;
            match self.try_delete(name, options, &before) {
                Ok(deleted) => return Ok(deleted),
                Err(Refusal::Gone) => return Err(Failure::not_found(self.resource, name)),
                Err(_) => {}
            }
        }
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
        let table = &self.resource.full_name;
        let mut object = before.value.clone();
        if let Some(finalizer) = options.finalizer
            && let Some(Value::Object(meta)) = object.get_mut("metadata")
            && let Value::Array(finalizers) = meta.entry("finalizers").or_insert_with(|| json!([]))
            && !finalizers.iter().any(|found| found == finalizer)
        {
            finalizers.push(Value::from(finalizer));
        }
        let grace = match &**table {
            "pods" => grace_of(&object, options),
            _ => 0,
        };
        let namespace_held = &**table == "namespaces" && held(&object, "/spec/finalizers");
        if namespace_held || grace > 0 || held(&object, "/metadata/finalizers") {
            return self.mark(name, before, object, grace);
        }
        let last = (&**table == "pods").then(|| marked(object, &self.state.clock.stamp(), Some(0)));
        if self.dry_run {
            return Ok(Deleted::Gone(Arc::clone(before)));
        }
        let key = Key::new(self.namespace, name);
        let shown = self.state.store.remove(table, &key, before, last)?;
        self.after_removal(&before.value);
        // These kinds answer with what they were (`ReturnDeletedObject` of their strategies in Kubernetes 1.20).
        let answers = matches!(
            &**table,
            "pods"
                | "serviceaccounts"
                | "persistentvolumes"
                | "persistentvolumeclaims"
                | "storageclasses.storage.k8s.io"
        );
        Ok(if answers { Deleted::Object(shown) } else { Deleted::Gone(Arc::clone(before)) })
    }

    /// Marks an object that something still holds.
    fn mark(&self, name: &str, before: &Arc<Stored>, object: Value, grace: i64) -> Result<Deleted, Refusal> {
        let is_namespace = &*self.resource.full_name == "namespaces";
        let marked_before = object.pointer("/metadata/deletionTimestamp").is_some();
        let known_grace = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
        let sooner = known_grace.is_some_and(|known| grace < known);
        if marked_before && !sooner && object == before.value {
            return Ok(Deleted::Object(Arc::clone(before)));
        }
        let mut object = if marked_before && !sooner {
            object
        } else {
            let seconds = (!is_namespace).then_some(grace);
            marked(object, &self.state.clock.stamp_after(grace), seconds)
        };
        if is_namespace && let Some(map) = object.as_object_mut() {
            let status = map.entry("status").or_insert_with(|| json!({}));
            status["phase"] = Value::from("Terminating");
        }
        if !marked_before && let Some(generation) = object.pointer("/metadata/generation").and_then(Value::as_i64) {
            object["metadata"]["generation"] = Value::from(generation + 1);
        }
        if self.dry_run {
            return Ok(Deleted::Object(Stored::detached(object)));
        }
        let key = Key::new(self.namespace, name);
        self.state.store.replace(&self.resource.full_name, &key, before, object).map(Deleted::Object)
    }
}

fn marked(mut object: Value, stamp: &str, grace: Option<i64>) -> Value {
    if let Some(Value::Object(meta)) = object.get_mut("metadata") {
        meta.insert("deletionTimestamp".to_owned(), Value::from(stamp));
        if let Some(grace) = grace {
            meta.insert("deletionGracePeriodSeconds".to_owned(), Value::from(grace));
        }
    }
    object
}

/// The seconds that a pod gets: none where no kubelet runs it.
fn grace_of(pod: &Value, options: &DeleteOptions) -> i64 {
    let scheduled = !text(pod, "/spec/nodeName").is_empty();
    let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    if !scheduled || ended {
        return 0;
    }
    let own = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30);
    options.grace_period_seconds.unwrap_or(own).max(0)
}

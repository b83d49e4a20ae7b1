//! What the original's controllers do with definitions: names are accepted, the resource is established, its approval
//! is judged, and on deletion its objects go first. Here it happens before the next request is answered; each step is
//! a change of its own, as watchers of the original see it.

use std::sync::Arc;

use serde_json::Value;

use super::memo::Known;
use super::model::{CLEANUP_FINALIZER, Definition};
use super::naming::{self, Taken};
use super::{approval, resources};
use crate::deletion::DeleteOptions;
use crate::managed::{Sent, Tracker};
use crate::objects::Place;
use crate::shape::{in_order, metadata, put_or_remove};
use crate::state::State;
use crate::store::{Key, Stored};

/// Takes every step that is due, until none is; what is served then is what the definitions say.
pub fn settle(state: &State) {
    loop {
        let mut all = state.definitions.all(&state.store);
        // In the order of their last changes.
        all.sort_by_key(|known| known.stored.revision);
        if !all.iter().any(|known| step(state, known, &all)) {
            break;
        }
    }
    state.reload_definitions();
}

/// Takes one step with a definition, if one is due.
fn step(state: &State, known: &Known, all: &[Arc<Known>]) -> bool {
    let Known { key, stored, definition, .. } = known;
    if is_settled(definition, &stored.value) {
        return false;
    }
    let now = state.clock.stamp();
    let mut next = definition.clone();
    let in_group = all.iter().map(|other| &other.definition).filter(|other| other.spec.group == definition.spec.group);
    let changed = naming::accept(&mut next, &Taken::of(in_group), &now)
        || establish(&mut next, &now)
        || judge_approval(&mut next, &stored.value, &now);
    if changed {
        return write(state, key, stored, &next);
    }
    is_cleaned_up(&stored.value) && clean_up(state, key, stored, next, &now)
}

/// Whether nothing can be due, told without a copy: most definitions are so at most changes of another.
fn is_settled(definition: &Definition, object: &Value) -> bool {
    definition.spec.names == definition.status.accepted_names
        && definition.is_true("Established")
        && !approval::is_protected(&definition.spec.group)
        && object.pointer("/metadata/deletionTimestamp").is_none()
}

fn establish(definition: &mut Definition, now: &str) -> bool {
    if !definition.is_true("NamesAccepted") || definition.is_true("Established") {
        return false;
    }
    let message = "the initial names have been accepted";
    definition.set_condition("Established", "True", "InitialNamesAccepted", message, now);
    true
}

fn judge_approval(definition: &mut Definition, object: &Value, now: &str) -> bool {
    if !approval::is_protected(&definition.spec.group) {
        return false;
    }
    let (found, text) = approval::approval(object);
    let (status, reason) = match found {
        approval::Approval::Approved => ("True", "ApprovedAnnotation"),
        approval::Approval::Bypassed => ("False", "UnapprovedAnnotation"),
        approval::Approval::Missing => ("False", "MissingAnnotation"),
        approval::Approval::Invalid => ("False", "InvalidAnnotation"),
    };
    let before = definition.status.conditions.clone();
    definition.set_condition("KubernetesAPIApprovalPolicyConformant", status, reason, &text, now);
    definition.status.conditions != before
}

/// `before` with what `definition` says, whose fields are then the server's own.
fn written(state: &State, before: &Stored, definition: &Definition) -> Value {
    let mut object = before.value.clone();
    definition.write(&mut object);
    let registry = state.registry();
    let Some(resource) = registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions") else {
        return object;
    };
    let now = state.clock.stamp();
    let tracker = Tracker { resource, manager: "kube-apiserver", now: &now };
    let former = metadata(&mut object).shift_remove("managedFields");
    let owners = tracker.updated(Some(&before.value), &object, Sent::Nothing).or(former);
    put_or_remove(metadata(&mut object), "managedFields", owners.as_ref());
    in_order(resource, object)
}

fn write(state: &State, key: &Key, before: &Arc<Stored>, definition: &Definition) -> bool {
    let object = written(state, before, definition);
    // Someone who was quicker settles what is left.
    state.store.replace(&super::table(), key, before, object).is_ok()
}

fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the definition waits for its objects to go.
fn is_cleaned_up(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some() && finalizers(object).any(|name| name == CLEANUP_FINALIZER)
}

/// Deletes the objects of a definition, and lets it go when there are none left.
fn clean_up(state: &State, key: &Key, stored: &Arc<Stored>, mut next: Definition, now: &str) -> bool {
    let told = |definition: &Definition, reason: &str| {
        definition.status.conditions.iter().any(|found| found.kind == "Terminating" && found.reason == reason)
    };
    if !told(&next, "InstanceDeletionInProgress") {
        let message = "CustomResource deletion is in progress";
        next.set_condition("Terminating", "True", "InstanceDeletionInProgress", message, now);
        return write(state, key, stored, &next);
    }
    if next.is_true("Established") {
        if !delete_objects(state, &next) {
            return false;
        }
        let message = "removed all instances";
        next.set_condition("Terminating", "False", "InstanceDeletionCompleted", message, now);
    } else {
        let message = "resource was never established";
        next.set_condition("Terminating", "False", "NeverEstablished", message, now);
    }
    let mut object = written(state, stored, &next);
    let left: Vec<Value> = finalizers(&object).filter(|name| *name != CLEANUP_FINALIZER).map(Value::from).collect();
    let gone = left.is_empty();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        if gone {
            metadata.shift_remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), Value::from(left));
        }
    }
    let table = super::table();
    if gone {
        // The last that watchers see is what was stored before.
        let removed = state.store.remove(&table, key, stored).is_ok();
        for resource in resources::of(&next, &state.reach()) {
            state.store.close(&resource.full_name);
        }
        removed
    } else {
        state.store.replace(&table, key, stored, object).is_ok()
    }
}

/// Deletes the objects of a definition; tells whether all are gone.
fn delete_objects(state: &State, definition: &Definition) -> bool {
    let all = resources::of(definition, &state.reach());
    let Some(resource) = all.first() else { return true };
    for (key, _) in state.store.list(&resource.full_name, None).objects {
        let place = Place {
            state,
            resource,
            requested: resource,
            namespace: &key.namespace,
            dry_run: false,
            manager: "",
            consent: None,
        };
        // Gone already is as good; what is held stays, and lets the definition go when it goes.
        let _ = place.delete(&key.name, &DeleteOptions::default());
    }
    state.store.list(&resource.full_name, None).objects.is_empty()
}

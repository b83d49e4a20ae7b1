//! Kinds in several versions: objects are kept in one of them, and brought into the others for who asks for those.

mod autoscaling;
mod definitions;
mod events;
mod ingress;

use std::borrow::Cow;

use serde_json::Value;

use crate::registry::Resource;
use crate::{defaults, normal};

/// Brings an object that a client sent as `resource` into the form in which it is kept.
///
/// # Errors
/// What the original's decoder says.
pub fn to_stored(resource: &Resource, mut object: Value) -> Result<Value, String> {
    let Some(hub) = resource.hub.as_deref() else { return Ok(object) };
    if let Some(type_name) = resource.type_name {
        normal::normalize(type_name, &mut object)?;
    }
    defaults::fill_version(resource, &mut object);
    match &*resource.full_name {
        "events.events.k8s.io" => events::to_core(&mut object),
        "ingresses.extensions" | "ingresses.networking.k8s.io" => ingress::to_stable(&mut object),
        "customresourcedefinitions.apiextensions.k8s.io" => definitions::to_stable(&mut object),
        "horizontalpodautoscalers.autoscaling" => autoscaling::to_first(&mut object),
        _ => {}
    }
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), Value::from(hub.api_version()));
    }
    Ok(object)
}

/// An object as `resource` shows it.
#[must_use]
pub fn shown<'a>(resource: &Resource, stored: &'a Value) -> Cow<'a, Value> {
    if resource.hub.is_none() {
        return Cow::Borrowed(stored);
    }
    let mut object = stored.clone();
    match &*resource.full_name {
        "events.events.k8s.io" => events::from_core(&mut object),
        "ingresses.extensions" | "ingresses.networking.k8s.io" => ingress::from_stable(&mut object),
        "customresourcedefinitions.apiextensions.k8s.io" => definitions::from_stable(&mut object),
        "horizontalpodautoscalers.autoscaling" => {
            autoscaling::from_first(&mut object, resource.version == "v2beta1");
        }
        _ => {}
    }
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), Value::from(resource.api_version()));
    }
    if let Some(type_name) = resource.type_name {
        // What is stored has the right types.
        let _ = normal::normalize(type_name, &mut object);
    }
    Cow::Owned(object)
}

/// Moves what is below the keys on the left to those on the right.
fn rename(object: &mut Value, names: &[(&str, &str)]) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in names {
        if let Some(value) = map.swap_remove(*from) {
            map.insert((*to).to_owned(), value);
        }
    }
}

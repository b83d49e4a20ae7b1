//! Cells of storage.

use serde_json::Value;

use super::{flag, list, or, or_none, text};

/// Modes of access, in the order of the original and each once.
fn modes(object: &Value, pointer: &str) -> String {
    let has = |name: &str| list(object, pointer).iter().any(|mode| mode == name);
    let known = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX")];
    known.iter().filter(|(name, _)| has(name)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn phase(object: &Value) -> Value {
    let ending = object.pointer("/metadata/deletionTimestamp").is_some();
    if ending { "Terminating" } else { text(object, "/status/phase") }.into()
}

fn class_of(object: &Value) -> Value {
    let annotated = object
        .pointer("/metadata/annotations")
        .and_then(|map| map.get("volume.beta.kubernetes.io/storage-class"))
        .and_then(Value::as_str);
    annotated.unwrap_or_else(|| text(object, "/spec/storageClassName")).into()
}

fn volume_mode(object: &Value) -> Value {
    or(text(object, "/spec/volumeMode"), "<unset>").into()
}

pub(super) fn volume(object: &Value, age: Value) -> Vec<Value> {
    let claim = object
        .pointer("/spec/claimRef")
        .map(|claim| format!("{}/{}", text(claim, "/namespace"), text(claim, "/name")))
        .unwrap_or_default();
    vec![
        or(text(object, "/spec/capacity/storage"), "0").into(),
        modes(object, "/spec/accessModes").into(),
        text(object, "/spec/persistentVolumeReclaimPolicy").into(),
        phase(object),
        claim.into(),
        class_of(object),
        text(object, "/status/reason").into(),
        age,
        volume_mode(object),
    ]
}

pub(super) fn claim(object: &Value, age: Value) -> Vec<Value> {
    let volume = text(object, "/spec/volumeName");
    let (capacity, access) = if volume.is_empty() {
        (String::new(), String::new())
    } else {
        (or(text(object, "/status/capacity/storage"), "0"), modes(object, "/status/accessModes"))
    };
    vec![phase(object), volume.into(), capacity.into(), access.into(), class_of(object), age, volume_mode(object)]
}

pub(super) fn class(object: &Value, age: Value) -> Vec<Value> {
    let marks = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let annotations = object.pointer("/metadata/annotations");
    let is_default = marks.iter().any(|mark| annotations.and_then(|map| map.get(*mark)) == Some(&Value::from("true")));
    let suffix = if is_default { " (default)" } else { "" };
    vec![
        format!("{}{suffix}", text(object, "/metadata/name")).into(),
        text(object, "/provisioner").into(),
        text(object, "/reclaimPolicy").into(),
        text(object, "/volumeBindingMode").into(),
        flag(object, "/allowVolumeExpansion").into(),
        age,
    ]
}

pub(super) fn driver(object: &Value, age: Value) -> Vec<Value> {
    let modes: Vec<&str> = list(object, "/spec/volumeLifecycleModes").iter().filter_map(Value::as_str).collect();
    vec![
        flag(object, "/spec/attachRequired").into(),
        flag(object, "/spec/podInfoOnMount").into(),
        or_none(modes.join(",")).into(),
        age,
    ]
}

pub(super) fn attachment(object: &Value, age: Value) -> Vec<Value> {
    vec![
        text(object, "/spec/attacher").into(),
        text(object, "/spec/source/persistentVolumeName").into(),
        text(object, "/spec/nodeName").into(),
        flag(object, "/status/attached").into(),
        age,
    ]
}

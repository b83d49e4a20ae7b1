//! Defaults of storage.

use serde_json::{Map, Value, json};

use super::{as_map, child, inner, set};

/// Whether something can be the source of a claim's data; anything else is dropped.
fn is_source(source: &Value) -> bool {
    let part = |key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default();
    match part("kind") {
        "PersistentVolumeClaim" => part("apiGroup").is_empty(),
        "VolumeSnapshot" => part("apiGroup") == "snapshot.storage.k8s.io",
        _ => false,
    }
}

pub(super) fn claim(claim: &mut Map<String, Value>) {
    if let Some(spec) = inner(claim, "spec")
        && spec.get("dataSource").is_some_and(|source| !is_source(source))
    {
        spec.remove("dataSource");
    }
    set(as_map(claim.entry("spec").or_insert_with(|| json!({}))), "volumeMode", "Filesystem");
    set(as_map(claim.entry("status").or_insert_with(|| json!({}))), "phase", "Pending");
}

pub(super) fn volume(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "persistentVolumeReclaimPolicy", "Retain");
    set(spec, "volumeMode", "Filesystem");
    if let Some(source) = inner(spec, "hostPath") {
        source.entry("type").or_insert_with(|| Value::from(""));
    }
    source(spec);
    set(child(object, "status"), "phase", "Pending");
}

/// The kinds of sources that have defaults, in volumes of pods and of the cluster alike.
pub(super) fn source(volume: &mut Map<String, Value>) {
    if let Some(source) = inner(volume, "iscsi") {
        set(source, "iscsiInterface", "default");
    }
    if let Some(source) = inner(volume, "rbd") {
        set(source, "pool", "rbd");
        set(source, "user", "admin");
        set(source, "keyring", "/etc/ceph/keyring");
    }
    if let Some(source) = inner(volume, "azureDisk") {
        set(source, "cachingMode", "ReadWrite");
        set(source, "kind", "Shared");
        set(source, "fsType", "ext4");
        set(source, "readOnly", false);
    }
    if let Some(source) = inner(volume, "scaleIO") {
        set(source, "storageMode", "ThinProvisioned");
        set(source, "fsType", "xfs");
    }
}

pub(super) fn class(class: &mut Map<String, Value>) {
    set(class, "reclaimPolicy", "Delete");
    set(class, "volumeBindingMode", "Immediate");
}

pub(super) fn driver(spec: &mut Map<String, Value>) {
    set(spec, "attachRequired", true);
    set(spec, "podInfoOnMount", false);
    set(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec.get("volumeLifecycleModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("volumeLifecycleModes".to_owned(), json!(["Persistent"]));
    }
}

//! Volumes of the cluster, claims and classes (pkg/apis/core/validation, pkg/apis/storage/validation, Kubernetes
//! 1.20).

use serde_json::Value;

use super::at::{At, Causes};
use super::{go, meta, resources, scheduling, volumes, words};
use crate::status::{Cause, quoted};

const MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce"];
/// The sources of a volume of the cluster, in the order in which they are looked at.
const SOURCES: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

fn access_modes(at: &At<'_>, detail: &str, causes: &mut Causes) {
    if at.is_empty() {
        causes.push(at.required(detail));
    }
    for mode in at.items().filter(|mode| !MODES.contains(&mode.text())) {
        let known: Vec<String> = MODES.iter().map(|mode| quoted(mode)).collect();
        causes.push(Cause::unsupported(at.path(), quoted(mode.text()), &known));
    }
}

/// What is wrong with a `PersistentVolume`.
pub fn volume(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    access_modes(&spec.child("accessModes"), "", causes);
    let capacity = spec.child("capacity");
    if capacity.is_empty() {
        causes.push(capacity.required(""));
    }
    if !capacity.key("storage").is_set() || capacity.len() > 1 {
        causes.push(Cause::unsupported(capacity.path(), go_resources(&capacity), &[quoted("storage")]));
    }
    for (_, amount) in capacity.entries() {
        let quantity = resources::quantity(&amount);
        if quantity.nano() < 0 {
            causes.push(amount.invalid(quoted(amount.text()), "must be a valid resource quantity"));
        }
        if quantity.nano() <= 0 {
            causes.push(amount.invalid(quoted(amount.text()), "must be greater than zero"));
        }
    }
    let policy = spec.child("persistentVolumeReclaimPolicy");
    if !policy.text().is_empty() && !["Delete", "Recycle", "Retain"].contains(&policy.text()) {
        causes.push(policy.unsupported(&["Delete", "Recycle", "Retain"]));
    }
    let required = spec.down("nodeAffinity.required");
    if spec.child("nodeAffinity").is_set() {
        if required.is_set() {
            scheduling::node_selector(&required, causes);
        } else {
            causes.push(required.required("must specify required node constraints"));
        }
    }
    let mut found = false;
    for kind in SOURCES {
        let source = spec.child(kind);
        if !source.is_set() {
            continue;
        }
        if found {
            causes.push(source.forbidden("may not specify more than 1 volume type"));
            continue;
        }
        found = true;
        match *kind {
            "local" => local(&source, required.is_set(), causes),
            kind => volumes::one_source(kind, true, &source, causes),
        }
    }
    if !found {
        causes.push(spec.required("must specify a volume type"));
    }
    if spec.down("hostPath.path").text() == "/" && policy.text() == "Recycle" {
        causes.push(policy.forbidden("may not be 'recycle' for a hostPath mount of '/'"));
    }
    spec.child("storageClassName").check_given(words::subdomain, causes);
    volume_mode(&spec.child("volumeMode"), causes);
}

fn go_resources(at: &At<'_>) -> String {
    if at.map().is_none() {
        return "core.ResourceList(nil)".to_owned();
    }
    let entries =
        at.entries().map(|(name, amount)| format!("{}:{}", quoted(name), resources::quantity(&amount).go_syntax()));
    format!("core.ResourceList{{{}}}", entries.collect::<Vec<_>>().join(", "))
}

fn local(at: &At<'_>, placed: bool, causes: &mut Causes) {
    let path = at.child("path");
    if path.text().is_empty() {
        causes.push(path.required(""));
    } else if path.text().split('/').any(|part| part == "..") {
        causes.push(path.wrong("must not contain '..'"));
    }
    if !placed {
        let detail = "Local volume requires node affinity";
        let place = At::new(&Value::Null, at.path().replace(".local", ".nodeAffinity"));
        causes.push(place.required(detail));
    }
}

/// What is wrong with the name of a driver.
pub(super) fn driver_name(at: &At<'_>, causes: &mut Causes) {
    if at.text().is_empty() {
        causes.push(at.required(""));
    }
    if at.text().len() > 63 {
        causes.push(at.too_long(63));
    }
    let lower = at.text().to_lowercase();
    causes.extend(words::subdomain(&lower).iter().map(|fault| at.wrong(fault)));
}

fn volume_mode(at: &At<'_>, causes: &mut Causes) {
    if at.is_set() && !["Block", "Filesystem"].contains(&at.text()) {
        causes.push(at.unsupported(&["Block", "Filesystem"]));
    }
}

/// What is wrong with a claim.
pub fn claim(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    access_modes_of_claim(&spec, causes);
    let wanted = spec.down("resources.requests").key("storage");
    let place = spec.child("resources").key("storage");
    if wanted.is_set() {
        let quantity = resources::quantity(&wanted);
        if quantity.nano() <= 0 {
            causes.push(place.invalid(quoted(wanted.text()), "must be greater than zero"));
        }
    } else {
        causes.push(place.required(""));
    }
    spec.child("storageClassName").check_given(words::subdomain, causes);
    volume_mode(&spec.child("volumeMode"), causes);
    let source = spec.child("dataSource");
    if source.is_set() {
        for field in ["name", "kind"] {
            if source.child(field).text().is_empty() {
                causes.push(source.child(field).required(""));
            }
        }
        if source.child("apiGroup").text().is_empty() && source.child("kind").text() != "PersistentVolumeClaim" {
            causes.push(source.invalid(quoted(source.child("kind").text()), ""));
        }
    }
}

fn access_modes_of_claim(spec: &At<'_>, causes: &mut Causes) {
    let modes = spec.child("accessModes");
    if modes.is_empty() {
        causes.push(modes.required("at least 1 access mode is required"));
    }
    meta::selector(&spec.child("selector"), causes);
    if !modes.is_empty() {
        access_modes(&modes, "", causes);
    }
}

/// What of a claim may not change has changed. The original appends how the two differ, in a form that is random by
/// design.
pub fn claim_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let (new, old) = (at.child("spec"), before.child("spec"));
    let bound = at.down("status.phase").text() == "Bound";
    let fixed = |spec: &At<'_>| {
        let mut spec = spec.value().clone();
        if let Some(map) = spec.as_object_mut() {
            if old.child("volumeName").text().is_empty() {
                map.remove("volumeName");
            }
            if bound && let Some(Value::Object(requests)) = map.get_mut("resources").and_then(|r| r.get_mut("requests"))
            {
                requests.remove("storage");
            }
        }
        spec
    };
    if fixed(&new) != fixed(&old) {
        let detail = "spec is immutable after creation except resources.requests for bound claims\n";
        causes.push(new.forbidden(detail));
    }
    let size = |spec: &At<'_>| resources::quantity(&spec.down("resources.requests").key("storage"));
    if size(&new) < size(&old) {
        let place = new.down("resources.requests.storage");
        causes.push(place.forbidden("field can not be less than previous value"));
    }
    let mode = At::new(new.child("volumeMode").value(), "volumeMode");
    mode.immutable(old.child("volumeMode").value(), go::pointer(mode.value()), causes);
}

/// What of a volume may not change has changed.
pub fn volume_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let (new, old) = (at.child("spec"), before.child("spec"));
    if SOURCES.iter().any(|kind| new.child(kind).value() != old.child(kind).value()) {
        let place = At::new(&Value::Null, "spec.persistentvolumesource");
        causes.push(place.forbidden("spec.persistentvolumesource is immutable after creation\n"));
    }
    let mode = At::new(new.child("volumeMode").value(), "volumeMode");
    mode.immutable(old.child("volumeMode").value(), go::pointer(mode.value()), causes);
    if old.child("nodeAffinity").is_set() {
        let affinity = At::new(new.child("nodeAffinity").value(), "nodeAffinity");
        affinity.immutable(old.child("nodeAffinity").value(), "core.VolumeNodeAffinity{}", causes);
    }
}

/// What is wrong with a class of storage.
pub fn class(at: &At<'_>, causes: &mut Causes) {
    let provisioner = at.child("provisioner");
    if provisioner.text().is_empty() {
        causes.push(provisioner.required(""));
    } else {
        let lower = provisioner.text().to_lowercase();
        causes.extend(words::qualified_name(&lower).iter().map(|fault| provisioner.wrong(fault)));
    }
    let parameters = at.child("parameters");
    for (key, _) in parameters.entries().filter(|(key, _)| key.is_empty()) {
        causes.push(parameters.invalid(quoted(key), "field can not be empty."));
    }
    let policy = at.child("reclaimPolicy");
    if !policy.text().is_empty() && !["Delete", "Retain"].contains(&policy.text()) {
        causes.push(policy.unsupported(&["Delete", "Retain"]));
    }
    let mode = at.child("volumeBindingMode");
    if !["Immediate", "WaitForFirstConsumer"].contains(&mode.text()) {
        causes.push(mode.unsupported(&["Immediate", "WaitForFirstConsumer"]));
    }
    for term in at.child("allowedTopologies").items() {
        let mut keys: Vec<&str> = Vec::new();
        for expression in term.child("matchLabelExpressions").items() {
            let values = expression.child("values");
            if values.is_empty() {
                causes.push(values.required(""));
            }
            let mut seen: Vec<&str> = Vec::new();
            for value in values.items() {
                if seen.contains(&value.text()) {
                    causes.push(value.duplicate(quoted(value.text())));
                }
                seen.push(value.text());
            }
            let key = expression.child("key");
            key.check(words::qualified_name, causes);
            if keys.contains(&key.text()) {
                causes.push(key.duplicate(quoted(key.text())));
            }
            keys.push(key.text());
        }
    }
}

/// What of a class may not change has changed.
pub fn class_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        if at.child(field).value() != before.child(field).value() {
            causes.push(at.child(field).forbidden(&format!("updates to {field} are forbidden.")));
        }
    }
    let mode = at.child("volumeBindingMode");
    mode.immutable(before.child("volumeBindingMode").value(), go::pointer(mode.value()), causes);
}

/// What is wrong with a driver.
pub fn driver(at: &At<'_>, causes: &mut Causes) {
    let policy = at.down("spec.fsGroupPolicy");
    if policy.is_set() && !["File", "None", "ReadWriteOnceWithFSType"].contains(&policy.text()) {
        causes.push(policy.unsupported(&["File", "None", "ReadWriteOnceWithFSType"]));
    }
    let modes = at.down("spec.volumeLifecycleModes");
    for mode in modes.items().filter(|mode| !["Persistent", "Ephemeral"].contains(&mode.text())) {
        let known = ["Persistent", "Ephemeral"].map(quoted);
        causes.push(Cause::unsupported(modes.path(), quoted(mode.text()), &known));
    }
}

/// What is wrong with the drivers of a node.
pub fn node_drivers(at: &At<'_>, causes: &mut Causes) {
    let mut names: Vec<&str> = Vec::new();
    for driver in at.down("spec.drivers").items() {
        driver_name(&driver.child("name"), causes);
        let node = driver.child("nodeID");
        if node.text().is_empty() {
            causes.push(node.required(""));
        }
        if node.text().len() > 128 {
            causes.push(node.wrong("must be 128 characters or less"));
        }
        driver.down("allocatable.count").nonnegative(causes);
        if names.contains(&driver.child("name").text()) {
            causes.push(driver.child("name").duplicate(quoted(driver.child("name").text())));
        }
        names.push(driver.child("name").text());
    }
}

/// What is wrong with an attachment of a volume.
pub fn attachment(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    if spec.child("attacher").text().is_empty() {
        causes.push(spec.child("attacher").required(""));
    }
    let source = spec.child("source");
    let (name, inline) = (source.child("persistentVolumeName"), source.child("inlineVolumeSpec"));
    let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (name.is_set(), inline.is_set()) {
        (false, false) => causes.push(source.required(detail)),
        (true, true) => causes.push(source.forbidden(detail)),
        (true, false) if name.text().is_empty() => {
            causes.push(name.required("must specify non empty persistentVolumeName"));
        }
        _ => {}
    }
    spec.child("nodeName").check(words::subdomain, causes);
}

/// What is wrong with a new attachment alone.
pub fn new_attachment(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    driver_name(&spec.child("attacher"), causes);
    let name = spec.down("source.persistentVolumeName");
    if name.is_set() {
        name.check(words::subdomain, causes);
    }
}

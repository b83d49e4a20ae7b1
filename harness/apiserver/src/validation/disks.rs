//! Volumes that lie in systems of their own: the same rules for pods and for the cluster
//! (pkg/apis/core/validation/validation.go, Kubernetes 1.20).

use std::sync::LazyLock;

use regex::Regex;

use super::at::{At, Causes};
use super::volumes::required;
use super::{go, storage, words};
use crate::status::{Cause, quoted};

static INITIATORS: LazyLock<[(&str, Option<Regex>); 3]> = LazyLock::new(|| {
    [
        ("iqn", r"iqn\.\d{4}-\d{2}\.([[:alnum:]\-.]+)(:[^,;*&$|\s]+)$"),
        ("eui", r"^eui.[[:alnum:]]{16}$"),
        ("naa", r"^naa.[[:alnum:]]{32}$"),
    ]
    .map(|(prefix, pattern)| (prefix, Regex::new(pattern).ok()))
});

/// What is wrong with a source of the named kind; nothing, if it is none of these.
pub fn source(kind: &str, of_cluster: bool, at: &At<'_>, causes: &mut Causes) {
    match kind {
        "iscsi" => iscsi(of_cluster, at, causes),
        "fc" => fibre_channel(at, causes),
        "gcePersistentDisk" => {
            // By the name that Go's field has.
            let at = At::new(at.value(), at.path().replace("gcePersistentDisk", "persistentDisk"));
            required(&at, &["pdName"], causes);
            partition(&at, causes);
        }
        "awsElasticBlockStore" => {
            required(at, &["volumeID"], causes);
            partition(at, causes);
        }
        "quobyte" => quobyte(at, causes),
        "glusterfs" => glusterfs(of_cluster, at, causes),
        "flocker" => flocker(at, causes),
        "rbd" => {
            monitors(at, causes);
            required(at, &["image"], causes);
        }
        "cinder" => {
            required(at, &["volumeID"], causes);
            secret(at, if of_cluster { &["name", "namespace"] } else { &["name"] }, causes);
        }
        "cephfs" => monitors(at, causes),
        "flexVolume" => flex(at, causes),
        "azureFile" => {
            required(at, &["secretName", "shareName"], causes);
            let namespace = at.child("secretNamespace");
            if of_cluster && namespace.is_set() && namespace.text().is_empty() {
                causes.push(namespace.required(""));
            }
        }
        "azureDisk" => azure_disk(at, causes),
        "vsphereVolume" => required(at, &["volumePath"], causes),
        "photonPersistentDisk" => required(at, &["pdID"], causes),
        "portworxVolume" => required(at, &["volumeID"], causes),
        "scaleIO" => required(at, &["gateway", "system", "volumeName"], causes),
        "storageos" => {
            at.child("volumeName").check_required(words::label, causes);
            at.child("volumeNamespace").check_given(words::label, causes);
            secret(at, if of_cluster { &["name", "namespace"] } else { &["name"] }, causes);
        }
        "csi" if of_cluster => csi_of_cluster(at, causes),
        "csi" => {
            storage::driver_name(&at.child("driver"), causes);
            let secret = at.child("nodePublishSecretRef");
            if secret.is_set() && secret.child("name").text().is_empty() {
                // The original's path has this blank.
                let place = At::new(secret.value(), format!("{}.nodePublishSecretRef .name", at.path()));
                causes.push(place.required(""));
            } else if secret.is_set() {
                At::new(secret.child("name").value(), format!("{}.name", at.path())).check(words::subdomain, causes);
            }
        }
        _ => {}
    }
}

fn secret(at: &At<'_>, fields: &[&str], causes: &mut Causes) {
    let reference = at.child("secretRef");
    if reference.is_set() {
        required(&reference, fields, causes);
    }
}

fn csi_of_cluster(at: &At<'_>, causes: &mut Causes) {
    storage::driver_name(&at.child("driver"), causes);
    required(at, &["volumeHandle"], causes);
    for (field, shown) in [
        ("controllerPublishSecretRef", "controllerPublishSecretRef"),
        ("controllerExpandSecretRef", "controllerExpandSecretRef"),
        // The original's path has this blank.
        ("nodePublishSecretRef", "nodePublishSecretRef "),
    ] {
        let secret = at.child(field);
        if !secret.is_set() {
            continue;
        }
        for part in ["name", "namespace"] {
            let found = secret.child(part);
            if found.text().is_empty() {
                causes.push(At::new(found.value(), format!("{}.{shown}.{part}", at.path())).required(""));
            } else {
                At::new(found.value(), format!("{}.{part}", at.path())).check(words::label, causes);
            }
        }
    }
}

fn monitors(at: &At<'_>, causes: &mut Causes) {
    if at.child("monitors").is_empty() {
        causes.push(at.child("monitors").required(""));
    }
}

fn partition(at: &At<'_>, causes: &mut Causes) {
    let partition = at.child("partition");
    if partition.int().is_some_and(|number| !(0..=255).contains(&number)) {
        causes.push(partition.wrong("must be between 1 and 255, inclusive"));
    }
}

fn unit(at: &At<'_>, causes: &mut Causes) {
    if at.int().is_some_and(|number| !(0..=255).contains(&number)) {
        causes.push(at.wrong("must be between 0 and 255, inclusive"));
    }
}

fn initiator(at: &At<'_>, of_cluster: bool, causes: &mut Causes) {
    let name = at.text();
    match INITIATORS.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        None if of_cluster => causes.push(at.wrong("must be valid format")),
        None => causes.push(at.wrong("must be valid format starting with iqn, eui, or naa")),
        Some((_, Some(pattern))) if !pattern.is_match(name) => causes.push(at.wrong("must be valid format")),
        Some(_) => {}
    }
}

fn iscsi(of_cluster: bool, at: &At<'_>, causes: &mut Causes) {
    required(at, &["targetPortal", "iqn"], causes);
    if !at.child("iqn").text().is_empty() {
        initiator(&at.child("iqn"), of_cluster, causes);
    }
    unit(&at.child("lun"), causes);
    let authenticates = at.child("chapAuthDiscovery").is_true() || at.child("chapAuthSession").is_true();
    if authenticates && !at.child("secretRef").is_set() {
        causes.push(at.child("secretRef").required(""));
    }
    if of_cluster {
        secret(at, &["name"], causes);
    }
    let name = at.child("initiatorName");
    if name.is_set() {
        initiator(&At::new(name.value(), format!("{}.initiatorname", at.path())), of_cluster, causes);
    }
}

fn fibre_channel(at: &At<'_>, causes: &mut Causes) {
    let (targets, ids, lun) = (at.child("targetWWNs"), at.child("wwids"), at.child("lun"));
    if targets.is_empty() && ids.is_empty() {
        causes.push(targets.required("must specify either targetWWNs or wwids, but not both"));
    }
    if !targets.is_empty() && !ids.is_empty() {
        let shown = go::strings(targets.value());
        causes.push(targets.invalid(shown, "targetWWNs and wwids can not be specified simultaneously"));
    }
    if !targets.is_empty() {
        if lun.is_set() {
            unit(&lun, causes);
        } else {
            causes.push(lun.required("lun is required if targetWWNs is specified"));
        }
    }
}

fn quobyte(at: &At<'_>, causes: &mut Causes) {
    let detail = "must be a host:port pair or multiple pairs separated by commas";
    let registry = at.child("registry");
    if registry.text().is_empty() {
        causes.push(registry.required(detail));
    } else if at.child("tenant").text().len() >= 65 {
        causes.push(at.child("tenant").required("must be a UUID and may not exceed a length of 64 characters"));
    } else {
        let wrong = registry.text().split(',').filter(|pair| pair.matches(':').count() != 1 && !pair.starts_with('['));
        causes.extend(wrong.map(|_| registry.wrong(detail)));
    }
    required(at, &["volume"], causes);
}

fn glusterfs(of_cluster: bool, at: &At<'_>, causes: &mut Causes) {
    required(at, &["endpoints", "path"], causes);
    let namespace = at.child("endpointsNamespace");
    if !of_cluster || !namespace.is_set() {
        return;
    }
    if namespace.text().is_empty() {
        causes.push(namespace.wrong("if the endpointnamespace is set, it must be a valid namespace name"));
    } else {
        namespace.check(words::label, causes);
    }
}

fn flocker(at: &At<'_>, causes: &mut Causes) {
    let (name, id) = (at.child("datasetName"), at.child("datasetUUID"));
    match (name.text().is_empty(), id.text().is_empty()) {
        (true, true) => causes.push(at.required("one of datasetName and datasetUUID is required")),
        (false, false) => {
            let detail = "datasetName and datasetUUID can not be specified simultaneously";
            causes.push(at.invalid("\"resource\"", detail));
        }
        _ => {}
    }
    if name.text().contains('/') {
        causes.push(name.wrong("must not contain '/'"));
    }
}

fn flex(at: &At<'_>, causes: &mut Causes) {
    required(at, &["driver"], causes);
    for (key, option) in at.child("options").entries() {
        let namespace = format!(".{}", key.split('/').next().unwrap_or_default().to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            causes.push(option.invalid(quoted(key), "kubernetes.io and k8s.io namespaces are reserved"));
        }
    }
}

fn azure_disk(at: &At<'_>, causes: &mut Causes) {
    required(at, &["diskName", "diskURI"], causes);
    let (caching, kind, place) = (at.child("cachingMode"), at.child("kind"), at.child("diskURI"));
    for (field, known) in [(&caching, ["None", "ReadOnly", "ReadWrite"]), (&kind, ["Dedicated", "Managed", "Shared"])] {
        if field.is_set() && !known.contains(&field.text()) {
            causes.push(field.unsupported(&known));
        }
    }
    if !kind.is_set() {
        return;
    }
    let (prefix, form) = if kind.text() == "Managed" {
        (
            "/subscriptions/",
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
        )
    } else {
        ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
    };
    if !place.text().starts_with(prefix) {
        causes.push(Cause::unsupported(place.path(), quoted(place.text()), &[quoted(form)]));
    }
}

//! Volumes of pods, and where containers mount them (pkg/apis/core/validation/validation.go, Kubernetes 1.20).

use serde_json::Value;

use super::at::{At, Causes};
use super::{containers, disks, resources, words};
use crate::status::quoted;

/// The volumes of a pod that are all right: only those can be mounted.
pub struct Volumes<'a>(Vec<&'a Value>);

/// The sources of a volume, in the order in which they are looked at; the one that counts first hides the others.
const SOURCES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
];

impl<'a> Volumes<'a> {
    /// Judges the volumes at `at`.
    pub fn read(at: &At<'a>, causes: &mut Causes) -> Self {
        let (mut names, mut right) = (Vec::new(), Vec::new());
        for volume in at.items() {
            let mut faults = Causes::new();
            source(&volume, &mut faults);
            let name = volume.child("name");
            name.check_required(words::label, &mut faults);
            if names.contains(&name.text()) {
                faults.push(name.duplicate(quoted(name.text())));
            }
            if faults.is_empty() {
                names.push(name.text());
                right.push(volume.value());
            }
            causes.extend(faults);
        }
        Self(right)
    }

    fn find(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|volume| volume.get("name").and_then(Value::as_str) == Some(name)).copied()
    }

    /// Where a container mounts volumes.
    pub fn mounts(&self, container: &At<'_>, causes: &mut Causes) {
        let (all, devices) = (container.child("volumeMounts"), container.child("volumeDevices"));
        let is_device = |field: &str, text: &str| devices.items().any(|device| device.child(field).text() == text);
        let mut paths: Vec<&str> = Vec::new();
        for mount in all.items() {
            let (name, path) = (mount.child("name"), mount.child("mountPath"));
            if name.text().is_empty() {
                causes.push(name.required(""));
            }
            if self.find(name.text()).is_none() {
                causes.push(name.not_found());
            }
            if path.text().is_empty() {
                causes.push(path.required(""));
            }
            if paths.contains(&path.text()) {
                causes.push(path.wrong("must be unique"));
            }
            paths.push(path.text());
            if is_device("name", name.text()) {
                causes.push(name.wrong("must not already exist in volumeDevices"));
            }
            if is_device("devicePath", path.text()) {
                causes.push(path.wrong("must not already exist as a path in volumeDevices"));
            }
            let below = |field: &str| At::new(mount.child(field).value(), format!("{}.{field}", all.path()));
            if !below("subPath").text().is_empty() {
                descending(&below("subPath"), causes);
            }
            if !below("subPathExpr").text().is_empty() {
                if !below("subPath").text().is_empty() {
                    let expression = mount.child("subPathExpr");
                    causes.push(expression.wrong("subPathExpr and subPath are mutually exclusive"));
                }
                descending(&below("subPathExpr"), causes);
            }
            propagation(&below("mountPropagation"), container, causes);
        }
    }

    /// Where a container has volumes as devices.
    pub fn devices(&self, container: &At<'_>, causes: &mut Causes) {
        let mounts = container.child("volumeMounts");
        let is_mounted = |field: &str, text: &str| mounts.items().any(|mount| mount.child(field).text() == text);
        let (mut names, mut paths): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for device in container.child("volumeDevices").items() {
            let (name, path) = (device.child("name"), device.child("devicePath"));
            if name.text().is_empty() {
                causes.push(name.required(""));
            }
            if names.contains(&name.text()) {
                causes.push(name.wrong("must be unique"));
            }
            match self.find(name.text()) {
                Some(volume) if volume.get("persistentVolumeClaim").is_none() => {
                    causes.push(name.wrong("can only use volume source type of PersistentVolumeClaim for block mode"));
                }
                Some(_) => {}
                None => causes.push(name.not_found()),
            }
            if path.text().is_empty() {
                causes.push(path.required(""));
            }
            if paths.contains(&path.text()) {
                causes.push(path.wrong("must be unique"));
            }
            if path.text().split('/').any(|part| part == "..") {
                causes.push(path.wrong("can not contain backsteps ('..')"));
            } else {
                paths.push(path.text());
            }
            if is_mounted("name", name.text()) {
                causes.push(name.wrong("must not already exist in volumeMounts"));
            }
            if is_mounted("mountPath", path.text()) {
                causes.push(path.wrong("must not already exist as a path in volumeMounts"));
            }
            names.push(name.text());
        }
    }
}

fn propagation(at: &At<'_>, container: &At<'_>, causes: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let known = ["Bidirectional", "HostToContainer", "None"];
    if !known.contains(&at.text()) {
        causes.push(at.unsupported(&known));
    }
    if at.text() == "Bidirectional" && !container.down("securityContext.privileged").is_true() {
        causes.push(at.forbidden("Bidirectional mount propagation is available only to privileged containers"));
    }
}

fn no_backsteps(at: &At<'_>, causes: &mut Causes) {
    if at.text().split('/').any(|part| part == "..") {
        causes.push(at.wrong("must not contain '..'"));
    }
}

fn descending(at: &At<'_>, causes: &mut Causes) {
    if at.text().starts_with('/') {
        causes.push(at.wrong("must be a relative path"));
    }
    no_backsteps(at, causes);
}

fn not_reserved(at: &At<'_>, causes: &mut Causes) {
    descending(at, causes);
    if at.text().starts_with("..") && !at.text().starts_with("../") {
        causes.push(at.wrong("must not start with '..'"));
    }
}

fn mode(at: &At<'_>, causes: &mut Causes) {
    if let Some(number) = at.int().filter(|number| !(0..=0o777).contains(number)) {
        causes.push(at.invalid(number, "must be a number between 0 and 0777 (octal), both inclusive"));
    }
}

/// Texts that must be there.
pub(super) fn required(at: &At<'_>, fields: &[&str], causes: &mut Causes) {
    for field in fields {
        if at.child(field).text().is_empty() {
            causes.push(at.child(field).required(""));
        }
    }
}

fn source(volume: &At<'_>, causes: &mut Causes) {
    let mut found = false;
    for kind in SOURCES {
        let source = volume.child(kind);
        if !source.is_set() {
            continue;
        }
        if found {
            causes.push(source.forbidden("may not specify more than 1 volume type"));
            continue;
        }
        found = true;
        one_source(kind, false, &source, causes);
    }
    if !found {
        causes.push(volume.required("must specify a volume type"));
    }
}

/// What is wrong with a source of the named kind.
pub fn one_source(kind: &str, of_cluster: bool, at: &At<'_>, causes: &mut Causes) {
    match kind {
        "emptyDir" => {
            let limit = at.child("sizeLimit");
            if limit.is_set() && resources::quantity(&limit).nano() < 0 {
                causes.push(limit.forbidden("SizeLimit field must be a valid resource quantity"));
            }
        }
        "hostPath" => host_path(at, causes),
        "gitRepo" => {
            required(at, &["repository"], causes);
            descending(&at.child("directory"), causes);
        }
        "secret" => {
            required(at, &["secretName"], causes);
            mode(&at.child("defaultMode"), causes);
            at.child("items").items().for_each(|item| key_to_path(&item, causes));
        }
        "configMap" => {
            required(at, &["name"], causes);
            mode(&at.child("defaultMode"), causes);
            at.child("items").items().for_each(|item| key_to_path(&item, causes));
        }
        "nfs" => {
            required(at, &["server", "path"], causes);
            if !at.child("path").text().starts_with('/') {
                causes.push(at.child("path").wrong("must be an absolute path"));
            }
        }
        "persistentVolumeClaim" => required(at, &["claimName"], causes),
        "downwardAPI" => {
            mode(&at.child("defaultMode"), causes);
            for item in at.child("items").items() {
                // The original names the source here, not the item.
                downward_file(&At::new(item.value(), at.path()), causes);
            }
        }
        "projected" => {
            mode(&at.child("defaultMode"), causes);
            projections(at, causes);
        }
        _ => disks::source(kind, of_cluster, at, causes),
    }
}

fn host_path(at: &At<'_>, causes: &mut Causes) {
    let path = at.child("path");
    if path.text().is_empty() {
        causes.push(path.required(""));
        return;
    }
    no_backsteps(&path, causes);
    let known = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    let kind = at.child("type");
    if !known.contains(&kind.text()) {
        causes.push(kind.unsupported(&known));
    }
}

fn key_to_path(at: &At<'_>, causes: &mut Causes) {
    required(at, &["key", "path"], causes);
    not_reserved(&at.child("path"), causes);
    mode(&at.child("mode"), causes);
}

/// Fields of a pod that a file can hold.
const FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

fn downward_file(at: &At<'_>, causes: &mut Causes) {
    required(at, &["path"], causes);
    not_reserved(&at.child("path"), causes);
    let (field, resource) = (at.child("fieldRef"), at.child("resourceFieldRef"));
    if field.is_set() {
        containers::field_reference(&field, FIELDS, causes);
        if resource.is_set() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            causes.push(at.invalid("\"resource\"", detail));
        }
    } else if resource.is_set() {
        resources::reference(&resource, true, causes);
    } else {
        causes.push(at.required("one of fieldRef and resourceFieldRef is required"));
    }
    mode(&at.child("mode"), causes);
}

fn projections(at: &At<'_>, causes: &mut Causes) {
    let mut paths: Vec<&str> = Vec::new();
    for source in at.child("sources").items() {
        let mut count = 0;
        for kind in ["secret", "configMap"] {
            let projected = source.child(kind);
            if !projected.is_set() {
                continue;
            }
            count += 1;
            required(&projected, &["name"], causes);
            for item in projected.child("items").items() {
                key_to_path(&item, causes);
                conflicting(&mut paths, at, item.child("path").text(), projected.child("name").text(), causes);
            }
        }
        if source.child("downwardAPI").is_set() {
            count += 1;
            for item in source.child("downwardAPI").child("items").items() {
                downward_file(&At::new(item.value(), source.child("downwardAPI").path()), causes);
                let path = item.child("path").text();
                conflicting(&mut paths, at, path, path, causes);
            }
        }
        let token = source.child("serviceAccountToken");
        if token.is_set() {
            count += 1;
            let seconds = token.child("expirationSeconds");
            if seconds.int().is_some_and(|seconds| seconds < 600) {
                causes.push(seconds.wrong("may not specify a duration less than 10 minutes"));
            }
            if seconds.int().is_some_and(|seconds| seconds > 1 << 32) {
                causes.push(seconds.wrong("may not specify a duration larger than 2^32 seconds"));
            }
            if token.child("path").text().is_empty() {
                causes.push(at.child("path").required(""));
            }
        }
        if count > 1 {
            causes.push(source.forbidden("may not specify more than 1 volume type"));
        }
    }
}

fn conflicting<'a>(paths: &mut Vec<&'a str>, at: &At<'_>, path: &'a str, shown: &str, causes: &mut Causes) {
    if path.is_empty() {
        return;
    }
    if paths.contains(&path) {
        causes.push(at.invalid(quoted(shown), "conflicting duplicate paths"));
    } else {
        paths.push(path);
    }
}

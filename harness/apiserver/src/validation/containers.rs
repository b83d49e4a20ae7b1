//! Containers (pkg/apis/core/validation/validation.go, Kubernetes 1.20).

use super::at::{At, Causes};
use super::resources;
use super::volumes::Volumes;
use super::words;
use crate::status::quoted;

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// What is wrong with the containers at `at`.
pub fn containers(at: &At<'_>, volumes: &Volumes<'_>, init: bool, causes: &mut Causes) {
    if at.is_empty() {
        if !init {
            causes.push(at.required(""));
        }
        return;
    }
    let mut names: Vec<&str> = Vec::new();
    for one in at.items() {
        let name = one.child("name");
        name.check_required(words::label, causes);
        if names.contains(&name.text()) {
            causes.push(name.duplicate(quoted(name.text())));
        }
        names.push(name.text());
        if one.child("image").text().is_empty() {
            causes.push(one.child("image").required(""));
        }
        container(&one, volumes, causes);
    }
    let mut taken = Vec::new();
    for one in at.items() {
        if init {
            taken.clear();
        }
        host_ports(&one, &mut taken, causes);
    }
}

fn container(at: &At<'_>, volumes: &Volumes<'_>, causes: &mut Causes) {
    for hook in ["postStart", "preStop"] {
        let hook = at.child("lifecycle").child(hook);
        if hook.is_set() {
            handler(&hook, causes);
        }
    }
    for kind in ["livenessProbe", "startupProbe"] {
        probe(&at.child(kind), causes);
        let threshold = at.child(kind).child("successThreshold");
        if at.child(kind).is_set() && threshold.int() != Some(1) {
            causes.push(threshold.invalid(threshold.int().unwrap_or(0), "must be 1"));
        }
    }
    let policy = at.child("terminationMessagePolicy");
    if !["File", "FallbackToLogsOnError"].contains(&policy.text()) {
        causes.push(policy.wrong("must be 'File' or 'FallbackToLogsOnError'"));
    }
    probe(&at.child("readinessProbe"), causes);
    ports(&at.child("ports"), causes);
    environment(&at.child("env"), causes);
    environment_from(&at.child("envFrom"), causes);
    volumes.mounts(at, causes);
    volumes.devices(at, causes);
    at.child("imagePullPolicy").one_of(&["Always", "IfNotPresent", "Never"], causes);
    resources::requirements(&at.child("resources"), causes);
    security(&at.child("securityContext"), causes);
}

/// Rules that hold for containers that run before the others.
pub fn init_containers(at: &At<'_>, others: &At<'_>, causes: &mut Causes) {
    let mut names: Vec<String> = others.items().map(|one| one.child("name").text().to_owned()).collect();
    for one in at.items() {
        let name = one.child("name");
        if names.iter().any(|known| known == name.text()) {
            causes.push(name.duplicate(quoted(name.text())));
        }
        if !name.text().is_empty() {
            names.push(name.text().to_owned());
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            let field = one.child(field);
            if field.is_set() {
                causes.push(field.invalid(field.value(), "must not be set for init containers"));
            }
        }
    }
}

fn host_ports(at: &At<'_>, taken: &mut Vec<String>, causes: &mut Causes) {
    for port in at.child("ports").items() {
        let number = port.child("hostPort");
        let Some(host) = number.int().filter(|host| *host != 0) else { continue };
        let key = format!("{}/{}/{host}", port.child("protocol").text(), port.child("hostIP").text());
        if taken.contains(&key) {
            causes.push(number.duplicate(quoted(&key)));
        } else {
            taken.push(key);
        }
    }
}

fn ports(at: &At<'_>, causes: &mut Causes) {
    let mut names: Vec<&str> = Vec::new();
    for port in at.items() {
        let name = port.child("name");
        if !name.text().is_empty() {
            let faults = words::port_name(name.text());
            if !faults.is_empty() {
                causes.extend(faults.iter().map(|fault| name.invalid(quoted(name.text()), fault)));
            } else if names.contains(&name.text()) {
                causes.push(name.duplicate(quoted(name.text())));
            } else {
                names.push(name.text());
            }
        }
        let own = port.child("containerPort");
        match own.int() {
            None | Some(0) => causes.push(own.required("")),
            Some(_) => own.between(1, 65535, causes),
        }
        if port.child("hostPort").int() != Some(0) {
            port.child("hostPort").between(1, 65535, causes);
        }
        port.child("protocol").one_of(PROTOCOLS, causes);
    }
}

const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
    "status.podIPs",
];

fn environment(at: &At<'_>, causes: &mut Causes) {
    for variable in at.items() {
        variable.child("name").check_required(words::variable, causes);
        let from = variable.child("valueFrom");
        if !from.is_set() {
            continue;
        }
        let mut sources = 0;
        if from.child("fieldRef").is_set() {
            sources += 1;
            field_reference(&from.child("fieldRef"), FIELDS, causes);
        }
        if from.child("resourceFieldRef").is_set() {
            sources += 1;
            resources::reference(&from.child("resourceFieldRef"), false, causes);
        }
        for kind in ["configMapKeyRef", "secretKeyRef"] {
            let reference = from.child(kind);
            if reference.is_set() {
                sources += 1;
                reference.child("name").check(words::subdomain, causes);
                reference.child("key").check_required(words::data_key, causes);
            }
        }
        if sources == 0 {
            let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            causes.push(from.invalid("\"\"", detail));
        } else if !variable.child("value").text().is_empty() {
            causes.push(from.invalid("\"\"", "may not be specified when `value` is not empty"));
        } else if sources > 1 {
            causes.push(from.invalid("\"\"", "may not have more than one field specified at a time"));
        }
    }
}

/// Fields of a pod that can be asked for by name.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.podIP",
    "status.podIPs",
];

/// A reference to a field of the pod itself, one of `allowed`.
pub fn field_reference(at: &At<'_>, allowed: &[&str], causes: &mut Causes) {
    let path = at.child("fieldPath");
    if path.text().is_empty() {
        causes.push(path.required(""));
        return;
    }
    let subscript = path.text().strip_suffix("']").and_then(|rest| rest.split_once("['"));
    if let Some((field, key)) = subscript {
        match field {
            "metadata.annotations" => {
                let faults = words::qualified_name(&key.to_lowercase());
                causes.extend(faults.iter().map(|fault| at.invalid(quoted(key), fault)));
            }
            "metadata.labels" => {
                let faults = words::qualified_name(key);
                causes.extend(faults.iter().map(|fault| at.invalid(quoted(key), fault)));
            }
            _ => {
                let detail =
                    format!("error converting fieldPath: field label does not support subscript: {}", path.text());
                causes.push(path.wrong(&detail));
            }
        }
    } else if !KNOWN_FIELDS.contains(&path.text()) {
        causes.push(path.wrong(&format!("error converting fieldPath: field label not supported: {}", path.text())));
    } else if !allowed.contains(&path.text()) {
        causes.push(path.unsupported(allowed));
    }
}

fn environment_from(at: &At<'_>, causes: &mut Causes) {
    for source in at.items() {
        source.child("prefix").check_given(words::variable, causes);
        let given = ["configMapRef", "secretRef"].map(|kind| source.child(kind));
        let count = given.iter().filter(|reference| reference.is_set()).count();
        for reference in given.iter().filter(|reference| reference.is_set()) {
            reference.child("name").check_required(words::subdomain, causes);
        }
        if count == 0 {
            causes.push(at.invalid("\"\"", "must specify one of: `configMapRef` or `secretRef`"));
        } else if count > 1 {
            causes.push(at.invalid("\"\"", "may not have more than one field specified at a time"));
        }
    }
}

fn probe(at: &At<'_>, causes: &mut Causes) {
    if !at.is_set() {
        return;
    }
    handler(at, causes);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        at.child(field).nonnegative(causes);
    }
}

/// A port by number or by name.
pub fn port(at: &At<'_>, causes: &mut Causes) {
    if at.value().is_string() {
        at.check(words::port_name, causes);
    } else {
        let number = at.int().unwrap_or(0);
        if !(1..=65535).contains(&number) {
            causes.push(at.invalid(number, "must be between 1 and 65535, inclusive"));
        }
    }
}

fn handler(at: &At<'_>, causes: &mut Causes) {
    let mut found = false;
    for kind in ["exec", "httpGet", "tcpSocket"] {
        let action = at.child(kind);
        if !action.is_set() {
            continue;
        }
        if found {
            causes.push(action.forbidden("may not specify more than 1 handler type"));
            continue;
        }
        found = true;
        match kind {
            "exec" => {
                if action.child("command").is_empty() {
                    causes.push(action.child("command").required(""));
                }
            }
            "tcpSocket" => port(&action.child("port"), causes),
            _ => {
                if action.child("path").text().is_empty() {
                    causes.push(action.child("path").required(""));
                }
                port(&action.child("port"), causes);
                let scheme = action.child("scheme");
                if !["HTTP", "HTTPS"].contains(&scheme.text()) {
                    causes.push(scheme.unsupported(&["HTTP", "HTTPS"]));
                }
                let headers = action.child("httpHeaders");
                for header in headers.items() {
                    let name = header.child("name").text();
                    causes.extend(words::header(name).iter().map(|fault| headers.invalid(quoted(name), fault)));
                }
            }
        }
    }
    if !found {
        causes.push(at.required("must specify a handler type"));
    }
}

/// The largest number of a user or group.
pub const MOST_ID: i64 = i32::MAX as i64;

fn security(at: &At<'_>, causes: &mut Causes) {
    at.child("runAsUser").between(0, MOST_ID, causes);
    at.child("runAsGroup").between(0, MOST_ID, causes);
    let mount = at.child("procMount");
    if mount.is_set() && !["Default", "Unmasked"].contains(&mount.text()) {
        causes.push(mount.unsupported(&["Default", "Unmasked"]));
    }
    seccomp(&at.child("seccompProfile"), causes);
    let escalation = at.child("allowPrivilegeEscalation");
    if escalation.is_set() && !escalation.is_true() && at.child("privileged").is_true() {
        let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        causes.push(at.invalid(at.value(), detail));
    }
}

/// A profile of seccomp.
pub fn seccomp(at: &At<'_>, causes: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let kind = at.child("type");
    let known = ["Localhost", "RuntimeDefault", "Unconfined"];
    if kind.text().is_empty() {
        causes.push(kind.required("type is required when seccompProfile is set"));
    } else if !known.contains(&kind.text()) {
        causes.push(kind.unsupported(&known));
    }
    let local = at.child("localhostProfile");
    if kind.text() == "Localhost" && !local.is_set() {
        causes.push(local.required("must be set when seccomp type is Localhost"));
    } else if kind.text() != "Localhost" && local.is_set() {
        causes.push(local.invalid(at.value(), "can only be set when seccomp type is Localhost"));
    }
}

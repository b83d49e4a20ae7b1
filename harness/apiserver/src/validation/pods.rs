//! Pods and the templates of pods (pkg/apis/core/validation/validation.go, Kubernetes 1.20).

use serde_json::Value;

use super::at::{At, Causes};
use super::containers::{self, MOST_ID};
use super::volumes::Volumes;
use super::{go, meta, resources, scheduling, words};
use crate::status::quoted;

/// What is wrong with a pod, besides its metadata.
pub fn pod(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    pod_spec(&spec, causes);
    if spec.child("serviceAccountName").text().is_empty() {
        for volume in spec.child("volumes").items() {
            for source in volume.child("projected").child("sources").items() {
                let token = source.child("serviceAccountToken");
                if token.is_set() {
                    causes.push(token.forbidden("must not be specified when serviceAccountName is not set"));
                }
            }
        }
    }
    for key in ["containers", "initContainers"] {
        for container in spec.child(key).items() {
            trimmed_image(&container.child("image"), causes);
        }
    }
}

fn trimmed_image(at: &At<'_>, causes: &mut Causes) {
    if at.text().trim() != at.text() {
        causes.push(at.wrong("must not have leading or trailing whitespace"));
    }
}

/// What is wrong with a template of pods.
pub fn template(at: &At<'_>, causes: &mut Causes) {
    // The original leaves `metadata` out of these paths.
    let metadata = |field: &str| At::new(at.child("metadata").child(field).value(), format!("{}.{field}", at.path()));
    meta::labels(&metadata("labels"), causes);
    meta::annotations(&metadata("annotations"), causes);
    pod_spec(&at.child("spec"), causes);
}

fn pod_spec(at: &At<'_>, causes: &mut Causes) {
    let volumes = Volumes::read(&at.child("volumes"), causes);
    containers::containers(&at.child("containers"), &volumes, false, causes);
    containers::containers(&at.child("initContainers"), &volumes, true, causes);
    containers::init_containers(&at.child("initContainers"), &at.child("containers"), causes);
    at.child("restartPolicy").one_of(&["Always", "OnFailure", "Never"], causes);
    let dns = at.child("dnsPolicy");
    dns.one_of(&["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], causes);
    meta::labels(&at.child("nodeSelector"), causes);
    security(at, causes);
    scheduling::affinity(&at.child("affinity"), causes);
    dns_config(&at.child("dnsConfig"), dns.text() == "None", causes);
    for gate in at.child("readinessGates").items() {
        gate.child("conditionType").check(words::qualified_name, causes);
    }
    scheduling::spreading(&at.child("topologySpreadConstraints"), causes);
    at.child("serviceAccountName").check_given(words::subdomain, causes);
    at.child("nodeName").check_given(words::subdomain, causes);
    at.child("activeDeadlineSeconds").between(1, i64::from(i32::MAX), causes);
    at.child("hostname").check_given(words::label, causes);
    at.child("subdomain").check_given(words::label, causes);
    scheduling::tolerations(&at.child("tolerations"), causes);
    host_aliases(&at.child("hostAliases"), causes);
    at.child("priorityClassName").check_given(words::subdomain, causes);
    if at.child("runtimeClassName").is_set() {
        at.child("runtimeClassName").check(words::subdomain, causes);
    }
    if at.child("preemptionPolicy").is_set() {
        at.child("preemptionPolicy").one_of(&["PreemptLowerPriority", "Never"], causes);
    }
    for (name, amount) in at.child("overhead").entries() {
        resources::container_resource_name(&amount, name, causes);
        resources::amount(&amount, name, causes);
    }
}

fn security(spec: &At<'_>, causes: &mut Causes) {
    let at = spec.child("securityContext");
    if spec.child("hostNetwork").is_true() {
        for container in spec.child("containers").items() {
            for port in container.child("ports").items() {
                let own = port.child("containerPort");
                if own.int() != port.child("hostPort").int() {
                    causes.push(own.wrong("must match `hostPort` when `hostNetwork` is true"));
                }
            }
        }
    }
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        at.child(field).between(0, MOST_ID, causes);
    }
    at.child("supplementalGroups").items().for_each(|group| group.between(0, MOST_ID, causes));
    if spec.child("shareProcessNamespace").is_true() && spec.child("hostPID").is_true() {
        let place = at.child("shareProcessNamespace");
        causes.push(place.invalid(true, "ShareProcessNamespace and HostPID cannot both be enabled"));
    }
    sysctls(&at.child("sysctls"), causes);
    let policy = at.child("fsGroupChangePolicy");
    if policy.is_set() && !["Always", "OnRootMismatch"].contains(&policy.text()) {
        causes.push(policy.unsupported(&["Always", "OnRootMismatch"]));
    }
    containers::seccomp(&at.child("seccompProfile"), causes);
}

fn sysctls(at: &At<'_>, causes: &mut Causes) {
    let segment = |text: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        !text.is_empty() && text.chars().all(inner) && !text.starts_with(['-', '_']) && !text.ends_with(['-', '_'])
    };
    let mut names: Vec<&str> = Vec::new();
    for sysctl in at.items() {
        let name = sysctl.child("name");
        if name.text().is_empty() {
            causes.push(name.required(""));
        } else if name.text().len() > 253 || !name.text().split('.').all(segment) {
            let pattern = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
            causes.push(name.wrong(&format!("must have at most 253 characters and match regex {pattern}")));
        } else if names.contains(&name.text()) {
            causes.push(name.duplicate(quoted(name.text())));
        }
        names.push(name.text());
    }
}

fn dns_config(at: &At<'_>, alone: bool, causes: &mut Causes) {
    let (servers, searches) = (at.child("nameservers"), at.child("searches"));
    if alone && !at.is_set() {
        causes.push(at.required("must provide `dnsConfig` when `dnsPolicy` is None"));
        return;
    }
    if alone && servers.is_empty() {
        causes.push(servers.required("must provide at least one DNS nameserver when `dnsPolicy` is None"));
        return;
    }
    if servers.len() > 3 {
        causes.push(servers.invalid(go::strings(servers.value()), "must not have more than 3 nameservers"));
    }
    for server in servers.items().filter(|server| !words::ip(server.text()).is_empty()) {
        causes.push(server.wrong("must be valid IP address"));
    }
    if searches.len() > 6 {
        causes.push(searches.invalid(go::strings(searches.value()), "must not have more than 6 search paths"));
    }
    for search in searches.items() {
        let name = search.text().strip_suffix('.').unwrap_or(search.text());
        causes.extend(words::subdomain(name).iter().map(|fault| search.invalid(quoted(name), fault)));
    }
    for option in at.child("options").items().filter(|option| option.child("name").text().is_empty()) {
        causes.push(option.required("must not be empty"));
    }
}

fn host_aliases(at: &At<'_>, causes: &mut Causes) {
    for alias in at.items() {
        // The original leaves the index out of these paths.
        let ip = alias.child("ip").text();
        if !words::ip(ip).is_empty() {
            causes.push(at.child("ip").invalid(quoted(ip), "must be valid IP address"));
        }
        for name in alias.child("hostnames").items() {
            let faults = words::subdomain(name.text());
            let place = at.child("hostnames");
            causes.extend(faults.iter().map(|fault| place.invalid(quoted(name.text()), fault)));
        }
    }
}

/// What may not change has changed. The original appends how the two differ, in a form that is random by design.
pub fn update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    for key in ["containers", "initContainers"] {
        let (new, old) = (at.child("spec").child(key), before.child("spec").child(key));
        if new.len() != old.len() {
            causes.push(new.forbidden("pod updates may not add or remove containers"));
            return;
        }
        for container in new.items() {
            let image = container.child("image");
            if image.text().is_empty() {
                causes.push(image.required(""));
            }
            trimmed_image(&image, causes);
        }
    }
    let (new, old) = (at.down("spec.activeDeadlineSeconds"), before.down("spec.activeDeadlineSeconds"));
    match (new.int(), old.int()) {
        (Some(new_seconds), old_seconds) => {
            new.between(0, i64::from(i32::MAX), causes);
            if old_seconds.is_some_and(|old| old < new_seconds) {
                causes.push(new.wrong("must be less than or equal to previous value"));
            }
        }
        (None, Some(_)) => {
            causes.push(new.invalid("\"null\"", "must not update from a positive integer to nil value"));
        }
        (None, None) => {}
    }
    let tolerations = at.down("spec.tolerations");
    let timeless = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().map(|map| map.remove("tolerationSeconds"));
        value
    };
    for old in before.down("spec.tolerations").items() {
        if !tolerations.items().any(|new| timeless(new.value()) == timeless(old.value())) {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            causes.push(tolerations.forbidden(detail));
        }
    }
    scheduling::tolerations(&tolerations, causes);
    if fixed_spec(at.value()) != fixed_spec(before.value()) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` (only additions to existing tolerations)\n";
        causes.push(at.child("spec").forbidden(detail));
    }
}

/// The parts of a pod's spec that may not change.
fn fixed_spec(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or_default();
    if let Some(map) = spec.as_object_mut() {
        for key in ["activeDeadlineSeconds", "tolerations"] {
            map.remove(key);
        }
        for key in ["containers", "initContainers"] {
            for container in map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(container) = container.as_object_mut() {
                    container.remove("image");
                }
            }
        }
    }
    spec
}

/// What is wrong with the status of a pod as the successor of `before`.
pub fn status(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let restart = before.down("spec.restartPolicy").text();
    if restart == "Always" {
        return;
    }
    for kind in ["containerStatuses", "initContainerStatuses"] {
        let (new, old) = (at.child("status").child(kind), before.child("status").child(kind));
        for (index, known) in old.items().enumerate() {
            let ended = known.down("state.terminated");
            let failed = ended.child("exitCode").int().unwrap_or(0) != 0;
            if !ended.is_set() || (failed && restart == "OnFailure") {
                continue;
            }
            let revived = new.items().any(|one| {
                one.child("name").text() == known.child("name").text() && !one.down("state.terminated").is_set()
            });
            if revived {
                let place = At::new(&Value::Null, format!("{}[{index}].state", new.path()));
                causes.push(place.forbidden("may not be transitioned to non-terminated state"));
            }
        }
    }
}

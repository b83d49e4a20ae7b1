//! Tables, as `kubectl get` asks for: the columns of kube-apiserver 1.20.2.

use serde_json::{Value, json};

use crate::clock::{ServerClock, human_duration};
use crate::custom::columns::PrinterColumn;
use crate::registry::Resource;

/// The columns of a built-in kind: name, and a second word for type where it is not `string`; a leading `+` marks
/// columns of `-o wide`.
const COLUMNS: &[(&str, &[&str])] = &[
    ("namespaces", &["Name", "Status", "Age"]),
    (
        "pods",
        &["Name", "Ready", "Status", "Restarts:integer", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"],
    ),
    ("services", &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"]),
    ("endpoints", &["Name", "Endpoints", "Age"]),
    ("configmaps", &["Name", "Data", "Age"]),
    ("secrets", &["Name", "Type", "Data", "Age"]),
    ("serviceaccounts", &["Name", "Secrets", "Age"]),
    (
        "nodes",
        &[
            "Name",
            "Status",
            "Roles",
            "Age",
            "Version",
            "+Internal-IP",
            "+External-IP",
            "+OS-Image",
            "+Kernel-Version",
            "+Container-Runtime",
        ],
    ),
    (
        "events",
        &[
            "Last Seen",
            "Type",
            "Reason",
            "Object",
            "+Subobject",
            "+Source",
            "Message",
            "+First Seen",
            "+Count",
            "+Name",
        ],
    ),
    (
        "persistentvolumes",
        &[
            "Name",
            "Capacity",
            "Access Modes",
            "Reclaim Policy",
            "Status",
            "Claim",
            "StorageClass",
            "Reason",
            "Age",
            "+VolumeMode",
        ],
    ),
    (
        "persistentvolumeclaims",
        &["Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "Age", "+VolumeMode"],
    ),
    ("deployments.apps", &["Name", "Ready", "Up-to-date", "Available", "Age", "+Containers", "+Images", "+Selector"]),
    (
        "replicasets.apps",
        &["Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", "+Containers", "+Images", "+Selector"],
    ),
    ("rolebindings.rbac.authorization.k8s.io", &["Name", "Role", "Age", "+Users", "+Groups", "+ServiceAccounts"]),
    (
        "clusterrolebindings.rbac.authorization.k8s.io",
        &["Name", "Role", "Age", "+Users", "+Groups", "+ServiceAccounts"],
    ),
    (
        "storageclasses.storage.k8s.io",
        &["Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"],
    ),
    ("leases.coordination.k8s.io", &["Name", "Holder", "Age"]),
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", &["Name", "Webhooks:integer", "Age"]),
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", &["Name", "Webhooks:integer", "Age"]),
];

/// Kinds without columns of their own.
const PLAIN: &[&str] = &["Name", "Created At:date"];

fn columns(resource: &Resource) -> &'static [&'static str] {
    COLUMNS.iter().find(|(name, _)| *name == &*resource.full_name).map_or(PLAIN, |(_, columns)| columns)
}

/// The column definitions of a resource.
#[must_use]
pub fn definitions(resource: &Resource) -> Value {
    let definition = |name: &str, kind: &str, format: &str, priority: i64| json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority});
    if let Some(custom) = &resource.custom {
        let mut all = vec![definition("Name", "string", "name", 0)];
        all.extend(custom.columns.iter().map(PrinterColumn::heading));
        return Value::from(all);
    }
    let all = columns(resource).iter().map(|column| {
        let (wide, column) = column.strip_prefix('+').map_or((0, *column), |column| (1, column));
        let (name, kind) = column.split_once(':').unwrap_or((column, "string"));
        definition(name, kind, if name == "Name" { "name" } else { "" }, wide)
    });
    all.collect::<Vec<_>>().into()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text }
}

fn since(clock: ServerClock, stamp: &str) -> String {
    clock.seconds_since(stamp).map_or_else(|| "<unknown>".to_owned(), human_duration)
}

fn age(object: &Value, clock: ServerClock) -> Value {
    Value::from(since(clock, text(object, "/metadata/creationTimestamp")))
}

fn labels(map: Option<&Value>) -> String {
    let mut pairs: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    or_none(pairs.join(","))
}

fn joined(items: &[Value], pointer: &str) -> String {
    items.iter().map(|item| text(item, pointer)).collect::<Vec<_>>().join(",")
}

/// The cells of one object.
#[must_use]
pub fn cells(resource: &Resource, object: &Value, clock: ServerClock) -> Vec<Value> {
    let name = Value::from(text(object, "/metadata/name"));
    if let Some(custom) = &resource.custom {
        let mut cells = vec![name];
        cells.extend(custom.columns.iter().map(|column| column.cell(object, clock)));
        return cells;
    }
    let age = || age(object, clock);
    match &*resource.full_name {
        "namespaces" => vec![name, text(object, "/status/phase").into(), age()],
        "pods" => pod(name, object, clock),
        "services" => service(name, object, clock),
        "endpoints" => vec![name, endpoints(object).into(), age()],
        "configmaps" => {
            let size = ["data", "binaryData"].iter().map(|key| size(object, key)).sum::<usize>();
            vec![name, size.into(), age()]
        }
        "secrets" => vec![name, text(object, "/type").into(), size(object, "data").into(), age()],
        "serviceaccounts" => vec![name, list(object, "/secrets").len().into(), age()],
        "nodes" => node(name, object, clock),
        "events" => event(object, clock),
        "persistentvolumes" => vec![
            name,
            text(object, "/spec/capacity/storage").into(),
            access_modes(object).into(),
            text(object, "/spec/persistentVolumeReclaimPolicy").into(),
            text(object, "/status/phase").into(),
            claim(object).into(),
            text(object, "/spec/storageClassName").into(),
            text(object, "/status/reason").into(),
            age(),
            text(object, "/spec/volumeMode").into(),
        ],
        "persistentvolumeclaims" => vec![
            name,
            text(object, "/status/phase").into(),
            text(object, "/spec/volumeName").into(),
            text(object, "/status/capacity/storage").into(),
            if text(object, "/spec/volumeName").is_empty() { "".into() } else { access_modes(object).into() },
            text(object, "/spec/storageClassName").into(),
            age(),
            text(object, "/spec/volumeMode").into(),
        ],
        "deployments.apps" => {
            let ready = format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas"));
            let mut cells = vec![
                name,
                ready.into(),
                count(object, "/status/updatedReplicas").into(),
                count(object, "/status/availableReplicas").into(),
                age(),
            ];
            cells.extend(workload(object));
            cells
        }
        "replicasets.apps" => {
            let mut cells = vec![
                name,
                count(object, "/spec/replicas").into(),
                count(object, "/status/replicas").into(),
                count(object, "/status/readyReplicas").into(),
                age(),
            ];
            cells.extend(workload(object));
            cells
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            let role = format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"));
            let subjects = |kind: &str| {
                let of_kind = list(object, "/subjects").iter().filter(|subject| text(subject, "/kind") == kind);
                let names = of_kind.map(|subject| match text(subject, "/namespace") {
                    "" => text(subject, "/name").to_owned(),
                    namespace => format!("{namespace}/{}", text(subject, "/name")),
                });
                Value::from(names.collect::<Vec<_>>().join(", "))
            };
            vec![name, role.into(), age(), subjects("User"), subjects("Group"), subjects("ServiceAccount")]
        }
        "storageclasses.storage.k8s.io" => storage_class(object, age()),
        "leases.coordination.k8s.io" => vec![name, text(object, "/spec/holderIdentity").into(), age()],
        "validatingwebhookconfigurations.admissionregistration.k8s.io"
        | "mutatingwebhookconfigurations.admissionregistration.k8s.io" => {
            vec![name, list(object, "/webhooks").len().into(), age()]
        }
        _ => vec![name, text(object, "/metadata/creationTimestamp").into()],
    }
}

fn size(object: &Value, key: &str) -> usize {
    object.get(key).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

fn access_modes(object: &Value) -> String {
    let short = |mode: &Value| match mode.as_str() {
        Some("ReadWriteOnce") => "RWO",
        Some("ReadOnlyMany") => "ROX",
        Some("ReadWriteMany") => "RWX",
        _ => "",
    };
    list(object, "/spec/accessModes").iter().map(short).collect::<Vec<_>>().join(",")
}

fn claim(object: &Value) -> String {
    match (text(object, "/spec/claimRef/namespace"), text(object, "/spec/claimRef/name")) {
        (_, "") => String::new(),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

fn workload(object: &Value) -> [Value; 3] {
    let containers = list(object, "/spec/template/spec/containers");
    let selector = object.pointer("/spec/selector/matchLabels");
    [joined(containers, "/name").into(), joined(containers, "/image").into(), labels(selector).into()]
}

fn storage_class(object: &Value, age: Value) -> Vec<Value> {
    let mark = object
        .pointer("/metadata/annotations")
        .and_then(|map| map.get("storageclass.kubernetes.io/is-default-class"))
        .and_then(Value::as_str);
    let suffix = if mark == Some("true") { " (default)" } else { "" };
    vec![
        format!("{}{suffix}", text(object, "/metadata/name")).into(),
        text(object, "/provisioner").into(),
        text(object, "/reclaimPolicy").into(),
        text(object, "/volumeBindingMode").into(),
        object.get("allowVolumeExpansion").and_then(Value::as_bool).unwrap_or(false).into(),
        age,
    ]
}

fn pod(name: Value, object: &Value, clock: ServerClock) -> Vec<Value> {
    let statuses = list(object, "/status/containerStatuses");
    let ready = statuses.iter().filter(|status| status.get("ready") == Some(&Value::Bool(true))).count();
    let restarts: i64 = statuses.iter().map(|status| count(status, "/restartCount")).sum();
    let total = list(object, "/spec/containers").len();
    vec![
        name,
        format!("{ready}/{total}").into(),
        pod_status(object, statuses).into(),
        restarts.into(),
        age(object, clock),
        or_none(text(object, "/status/podIP").to_owned()).into(),
        or_none(text(object, "/spec/nodeName").to_owned()).into(),
        or_none(text(object, "/status/nominatedNodeName").to_owned()).into(),
        "<none>".into(),
    ]
}

fn pod_status(object: &Value, statuses: &[Value]) -> String {
    let phase = text(object, "/status/phase");
    let own = text(object, "/status/reason");
    let mut reason = if own.is_empty() { phase.to_owned() } else { own.to_owned() };
    let mut running = false;
    for status in statuses.iter().rev() {
        let waiting = text(status, "/state/waiting/reason");
        let ended = text(status, "/state/terminated/reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut reason);
        } else if !ended.is_empty() {
            ended.clone_into(&mut reason);
        } else if status.pointer("/state/terminated").is_some() {
            reason = match count(status, "/state/terminated/signal") {
                0 => format!("ExitCode:{}", count(status, "/state/terminated/exitCode")),
                signal => format!("Signal:{signal}"),
            };
        } else if status.get("ready") == Some(&Value::Bool(true)) && status.pointer("/state/running").is_some() {
            running = true;
        }
    }
    if reason == "Completed" && running {
        "Running".clone_into(&mut reason);
    }
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating".clone_into(&mut reason);
    }
    reason
}

fn service(name: Value, object: &Value, clock: ServerClock) -> Vec<Value> {
    let kind = text(object, "/spec/type");
    let own: Vec<&str> = list(object, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    let ingress: Vec<&str> = list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|entry| if text(entry, "/ip").is_empty() { text(entry, "/hostname") } else { text(entry, "/ip") })
        .collect();
    let external = match kind {
        "LoadBalancer" if !ingress.is_empty() => ingress.into_iter().chain(own).collect::<Vec<_>>().join(","),
        "LoadBalancer" if own.is_empty() => "<pending>".to_owned(),
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        _ => or_none(own.join(",")),
    };
    let ports = list(object, "/spec/ports").iter().map(|port| {
        let (number, protocol) = (count(port, "/port"), text(port, "/protocol"));
        match count(port, "/nodePort") {
            0 => format!("{number}/{protocol}"),
            node_port => format!("{number}:{node_port}/{protocol}"),
        }
    });
    vec![
        name,
        kind.into(),
        or_none(text(object, "/spec/clusterIP").to_owned()).into(),
        external.into(),
        or_none(ports.collect::<Vec<_>>().join(",")).into(),
        age(object, clock),
        labels(object.pointer("/spec/selector")).into(),
    ]
}

/// Endpoints are listed up to three, with the number of others.
fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(object, "/subsets") {
        let ports = list(subset, "/ports");
        let addresses = || list(subset, "/addresses").iter().map(|address| text(address, "/ip"));
        if ports.is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in ports {
            all.extend(addresses().map(|ip| format!("{ip}:{}", count(port, "/port"))));
        }
    }
    let more = all.len().saturating_sub(3);
    all.truncate(3);
    let shown = or_none(all.join(","));
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

fn node(name: Value, object: &Value, clock: ServerClock) -> Vec<Value> {
    let ready = list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Ready");
    let mut status = match ready.map(|condition| text(condition, "/status")) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<&str> = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    let address = |kind: &str| {
        let found = list(object, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
        Value::from(or_none(found.map(|address| text(address, "/address").to_owned()).unwrap_or_default()))
    };
    let info = |key: &str| {
        let found = text(object, &format!("/status/nodeInfo/{key}"));
        Value::from(if found.is_empty() { "<unknown>" } else { found })
    };
    vec![
        name,
        status.into(),
        or_none(roles.join(",")).into(),
        age(object, clock),
        text(object, "/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

fn event(object: &Value, clock: ServerClock) -> Vec<Value> {
    let first = text(object, "/firstTimestamp");
    let first = if first.is_empty() { text(object, "/eventTime") } else { first };
    let last = text(object, "/lastTimestamp");
    let last = if last.is_empty() { first } else { last };
    let subject =
        format!("{}/{}", text(object, "/involvedObject/kind").to_lowercase(), text(object, "/involvedObject/name"));
    let source = match (text(object, "/source/component"), text(object, "/source/host")) {
        (component, "") => component.to_owned(),
        (component, host) => format!("{component}, {host}"),
    };
    vec![
        since(clock, last).into(),
        text(object, "/type").into(),
        text(object, "/reason").into(),
        subject.into(),
        text(object, "/involvedObject/fieldPath").into(),
        source.into(),
        text(object, "/message").trim().into(),
        since(clock, first).into(),
        count(object, "/count").max(1).into(),
        text(object, "/metadata/name").into(),
    ]
}

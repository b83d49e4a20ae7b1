//! What is set in a cluster, as far as the pages speak of it, and who wrote it last.

use kube::api::DynamicObject;
use kubesphere::KubesphereConfig;
use kubesphere::names::objects;
use scenario::mask::Masker;
use serde_json::Value;

use super::Objects;
use super::writer::{self, Writer};

/// What the pages have people set.
const CONFIGURED: [&str; 3] =
    ["spec.authentication.jwtSecret", "spec.multicluster.clusterRole", "spec.multicluster.hostClusterName"];
/// Deployments whose pods are always told of; of the others only pods that are not well.
const DEPLOYMENTS: [&str; 3] = ["ks-installer", "ks-apiserver", "ks-controller-manager"];
/// What is said of a field that is not there.
const ABSENT: &str = "(not set)";

/// What, its value, who wrote it last. A line without a value is a heading.
type Line = (String, Option<String>, Option<Writer>);

#[derive(Default)]
struct Table(Vec<Line>);

/// Tells it in lines.
pub fn told(objects: &Objects, masker: &Masker) -> String {
    let mut table = Table::default();
    for object in &objects.cluster_configurations {
        table.heading("ClusterConfiguration", object, None);
        for path in CONFIGURED {
            let value = at(&object.data, path).map(text);
            let value = if path.ends_with("jwtSecret") { value.map(|secret| masked(&secret, masker)) } else { value };
            let writer = value.as_ref().and_then(|_| written(object, path));
            table.line(path, value, writer);
        }
    }
    let config_maps = objects.config_maps.iter();
    for object in config_maps.filter(|object| object.metadata.name.as_deref() == Some(objects::CONFIG)) {
        table.heading("ConfigMap", object, writer::of(object, &["data", objects::CONFIG_KEY]));
        table.config(object, masker);
    }
    table.heading_of("Pods", None);
    for pod in objects.pods.iter().filter(|pod| is_told(pod)) {
        table.line(name(pod), Some(pod_state(pod)), None);
    }
    for cluster in &objects.clusters {
        table.heading("Cluster", cluster, None);
        table.cluster(cluster);
    }
    table.aligned()
}

impl Table {
    fn heading(&mut self, kind: &str, object: &DynamicObject, writer: Option<Writer>) {
        self.heading_of(&format!("{kind} {}", name(object)), writer);
    }

    fn heading_of(&mut self, what: &str, writer: Option<Writer>) {
        self.0.push((what.to_owned(), None, writer));
    }

    fn line(&mut self, what: &str, value: Option<String>, writer: Option<Writer>) {
        self.0.push((format!("  {what}"), Some(value.unwrap_or_else(|| ABSENT.to_owned())), writer));
    }

    /// What programs read.
    fn config(&mut self, object: &DynamicObject, masker: &Masker) {
        let document = object.data["data"][objects::CONFIG_KEY].as_str().unwrap_or_default();
        match KubesphereConfig::parse(document) {
            Err(error) => self.line(objects::CONFIG_KEY, Some(error.to_string()), None),
            Ok(config) => {
                let secret = config.jwt_secret().map(|secret| masked(secret.expose(), masker));
                self.line("authentication.jwtSecret", secret, None);
                let multicluster = config.multicluster.as_ref();
                let role = config.cluster_role().map(|role| role.as_str().to_owned());
                self.line("multicluster.clusterRole", role, None);
                let host = multicluster.and_then(|section| section.host_cluster_name.clone());
                self.line("multicluster.hostClusterName", host, None);
                self.line(
                    "multicluster.clusterName",
                    multicluster.and_then(|section| section.cluster_name.clone()),
                    None,
                );
            }
        }
    }

    fn cluster(&mut self, cluster: &DynamicObject) {
        let labels: Vec<String> =
            cluster.metadata.labels.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
        self.line("metadata.labels", (!labels.is_empty()).then(|| labels.join(",")), None);
        for path in ["spec.connection.kubernetesAPIEndpoint", "status.uid"] {
            self.line(path, at(&cluster.data, path).map(text), written(cluster, path));
        }
        let path = "spec.connection.kubeconfig";
        let length = at(&cluster.data, path).map(|value| format!("{} characters", text(value).len()));
        self.line(path, length, written(cluster, path));
        for condition in at(&cluster.data, "status.conditions").and_then(Value::as_array).into_iter().flatten() {
            let part = |key: &str| text(&condition[key]);
            let why = ["reason", "message"].map(|key| (key, part(key)));
            let why =
                why.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| format!(", {key}: {text}"));
            let told = part("status") + &why.collect::<String>();
            self.line(&format!("condition {}", part("type")), Some(told), None);
        }
    }

    /// Columns are as wide as they have to be under each heading.
    fn aligned(&self) -> String {
        let sections = self.0.chunk_by(|_, (_, next, _)| next.is_some());
        sections.map(aligned).collect::<Vec<_>>().join("\n")
    }
}

fn aligned(section: &[Line]) -> String {
    let width = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let first = width(&mut section.iter().filter(|(_, value, _)| value.is_some()).map(|(what, ..)| what));
    let second =
        width(&mut section.iter().filter(|(.., writer)| writer.is_some()).filter_map(|(_, value, _)| value.as_ref()));
    let lines = section.iter().map(|(what, value, writer)| {
        let writer = writer.as_ref().map(|writer| format!("by {writer}")).unwrap_or_default();
        let line = match value {
            None if writer.is_empty() => what.clone(),
            None => format!("{what}, written {writer}"),
            Some(value) => format!("{what:first$}  {value:second$}  {writer}"),
        };
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    value.pointer(&format!("/{}", path.replace('.', "/"))).filter(|value| !value.is_null())
}

fn written(object: &DynamicObject, path: &str) -> Option<Writer> {
    writer::of(object, &path.split('.').collect::<Vec<_>>())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

/// Whether two secrets are equal can be seen, and whether one was cut off.
fn masked(secret: &str, masker: &Masker) -> String {
    match secret.chars().count() {
        0 => "\"\"".to_owned(),
        length => {
            masker.add(secret);
            let shown = masker.mask(secret);
            // Too short for the masker, and for a secret.
            if shown == secret { format!("({length} characters)") } else { format!("{shown} ({length} characters)") }
        }
    }
}

fn is_told(pod: &DynamicObject) -> bool {
    let is_one_of_ours = DEPLOYMENTS.iter().any(|deployment| name(pod).starts_with(deployment));
    is_one_of_ours || !is_well(pod)
}

/// Whether it runs, and always has.
pub fn is_well(pod: &DynamicObject) -> bool {
    is_ready(pod) && restarts(pod) == 0
}

fn containers(pod: &DynamicObject) -> impl Iterator<Item = &Value> {
    at(&pod.data, "status.containerStatuses").and_then(Value::as_array).into_iter().flatten()
}

fn is_ready(pod: &DynamicObject) -> bool {
    containers(pod).count() > 0 && containers(pod).all(|container| container["ready"] == true)
}

fn restarts(pod: &DynamicObject) -> u64 {
    containers(pod).filter_map(|container| container["restartCount"].as_u64()).sum()
}

fn pod_state(pod: &DynamicObject) -> String {
    let mut parts = vec![at(&pod.data, "status.phase").map(text).unwrap_or_default()];
    parts.push(if is_ready(pod) { "ready" } else { "not ready" }.to_owned());
    parts.extend(containers(pod).filter_map(|container| container.pointer("/state/waiting/reason")).map(text));
    parts.push(format!("{} restarts", restarts(pod)));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    fn pod(name: &str, ready: bool, restarts: u64, state: &Value) -> DynamicObject {
        object(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "status": {"phase": "Running",
                "containerStatuses": [{"name": "main", "ready": ready, "restartCount": restarts, "state": state}]},
        }))
    }

    fn written(manager: &str, fields: &Value) -> Value {
        json!([{"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T10:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": fields}])
    }

    fn objects() -> Objects {
        let secret = "gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU";
        let edited = json!({"f:spec": {"f:multicluster": {"f:clusterRole": {}}}});
        let stored = json!({"f:spec": {"f:connection": {"f:kubeconfig": {}}}});
        Objects {
            pods: vec![
                pod("ks-installer-5d", true, 0, &json!({"running": {}})),
                pod("ks-console-7c", true, 0, &json!({"running": {}})),
                pod("ks-apiserver-8f", false, 3, &json!({"waiting": {"reason": "CrashLoopBackOff"}})),
            ],
            events: Vec::new(),
            cluster_configurations: vec![object(json!({
                "apiVersion": "installer.kubesphere.io/v1alpha1", "kind": "ClusterConfiguration",
                "metadata": {"name": "ks-installer", "managedFields": written("kubectl-edit", &edited)},
                "spec": {"authentication": {"jwtSecret": ""}, "multicluster": {"clusterRole": "host"}},
            }))],
            config_maps: vec![object(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "kubesphere-config", "managedFields": written("ks-installer", &json!({"f:data": {}}))},
                "data": {"kubesphere.yaml":
                    format!("authentication:\n  jwtSecret: {secret}\nmulticluster:\n  clusterRole: host\n")},
            }))],
            clusters: vec![object(json!({
                "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
                "metadata": {"name": "member1", "labels": {"kubefed.io/managed": "true"},
                    "managedFields": written("ks-apiserver", &stored)},
                "spec": {"connection": {"kubeconfig": "YWJj"}},
                "status": {"conditions": [
                    {"type": "Federated", "status": "False", "reason": "connection refused", "message": "Cluster can not join federation control plane"},
                ]},
            }))],
        }
    }

    #[test]
    fn tells_what_is_set_and_who_wrote_it() {
        insta::with_settings!({omit_expression => true}, {
            insta::assert_snapshot!(told(&objects(), &Masker::new([7; 32])));
        });
    }
}

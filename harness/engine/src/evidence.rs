//! The state of both clusters that explains a failure.

use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use providers::{Cluster, Pair};
use scenario::event::Evidence;

use crate::installer_log;

/// Lines of the installer's log that are shown.
const LOG_TAIL: usize = 25;

/// What is looked at: group, version, kind, namespace.
const OBJECTS: [(&str, &str, &str, Option<&str>); 5] = [
    ("", "v1", "Pod", Some("kubesphere-system")),
    ("", "v1", "Event", Some("kubesphere-system")),
    ("installer.kubesphere.io", "v1alpha1", "ClusterConfiguration", Some("kubesphere-system")),
    ("", "v1", "ConfigMap", Some("kubesphere-system")),
    ("cluster.kubesphere.io", "v1alpha1", "Cluster", None),
];

/// Collects it.
pub(crate) async fn collect(pair: &Pair) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for cluster in pair.clusters() {
        for (group, version, kind, namespace) in OBJECTS {
            evidence.extend(objects(cluster.as_ref(), group, version, kind, namespace).await);
        }
        if let Some(log) = installer_log::read(cluster.client()).await {
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n");
            evidence.push(Evidence { title: format!("{}: end of the installer's log", cluster.on()), text: tail });
        }
    }
    evidence
}

/// Whether an object can explain anything: not what every cluster has, and of the events only the warnings.
fn explains(object: &DynamicObject) -> bool {
    object.metadata.name.as_deref() != Some("kube-root-ca.crt")
        && object.data.get("type").is_none_or(|kind| kind != "Normal")
}

async fn objects(
    cluster: &dyn Cluster,
    group: &str,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> Vec<Evidence> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &resource),
        None => Api::all_with(cluster.client(), &resource),
    };
    // A kind that is not served is told by its absence.
    let Ok(list) = api.list(&ListParams::default()).await else { return Vec::new() };
    let shown = list.items.into_iter().filter(explains);
    shown
        .map(|mut object| {
            object.metadata.managed_fields = None;
            object.metadata.annotations = None;
            if let Some(connection) =
                object.data.pointer_mut("/spec/connection").and_then(|value| value.as_object_mut())
            {
                connection.remove("kubeconfig");
            }
            Evidence {
                title: format!("{}: {kind} {}", cluster.on(), object.metadata.name.clone().unwrap_or_default()),
                text: serde_yaml::to_string(&object).unwrap_or_default(),
            }
        })
        .collect()
}

//! What ks-installer adds to a host (ks-installer v3.3.2, role `ks-multicluster`).

use kubesphere::names::{namespaces, objects};
use serde_json::Value;

use super::Seen;
use super::objects::at;
use crate::view::ClusterView;

/// Deployments of a host, with their namespaces.
const DEPLOYMENTS: [(&str, &str); 3] = [
    (namespaces::SYSTEM, objects::TOWER),
    (namespaces::FEDERATION, objects::KUBEFED_CONTROLLER_MANAGER),
    (namespaces::FEDERATION, objects::KUBEFED_WEBHOOK),
];

/// One part of a host.
pub(crate) struct Part {
    /// Kind, namespace and name.
    pub(crate) what: String,
    /// Whether it is there at all.
    pub(crate) is_there: bool,
    /// What it lacks to be of use; nothing when it is.
    pub(crate) lacks: Option<String>,
}

/// All parts, in a fixed order.
pub(crate) async fn parts(view: &dyn ClusterView) -> Seen<Vec<Part>> {
    let mut parts = Vec::new();
    for (namespace, name) in DEPLOYMENTS {
        let found = at(view, &format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}")).await?;
        let available =
            found.as_ref().and_then(|found| found.pointer("/status/availableReplicas")).and_then(Value::as_u64);
        parts.push(part(format!("Deployment {namespace}/{name}"), found.is_some(), || {
            (available.unwrap_or_default() == 0).then(|| "has no available pod".to_owned())
        }));
    }
    let path = format!("/api/v1/namespaces/{}/services/{}", namespaces::SYSTEM, objects::TOWER);
    let service = at(view, &path).await?;
    parts.push(part(format!("Service {}/{}", namespaces::SYSTEM, objects::TOWER), service.is_some(), || None));
    let status = enabled(view).await?;
    parts.push(part("status.multicluster of the ClusterConfiguration".to_owned(), status.is_some(), || {
        let status = status.as_deref().unwrap_or_default();
        (status != "enabled").then(|| format!("is `{status}`, not `enabled`"))
    }));
    Ok(parts)
}

fn part(what: String, is_there: bool, lacks: impl FnOnce() -> Option<String>) -> Part {
    let lacks = if is_there { lacks() } else { Some("is not there".to_owned()) };
    Part { what, is_there, lacks }
}

/// `status.multicluster.status` of the `ClusterConfiguration`.
async fn enabled(view: &dyn ClusterView) -> Seen<Option<String>> {
    let path = format!(
        "/apis/installer.kubesphere.io/v1alpha1/namespaces/{}/clusterconfigurations/{}",
        namespaces::SYSTEM,
        objects::INSTALLER
    );
    let found = at(view, &path).await?;
    let status = found.as_ref().and_then(|found| found.pointer("/status/multicluster/status")?.as_str());
    Ok(status.map(str::to_owned))
}

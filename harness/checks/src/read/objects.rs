//! Objects that several checks look at.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Secret};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kubesphere::names::{self, namespaces, objects};
use serde_json::Value;

use super::config::Config;
use super::{Seen, absent, resource, unreadable};
use crate::finding::Finding;
use crate::view::ClusterView;

/// The object or list at a path of the API; none where there is none, or no such kind.
pub(crate) async fn at(view: &dyn ClusterView, path: &str) -> Seen<Option<Value>> {
    let unusable = |cause: &dyn std::fmt::Display| {
        Finding::cannot_tell(format!("{} cluster: GET {path} is not usable: {cause}", view.on()))
    };
    let request = http::Request::get(path).body(Vec::new()).map_err(|cause| unusable(&cause))?;
    match view.client().request_text(request).await {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|cause| unusable(&cause)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(cause) => Err(unreadable(view, path, &cause)),
    }
}

/// What ks-installer is asked for, under `spec`. It follows the one object of this name and ignores all others
/// (ks-installer, `installRunner.py`).
pub(crate) async fn cluster_configuration(view: &dyn ClusterView) -> Seen<Value> {
    let what = "ClusterConfiguration kubesphere-system/ks-installer";
    Api::<DynamicObject>::namespaced_with(view.client(), namespaces::SYSTEM, &resource(names::CLUSTER_CONFIGURATION))
        .get_opt(objects::INSTALLER)
        .await
        .map_err(|cause| unreadable(view, what, &cause))?
        .map(|found| found.data)
        .ok_or_else(|| absent(view, what, "apply cluster-configuration.yaml"))
}

/// The configuration that KubeSphere's processes run with: `kubesphere.yaml` of ConfigMap `kubesphere-config`.
pub(crate) async fn kubesphere_config(view: &dyn ClusterView) -> Seen<Config> {
    let what = "ConfigMap kubesphere-system/kubesphere-config";
    let document = Api::<ConfigMap>::namespaced(view.client(), namespaces::SYSTEM)
        .get_opt(objects::CONFIG)
        .await
        .map_err(|cause| unreadable(view, what, &cause))?
        .ok_or_else(|| absent(view, what, "ks-installer writes it near the end of a run: wait for its banner"))?
        .data
        .and_then(|mut data| data.remove(objects::CONFIG_KEY))
        .ok_or_else(|| {
            absent(
                view,
                "key kubesphere.yaml in ConfigMap kubesphere-system/kubesphere-config",
                "run ks-installer again",
            )
        })?;
    Config::parse(&document).map_err(|cause| {
        Finding::fails(
            format!("{} cluster: kubesphere.yaml is YAML", view.on()),
            "it cannot be parsed",
            format!(
                "{} cluster: kubesphere.yaml in ConfigMap kubesphere-system/kubesphere-config {cause}; a quote or a backslash in jwtSecret does this",
                view.on()
            ),
        )
    })
}

/// The signing secret as ks-installer keeps it, in Secret `kubesphere-secret`, key `secret`.
pub(crate) async fn kept_jwt_secret(view: &dyn ClusterView) -> Seen<String> {
    let what = "Secret kubesphere-system/kubesphere-secret with key secret";
    let bytes = Api::<Secret>::namespaced(view.client(), namespaces::SYSTEM)
        .get_opt(objects::SECRET)
        .await
        .map_err(|cause| unreadable(view, "Secret kubesphere-system/kubesphere-secret", &cause))?
        .and_then(|found| found.data)
        .and_then(|mut data| data.remove("secret"))
        .ok_or_else(|| {
            absent(
                view,
                what,
                "ks-installer deletes it before it creates it again, so a run stopped in between; see its log",
            )
        })?;
    Ok(String::from_utf8_lossy(&bytes.0).into_owned())
}

/// Name and UID of every node, in order of names. The UID tells nodes of two clusters apart that have one name.
pub(crate) async fn nodes(view: &dyn ClusterView) -> Seen<Vec<(String, String)>> {
    let list = Api::<Node>::all(view.client())
        .list(&ListParams::default())
        .await
        .map_err(|cause| unreadable(view, "its nodes", &cause))?;
    let mut nodes: Vec<_> = list
        .items
        .into_iter()
        .map(|node| (node.metadata.name.unwrap_or_default(), node.metadata.uid.unwrap_or_default()))
        .collect();
    nodes.sort();
    Ok(nodes)
}

/// UID of namespace `kube-system`, by which KubeSphere 3.3 and later know a cluster again.
pub(crate) async fn kube_system_uid(view: &dyn ClusterView) -> Seen<String> {
    Api::<Namespace>::all(view.client())
        .get("kube-system")
        .await
        .map_err(|cause| unreadable(view, "namespace kube-system", &cause))
        .map(|found| found.metadata.uid.unwrap_or_default())
}

/// Version of the cluster's API server, as `v1.20.2`.
pub(crate) async fn kubernetes_version(view: &dyn ClusterView) -> Seen<String> {
    let info = view.client().apiserver_version().await;
    info.map(|info| info.git_version).map_err(|cause| unreadable(view, "its version", &cause))
}

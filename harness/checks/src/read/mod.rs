//! Reading clusters. What cannot be read becomes a finding at once, so that a check reads on with `?`.

pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod kubesphere_api;
pub(crate) mod log;
pub(crate) mod multicluster;
pub(crate) mod objects;
pub(crate) mod signature;

use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use kubesphere::Resource;

use crate::finding::Finding;
use crate::view::ClusterView;

/// Something read, or the finding that it cannot be read.
pub(crate) type Seen<T> = Result<T, Finding>;

/// A kind as the Kubernetes client asks for it.
fn resource(kind: Resource) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    ApiResource::from_gvk_with_plural(&gvk, kind.plural)
}

/// The finding for a cluster that did not answer.
pub(crate) fn unreadable(view: &dyn ClusterView, what: &str, cause: &kube::Error) -> Finding {
    Finding::cannot_tell(format!(
        "{} cluster: cannot read {what}: {cause}; see whether its API server answers",
        view.on()
    ))
}

/// The finding for an object that is not there.
pub(crate) fn absent(view: &dyn ClusterView, what: &str, suggestion: &str) -> Finding {
    Finding::fails(
        format!("{} cluster has {what}", view.on()),
        "not found",
        format!("{} cluster: {what} is not there; {suggestion}", view.on()),
    )
}

//! Which Kubernetes a KubeSphere release supports, asked before anything is made.

use kubesphere::Release;
use providers::Capabilities;
use scenario::plan::Cell;

/// What keeps `cells` from running on the Kubernetes version of `capabilities`, if their releases do not support it.
#[must_use]
pub fn unsupported_kubernetes(cells: &[Cell], capabilities: &Capabilities) -> Option<String> {
    let version = capabilities.kubernetes.as_deref();
    let releases = cells.iter().filter_map(|cell| Release::find(&cell.release.name).ok());
    let mut unsupported =
        releases.filter(|release| !version.is_some_and(|version| release.supports_kubernetes(version)));
    unsupported.next().map(|release| {
        let (oldest, newest) = release.kubernetes();
        let clusters = match version {
            Some(version) => format!("the clusters would have Kubernetes {version}"),
            None => "which one the clusters would have, the tag of their image does not tell".to_owned(),
        };
        format!(
            "KubeSphere {} supports Kubernetes {oldest} to {newest}, and {clusters}; choose another one (for kind with \
             --node-image, for envtest with KUBEBUILDER_ASSETS, for containers with --apiserver-image), or add --allow-unsupported-kubernetes",
            release.version
        )
    })
}

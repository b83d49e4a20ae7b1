//! The installer's log as it is now.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};

/// Both labels that the installer's pod had over the releases (ks-installer v3.2.1 and v3.3.0,
/// `deploy/kubesphere-installer.yaml`).
const SELECTOR: &str = "app in (ks-install, ks-installer)";

/// The log of the installer of the cluster behind `client`; nothing when there is none yet.
pub(crate) async fn read(client: kube::Client) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(client, "kubesphere-system");
    let found = pods.list(&ListParams::default().labels(SELECTOR)).await.ok()?;
    let name = found.items.into_iter().next()?.metadata.name?;
    pods.logs(&name, &LogParams::default()).await.ok()
}

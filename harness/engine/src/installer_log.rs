//! The installer's log as it is now, so that an old banner is never taken for a new one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};
use providers::Pair;
use scenario::model::{On, Scenario};

use crate::cell;

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

/// How often each text that the scenario's steps on `on` wait for is in the log already.
pub(crate) async fn known(scenario: &Scenario, on: On, pair: &Pair) -> BTreeMap<(On, String), usize> {
    let awaited = cell::awaited(scenario, on);
    let Some(cluster) = pair.cluster(on).filter(|_| !awaited.is_empty()) else { return BTreeMap::new() };
    let log = read(cluster.client()).await.unwrap_or_default();
    awaited.into_iter().map(|text| ((on, text.to_owned()), log.matches(text).count())).collect()
}

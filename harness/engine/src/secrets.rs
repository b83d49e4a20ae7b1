//! Learns what must never be shown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{ListParams, ObjectMeta};
use kubesphere::KubesphereConfig;
use providers::{Cluster, Pair};
use scenario::mask::Masker;

const NAMESPACE: &str = "kubesphere-system";

/// The jwtSecret in a cluster's ConfigMap `kubesphere-config`.
///
/// # Errors
/// In words, without the secret.
pub async fn jwt_secret(client: &kube::Client) -> Result<String, String> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let object = api.get("kubesphere-config").await.map_err(|error| error.to_string())?;
    let text = object.data.as_ref().and_then(|data| data.get("kubesphere.yaml"));
    let text = text.ok_or("ConfigMap kubesphere-system/kubesphere-config has no key kubesphere.yaml")?;
    let config = KubesphereConfig::parse(text).map_err(|error| error.to_string())?;
    config
        .jwt_secret()
        .map(|secret| secret.expose().to_owned())
        .ok_or_else(|| "kubesphere.yaml has no authentication.jwtSecret".to_owned())
}

/// Secrets whose values a masker has been taught, by UID and version: copies of clusters have the same.
#[derive(Clone, Default)]
pub struct Learned(Arc<Mutex<BTreeSet<(String, String)>>>);

impl Learned {
    fn has(&self, secret: &ObjectMeta) -> bool {
        identity(secret).is_some_and(|known| self.lock().contains(&known))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity(secret: &ObjectMeta) -> Option<(String, String)> {
    Some((secret.uid.clone()?, secret.resource_version.clone()?))
}

/// Teaches `masker` the secrets that both clusters hold now, those apart that it was taught before.
pub async fn learn(masker: &Masker, learned: &Learned, pair: &Pair) {
    masker.add(kubesphere::names::DEFAULT_ADMIN_PASSWORD);
    for cluster in pair.clusters() {
        learn_from(masker, learned, cluster.as_ref()).await;
    }
}

async fn learn_from(masker: &Masker, learned: &Learned, cluster: &dyn Cluster) {
    for secret in cluster.secrets() {
        masker.add(&secret);
    }
    let client = cluster.client();
    if let Ok(secret) = jwt_secret(&client).await {
        masker.add(&secret);
    }
    let api: Api<Secret> = Api::all(client);
    // A cluster that does not answer shows nothing either; patterns still mask what steps print.
    let Ok(there) = api.list_metadata(&ListParams::default()).await else { return };
    if there.items.iter().all(|secret| learned.has(&secret.metadata)) {
        return;
    }
    let Ok(list) = api.list(&ListParams::default()).await else { return };
    for secret in list.items.into_iter().filter(|secret| !learned.has(&secret.metadata)) {
        for (key, value) in secret.data.unwrap_or_default() {
            if key != "namespace"
                && key != "ca.crt"
                && let Ok(text) = String::from_utf8(value.0)
            {
                masker.add(&text);
            }
        }
        // Not before the masker knows it: others may go by this.
        learned.lock().extend(identity(&secret.metadata));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use kube::api::{Patch, PatchParams};
    use providers::embedded::{Embedded, EmbeddedOptions};
    use providers::leases::Lease;
    use providers::{ClusterShape, PairPlan, Provider as _, Restore};
    use scenario::model::SyncFrequency;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn learns_each_version_of_a_secret_once() {
        let (directories, logs) = ([TempDir::new().unwrap(), TempDir::new().unwrap()], TempDir::new().unwrap());
        let lease = Lease::begin(directories[0].path(), directories[1].path(), "test").unwrap();
        let host = ClusterShape { nodes: 1, sync_frequency: SyncFrequency::Short };
        let (behaviour, restore) = (stub::Behaviour::default(), Restore::default());
        let plan = PairPlan { host, member: None, seed: 7, behaviour, restore };
        let audited = Embedded::new(EmbeddedOptions { audit_logs: Some(logs.path().to_owned()) });
        let pair = audited.create(&lease, &plan).await.unwrap();
        let api = Api::<Secret>::namespaced(pair.host.client(), "default");
        let (masker, learned) = (Masker::new([7; 32]), Learned::default());
        let shows = async |value: &str| {
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                "stringData": {"key": value}});
            api.patch("s", &PatchParams::apply("test"), &Patch::Apply(secret)).await.unwrap();
            learn(&masker, &learned, &pair).await;
            masker.mask(value).contains(value)
        };
        assert!(!shows("the first of its values").await);
        assert!(!shows("the second of its values").await);
        let listed = || {
            let log = std::fs::read_to_string(logs.path().join("host.log")).unwrap();
            let is_list = |line: &&str| line.contains("\"requestURI\":\"/api/v1/secrets?") && line.contains("\"ks-e2e");
            log.lines().filter(is_list).count()
        };
        let before = listed();
        learn(&masker, &learned, &pair).await;
        assert_eq!(listed(), before + 1, "names and versions alone");
        pair.destroy().await.unwrap();
        lease.end().await.unwrap();
    }
}

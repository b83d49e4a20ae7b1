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

/// Secrets whose values a masker has been taught: their UIDs, and versions. Clusters that begin as others were have the same.
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

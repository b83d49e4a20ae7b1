//! Learns what must never be shown.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::ListParams;
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

/// Teaches `masker` the secrets that both clusters hold now.
pub async fn learn(masker: &Masker, pair: &Pair) {
    masker.add(kubesphere::names::DEFAULT_ADMIN_PASSWORD);
    for cluster in pair.clusters() {
        learn_from(masker, cluster.as_ref()).await;
    }
}

async fn learn_from(masker: &Masker, cluster: &dyn Cluster) {
    for secret in cluster.secrets() {
        masker.add(&secret);
    }
    let client = cluster.client();
    if let Ok(secret) = jwt_secret(&client).await {
        masker.add(&secret);
    }
    let api: Api<Secret> = Api::all(client);
    // A cluster that does not answer shows nothing either; patterns still mask what steps print.
    let Ok(list) = api.list(&ListParams::default()).await else { return };
    for value in list.items.into_iter().flat_map(|secret| secret.data.unwrap_or_else(BTreeMap::new)) {
        let (key, value) = value;
        if key != "namespace"
            && key != "ca.crt"
            && let Ok(text) = String::from_utf8(value.0)
        {
            masker.add(&text);
        }
    }
}

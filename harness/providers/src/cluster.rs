//! One cluster as a provider gives it.

use std::sync::Arc;

use async_trait::async_trait;
use checks::view::ClusterView;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::Api;
use kube::api::ListParams;
use nodes::network::Network;

use crate::access::Access;
use crate::provider::ProviderError;

/// A running cluster, owned by its [`Pair`](crate::Pair).
#[async_trait]
pub trait Cluster: ClusterView {
    /// Name of the provider that made it.
    fn provider(&self) -> &'static str;

    /// A kubeconfig with an administrator's rights that works where the harness and its steps run. YAML text.
    fn admin_kubeconfig(&self) -> &str;

    /// The kubeconfig that a person pastes on the host: its server is an address that the other cluster reaches. YAML
    /// text.
    fn pasteable_kubeconfig(&self) -> &str;

    /// A name by which the other cluster reaches the same server, on the port of
    /// [`pasteable_kubeconfig`](Self::pasteable_kubeconfig).
    fn server_name(&self) -> &str;

    /// The network of a pod of this cluster that is nobody's, where pods cannot be reached from this machine; none where
    /// nodes are at addresses that this machine reaches.
    fn inside(&self) -> Option<Arc<dyn Network>> {
        None
    }

    /// The image that stands in the place of KubeSphere's, where nodes get no other under their names.
    fn stub_image(&self) -> Option<&stub::StubImage> {
        None
    }

    /// Whether KubeSphere was on it before anybody used it.
    fn has_kubesphere(&self) -> bool {
        false
    }

    /// Requests that a real API server would have served and this one did not; none where it is a real one.
    fn surface_misses(&self) -> Vec<String> {
        Vec::new()
    }

    /// Sees that every running container of an image of KubeSphere's runs the stub and not the original.
    ///
    /// # Errors
    /// When one does not, or it cannot be told.
    async fn images_are_ours(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    /// As a [`ClusterView`].
    fn view(&self) -> &dyn ClusterView;

    /// Values that must never be shown: keys, tokens.
    fn secrets(&self) -> Vec<String> {
        let Ok(access) = Access::of(self.admin_kubeconfig()) else { return Vec::new() };
        let key = access.identity.and_then(|identity| String::from_utf8(identity.key_pem).ok());
        key.into_iter().chain(access.token).collect()
    }
}

/// What makes a cluster itself and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM of the authority that signs its certificates.
    pub authority: Vec<u8>,
    /// UID of the namespace `kube-system`.
    pub kube_system_uid: String,
    /// Machine IDs of the nodes.
    pub machine_ids: Vec<String>,
}

/// Everything about `cluster` by which two clusters are told apart.
///
/// # Errors
/// When the API server does not answer.
pub async fn identity(cluster: &Arc<dyn Cluster>) -> Result<Identity, ProviderError> {
    let operation = format!("read the identity of the {} cluster", cluster.on());
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        ProviderError::new(cluster.provider(), operation.clone(), source)
    };
    let access = Access::of(cluster.admin_kubeconfig()).map_err(|error| failed(error.into()))?;
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let namespace = namespaces.get("kube-system").await.map_err(|error| failed(error.into()))?;
    let nodes: Api<Node> = Api::all(cluster.client());
    let nodes = nodes.list(&ListParams::default()).await.map_err(|error| failed(error.into()))?;
    let machine_id = |node: Node| node.status.and_then(|status| status.node_info).map(|info| info.machine_id);
    Ok(Identity {
        authority: access.authority_pem,
        kube_system_uid: namespace.metadata.uid.unwrap_or_default(),
        machine_ids: nodes.items.into_iter().filter_map(machine_id).collect(),
    })
}

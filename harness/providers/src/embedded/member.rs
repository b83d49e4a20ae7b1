//! One embedded cluster as others see it.

use std::sync::Arc;

use apiserver::ApiServer;
use async_trait::async_trait;
use bytes::Bytes;
use checks::view::{ClusterView, Layer, Probe, ViewError};
use http::{Request, Response};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::Api;
use kube::api::ListParams;
use nodes::NodeSpec;
use nodes::clock::Clock;
use nodes::network::client;
use nodes::network::simulated::ClusterNetwork;
use nodes::network::sockets::Sockets;
use scenario::model::On;

use super::NAME;
use crate::access::Access;
use crate::cluster::{Cluster, Identity, ProviderError};
use crate::probe;

pub(super) struct EmbeddedCluster {
    pub(super) on: On,
    pub(super) client: kube::Client,
    pub(super) network: ClusterNetwork,
    pub(super) clock: Clock,
    pub(super) nodes: Vec<NodeSpec>,
    pub(super) admin: String,
    pub(super) pasteable: String,
    pub(super) server: ApiServer,
}

/// A client over the machine's loopback, where the API server really listens.
pub(super) fn admin_client(kubeconfig: &str) -> Result<kube::Client, Box<dyn std::error::Error + Send + Sync>> {
    let access = Access::of(kubeconfig)?;
    let network: Arc<dyn nodes::network::Network> = Arc::new(Sockets::system()?);
    Ok(client::client(network, &Clock::real(), &access.endpoint()?)?)
}

#[async_trait]
impl ClusterView for EmbeddedCluster {
    fn on(&self) -> On {
        self.on
    }

    fn client(&self) -> kube::Client {
        self.client.clone()
    }

    fn nodes(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    async fn probe(&self, node: &str, kubeconfig: &str) -> Probe {
        let Some(node) = self.nodes.iter().find(|spec| spec.name == node) else {
            return Probe::Stopped { layer: Layer::Tcp, detail: format!("the {} cluster has no node {node}", self.on) };
        };
        let _progress = self.clock.wants_progress();
        probe::probe(self.network.for_node(node.ip), &self.clock, kubeconfig).await
    }

    async fn ks_apiserver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ViewError> {
        let _progress = self.clock.wants_progress();
        probe::through_service_proxy(self.on, &self.client, request).await
    }
}

#[async_trait]
impl Cluster for EmbeddedCluster {
    fn admin_kubeconfig(&self) -> &str {
        &self.admin
    }

    fn pasteable_kubeconfig(&self) -> &str {
        &self.pasteable
    }

    fn secrets(&self) -> Vec<String> {
        let Ok(access) = Access::of(&self.admin) else { return Vec::new() };
        let key = access.identity.and_then(|identity| String::from_utf8(identity.key_pem).ok());
        key.into_iter().chain(access.token).collect()
    }

    async fn identity(&self) -> Result<Identity, ProviderError> {
        let failed = |source: kube::Error| ProviderError {
            provider: NAME,
            operation: format!("read the identity of the {} cluster", self.on),
            source: source.into(),
        };
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = namespaces.get("kube-system").await.map_err(failed)?;
        let nodes: Api<Node> = Api::all(self.client.clone());
        let nodes = nodes.list(&ListParams::default()).await.map_err(failed)?;
        let machine_id = |node: Node| node.status.and_then(|status| status.node_info).map(|info| info.machine_id);
        Ok(Identity {
            authority: self.server.ca_pem().to_owned(),
            kube_system_uid: namespace.metadata.uid.unwrap_or_default(),
            machine_ids: nodes.items.into_iter().filter_map(machine_id).collect(),
        })
    }

    fn surface_misses(&self) -> Vec<String> {
        self.server.surface_misses()
    }

    fn view(&self) -> &dyn ClusterView {
        self
    }
}

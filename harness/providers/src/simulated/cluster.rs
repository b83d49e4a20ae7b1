//! One cluster of simulated nodes as others see it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use apiserver::ApiServer;
use async_trait::async_trait;
use bytes::Bytes;
use checks::view::{ClusterView, Layer, Probe, ViewError};
use http::{Request, Response};
use nodes::NodeSpec;
use nodes::clock::Clock;
use nodes::network::Network;
use nodes::network::simulated::ClusterNetwork;
use scenario::model::On;

use crate::cluster::Cluster;
use crate::probe;

/// An address of the pods' range that no node gives to one.
const VISITOR: Ipv4Addr = Ipv4Addr::new(10, 233, 127, 254);

pub(super) struct SimulatedCluster {
    pub(super) provider: &'static str,
    pub(super) on: On,
    pub(super) client: kube::Client,
    pub(super) network: ClusterNetwork,
    pub(super) clock: Clock,
    pub(super) nodes: Vec<NodeSpec>,
    pub(super) admin: String,
    pub(super) pasteable: String,
    pub(super) name: String,
    pub(super) embedded: Option<ApiServer>,
}

#[async_trait]
impl ClusterView for SimulatedCluster {
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
impl Cluster for SimulatedCluster {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn admin_kubeconfig(&self) -> &str {
        &self.admin
    }

    fn pasteable_kubeconfig(&self) -> &str {
        &self.pasteable
    }

    fn server_name(&self) -> &str {
        &self.name
    }

    fn inside(&self) -> Option<Arc<dyn Network>> {
        Some(self.network.for_pod(VISITOR.into()))
    }

    fn surface_misses(&self) -> Vec<String> {
        self.embedded.as_ref().map(ApiServer::surface_misses).unwrap_or_default()
    }

    fn view(&self) -> &dyn ClusterView {
        self
    }
}

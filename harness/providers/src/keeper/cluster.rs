//! One borrowed cluster.

use async_trait::async_trait;
use bytes::Bytes;
use checks::view::{ClusterView, Layer, Probe, ViewError};
use http::{Request, Response};
use scenario::model::On;

use super::borrow::Calls;
use super::wire::{self, Lent};
use crate::cluster::Cluster;
use crate::provider::ProviderError;
use crate::{probe, simulated};

/// A cluster that its keeper has lent: reached directly where an administrator's kubeconfig is enough, else through the
/// keeper.
pub(super) struct BorrowedCluster {
    provider: &'static str,
    on: On,
    client: kube::Client,
    lent: Lent,
    calls: Calls,
}

impl BorrowedCluster {
    /// The cluster `on` of the loan that `calls` belongs to.
    ///
    /// # Errors
    /// When its kubeconfig leads nowhere.
    pub(super) fn new(
        provider: &'static str,
        on: On,
        lent: Lent,
        calls: Calls,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let client = simulated::admin_client(&lent.admin_kubeconfig)?;
        Ok(Self { provider, on, client, lent, calls })
    }
}

#[async_trait]
impl ClusterView for BorrowedCluster {
    fn on(&self) -> On {
        self.on
    }

    fn client(&self) -> kube::Client {
        self.client.clone()
    }

    fn nodes(&self) -> Vec<String> {
        self.lent.nodes.clone()
    }

    async fn probe(&self, node: &str, kubeconfig: &str) -> Probe {
        let request = wire::Request::Probe { on: self.on, node: node.to_owned(), kubeconfig: kubeconfig.to_owned() };
        // As where a node cannot be looked from: the way to the server is what failed.
        let unasked = |error: std::io::Error| Probe::Stopped { layer: Layer::Tcp, detail: error.to_string() };
        self.calls.ask(request).await.unwrap_or_else(unasked)
    }

    async fn ks_apiserver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ViewError> {
        probe::through_service_proxy(self.on, &self.client, request).await
    }
}

#[async_trait]
impl Cluster for BorrowedCluster {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn admin_kubeconfig(&self) -> &str {
        &self.lent.admin_kubeconfig
    }

    fn pasteable_kubeconfig(&self) -> &str {
        &self.lent.pasteable_kubeconfig
    }

    fn server_name(&self) -> &str {
        &self.lent.server_name
    }

    async fn images_are_ours(&self) -> Result<(), ProviderError> {
        let operation = format!("look at the images of the {} cluster", self.on);
        self.calls.have_done(self.provider, &operation, wire::Request::ImagesAreOurs { on: self.on }).await
    }

    fn view(&self) -> &dyn ClusterView {
        self
    }
}

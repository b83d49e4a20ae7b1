//! Two real API servers and what stands around them, which goes and comes with every cell.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Namespace, Service};
use kube::Api;
use kube::runtime::wait::await_condition;
use nodes::Nodes;
use nodes::network::simulated::SimulatedNetwork;
use scenario::model::On;

use super::{Cause, RealServer};
use crate::delays;
use crate::inventory::{Inventory, Keeper};
use crate::pair::{Life, Pair, PairPlan};
use crate::provider::{ProviderError, Standing};
use crate::simulated::{Inhabited, Seat, Site};

/// A server and what it holds before anybody moves in.
struct Grounds {
    server: RealServer,
    empty: Inventory,
}

impl Grounds {
    async fn of(provider: &'static str, server: RealServer) -> Result<Self, ProviderError> {
        built_in(provider, &server.client).await?;
        let empty = Inventory::take(&server.client).await;
        let empty =
            empty.map_err(|error| ProviderError::new(provider, "take the inventory of a new API server", error))?;
        Ok(Self { server, empty })
    }
}

/// Waits for what kube-apiserver makes by itself, a moment after it is ready (kubernetes v1.20,
/// `pkg/controlplane/controller.go` and `controller/clusterauthenticationtrust`).
pub(crate) async fn built_in(provider: &'static str, client: &kube::Client) -> Result<(), ProviderError> {
    let there = async {
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let namespaces: Api<Namespace> = Api::all(client.clone());
            await_condition(namespaces, name, |found: Option<&Namespace>| found.is_some()).await?;
        }
        let services: Api<Service> = Api::namespaced(client.clone(), "default");
        await_condition(services, "kubernetes", |found: Option<&Service>| found.is_some()).await?;
        let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), "default");
        await_condition(endpoints, "kubernetes", |found: Option<&Endpoints>| found.is_some()).await?;
        let authentication: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
        let name = "extension-apiserver-authentication";
        await_condition(authentication, name, |found: Option<&ConfigMap>| found.is_some()).await?;
        Ok::<_, kube::runtime::wait::Error>(())
    };
    let limit = "kube-apiserver has not made its namespaces, its Service and its ConfigMap within 60 s";
    let waited = tokio::time::timeout(Duration::from_mins(1), there).await;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        ProviderError::new(provider, "wait for what a new API server makes by itself", source)
    };
    waited.map_err(|_| failed(limit.into()))?.map_err(|error| failed(error.into()))
}

/// Both servers, the host's first, and the nodes that stand around them now.
pub(crate) struct Running {
    provider: &'static str,
    servers: Vec<Grounds>,
    nodes: Vec<Nodes>,
}

impl Running {
    /// The clusters of `plan` around `servers`, which both providers make: a pair is used again for another plan.
    pub(crate) async fn pair(
        provider: &'static str,
        servers: [RealServer; 2],
        plan: &PairPlan,
    ) -> Result<Pair, ProviderError> {
        let mut running = Self { provider, servers: Vec::new(), nodes: Vec::new() };
        for server in servers {
            running.servers.push(Grounds::of(provider, server).await?);
        }
        let standing = running.inhabit(plan).await?;
        Ok(Pair::new(standing, Box::new(running)))
    }

    async fn inhabit(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError> {
        let clock = delays::real_clock();
        let world = SimulatedNetwork::new(clock.clone());
        let mut clusters = Vec::new();
        for (on, grounds) in [On::Host, On::Member].into_iter().zip(&self.servers) {
            let Some(shape) = plan.shape(on) else { continue };
            let clock = clock.clone().with_delays(delays::on_real_time(shape));
            let site = Site::new(on.into(), Seat::from(on).nodes(shape.nodes), &world, &clock);
            grounds.server.egress.lead_to(site.dialer());
            let Inhabited { cluster, nodes } =
                site.inhabit(self.provider, grounds.server.seen.clone(), plan, None).await?;
            self.nodes.push(nodes);
            clusters.push(cluster);
        }
        let mut clusters = clusters.into_iter();
        let none = || ProviderError::new(self.provider, "make the host cluster", "there is no server for it");
        Ok(Standing { host: clusters.next().ok_or_else(none)?, member: clusters.next(), clock })
    }

    async fn leave(&mut self) {
        for nodes in self.nodes.drain(..) {
            nodes.stop().await;
        }
    }
}

#[async_trait]
impl Life for Running {
    fn fits(&self, _plan: &PairPlan) -> bool {
        true
    }

    async fn reset(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError> {
        self.leave().await;
        let resets = self.servers.iter().map(|grounds| grounds.empty.restore(&grounds.server.client, Keeper::Nobody));
        for outcome in futures::future::join_all(resets).await {
            outcome.map_err(|error| ProviderError::new(self.provider, "reset a cluster", error))?;
        }
        self.inhabit(plan).await
    }

    async fn export(&self, directory: &Path) -> Result<(), ProviderError> {
        let failed = |error: Cause| ProviderError::new(self.provider, "export the logs", error);
        for (on, grounds) in [On::Host, On::Member].into_iter().zip(&self.servers) {
            let directory = directory.join(on.to_string());
            std::fs::create_dir_all(&directory).map_err(|error| failed(error.into()))?;
            grounds.server.export(&directory).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn destroy(mut self: Box<Self>) -> Result<(), ProviderError> {
        self.leave().await;
        let provider = self.provider;
        let stopped = futures::future::join_all(self.servers.into_iter().map(|grounds| grounds.server.stop())).await;
        stopped
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(|error| ProviderError::new(provider, "stop the API servers", error))
    }
}

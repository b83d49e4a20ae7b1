//! A real kube-apiserver and etcd for each cluster, as controller-runtime's envtest starts them, with our simulated nodes
//! and network around it.

mod assets;
mod egress;
mod process;
mod server;
mod standalone;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Namespace, Service};
use kube::Api;
use kube::runtime::wait::await_condition;
use nodes::Nodes;
use nodes::clock::Clock;
use nodes::network::simulated::SimulatedNetwork;
use scenario::model::On;

pub use self::assets::ASSETS_VARIABLE;
use self::assets::Surroundings;
use self::server::RealServer;
pub use self::standalone::Standalone;
use crate::delays;
use crate::inventory::{Inventory, Keeper};
use crate::leases::Lease;
use crate::pair::{ClusterShape, Life, Pair, PairPlan};
use crate::provider::{Capabilities, Missing, Provider, ProviderError, Standing};
use crate::simulated::{Inhabited, Site};

/// Name of this provider.
pub const NAME: &str = "envtest";

/// Makes clusters around real API servers.
#[derive(Debug, Default)]
pub struct Envtest {
    /// Pairs made so far, for the names of their directories.
    made: AtomicUsize,
}

#[async_trait]
impl Provider for Envtest {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        let assets = Surroundings::of_this_process().find()?;
        let version = assets.version().await?;
        Ok(Capabilities { kubernetes: Some(version), shares_pairs: true, jobs: 1, virtual_clock: false })
    }

    async fn create(&self, lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let assets = Surroundings::of_this_process()
            .find()
            .map_err(|missing| ProviderError::new(NAME, "find its programs", missing))?;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let directory = lease.directory().join(format!("{NAME}-{number}"));
        let start = |on: On| RealServer::start(lease, &assets, on, directory.join(on.to_string()));
        // Both to their end, so that neither is left running without an owner.
        let (host, member) = tokio::join!(start(On::Host), start(On::Member));
        let mut servers = Vec::new();
        for server in [host, member] {
            servers.push(Grounds::of(server?).await?);
        }
        let mut running = Running { servers, nodes: Vec::new() };
        let standing = running.inhabit(plan).await?;
        Ok(Pair::new(standing, Box::new(running)))
    }
}

/// A server and what it holds before anybody moves in.
struct Grounds {
    server: RealServer,
    empty: Inventory,
}

impl Grounds {
    async fn of(server: RealServer) -> Result<Self, ProviderError> {
        built_in(&server.client).await?;
        let empty = Inventory::take(&server.client).await;
        let empty = empty.map_err(|error| ProviderError::new(NAME, "take the inventory of a new API server", error))?;
        Ok(Self { server, empty })
    }
}

/// Waits for what kube-apiserver makes by itself, a moment after it is ready (kubernetes v1.20,
/// `pkg/controlplane/controller.go` and `controller/clusterauthenticationtrust`).
async fn built_in(client: &kube::Client) -> Result<(), ProviderError> {
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
        ProviderError::new(NAME, "wait for what a new API server makes by itself", source)
    };
    waited.map_err(|_| failed(limit.into()))?.map_err(|error| failed(error.into()))
}

/// Both servers, the host's first, and the nodes that stand around them now.
struct Running {
    servers: Vec<Grounds>,
    nodes: Vec<Nodes>,
}

impl Running {
    async fn inhabit(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError> {
        let clock = delays::real_clock();
        let world = SimulatedNetwork::new(clock.clone());
        let mut clusters = Vec::new();
        for (on, grounds) in [On::Host, On::Member].into_iter().zip(&self.servers) {
            let Some(shape) = plan.shape(on) else { continue };
            let Inhabited { cluster, nodes } = settle(on, shape, &grounds.server, plan, &world, &clock).await?;
            self.nodes.push(nodes);
            clusters.push(cluster);
        }
        let mut clusters = clusters.into_iter();
        let none = || ProviderError::new(NAME, "make the host cluster", "there is no server for it");
        Ok(Standing { host: clusters.next().ok_or_else(none)?, member: clusters.next(), clock })
    }

    async fn leave(&mut self) {
        for nodes in self.nodes.drain(..) {
            nodes.stop().await;
        }
    }
}

async fn settle(
    on: On,
    shape: ClusterShape,
    server: &RealServer,
    plan: &PairPlan,
    world: &SimulatedNetwork,
    clock: &Clock,
) -> Result<Inhabited, ProviderError> {
    let clock = clock.clone().with_delays(delays::on_real_time(shape));
    let site = Site::new(on, shape, world, &clock);
    server.egress.lead_to(site.dialer());
    site.inhabit(NAME, server.seen.clone(), plan).await
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
            outcome.map_err(|error| ProviderError::new(NAME, "reset a cluster", error))?;
        }
        self.inhabit(plan).await
    }

    async fn export(&self, directory: &Path) -> Result<(), ProviderError> {
        let failed = |error: std::io::Error| ProviderError::new(NAME, "export the logs", error);
        for (on, grounds) in [On::Host, On::Member].into_iter().zip(&self.servers) {
            let directory = directory.join(on.to_string());
            std::fs::create_dir_all(&directory).map_err(failed)?;
            for log in grounds.server.logs() {
                std::fs::copy(log, directory.join(log.file_name().unwrap_or_default())).map_err(failed)?;
            }
        }
        Ok(())
    }

    async fn destroy(mut self: Box<Self>) -> Result<(), ProviderError> {
        self.leave().await;
        let stopped = futures::future::join_all(self.servers.into_iter().map(|grounds| grounds.server.stop())).await;
        stopped
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(|error| ProviderError::new(NAME, "stop the API servers", error))
    }
}

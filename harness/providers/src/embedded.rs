//! Clusters in this process: an embedded API server, simulated nodes, a simulated network between them.

use std::path::Path;

use apiserver::ApiServer;
use async_trait::async_trait;
use nodes::Nodes;
use nodes::clock::{Clock, VirtualClock};
use nodes::network::simulated::SimulatedNetwork;
use scenario::model::On;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::leases::Lease;
use crate::pair::{ClusterShape, Life, Pair, PairPlan};
use crate::provider::{Capabilities, Missing, Provider, ProviderError, Standing};
use crate::simulated::{self, Inhabited, Server, Site};

/// Name of this provider.
pub const NAME: &str = "embedded";

/// Kubernetes version that the API server models; the nodes have the same.
const KUBERNETES_VERSION: &str = "v1.20.2";

/// Makes clusters in this process, in milliseconds, without any other program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embedded;

#[async_trait]
impl Provider for Embedded {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        Ok(Capabilities {
            kubernetes: Some(KUBERNETES_VERSION.to_owned()),
            shares_pairs: false,
            jobs: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            virtual_clock: true,
        })
    }

    async fn create(&self, _lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let (standing, life) = Box::pin(create(plan)).await?;
        Ok(Pair::new(standing, Box::new(life)))
    }
}

async fn create(plan: &PairPlan) -> Result<(Standing, Running), ProviderError> {
    let driver = VirtualClock::new();
    let stop = CancellationToken::new();
    let driving = tokio::spawn(driver.clone().drive(stop.clone()));
    let clock = Clock::virtual_from(driver);
    let world = SimulatedNetwork::new(clock.clone());
    let host = start(On::Host, plan.host, plan, &world, &clock);
    let member = async {
        match plan.member {
            None => Ok(None),
            Some(shape) => start(On::Member, shape, plan, &world, &clock).await.map(Some),
        }
    };
    // Both to their end: a cluster that came up is taken down in order although the other one did not.
    let (host, member) = tokio::join!(host, member);
    let mut running = Running { clusters: Vec::new(), stop: stop.drop_guard(), driving };
    let host = host.map(|host| running.takes(host));
    let member = member.map(|member| member.map(|member| running.takes(member)));
    match (host, member) {
        (Ok(host), Ok(member)) => Ok((Standing { host, member, clock }, running)),
        (Err(error), _) | (_, Err(error)) => {
            running.end().await;
            Err(error)
        }
    }
}

/// What stands in this process for a pair.
struct Running {
    clusters: Vec<(Nodes, ApiServer)>,
    /// The clock stops with the pair, however it goes.
    stop: DropGuard,
    driving: tokio::task::JoinHandle<()>,
}

impl Running {
    fn takes(&mut self, (inhabited, server): (Inhabited, ApiServer)) -> std::sync::Arc<dyn crate::Cluster> {
        self.clusters.push((inhabited.nodes, server));
        inhabited.cluster
    }

    async fn end(self) {
        for (nodes, server) in self.clusters {
            nodes.stop().await;
            server.stop().await;
        }
        drop(self.stop);
        // It has no result, and a panic in it would have shown as waits that never end.
        let _ended = self.driving.await;
    }
}

#[async_trait]
impl Life for Running {
    fn fits(&self, _plan: &PairPlan) -> bool {
        true
    }

    /// New clusters take less than looking for what was made on the old ones.
    async fn reset(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError> {
        let (standing, running) = Box::pin(create(plan)).await?;
        std::mem::replace(self, running).end().await;
        Ok(standing)
    }

    /// There are no logs beside those of the pods.
    async fn export(&self, _directory: &Path) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn destroy(self: Box<Self>) -> Result<(), ProviderError> {
        self.end().await;
        Ok(())
    }
}

async fn start(
    on: On,
    shape: ClusterShape,
    plan: &PairPlan,
    world: &SimulatedNetwork,
    clock: &Clock,
) -> Result<(Inhabited, ApiServer), ProviderError> {
    let failed = |operation: &str, source: Box<dyn std::error::Error + Send + Sync>| {
        ProviderError::new(NAME, format!("{operation} of the {on} cluster"), source)
    };
    let site = Site::new(on, shape, world, clock);
    let key = rcgen::KeyPair::generate().map_err(|error| failed("make the ServiceAccount key", error.into()))?;
    let server = ApiServer::start(apiserver::Options {
        server_names: simulated::server_names(on),
        service_account_public_keys_pem: vec![key.public_key_pem()],
        service_cidr_prefix: simulated::SERVICE_CIDR_PREFIX,
        advertise: simulated::control_plane(on),
        dialer: site.dialer(),
        ..apiserver::Options::default()
    })
    .await
    .map_err(|error| failed("start the API server", error.into()))?;
    let admin = server
        .admin_kubeconfig(&format!("https://{}", server.address()), "cluster.local")
        .map_err(|error| failed("write the kubeconfig", error.into()))?;
    let seen = Server {
        address: server.address(),
        admin,
        ca_pem: server.ca_pem().to_owned(),
        service_account_key_pem: key.serialize_pem(),
        version: KUBERNETES_VERSION.to_owned(),
        embedded: Some(server.clone()),
    };
    Ok((site.inhabit(NAME, seen, plan).await?, server))
}

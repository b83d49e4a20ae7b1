//! Clusters in this process: an embedded API server, simulated nodes, a simulated network between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use apiserver::{ApiServer, DialFailure, Dialer};
use async_trait::async_trait;
use nodes::clock::{Clock, VirtualClock};
use nodes::network::simulated::{ClusterPlan, SimulatedNetwork};
use nodes::network::{NetError, Network};
use nodes::{NodeSpec, Nodes, NodesConfig};
use rand::RngExt as _;
use scenario::model::On;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::{Cluster, Missing, Pair, PairPlan, Provider, ProviderError, Teardown};
use crate::leases::Lease;

mod member;

use member::EmbeddedCluster;

/// Name of this provider.
pub const NAME: &str = "embedded";

/// Port of the API server on the node network, as kubeadm has it.
const API_PORT: u16 = 6443;
/// Address of the Service `kubernetes` inside every cluster.
const SERVICE_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));
/// Kubernetes version of the nodes; the API server models the same.
const KUBERNETES_VERSION: &str = "v1.20.2";

/// Makes clusters in this process, in milliseconds, without any other program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embedded;

#[async_trait]
impl Provider for Embedded {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<(), Missing> {
        Ok(())
    }

    async fn create(&self, _lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let driver = VirtualClock::new();
        let stop = CancellationToken::new();
        let driving = tokio::spawn(driver.clone().drive(stop.clone()));
        let clock = Clock::virtual_from(driver);
        let world = SimulatedNetwork::new(clock.clone());
        let host = start(On::Host, plan.host_nodes, plan, &world, &clock);
        let member = async {
            match plan.member_nodes {
                None => Ok(None),
                Some(nodes) => start(On::Member, nodes, plan, &world, &clock).await.map(Some),
            }
        };
        // Both to their end: a cluster that came up is taken down in order although the other one did not.
        let (host, member) = tokio::join!(host, member);
        let mut teardown = EmbeddedTeardown { running: Vec::new(), stop: stop.drop_guard(), driving };
        let host = host.map(|host| teardown.takes(host));
        let member = member.map(|member| member.map(|member| teardown.takes(member)));
        match (host, member) {
            (Ok(host), Ok(member)) => Ok(Pair { host, member, clock, teardown: Box::new(teardown) }),
            (Err(error), _) | (_, Err(error)) => {
                Box::new(teardown).run().await;
                Err(error)
            }
        }
    }
}

struct Started {
    cluster: Arc<dyn Cluster>,
    running: (Nodes, ApiServer),
}

struct EmbeddedTeardown {
    running: Vec<(Nodes, ApiServer)>,
    /// The clock stops with the pair, however it goes.
    stop: DropGuard,
    driving: tokio::task::JoinHandle<()>,
}

impl EmbeddedTeardown {
    fn takes(&mut self, started: Started) -> Arc<dyn Cluster> {
        self.running.push(started.running);
        started.cluster
    }
}

#[async_trait]
impl Teardown for EmbeddedTeardown {
    async fn run(self: Box<Self>) {
        for (nodes, server) in self.running {
            nodes.stop().await;
            server.stop().await;
        }
        drop(self.stop);
        // It has no result, and a panic in it would have shown as waits that never end.
        let _ended = self.driving.await;
    }
}

async fn start(
    on: On,
    count: usize,
    plan: &PairPlan,
    world: &SimulatedNetwork,
    clock: &Clock,
) -> Result<Started, ProviderError> {
    let failed = |operation: &str| {
        let operation = format!("{operation} of the {on} cluster");
        move |source: Box<dyn std::error::Error + Send + Sync>| ProviderError { provider: NAME, operation, source }
    };
    let specs = node_specs(on, count);
    let control_plane = specs.first().map_or(SERVICE_IP, |node| node.ip);
    let network = world.cluster(ClusterPlan::new(on.to_string(), control_plane));
    let key = rcgen::KeyPair::generate().map_err(|e| failed("make the ServiceAccount key")(e.into()))?;
    let server = ApiServer::start(apiserver::Options {
        server_names: vec![control_plane.to_string(), format!("{on}.ks-e2e.test")],
        service_account_public_keys_pem: vec![key.public_key_pem()],
        advertise: control_plane,
        dialer: Arc::new(NetworkDialer(network.for_control_plane())),
        ..apiserver::Options::default()
    })
    .await
    .map_err(|e| failed("start the API server")(e.into()))?;
    world.add_endpoint(SocketAddr::new(control_plane, API_PORT), server.address());
    world.add_name(&format!("{on}.ks-e2e.test"), vec![control_plane]);
    network.add_service_endpoint(SocketAddr::new(SERVICE_IP, 443), server.address());
    let admin = server
        .admin_kubeconfig(&format!("https://{}", server.address()), "cluster.local")
        .map_err(|e| failed("write the kubeconfig")(e.into()))?;
    let pasteable = crate::access::with_server(&admin, &format!("https://{control_plane}:{API_PORT}"))
        .map_err(|e| failed("write the kubeconfig")(e.into()))?;
    let client = member::admin_client(&admin).map_err(|e| failed("make a client")(e))?;
    let nodes = Nodes::start(NodesConfig {
        cluster: on.to_string(),
        client: client.clone(),
        nodes: specs.clone(),
        programs: stub::programs_with(plan.behaviour),
        network: Arc::new(network.clone()),
        clock: clock.clone(),
        ca_pem: server.ca_pem().to_owned(),
        service_account_key_pem: key.serialize_pem(),
        in_cluster_server: format!("https://{SERVICE_IP}:443"),
        seed: plan.seed ^ u64::from(third_octet(on)).rotate_right(8),
        kubernetes_version: KUBERNETES_VERSION.to_owned(),
    })
    .await
    .map_err(|e| failed("start the nodes")(e.into()))?;
    let cluster = EmbeddedCluster {
        on,
        client,
        network,
        clock: clock.clone(),
        nodes: specs,
        admin,
        pasteable,
        server: server.clone(),
    };
    Ok(Started { cluster: Arc::new(cluster), running: (nodes, server) })
}

/// Nodes with addresses of their own, and machine IDs that no other cluster has.
fn node_specs(on: On, count: usize) -> Vec<NodeSpec> {
    let third = third_octet(on);
    (0..count.max(1))
        .map(|index| NodeSpec {
            name: format!("{on}-node{}", index + 1),
            ip: Ipv4Addr::new(172, 18, third, u8::try_from(index + 2).unwrap_or(u8::MAX)).into(),
            machine_id: format!("{:032x}", rand::rng().random::<u128>()),
            roles: if index == 0 {
                vec!["control-plane".to_owned(), "master".to_owned()]
            } else {
                vec!["worker".to_owned()]
            },
        })
        .collect()
}

/// What tells the addresses of the two clusters apart.
fn third_octet(on: On) -> u8 {
    match on {
        On::Host => 1,
        On::Member => 2,
    }
}

/// The API server reaches kubelets and Endpoints through the simulated network.
struct NetworkDialer(Arc<dyn Network>);

#[async_trait]
impl Dialer for NetworkDialer {
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn apiserver::Stream>, DialFailure> {
        let failure = |error: NetError| match error {
            NetError::Refused { .. } => DialFailure::Refused,
            NetError::NoRoute { .. } => DialFailure::NoRoute,
            NetError::TimedOut { .. } => DialFailure::TimedOut,
            NetError::NoSuchHost { .. } => DialFailure::NoSuchHost,
            other => DialFailure::Other(other.to_string()),
        };
        let addresses = self.0.resolve(host).await.map_err(failure)?;
        let address = addresses.first().copied().ok_or(DialFailure::NoSuchHost)?;
        let stream = self.0.connect(SocketAddr::new(address, port)).await.map_err(failure)?;
        Ok(Box::new(stream))
    }
}

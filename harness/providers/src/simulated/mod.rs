//! Simulated nodes and their network around an API server, embedded or real.

mod cluster;
mod own_image;
mod seat;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use apiserver::{ApiServer, DialFailure, Dialer};
use async_trait::async_trait;
use http::Request;
use nodes::clock::Clock;
use nodes::network::client::{self, Endpoint};
use nodes::network::simulated::{ClusterNetwork, ClusterPlan, Fault, SimulatedNetwork, Unreachable};
use nodes::network::{NetError, Network};
use nodes::{Components, NodeSpec, Nodes, NodesConfig};
use scenario::model::On;
use stub::Deviation;

use crate::access::{AGENT, Access, with_server};
use crate::cluster::Cluster;
use crate::pair::PairPlan;
use crate::provider::ProviderError;
use nodes::network::sockets::Sockets;

use self::cluster::SimulatedCluster;
pub(crate) use self::seat::Seat;

/// Port of the API server on the node network, as kubeadm has it.
const API_PORT: u16 = 6443;
/// First two bytes of every ClusterIP, kubeadm's default.
pub(crate) const SERVICE_CIDR_PREFIX: [u8; 2] = [10, 96];
/// Address of the Service `kubernetes` inside every cluster.
pub(crate) const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(SERVICE_CIDR_PREFIX[0], SERVICE_CIDR_PREFIX[1], 0, 1);

/// An API server as simulated nodes need it.
#[derive(Clone)]
pub(crate) struct Server {
    /// Where it listens on this machine.
    pub(crate) address: SocketAddr,
    /// An administrator's kubeconfig for that address.
    pub(crate) admin: String,
    /// PEM of its authority.
    pub(crate) ca_pem: String,
    /// PEM (PKCS #8) of the key that signs ServiceAccount tokens.
    pub(crate) service_account_key_pem: String,
    /// Its version, as `v1.20.2`.
    pub(crate) version: String,
    /// It itself, where it is ours.
    pub(crate) embedded: Option<ApiServer>,
}

/// The nodes of a cluster before they stand, and their place in the network.
pub(crate) struct Site {
    seat: Seat,
    specs: Vec<NodeSpec>,
    network: ClusterNetwork,
    world: SimulatedNetwork,
    clock: Clock,
}

/// A cluster with its nodes.
pub(crate) struct Inhabited {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) nodes: Nodes,
}

impl Site {
    /// A place for the cluster of `seat` in `world`, with these nodes.
    pub(crate) fn new(seat: Seat, specs: Vec<NodeSpec>, world: &SimulatedNetwork, clock: &Clock) -> Self {
        let network = world.cluster(ClusterPlan::new(seat.to_string(), seat.control_plane()));
        Self { seat, specs, network, world: world.clone(), clock: clock.clone() }
    }

    /// How the API server reaches kubelets and pods.
    pub(crate) fn dialer(&self) -> Arc<dyn Dialer> {
        Arc::new(NetworkDialer(self.network.for_control_plane()))
    }

    /// Lets nodes and controllers begin their work under `server`, with what the nodes had before, if anything.
    pub(crate) async fn inhabit(
        self,
        provider: &'static str,
        server: Server,
        plan: &PairPlan,
        restore: Option<nodes::Snapshot>,
    ) -> Result<Inhabited, ProviderError> {
        let Self { seat, specs, network, world, clock } = self;
        let on = seat.on();
        let failed = |operation: &str, source: Box<dyn std::error::Error + Send + Sync>| {
            ProviderError::new(provider, format!("{operation} of the {seat} cluster"), source)
        };
        let at = seat.control_plane();
        if plan.behaviour.deviates(Deviation::MemberHiddenFromNode)
            && let (On::Host, [first, _, ..]) = (on, specs.as_slice())
        {
            world.set_fault(member_hidden_from(first.ip));
        }
        world.add_endpoint(SocketAddr::new(at, API_PORT), server.address);
        world.add_name(&seat.server_name(), vec![at]);
        network.add_service_endpoint(SocketAddr::new(SERVICE_IP.into(), 443), server.address);
        let pasteable = with_server(&server.admin, &format!("https://{at}:{API_PORT}"))
            .map_err(|error| failed("write the kubeconfig", error.into()))?;
        // What goes on inside this process needs no connections where the server is in it, too; programs have them.
        let named = |agent: &str| match &server.embedded {
            None => client_named(&server.admin, agent),
            Some(server) => {
                let way = server.in_process_as_administrator();
                // Only checks look for who wrote a field.
                let way = if agent == AGENT { way } else { way.without_managed_fields() };
                Ok(client::in_process_client(in_process(way), &Clock::real(), None, Some(agent))?)
            }
        };
        let client = named(AGENT).map_err(|error| failed("make a client", error))?;
        let components = Components::each(&server.version, named);
        let nodes = NodesConfig {
            cluster: seat.to_string(),
            components: components.map_err(|error| failed("make a client", error))?,
            nodes: specs.clone(),
            programs: own_image::programs(plan.behaviour),
            network: Arc::new(network.clone()),
            clock: clock.clone(),
            ca_pem: server.ca_pem,
            service_account_key_pem: server.service_account_key_pem,
            in_cluster_server: format!("https://{SERVICE_IP}:443"),
            in_process: server.embedded.as_ref().map(|server| in_process(server.in_process())),
            seed: plan.seed ^ u64::from(seat.number()).rotate_right(8),
            restore,
            kubernetes_version: server.version,
        };
        // Requests that find no connection make one each, so the first is made before many begin at once. Whether it was
        // answered, the next one tells.
        let (nodes, _answered) = tokio::join!(Nodes::start(nodes), client.apiserver_version());
        let nodes = nodes.map_err(|error| failed("start the nodes", error.into()))?;
        let cluster = SimulatedCluster {
            provider,
            on,
            client,
            network,
            clock,
            nodes: specs,
            admin: server.admin,
            pasteable,
            name: seat.server_name(),
            embedded: server.embedded,
        };
        Ok(Inhabited { cluster: Arc::new(cluster), nodes })
    }
}

/// The way to an embedded server as clients of programs take it.
fn in_process(server: apiserver::InProcess) -> client::InProcess {
    Arc::new(move |request| {
        let server = server.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let request = Request::from_parts(head, body.collect_bytes().await?);
            Ok(server.answer(request).await?)
        })
    })
}

/// A client over this machine's loopback, where the API server really listens.
pub(crate) fn admin_client(kubeconfig: &str) -> Result<kube::Client, Box<dyn std::error::Error + Send + Sync>> {
    client_named(kubeconfig, AGENT)
}

/// The same for who calls itself `agent`.
fn client_named(kubeconfig: &str, agent: &str) -> Result<kube::Client, Box<dyn std::error::Error + Send + Sync>> {
    let endpoint = Endpoint { agent: Some(agent.to_owned()), ..Access::of(kubeconfig)?.endpoint()? };
    Ok(client::client(Arc::new(Sockets::system()?), &Clock::real(), &endpoint)?)
}

/// The API server of the member cannot be reached from `node`.
fn member_hidden_from(node: IpAddr) -> Fault {
    let to = Seat::from(On::Member).control_plane();
    Fault::Unreachable { from: Some(node), to, port: Some(API_PORT), how: Unreachable::NoRoute }
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

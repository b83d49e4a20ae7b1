//! The two servers of a comparison, each with the same controllers and the same simulated node around it.

mod access;
mod embedded;
mod key;
mod loopback;
mod programs;
mod real;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apiserver::ApiServer;
use nodes::clock::{Clock, Delays};
use nodes::network::simulated::{ClusterPlan, SimulatedNetwork};
use nodes::{NodeSpec, Nodes, NodesConfig};

pub use self::access::Access;
use self::loopback::OnLoopback;

/// The only node: pods of both servers land on the same one, whatever else runs.
const NODE: &str = "node1";
/// Where the node's kubelet listens, and its address: loopback is what a kube-apiserver without a network can reach.
const NODE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// First two bytes of `ClusterIP`s, envtest's default range for Services (`10.0.0.0/24`).
const SERVICE_CIDR_PREFIX: [u8; 2] = [10, 0];
/// The Service `kubernetes`.
const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 443);
/// Version of the server, the nodes and the oldest client.
const KUBERNETES_VERSION: &str = "v1.20.2";

/// Named delays of `nodes` that are worth shortening where time is real.
const SHORT: [(&str, Duration); 5] = [
    ("restart-backoff", Duration::from_secs(1)),
    ("namespace-look-again", Duration::from_millis(200)),
    ("kubelet-retry", Duration::from_millis(100)),
    ("watch-pause", Duration::from_millis(100)),
    ("config-mount", Duration::from_secs(1)),
];

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one of this repository.
    Embedded,
    /// The original.
    Real,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Real => "real",
        })
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A server that did not come up.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A step of its start failed.
    #[error("{side} server: {operation}: {source}")]
    Start {
        /// Which server.
        side: Side,
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: Cause,
    },
    /// It cannot reach kubelets, so no client could read logs.
    #[error(
        "real server: it does not reach the kubelet of {NODE} ({said}); start it with \
         ENVTEST_APISERVER_FLAGS='{}'",
        real::FLAGS
    )]
    Kubelet {
        /// What it answered instead.
        said: String,
    },
}

fn failed<E: Into<Cause>>(side: Side, operation: &'static str) -> impl FnOnce(E) -> ServerError {
    move |source| ServerError::Start { side, operation, source: source.into() }
}

/// An API server before nodes stand around it.
struct Bare {
    side: Side,
    access: Access,
    service_account_key_pem: String,
    embedded: Option<ApiServer>,
}

/// A server with its nodes.
pub struct Server {
    /// Which one.
    pub side: Side,
    /// How clients get in.
    pub access: Access,
    /// A client of the harness itself.
    pub client: kube::Client,
    nodes: Nodes,
    embedded: Option<ApiServer>,
}

impl Server {
    /// Starts the embedded server.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn embedded() -> Result<Self, ServerError> {
        inhabit(embedded::start().await?).await
    }

    /// Puts nodes around the real server whose files are in `directory`.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn real(directory: &Path) -> Result<Self, ServerError> {
        let server = inhabit(real::find(directory)?).await?;
        real::reaches_kubelets(&server.client).await?;
        Ok(server)
    }

    /// What the original would have served and this server did not; nothing for the original itself.
    pub fn surface_misses(&self) -> Vec<String> {
        self.embedded.as_ref().map(ApiServer::surface_misses).unwrap_or_default()
    }

    /// The latest failures of the nodes and controllers.
    pub fn failures(&self) -> Vec<String> {
        self.nodes.failures()
    }

    /// Takes the nodes down, and the server where it is ours.
    pub async fn stop(self) {
        self.nodes.stop().await;
        if let Some(server) = self.embedded {
            server.stop().await;
        }
    }
}

async fn inhabit(bare: Bare) -> Result<Server, ServerError> {
    let side = bare.side;
    let client = bare.access.client().await.map_err(failed(side, "make a client"))?;
    let delays = SHORT.iter().fold(Delays::default(), |delays, (name, short)| delays.with(name, *short));
    let clock = Clock::real().with_delays(delays);
    let world = SimulatedNetwork::new(clock.clone());
    let network = world.cluster(ClusterPlan::new("witness", NODE_ADDRESS));
    network.add_service_endpoint(SERVICE, bare.access.address);
    let nodes = Nodes::start(NodesConfig {
        cluster: side.to_string(),
        components: nodes::Components::alike(&client),
        nodes: vec![NodeSpec {
            name: NODE.to_owned(),
            ip: NODE_ADDRESS,
            machine_id: "7ea9eac2bd3c4b0a8a5d6a4a5b0f3c11".to_owned(),
            roles: vec!["control-plane".to_owned(), "master".to_owned()],
        }],
        programs: programs::programs(),
        network: Arc::new(OnLoopback::new(network)),
        clock,
        ca_pem: bare.access.ca_pem.clone(),
        service_account_key_pem: bare.service_account_key_pem,
        in_cluster_server: format!("https://{SERVICE}"),
        in_process: None,
        seed: 7,
        restore: None,
        kubernetes_version: KUBERNETES_VERSION.to_owned(),
    });
    let nodes = nodes.await.map_err(failed(side, "start the nodes"))?;
    Ok(Server { side, access: bare.access, client, nodes, embedded: bare.embedded })
}

//! A cluster's nodes and controllers as a whole: what they need, how they start and stop.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::DropGuard;

use crate::clock::Clock;
use crate::cluster::{Cluster, Failure};
use crate::components::Components;
use crate::controllers::garbage::Monitors;
use crate::controllers::tokens::Signer;
use crate::controllers::{self, storage};
use crate::kubelet::{self, Kubelet, api, heartbeat, node};
use crate::network::client::InProcess;
use crate::node_network::NodeNetwork;
use crate::program::Programs;
use crate::served::Served;
use crate::snapshot::{Controllers, Kept, Snapshot};

/// A node to simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name.
    pub name: String,
    /// Address, unique in the world.
    pub ip: IpAddr,
    /// `status.nodeInfo.machineID`.
    pub machine_id: String,
    /// Roles, each a label `node-role.kubernetes.io/<role>`.
    pub roles: Vec<String>,
}

/// What the nodes and controllers of a cluster need.
pub struct NodesConfig {
    /// The cluster's name in messages.
    pub cluster: String,
    /// Administrators' clients, which reach the API server without the simulated network.
    pub components: Components,
    /// The nodes; pods go to them in turn.
    pub nodes: Vec<NodeSpec>,
    /// What container images contain.
    pub programs: Programs,
    /// The network under the nodes.
    pub network: Arc<dyn NodeNetwork>,
    /// The clock.
    pub clock: Clock,
    /// PEM of the cluster's authority, for `kube-root-ca.crt` and ServiceAccount tokens.
    pub ca_pem: String,
    /// PEM (PKCS #8) of the P-256 key that signs ServiceAccount tokens.
    pub service_account_key_pem: String,
    /// Address of the API server inside the cluster, as `https://10.96.0.1:443`.
    pub in_cluster_server: String,
    /// The same server without a connection, where it is in this process: programs whose credentials are for it take
    /// this way.
    pub in_process: Option<InProcess>,
    /// Seed of the programs' randomness.
    pub seed: u64,
    /// What the nodes had before, where the API server has the objects of that moment.
    pub restore: Option<Snapshot>,
    /// Version of the kubelets, as `v1.20.2`.
    pub kubernetes_version: String,
}

/// Nodes that could not start.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// The API server refused or did not answer.
    #[error("{cluster} cluster: {operation}: {source}")]
    Api {
        /// Which cluster.
        cluster: String,
        /// What was asked, as `create Node node1`.
        operation: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// The key for ServiceAccount tokens is not usable.
    #[error(
        "{cluster} cluster: the key for ServiceAccount tokens is not usable: {reason}; it must be a P-256 key as PKCS #8 PEM"
    )]
    Key {
        /// Which cluster.
        cluster: String,
        /// The parser's words.
        reason: String,
    },
    /// The address of the API server is not one.
    #[error(
        "{cluster} cluster: the API server's address {server:?} is not usable: {reason}; it must be like https://10.96.0.1:443"
    )]
    Server {
        /// Which cluster.
        cluster: String,
        /// The address.
        server: String,
        /// The parser's words.
        reason: String,
    },
    /// A kubelet cannot listen.
    #[error("{cluster} cluster: the kubelet of node {node} cannot listen: {reason}")]
    Kubelet {
        /// Which cluster.
        cluster: String,
        /// Which node.
        node: String,
        /// Why.
        reason: String,
    },
}

impl NodesError {
    fn of(cluster: &str, failure: Failure) -> Self {
        Self::Api { cluster: cluster.to_owned(), operation: failure.operation, source: failure.source }
    }
}

/// How long controllers may take to list what they have not listed yet; by wall, since nobody else waits for it.
const CATCHING_UP: Duration = Duration::from_secs(5);

/// The running nodes and controllers of a cluster. Dropping it stops them without waiting.
pub struct Nodes {
    cluster: Arc<Cluster>,
    kubelet: Arc<Kubelet>,
    kinds: Served,
    monitors: Monitors,
    _stop: DropGuard,
}

impl Nodes {
    /// Starts nodes and controllers; returns once the nodes are Ready, and the default `StorageClass` and the default
    /// ServiceAccounts exist.
    ///
    /// # Errors
    /// [`NodesError`] when the API server refuses, the key is not usable or a kubelet cannot listen.
    pub async fn start(config: NodesConfig) -> Result<Self, NodesError> {
        let name = config.cluster.clone();
        let key_error = |reason| NodesError::Key { cluster: name.clone(), reason };
        let signer = Signer::new(&config.service_account_key_pem).map_err(key_error)?;
        let server_uri =
            config.in_cluster_server.parse().map_err(|error: http::uri::InvalidUri| NodesError::Server {
                cluster: name.clone(),
                server: config.in_cluster_server.clone(),
                reason: error.to_string(),
            })?;
        let cluster = Cluster::new(config.components, config.clock);
        let stop = cluster.stop.clone().drop_guard();
        let addresses = config.nodes.iter().map(|node| (node.name.clone(), node.ip)).collect();
        let ca_pem: Arc<str> = config.ca_pem.into();
        let server = kubelet::Server {
            address: config.in_cluster_server,
            uri: server_uri,
            ca_pem: ca_pem.clone(),
            in_process: config.in_process,
        };
        let restore = config.restore;
        let kubelet = Kubelet::new(
            cluster.clone(),
            config.programs,
            config.network.clone(),
            server,
            config.seed,
            addresses,
            restore.clone(),
        );

        let known = restore.as_ref().map(|kept| &kept.0.controllers);
        let monitors =
            controllers::start(&cluster, signer, &ca_pem, &config.network, known.map(|known| &known.garbage));
        kubelet.start();
        let watching = async {
            let kinds = match known {
                Some(known) => known.served.clone(),
                None => Served::ask(&cluster).await.map_err(|failure| NodesError::of(&name, failure))?,
            };
            cluster.watch(&kinds, known.map(|known| &known.caches)).await;
            Ok(kinds)
        };

        let registering = async {
            for node in &config.nodes {
                let unable =
                    |reason: String| NodesError::Kubelet { cluster: name.clone(), node: node.name.clone(), reason };
                let listener = config.network.node(node.ip).listen(api::PORT).await;
                let listener = listener.map_err(|error| unable(error.to_string()))?;
                let port = api::port_of(listener.as_ref());
                api::start(&kubelet, &node.name, listener, api::tls(&node.name, node.ip).map_err(unable)?);
                let registered = node::register(&cluster, node, &config.kubernetes_version, port).await;
                registered.map_err(|failure| NodesError::of(&name, failure))?;
            }
            storage::ensure_default_class(&cluster).await.map_err(|failure| NodesError::of(&name, failure))
        };
        let (kinds, ()) = tokio::try_join!(watching, registering)?;
        controllers::accounts::all_there(&cluster).await;
        heartbeat::start(&cluster, config.nodes.into_iter().map(|node| node.name).collect());
        monitors.start();
        Ok(Self { cluster, kubelet, kinds, monitors, _stop: stop })
    }

    /// What the nodes hold and the controllers know now; none while a container starts or ends, or a program is amid
    /// something ([`Memory`](crate::memory::Memory)). What controllers are amid, the objects tell.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        // A kind that cannot be listed keeps nobody waiting.
        tokio::time::timeout(CATCHING_UP, self.monitors.catch_up()).await.ok()?;
        let pods = self.kubelet.keep()?;
        // In this order: what changes in between, the watches of the caches show again.
        let caches = self.cluster.caches.known();
        let controllers = Controllers { served: self.kinds.clone(), caches, garbage: self.monitors.known() };
        Some(Snapshot(Arc::new(Kept { pods, pulled: self.kubelet.pulled.all(), controllers })))
    }

    /// Stops every program, kubelet and controller, and waits for them.
    pub async fn stop(self) {
        self.cluster.shut_down().await;
    }

    /// The latest failures of controllers and kubelets, oldest first, as evidence when something does not happen.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.cluster.failures()
    }
}

//! A model of a network: both clusters of a cell are in one world, and nothing depends on the machine underneath.
//!
//! `127.0.0.1` is the pod itself; names resolve in their own cluster; unknown addresses have no route; node addresses
//! are reachable from everywhere, pod and service addresses only inside their own cluster. Only API servers have real
//! sockets; all else is in memory. [`Fault`]s hook in here and nowhere else.

mod at;
mod faults;
mod streams;
#[cfg(test)]
mod tests;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::at::At;
pub use self::faults::{Fault, Unreachable};
use self::world::{Cluster, Place, Source, World};
use super::Network;
use crate::clock::Clock;
use crate::node_network::{NodeNetwork, PodNetwork};

/// One world for all clusters of a cell. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedNetwork {
    world: Arc<Mutex<World>>,
    clock: Clock,
}

/// What a cluster's network looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPlan {
    /// The cluster's name in messages.
    pub name: String,
    /// The name server that a failed look-up names, as `169.254.25.10:53`.
    pub dns_server: String,
    /// Address of the node that the API server runs on.
    pub control_plane: IpAddr,
    /// First address for pods; both clusters may have the same.
    pub pod_base: Ipv4Addr,
    /// Domain of the cluster's services.
    pub domain: String,
}

impl ClusterPlan {
    /// A plan with the defaults of a `KubeKey` installation: node-local DNS at `169.254.25.10:53`, pods in
    /// `10.233.64.0/18`, domain `cluster.local` (KubeSphere documentation, "Multi-node installation").
    #[must_use]
    pub fn new(name: impl Into<String>, control_plane: IpAddr) -> Self {
        Self {
            name: name.into(),
            dns_server: "169.254.25.10:53".to_owned(),
            control_plane,
            pod_base: Ipv4Addr::new(10, 233, 64, 0),
            domain: "cluster.local".to_owned(),
        }
    }
}

/// A fault that was set, to clear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(u64);

/// Namespace and name of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// What DNS and kube-proxy know of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceTable {
    /// Its ClusterIP; none for a headless Service.
    pub cluster_ip: Option<IpAddr>,
    /// Addresses of its ready endpoints.
    pub ready: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Port of the ClusterIP.
    pub port: u16,
    /// Port of every node, if any.
    pub node_port: Option<u16>,
    /// Ready endpoints behind it.
    pub endpoints: Vec<SocketAddr>,
}

impl SimulatedNetwork {
    /// An empty world whose dials and bytes show on `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { world: Arc::default(), clock }
    }

    /// Adds a cluster.
    #[must_use]
    pub fn cluster(&self, plan: ClusterPlan) -> ClusterNetwork {
        let mut world = self.lock();
        world.hosts.insert(plan.control_plane);
        world.clusters.push(Cluster {
            nodes: BTreeSet::from([plan.control_plane]),
            plan,
            names: BTreeMap::new(),
            pods: BTreeMap::new(),
            services: BTreeMap::new(),
            sockets: BTreeMap::new(),
            next_pod: 0,
        });
        ClusterNetwork { network: self.clone(), index: world.clusters.len() - 1 }
    }

    /// Makes the API server at the real address `socket` reachable as `at` from everywhere. Other ports of that
    /// address refuse.
    pub fn add_endpoint(&self, at: SocketAddr, socket: SocketAddr) {
        let mut world = self.lock();
        world.hosts.insert(at.ip());
        world.sockets.insert(at, socket);
    }

    /// Makes `name` resolve everywhere, as a load balancer's public name does.
    pub fn add_name(&self, name: &str, addresses: Vec<IpAddr>) {
        self.lock().names.insert(name.to_ascii_lowercase(), addresses);
    }

    /// Drops everything that is sent to `at`.
    pub fn blackhole(&self, at: SocketAddr) {
        self.lock().blackholes.insert(at);
    }

    /// Sets a fault, and breaks the open connections that it is about.
    #[expect(clippy::must_use_candidate, reason = "most faults stay for the whole scenario")]
    pub fn set_fault(&self, fault: Fault) -> FaultId {
        FaultId(self.lock().set_fault(fault))
    }

    /// Ends a fault.
    pub fn clear_fault(&self, fault: FaultId) {
        self.lock().faults.remove(&fault.0);
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One cluster's part of the world. Cheap to clone.
#[derive(Clone)]
pub struct ClusterNetwork {
    network: SimulatedNetwork,
    index: usize,
}

impl ClusterNetwork {
    /// Adds a node, whose address is reachable from everywhere.
    pub fn add_node(&self, address: IpAddr) {
        self.network.lock().hosts.insert(address);
        self.with(|cluster| cluster.nodes.insert(address));
    }

    /// Makes `name` resolve in this cluster only.
    pub fn add_name(&self, name: &str, addresses: Vec<IpAddr>) {
        self.with(|cluster| cluster.names.insert(name.to_ascii_lowercase(), addresses));
    }

    /// Makes the API server at the real address `socket` reachable as `at` (the `kubernetes` Service's ClusterIP and
    /// port) inside this cluster.
    pub fn add_service_endpoint(&self, at: SocketAddr, socket: SocketAddr) {
        self.with(|cluster| cluster.sockets.insert(at, socket));
    }

    /// The network of the pod at `address`, in namespace `default`.
    #[must_use]
    pub fn for_pod(&self, address: IpAddr) -> Arc<dyn Network> {
        self.for_pod_in(address, None, "default")
    }

    /// The network of a pod of `namespace` at `address` on `node`.
    #[must_use]
    pub fn for_pod_in(&self, address: IpAddr, node: Option<IpAddr>, namespace: &str) -> Arc<dyn Network> {
        self.with(|cluster| cluster.pods.insert(address, node));
        self.reached_from(Place::Pod(self.index, address), node, Some(namespace.to_owned()))
    }

    /// The network of the node at `address`.
    #[must_use]
    pub fn for_node(&self, address: IpAddr) -> Arc<dyn Network> {
        self.add_node(address);
        self.reached_from(Place::Node(address), None, None)
    }

    /// The network of the node that the API server runs on.
    #[must_use]
    pub fn for_control_plane(&self) -> Arc<dyn Network> {
        let control_plane = self.with(|cluster| cluster.plan.control_plane);
        self.reached_from(Place::Node(control_plane.unwrap_or(Ipv4Addr::UNSPECIFIED.into())), None, None)
    }

    fn reached_from(&self, place: Place, node: Option<IpAddr>, namespace: Option<String>) -> Arc<dyn Network> {
        let source = Source { cluster: self.index, place, node, namespace };
        Arc::new(At { network: self.network.clone(), source })
    }

    /// Clusters are never removed, so there is always one at the index.
    fn with<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> Option<T> {
        self.network.lock().clusters.get_mut(self.index).map(change)
    }
}

impl NodeNetwork for ClusterNetwork {
    fn node(&self, address: IpAddr) -> Arc<dyn Network> {
        self.for_node(address)
    }

    fn add_pod(&self, node: IpAddr, namespace: &str) -> PodNetwork {
        let address = self.with(|cluster| {
            cluster.next_pod += 1;
            // The first address of the range is the bridge's.
            Ipv4Addr::from(u32::from(cluster.plan.pod_base).wrapping_add(1 + cluster.next_pod))
        });
        let address = IpAddr::V4(address.unwrap_or(Ipv4Addr::UNSPECIFIED));
        PodNetwork { address, network: self.for_pod_in(address, Some(node), namespace) }
    }

    fn restore_pod(&self, node: IpAddr, namespace: &str, address: IpAddr) -> PodNetwork {
        self.with(|cluster| {
            let IpAddr::V4(taken) = address else { return };
            let number = u32::from(taken).wrapping_sub(u32::from(cluster.plan.pod_base)).wrapping_sub(1);
            cluster.next_pod = cluster.next_pod.max(number);
        });
        PodNetwork { address, network: self.for_pod_in(address, Some(node), namespace) }
    }

    fn remove_pod(&self, address: IpAddr) {
        let mut world = self.network.lock();
        let index = self.index;
        world.listeners.retain(|(place, _), _| *place != Place::Pod(index, address));
        if let Some(cluster) = world.clusters.get_mut(index) {
            cluster.pods.remove(&address);
        }
    }

    fn set_service(&self, key: ServiceKey, table: Option<ServiceTable>) {
        self.with(|cluster| match table {
            Some(table) => cluster.services.insert(key, table),
            None => cluster.services.remove(&key),
        });
        self.network.clock.touch();
    }
}

//! The network under nodes: what a cluster's kubelets and service tables need of it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::network::Network;
use crate::network::simulated::{ServiceKey, ServiceTable};

/// A pod's place in the network.
#[derive(Clone)]
pub struct PodNetwork {
    /// The pod's address, as in its status.
    pub address: IpAddr,
    /// The network as the pod sees it.
    pub network: Arc<dyn Network>,
}

/// Gives nodes and pods their place in a network. Simulated, or real sockets under a real API server.
pub trait NodeNetwork: Send + Sync + 'static {
    /// The network as the node at `address` sees it; its kubelet listens there.
    fn node(&self, address: IpAddr) -> Arc<dyn Network>;

    /// A place for a new pod of `namespace` on `node`.
    fn add_pod(&self, node: IpAddr, namespace: &str) -> PodNetwork;

    /// The place at `address` for a pod of `namespace` on `node` that was there before.
    fn restore_pod(&self, node: IpAddr, namespace: &str, address: IpAddr) -> PodNetwork;

    /// The pod at `address` is gone, and its listeners with it.
    fn remove_pod(&self, address: IpAddr);

    /// What DNS and kube-proxy know of a Service from now on; `None` when it is gone.
    fn set_service(&self, key: ServiceKey, table: Option<ServiceTable>);
}

//! Nodes whose kubelets listen on this machine's loopback, where both servers reach them; pods stay in the simulated
//! network.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use nodes::network::simulated::{ClusterNetwork, ServiceKey, ServiceTable};
use nodes::network::{BoxStream, Listener, NetError, Network};
use nodes::node_network::{NodeNetwork, PodNetwork};
use tokio::net::TcpListener;

pub(super) struct OnLoopback(ClusterNetwork);

impl OnLoopback {
    pub(super) fn new(network: ClusterNetwork) -> Self {
        Self(network)
    }
}

impl NodeNetwork for OnLoopback {
    fn node(&self, address: IpAddr) -> Arc<dyn Network> {
        Arc::new(Node { address, simulated: self.0.for_node(address) })
    }

    fn add_pod(&self, node: IpAddr, namespace: &str) -> PodNetwork {
        self.0.add_pod(node, namespace)
    }

    fn restore_pod(&self, node: IpAddr, namespace: &str, address: IpAddr) -> PodNetwork {
        self.0.restore_pod(node, namespace, address)
    }

    fn remove_pod(&self, address: IpAddr) {
        self.0.remove_pod(address);
    }

    fn set_service(&self, key: ServiceKey, table: Option<ServiceTable>) {
        self.0.set_service(key, table);
    }
}

struct Node {
    address: IpAddr,
    simulated: Arc<dyn Network>,
}

#[async_trait]
impl Network for Node {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        self.simulated.resolve(host).await
    }

    async fn connect(&self, to: SocketAddr) -> Result<BoxStream, NetError> {
        self.simulated.connect(to).await
    }

    /// On a port of the machine's choice, since both servers' nodes listen here; a node tells its port.
    async fn listen(&self, _port: u16) -> Result<Box<dyn Listener>, NetError> {
        let listener = TcpListener::bind((self.address, 0)).await.map_err(|_| NetError::Closed)?;
        let address = listener.local_addr().map_err(|_| NetError::Closed)?;
        Ok(Box::new(Accepting { listener, address }))
    }
}

struct Accepting {
    listener: TcpListener,
    address: SocketAddr,
}

#[async_trait]
impl Listener for Accepting {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&mut self) -> Result<(BoxStream, SocketAddr), NetError> {
        let (stream, from) = self.listener.accept().await.map_err(|_| NetError::Closed)?;
        // Without it lines of a followed log wait for acknowledgements; a connection that is gone fails later.
        let _ = stream.set_nodelay(true);
        Ok((Box::new(stream), from))
    }
}

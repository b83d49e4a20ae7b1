//! A port of this machine that leads into a cluster's simulated network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use nodes::network::Network;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Forwards connections for as long as it lives.
pub struct Forward {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Forward {
    /// Listens on a free port of the loopback address, and forwards to `port` of `host` in `network`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(network: Arc<dyn Network>, host: String, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, network, host, port));
        Ok(Self { address, _accepting: accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, network: Arc<dyn Network>, host: String, port: u16) {
    // Dropped with the listener, so that nothing outlives a forward.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that its client gave up, or a moment without file descriptors: the next one may be good.
                let Ok((near, _)) = accepted else { continue };
                connections.spawn(join(near, network.clone(), host.clone(), port));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Whoever is not reached closes the connection, as a port does behind which nobody is.
async fn join(mut near: TcpStream, network: Arc<dyn Network>, host: String, port: u16) {
    let Ok(addresses) = network.resolve(&host).await else { return };
    let Some(address) = addresses.first() else { return };
    let Ok(mut far) = network.connect(SocketAddr::new(*address, port)).await else { return };
    // Either side may end it however it likes.
    let _ended = copy_bidirectional(&mut near, &mut far).await;
}

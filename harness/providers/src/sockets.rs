//! The machine's own network, for the harness itself.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use nodes::network::{BoxStream, Listener, NetError, Network};
use tokio::net::TcpStream;

/// Real sockets; nothing listens through it.
pub(crate) struct Sockets;

#[async_trait]
impl Network for Sockets {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        let unknown = || NetError::NoSuchHost { host: host.to_owned(), server: "the system's resolver".to_owned() };
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|_| unknown())?;
        Ok(found.map(|address| address.ip()).collect())
    }

    async fn connect(&self, to: SocketAddr) -> Result<BoxStream, NetError> {
        let stream = TcpStream::connect(to).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => NetError::Refused { to },
            std::io::ErrorKind::TimedOut => NetError::TimedOut { to },
            _ => NetError::NoRoute { to },
        })?;
        // Small requests must not wait for the acknowledgement of the one before.
        let _set = stream.set_nodelay(true);
        Ok(Box::new(stream))
    }

    async fn listen(&self, port: u16) -> Result<Box<dyn Listener>, NetError> {
        Err(NetError::InUse { at: SocketAddr::from(([127, 0, 0, 1], port)) })
    }
}

//! The machine's loopback as something to listen on.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use nodes::network::{BoxStream, Listener, NetError};
use tokio::net::TcpListener;

/// A real listener.
pub(super) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

impl Loopback {
    /// On what `listener` is bound to.
    pub(super) fn new(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }
}

#[async_trait]
impl Listener for Loopback {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&mut self) -> Result<(BoxStream, SocketAddr), NetError> {
        loop {
            // An error concerns one connection that was gone before it was accepted, or a shortage that passes.
            let Ok((stream, peer)) = self.listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            // Small answers must not wait for the acknowledgement of the one before.
            let _set = stream.set_nodelay(true);
            return Ok((Box::new(stream), peer));
        }
    }
}

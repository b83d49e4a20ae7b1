//! The network of the machine or container that this process runs in.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};

use super::resolver::{Resolver, ResolverError, ResolverSettings};
use super::{BoxStream, Listener, NetError, Network};

/// Real sockets.
pub struct Sockets {
    resolver: Resolver,
    address: Option<IpAddr>,
}

impl Sockets {
    /// Sockets of a process that names resolve for as `resolver` says.
    #[must_use]
    pub fn new(resolver: Resolver) -> Self {
        Self { resolver, address: None }
    }

    /// Sockets of this process, with the settings in `/etc/resolv.conf` and `/etc/hosts`.
    ///
    /// # Errors
    /// [`ResolverError`] when these files are not usable.
    pub fn system() -> Result<Self, ResolverError> {
        Ok(Self::new(Resolver::new(ResolverSettings::read(Path::new("/"))?)?))
    }

    /// The same sockets of a process that others reach at `address`.
    #[must_use]
    pub fn reached_at(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }
}

#[async_trait]
impl Network for Sockets {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        self.resolver.resolve(host).await
    }

    async fn connect(&self, to: SocketAddr) -> Result<BoxStream, NetError> {
        let stream = TcpStream::connect(to).await.map_err(|error| unreachable(&error, to))?;
        quick(&stream);
        Ok(Box::new(stream))
    }

    async fn listen(&self, port: u16) -> Result<Box<dyn Listener>, NetError> {
        let at = |ip: IpAddr| SocketAddr::new(ip, port);
        // Takes IPv4 as well (Linux, `net.ipv6.bindv6only` is 0), unless the machine has no IPv6.
        let bound = match TcpListener::bind(at(Ipv6Addr::UNSPECIFIED.into())).await {
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                TcpListener::bind(at(Ipv4Addr::UNSPECIFIED.into())).await
            }
            bound => bound,
        };
        let here = at(self.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        let listener = bound.map_err(|error| cannot_listen(&error, here))?;
        let port = listener.local_addr().map_err(|error| cannot_listen(&error, here))?.port();
        Ok(Box::new(Accepting { listener, address: SocketAddr::new(here.ip(), port) }))
    }
}

/// Small requests must not wait for the acknowledgement of the one before.
fn quick(stream: &TcpStream) {
    let _a_connection_that_is_gone_fails_later = stream.set_nodelay(true);
}

fn unreachable(error: &io::Error, to: SocketAddr) -> NetError {
    match error.kind() {
        ErrorKind::ConnectionRefused => NetError::Refused { to },
        ErrorKind::TimedOut => NetError::TimedOut { to },
        // No route, no network, no address of the family: no packet leaves.
        _ => NetError::NoRoute { to },
    }
}

fn cannot_listen(error: &io::Error, at: SocketAddr) -> NetError {
    if error.kind() == ErrorKind::AddrInUse { NetError::InUse { at } } else { NetError::Closed }
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
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    quick(&stream);
                    // An IPv4 peer comes as an IPv6 address that stands for it.
                    return Ok((Box::new(stream), SocketAddr::new(from.ip().to_canonical(), from.port())));
                }
                // That connection was gone before it was taken; the next may come.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => return Err(NetError::Closed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn sockets() -> Sockets {
        Sockets::system().unwrap().reached_at(Ipv4Addr::LOCALHOST.into())
    }

    #[tokio::test]
    async fn connects_two_ends() {
        let mut listener = sockets().listen(0).await.unwrap();
        let address = listener.address();
        assert_eq!(address.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
        let network = sockets();
        let (near, far) = tokio::join!(network.connect(address), listener.accept());
        let ((mut far, peer), mut near) = (far.unwrap(), near.unwrap());
        assert_eq!(peer.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
        near.write_all(b"hello").await.unwrap();
        let mut text = [0; 5];
        far.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"hello");
    }

    #[tokio::test]
    async fn says_that_nothing_listens() {
        let to = sockets().listen(0).await.unwrap().address();
        assert_eq!(sockets().connect(to).await.err(), Some(NetError::Refused { to }));
    }

    #[tokio::test]
    async fn says_that_a_port_is_taken() {
        let listener = sockets().listen(0).await.unwrap();
        let at = listener.address();
        assert_eq!(sockets().listen(at.port()).await.err(), Some(NetError::InUse { at }));
    }

    #[rstest]
    #[case(ErrorKind::HostUnreachable)]
    #[case(ErrorKind::NetworkUnreachable)]
    fn says_that_no_network_leads_there(#[case] kind: ErrorKind) {
        let to = SocketAddr::from(([192, 0, 2, 1], 6443));
        assert_eq!(unreachable(&kind.into(), to), NetError::NoRoute { to });
        assert_eq!(unreachable(&ErrorKind::TimedOut.into(), to), NetError::TimedOut { to });
    }
}

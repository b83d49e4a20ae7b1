//! The network as a program sees it: resolve a name, connect, listen.
//!
//! In a real pod these are [`sockets`]. Simulated, they are a model in which `127.0.0.1` is the pod itself, names
//! resolve only inside their own cluster and unknown addresses have no route ([`simulated`]).

pub mod client;
pub mod connector;
pub(crate) mod hosts;
pub mod resolver;
pub mod serve;
pub mod simulated;
pub mod sockets;
pub mod tls;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream between two ends of the network.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A boxed [`Stream`].
pub type BoxStream = Box<dyn Stream>;

/// How long a dial may take before it counts as dropped: Go's client transport gives up after 30 s, the KubeSphere
/// validation after 10 s (kubesphere v3.3.2, `pkg/kapis/cluster/v1alpha1/handler.go`).
pub const DIAL_LIMIT: crate::clock::Delay = crate::clock::Delay::new("dial-limit", Duration::from_secs(30));

/// The world outside a program: its only way to reach or be reached.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// The addresses of `host`, which may be a literal address.
    ///
    /// # Errors
    /// [`NetError::NoSuchHost`] when the name is unknown here, [`NetError::NameServer`] when nobody can tell.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NetError>;

    /// A connection to `to`, coming from this program's own address.
    ///
    /// # Errors
    /// Refused, no route or timed out, as the address deserves.
    async fn connect(&self, to: SocketAddr) -> Result<BoxStream, NetError>;

    /// A listener on `port` of this program's own address.
    ///
    /// # Errors
    /// [`NetError::InUse`] when the port is taken.
    async fn listen(&self, port: u16) -> Result<Box<dyn Listener>, NetError>;
}

/// Accepts connections on one address.
#[async_trait]
pub trait Listener: Send + 'static {
    /// The address that others connect to.
    fn address(&self) -> SocketAddr;

    /// The next connection and its source address.
    ///
    /// # Errors
    /// When the address is gone; nothing will arrive any more.
    async fn accept(&mut self) -> Result<(BoxStream, SocketAddr), NetError>;
}

/// Why a name or an address could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetError {
    /// Nothing listens there.
    Refused {
        /// The address dialled.
        to: SocketAddr,
    },
    /// No network leads there.
    NoRoute {
        /// The address dialled.
        to: SocketAddr,
    },
    /// The packets were dropped.
    TimedOut {
        /// The address dialled.
        to: SocketAddr,
    },
    /// The name does not resolve.
    NoSuchHost {
        /// The name looked up.
        host: String,
        /// The name server asked, `address:port`.
        server: String,
    },
    /// Whether the name resolves is not known.
    NameServer {
        /// The name looked up.
        host: String,
        /// The name server asked, `address:port`.
        server: String,
        /// What is wrong with the name server.
        failure: NameServerFailure,
    },
    /// The port is already taken at this address.
    InUse {
        /// The address asked for.
        at: SocketAddr,
    },
    /// The listener or the whole network is gone.
    Closed,
}

/// What a name server does in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameServerFailure {
    /// It answers with a failure of its own (`SERVFAIL`) or with nonsense.
    Misbehaving,
    /// It does not answer.
    TimedOut,
}

impl fmt::Display for NameServerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Misbehaving => "the name server fails",
            Self::TimedOut => "the name server does not answer",
        })
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { to } => write!(f, "connect to {to}: connection refused"),
            Self::NoRoute { to } => write!(f, "connect to {to}: no route to host"),
            Self::TimedOut { to } => write!(f, "connect to {to}: timed out"),
            Self::NoSuchHost { host, server } => write!(f, "look up {host} at {server}: no such host"),
            Self::NameServer { host, server, failure } => write!(f, "look up {host} at {server}: {failure}"),
            Self::InUse { at } => write!(f, "listen on {at}: address already in use"),
            Self::Closed => f.write_str("the network is closed"),
        }
    }
}

impl std::error::Error for NetError {}

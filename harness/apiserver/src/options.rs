//! What a server is started with, and how it reaches the world.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::audit::Audit;
use crate::snapshot::Snapshot;

/// A byte stream to a kubelet or a pod.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Why an address could not be dialled; worded as Go's `net` package does when it reaches a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialFailure {
    /// Nothing listens there.
    Refused,
    /// No network leads there.
    NoRoute,
    /// No answer came.
    TimedOut,
    /// The name does not resolve.
    NoSuchHost,
    /// Anything else, in the words to use.
    Other(String),
}

impl DialFailure {
    /// The error of Go's dialler for `host:port`.
    #[must_use]
    pub fn text(&self, host: &str, port: u16) -> String {
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        match self {
            Self::Refused => format!("dial tcp {address}: connect: connection refused"),
            Self::NoRoute => format!("dial tcp {address}: connect: no route to host"),
            Self::TimedOut => format!("dial tcp {address}: i/o timeout"),
            Self::NoSuchHost => format!("dial tcp: lookup {host}: no such host"),
            Self::Other(text) => format!("dial tcp {address}: {text}"),
        }
    }
}

/// Reaches kubelets and pods for the server.
#[async_trait]
pub trait Dialer: Send + Sync + 'static {
    /// A connection to `host:port`.
    ///
    /// # Errors
    /// Why there is none.
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, DialFailure>;
}

/// Dials with this machine's sockets.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDialer;

#[async_trait]
impl Dialer for TcpDialer {
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, DialFailure> {
        match tokio::net::TcpStream::connect((host, port)).await {
            Ok(stream) => {
                // Without it small writes of logs wait for acknowledgements; a failure only costs time.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Err(error) => Err(match error.kind() {
                std::io::ErrorKind::ConnectionRefused => DialFailure::Refused,
                std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => DialFailure::NoRoute,
                std::io::ErrorKind::TimedOut => DialFailure::TimedOut,
                _ if host.parse::<IpAddr>().is_err() => DialFailure::NoSuchHost,
                _ => DialFailure::Other(error.to_string()),
            }),
        }
    }
}

/// How long clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// For the TLS handshake. The original has no such bound in 1.20 (Go derives one from time-outs that it does not
    /// set), so this is what Go's clients grant a server.
    pub handshake: Duration,
    /// For the head of the first request on a connection; no bound in the original either.
    pub first_head: Duration,
    /// For a request that is neither a watch nor a stream, its body included (`--request-timeout`).
    pub request: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(10), first_head: Duration::from_mins(1), request: Duration::from_mins(1) }
    }
}

/// What an [`ApiServer`](crate::ApiServer) is started with.
#[derive(Clone)]
pub struct Options {
    /// Further names and addresses of the serving certificate.
    pub server_names: Vec<String>,
    /// Keys (P-256, SPKI PEM) that verify `ServiceAccount` tokens.
    pub service_account_public_keys_pem: Vec<String>,
    /// Signs the tokens that clients request (P-256, PKCS #8 PEM), and verifies them too; without it the server makes a
    /// key of its own.
    pub service_account_signing_key_pem: Option<String>,
    /// Who issues those tokens, and for whom they are if the request does not say.
    pub service_account_issuer: String,
    /// First two bytes of every `ClusterIP`; the Service `kubernetes` is `.0.1`.
    pub service_cidr_prefix: [u8; 2],
    /// Address in the Endpoints of the Service `kubernetes`.
    pub advertise: IpAddr,
    /// How kubelets and pods are reached.
    pub dialer: Arc<dyn Dialer>,
    /// Whether pods get a `ServiceAccount`, and its token mounted, as the admission plugin does that a cluster has, and
    /// an API server alone has not.
    pub service_account_admission: bool,
    /// Shifts the server's clock: creation times, and the validity of tokens and certificates.
    pub clock_offset_seconds: i64,
    /// How long clients may take.
    pub time_limits: TimeLimits,
    /// Takes note of the requests.
    pub audit: Option<Audit>,
    /// What the server begins with in place of a new cluster. Its authority and the key that signs tokens are the
    /// snapshot's, too.
    pub restore: Option<Snapshot>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_names: Vec::new(),
            service_account_public_keys_pem: Vec::new(),
            service_account_signing_key_pem: None,
            // As kube-apiserver calls its own audience; kubeadm adds the domain of a cluster that it does not know.
            service_account_issuer: "https://kubernetes.default.svc".to_owned(),
            service_cidr_prefix: [10, 96],
            // From the range for documentation: nothing answers there.
            advertise: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            dialer: Arc::new(TcpDialer),
            service_account_admission: true,
            clock_offset_seconds: 0,
            time_limits: TimeLimits::default(),
            audit: None,
            restore: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("server_names", &self.server_names)
            .field("service_account_issuer", &self.service_account_issuer)
            .field("service_cidr_prefix", &self.service_cidr_prefix)
            .field("advertise", &self.advertise)
            .field("service_account_admission", &self.service_account_admission)
            .field("clock_offset_seconds", &self.clock_offset_seconds)
            .finish_non_exhaustive()
    }
}

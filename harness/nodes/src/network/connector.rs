//! Connects HTTP clients over a [`Network`](super::Network), keeping the reason of a failure as data.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tls::{self, TlsFault};
use super::{BoxStream, DIAL_LIMIT, NetError, Network};
use crate::clock::Clock;

/// Why no connection came about, by layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The name did not resolve, or no address of it could be reached.
    #[error("{0}")]
    Net(NetError),
    /// The server's certificate was refused.
    #[error("{0}")]
    Tls(TlsFault),
    /// The TLS handshake failed otherwise.
    #[error("TLS handshake: {0}")]
    Handshake(String),
    /// The address is not one that can be dialled.
    #[error("{0}")]
    Address(String),
}

impl DialError {
    /// The dial error inside `error`'s chain of causes.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
                && let Some(found) = Self::find(inner)
            {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

/// Dials `host:port`: resolves, then tries the addresses in order within [`DIAL_LIMIT`].
///
/// # Errors
/// [`DialError::Net`] with the first address's failure.
pub async fn dial(network: &dyn Network, clock: &Clock, host: &str, port: u16) -> Result<BoxStream, DialError> {
    let addresses = network.resolve(host).await.map_err(DialError::Net)?;
    let mut first_failure = None;
    for address in addresses {
        let to = SocketAddr::new(address, port);
        let attempt = clock.within(DIAL_LIMIT, network.connect(to)).await;
        match attempt.unwrap_or(Err(NetError::TimedOut { to })) {
            Ok(stream) => return Ok(stream),
            Err(failure) => first_failure = first_failure.or(Some(failure)),
        }
    }
    Err(DialError::Net(first_failure.unwrap_or(NetError::Closed)))
}

/// A `tower` service that connects to a URI's authority over a [`Network`](super::Network).
#[derive(Clone)]
pub struct Connector {
    network: Arc<dyn Network>,
    clock: Clock,
    tls: Option<Arc<rustls::ClientConfig>>,
    server_name: Option<String>,
}

impl Connector {
    /// Connects over `network`; `https` URIs use `tls` and verify `server_name` in place of the host if given.
    #[must_use]
    pub fn new(
        network: Arc<dyn Network>,
        clock: Clock,
        tls: Option<Arc<rustls::ClientConfig>>,
        server_name: Option<String>,
    ) -> Self {
        Self { network, clock, tls, server_name }
    }

    async fn connect(self, uri: http::Uri) -> Result<TokioIo<Conn>, DialError> {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(|| DialError::Address(format!("{uri} names no host")))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = dial(self.network.as_ref(), &self.clock, &host, port).await?;
        if !secure {
            return Ok(TokioIo::new(Conn { stream, http2: false }));
        }
        let tls = self.tls.ok_or_else(|| DialError::Address(format!("{uri}: this client has no TLS settings")))?;
        let name = self.server_name.unwrap_or(host);
        let name = ServerName::try_from(name.clone())
            .map_err(|_| DialError::Address(format!("{name} is not a server name")))?;
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.map_err(|error| {
            tls::fault_of(&error).map_or_else(|| DialError::Handshake(error.to_string()), DialError::Tls)
        })?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(TokioIo::new(Conn { stream: Box::new(stream), http2 }))
    }
}

impl tower::Service<http::Uri> for Connector {
    type Response = TokioIo<Conn>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection made by [`Connector`].
pub struct Conn {
    stream: BoxStream,
    http2: bool,
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        if self.http2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl AsyncRead for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

//! HTTP requests of the server itself, to kubelets and pods, over the dialer.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body as HttpBody, Incoming};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio_util::sync::CancellationToken;

use crate::answer::BodyError;
use crate::options::Stream;
use crate::pki::{self, Identity};
use crate::state::State;

/// Believes any server: the API server does not verify kubelets and pods unless it is told their authority.
#[derive(Debug)]
struct AnyServer(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS that shows `identity` and believes any server.
///
/// # Errors
/// When the identity is not usable.
pub fn client_tls(identity: Identity) -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
    let provider = pki::crypto();
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_client_auth_cert(identity.chain, identity.key)?;
    Ok(Arc::new(config))
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// TLS or not.
    pub tls: bool,
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Upstream {
    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

async fn connect(state: &State, to: &Upstream) -> Result<Box<dyn Stream>, String> {
    let stream = state.dialer.dial(&to.host, to.port).await.map_err(|failure| failure.text(&to.host, to.port))?;
    if !to.tls {
        return Ok(stream);
    }
    let name = ServerName::try_from(to.host.clone()).map_err(|error| error.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&state.upstream_tls));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        // A server that speaks plain HTTP: Go's words for it.
        Err(error) if matches!(rustls_error(&error), Some(rustls::Error::InvalidMessage(_))) => {
            Err("http: server gave HTTP response to HTTPS client".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn rustls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Sends `request` to `to` and returns the head of the answer; the connection ends with the answer's body.
///
/// # Errors
/// Text in the words of Go's HTTP client.
pub async fn send<B>(state: &State, to: &Upstream, request: Request<B>) -> Result<Response<Incoming>, String>
where
    B: HttpBody + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BodyError>,
{
    let stream = connect(state, to).await?;
    exchange(&state.stop, stream, request).await
}

/// The same over a stream that is there.
///
/// # Errors
/// Text in the words of Go's HTTP client.
pub async fn exchange<B>(
    stop: &CancellationToken,
    stream: Box<dyn Stream>,
    request: Request<B>,
) -> Result<Response<Incoming>, String>
where
    B: HttpBody + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BodyError>,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let stop = stop.clone();
    // Ends with the body, with the client that reads it, or with the server.
    tokio::spawn(async move {
        let _ended = stop.run_until_cancelled(connection).await;
    });
    sender.send_request(request).await.map_err(|error| {
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            "EOF".to_owned()
        } else {
            error.to_string()
        }
    })
}

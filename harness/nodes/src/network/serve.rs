//! Serves HTTP on a [`Listener`](super::Listener).

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Listener;

/// A response body: bytes or a stream of them.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A body that is known as a whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The handler gives up: the connection is closed without a response, as when a Go handler panics.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection is closed without a response")]
pub struct Abort;

/// The certificate that a client has shown, in a request's extensions. Nobody has verified it beyond its signature.
#[derive(Clone)]
pub struct ClientCertificate(pub rustls::pki_types::CertificateDer<'static>);

/// A request with the address it came from.
pub type Asked = (Request<Incoming>, SocketAddr);

/// Serves every connection of `listener` with `handler` until `stop`; open connections are closed then.
pub async fn serve<H, F>(
    mut listener: Box<dyn Listener>,
    tls: Option<Arc<rustls::ServerConfig>>,
    stop: CancellationToken,
    handler: H,
) where
    H: Fn(Asked) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Abort>> + Send + 'static,
{
    let connections = TaskTracker::new();
    while let Some(Ok((stream, peer))) = stop.run_until_cancelled(listener.accept()).await {
        let (handler, tls, stop) = (handler.clone(), tls.clone(), stop.clone());
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // An error here is the other side's broken connection or an `Abort`; both end just this connection.
            let serving = async {
                let service = |certificate: Option<ClientCertificate>| {
                    hyper::service::service_fn(move |mut request: Request<Incoming>| {
                        if let Some(certificate) = &certificate {
                            request.extensions_mut().insert(certificate.clone());
                        }
                        handler((request, peer))
                    })
                };
                match tls {
                    None => server.serve_connection_with_upgrades(TokioIo::new(stream), service(None)).await.is_ok(),
                    Some(tls) => match tokio_rustls::TlsAcceptor::from(tls).accept(stream).await {
                        Ok(stream) => {
                            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                            let shown = shown.map(|der| ClientCertificate(der.clone().into_owned()));
                            server.serve_connection_with_upgrades(TokioIo::new(stream), service(shown)).await.is_ok()
                        }
                        Err(_) => false,
                    },
                }
            };
            let _ended = stop.run_until_cancelled(serving).await;
        });
    }
    connections.close();
    connections.wait().await;
}

//! Kubernetes clients over a [`Network`](super::Network).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, Uri, header};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use kube::client::Body;
use tower::ServiceExt as _;

use super::Network;
use super::connector::Connector;
use super::tls::{TlsSettings, TlsSettingsError, client_config};
use crate::clock::Clock;

/// Where an API server is and who asks.
#[derive(Clone)]
pub struct Endpoint {
    /// Base address, as `https://10.96.0.1:443`, optionally with a path.
    pub server: Uri,
    /// Trust and client certificate.
    pub tls: TlsSettings,
    /// Value of the `Authorization` header, if any (`Bearer …`, `Basic …`).
    pub authorization: Option<String>,
    /// Value of the `User-Agent` header of requests that bring none, as `ks-apiserver/v3.3.2`: an API server takes the
    /// writer's name in `metadata.managedFields` from what stands before the slash.
    pub agent: Option<String>,
}

/// An endpoint that no client can be made for.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The TLS settings are not usable.
    #[error(transparent)]
    Tls(#[from] TlsSettingsError),
    /// The authorization value cannot be a header.
    #[error("the credentials hold characters that no header may")]
    Authorization,
    /// The program's name cannot be a header.
    #[error("the program's name holds characters that no header may")]
    Agent,
}

/// A Kubernetes client for `endpoint` whose every connection goes over `network`. Its failures to connect carry a
/// [`DialError`](super::connector::DialError) in their chain of causes.
///
/// # Errors
/// [`EndpointError`] when the settings are not usable.
pub fn client(network: Arc<dyn Network>, clock: &Clock, endpoint: &Endpoint) -> Result<kube::Client, EndpointError> {
    speaking(&[b"h2", b"http/1.1"], network, clock, endpoint)
}

/// As [`client`], over HTTP/1.1 alone: only its connections can become something else, as a WebSocket.
///
/// # Errors
/// [`EndpointError`] when the settings are not usable.
pub fn upgradable_client(
    network: Arc<dyn Network>,
    clock: &Clock,
    endpoint: &Endpoint,
) -> Result<kube::Client, EndpointError> {
    speaking(&[b"http/1.1"], network, clock, endpoint)
}

fn speaking(
    protocols: &[&[u8]],
    network: Arc<dyn Network>,
    clock: &Clock,
    endpoint: &Endpoint,
) -> Result<kube::Client, EndpointError> {
    let tls = client_config(&endpoint.tls, protocols)?;
    let connector = Connector::new(network, clock.clone(), Some(Arc::new(tls)), endpoint.tls.server_name.clone());
    let mut authorization = None;
    if let Some(value) = &endpoint.authorization {
        let mut value = HeaderValue::from_str(value).map_err(|_| EndpointError::Authorization)?;
        value.set_sensitive(true);
        authorization = Some(value);
    }
    let agent = endpoint.agent.as_deref().map(HeaderValue::from_str).transpose().map_err(|_| EndpointError::Agent)?;
    let service = Service {
        http: HttpClient::builder(TokioExecutor::new()).build(connector),
        server: endpoint.server.clone(),
        authorization,
        agent,
        clock: clock.clone(),
    };
    Ok(kube::Client::new(service.map_err(|error: hyper_util::client::legacy::Error| error), "default"))
}

#[derive(Clone)]
struct Service {
    http: HttpClient<Connector, Body>,
    server: Uri,
    authorization: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    clock: Clock,
}

impl tower::Service<Request<Body>> for Service {
    type Response = Response<hyper::body::Incoming>;
    type Error = hyper_util::client::legacy::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        *request.uri_mut() = absolute(&self.server, request.uri());
        for (name, value) in [(header::AUTHORIZATION, &self.authorization), (header::USER_AGENT, &self.agent)] {
            if let Some(value) = value {
                request.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
        }
        let (http, clock) = (self.http.clone(), self.clock.clone());
        Box::pin(async move {
            // Each end of the exchange starts a quiet period. What is under way between them, the connection tells the
            // clock (an answer that a server owes, bytes in memory); a guard here would also stop the clock during a
            // dial that waits on it.
            clock.touch();
            let answer = http.request(request).await;
            clock.touch();
            answer
        })
    }
}

/// `path_and_query` of `wanted` below the address `base`.
fn absolute(base: &Uri, wanted: &Uri) -> Uri {
    let prefix = base.path().trim_end_matches('/');
    let rest = wanted.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut parts = base.clone().into_parts();
    parts.path_and_query = format!("{prefix}{rest}").parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| wanted.clone())
}

//! Kubernetes clients over a [`Network`](super::Network).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
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

/// What goes wrong on the way to an API server.
pub type WayError = Box<dyn std::error::Error + Send + Sync>;

/// The answer of a server in this process.
pub type Answer = Response<UnsyncBoxBody<Bytes, WayError>>;

/// An API server in this process, which is reached without a connection.
pub type InProcess = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Result<Answer, WayError>> + Send + Sync>;

/// A Kubernetes client of a server in this process, for whoever `authorization` is the `Authorization` header of, by the
/// name of `agent`; see [`Endpoint`].
///
/// # Errors
/// [`EndpointError`] when they cannot be headers.
pub fn in_process_client(
    server: InProcess,
    clock: &Clock,
    authorization: Option<&str>,
    agent: Option<&str>,
) -> Result<kube::Client, EndpointError> {
    let own = OwnHeaders::new(authorization, agent)?;
    let clock = clock.clone();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        own.add(&mut request);
        let (answer, clock) = (server(request), clock.clone());
        async move {
            clock.touch();
            let answer = answer.await;
            clock.touch();
            answer
        }
    });
    Ok(kube::Client::new(service, "default"))
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
    let service = Service {
        http: HttpClient::builder(TokioExecutor::new()).build(connector),
        server: endpoint.server.clone(),
        own: OwnHeaders::new(endpoint.authorization.as_deref(), endpoint.agent.as_deref())?,
        clock: clock.clone(),
    };
    Ok(kube::Client::new(service.map_err(|error: hyper_util::client::legacy::Error| error), "default"))
}

#[derive(Clone)]
struct Service {
    http: HttpClient<Connector, Body>,
    server: Uri,
    own: OwnHeaders,
    clock: Clock,
}

/// What a client tells of itself, where a request does not.
#[derive(Clone)]
struct OwnHeaders([(HeaderName, Option<HeaderValue>); 2]);

impl OwnHeaders {
    fn new(authorization: Option<&str>, agent: Option<&str>) -> Result<Self, EndpointError> {
        let mut authorization =
            authorization.map(HeaderValue::from_str).transpose().map_err(|_| EndpointError::Authorization)?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        let agent = agent.map(HeaderValue::from_str).transpose().map_err(|_| EndpointError::Agent)?;
        Ok(Self([(header::AUTHORIZATION, authorization), (header::USER_AGENT, agent)]))
    }

    fn add(&self, request: &mut Request<Body>) {
        for (name, value) in &self.0 {
            if let Some(value) = value {
                request.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
        }
    }
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
        self.own.add(&mut request);
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

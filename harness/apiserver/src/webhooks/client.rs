//! Calls a webhook: by URL or by Service, over the server's dialer, with TLS that believes its `caBundle` alone.
//! Failures are worded as Go's HTTP client and client-go word them in Kubernetes 1.20.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::text;
use crate::options::{Dialer, Stream};
use crate::pki;
use crate::status::quoted;
use crate::store::{Key, Store};
use crate::upstream;

/// Answers are read whole: so much of them.
const LARGEST_ANSWER: usize = 3 * 1024 * 1024;

/// What it takes to reach a webhook.
#[derive(Clone)]
pub struct Reach {
    /// Knows the Services.
    pub store: Arc<Store>,
    /// Opens connections.
    pub dialer: Arc<dyn Dialer>,
    /// Ends them.
    pub stop: CancellationToken,
}

/// Where a webhook is.
struct Target {
    /// As the URL of the request has it: host, and port where one is given.
    authority: String,
    /// The name that its certificate must have.
    server_name: String,
    path: String,
    route: Route,
}

/// How it is reached.
enum Route {
    /// This host and port.
    Direct(String, u16),
    /// A Service: namespace, name, port.
    Service(String, String, u16),
}

fn port_of(value: Option<&Value>) -> u16 {
    value.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0).unwrap_or(443)
}

impl Target {
    fn of(webhook: &Value) -> Result<Self, String> {
        if let Some(service) = webhook.pointer("/clientConfig/service").filter(|service| !service.is_null()) {
            let (name, namespace) = (text(service, "/name").to_owned(), text(service, "/namespace").to_owned());
            let port = port_of(service.get("port"));
            let server_name = format!("{name}.{namespace}.svc");
            return Ok(Self {
                authority: format!("{server_name}:{port}"),
                server_name,
                path: format!("/{}", text(service, "/path").trim_start_matches('/')),
                route: Route::Service(namespace, name, port),
            });
        }
        let url = text(webhook, "/clientConfig/url");
        if url.is_empty() {
            return Err("webhook configuration must have either service or URL".to_owned());
        }
        let uri: Uri = url.parse().map_err(|error| format!("Unparsable URL: {error}"))?;
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            path: if uri.path().is_empty() { "/".to_owned() } else { uri.path().to_owned() },
            route: Route::Direct(bare.clone(), uri.port_u16().unwrap_or(443)),
            server_name: bare,
        })
    }
}

/// Where a Service leads: to its cluster address, as with `--enable-aggregator-routing=false`
/// (`proxy.ResolveCluster` of Kubernetes 1.20).
fn resolve(reach: &Reach, namespace: &str, name: &str, port: u16) -> Result<(String, u16), String> {
    let service = reach.store.get(&Arc::from("services"), &Key::new(namespace, name));
    let service = service.ok_or_else(|| format!("service {} not found", quoted(name)))?;
    let address = text(&service.value, "/spec/clusterIP");
    match text(&service.value, "/spec/type") {
        "ExternalName" => return Ok((text(&service.value, "/spec/externalName").to_owned(), port)),
        "ClusterIP" if address == "None" => return Err("cannot route to service with ClusterIP \"None\"".to_owned()),
        "ClusterIP" | "LoadBalancer" | "NodePort" => {}
        other => return Err(format!("unsupported service type {}", quoted(other))),
    }
    let ports = service.value.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    let known = ports.filter_map(|known| known.get("port")).any(|known| known.as_u64() == Some(u64::from(port)));
    if known {
        return Ok((address.to_owned(), port));
    }
    Err(format!("no service port {port} found for service {}", quoted(name)))
}

fn tls(webhook: &Value) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let bundle = BASE64_STANDARD.decode(text(webhook, "/clientConfig/caBundle")).unwrap_or_default();
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        let certificate =
            certificate.map_err(|_| "unable to load root certificates: unable to parse bytes as PEM block")?;
        roots.add(certificate).map_err(|error| format!("unable to load root certificates: {error}"))?;
    }
    let mut config = ClientConfig::builder_with_provider(pki::crypto())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The common name of the first certificate of the bundle.
fn authority_name(webhook: &Value) -> String {
    let bundle = BASE64_STANDARD.decode(text(webhook, "/clientConfig/caBundle")).unwrap_or_default();
    let Some(Ok(certificate)) = CertificateDer::pem_slice_iter(&bundle).next() else { return String::new() };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&certificate) else { return String::new() };
    let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    name.unwrap_or_default().to_owned()
}

/// A failed handshake in the words of Go's `crypto/tls` and `crypto/x509`.
fn handshake_text(error: &std::io::Error, server_name: &str, webhook: &Value) -> String {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(fault)) => match fault {
            CertificateError::UnknownIssuer => "x509: certificate signed by unknown authority".to_owned(),
            // The authority has the right name, but another key: Go tells which it tried.
            CertificateError::BadSignature => format!(
                "x509: certificate signed by unknown authority (possibly because of \"x509: ECDSA verification failure\" while trying to verify candidate authority certificate {})",
                quoted(&authority_name(webhook))
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "x509: certificate has expired or is not yet valid".to_owned()
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names: Vec<&str> = presented.iter().map(|name| presented_name(name)).collect();
                format!("x509: certificate is valid for {}, not {server_name}", names.join(", "))
            }
            other => format!("x509: {other}"),
        },
        Some(Error::InvalidMessage(_)) => "http: server gave HTTP response to HTTPS client".to_owned(),
        Some(other) => other.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => error.to_string(),
    }
}

/// `DnsName("a")` and `IpAddress(1.2.3.4)` of webpki without what is around.
fn presented_name(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

async fn connect(reach: &Reach, webhook: &Value, target: &Target) -> Result<Box<dyn Stream>, String> {
    let config = tls(webhook)?;
    let (host, port) = match &target.route {
        Route::Direct(host, port) => (host.clone(), *port),
        Route::Service(namespace, name, port) => resolve(reach, namespace, name, *port)?,
    };
    let stream = reach.dialer.dial(&host, port).await.map_err(|failure| failure.text(&host, port))?;
    let name = ServerName::try_from(target.server_name.clone()).map_err(|error| error.to_string())?;
    match tokio_rustls::TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(handshake_text(&error, &target.server_name, webhook)),
    }
}

/// What client-go makes of an answer that is no success (`NewGenericServerResponse` in apimachinery).
fn refusal(code: http::StatusCode, body: &[u8]) -> String {
    let told = String::from_utf8_lossy(body);
    let told = told.trim();
    let fixed = match code.as_u16() {
        400 => "the server rejected our request for an unknown reason",
        401 => "the server has asked for the client to provide credentials",
        403 | 406 | 415 if !told.is_empty() => told,
        403 | 415 => "",
        404 => "the server could not find the requested resource",
        405 => "the server does not allow this method on the requested resource",
        406 => "the server was unable to respond with a content type that the client supports",
        409 => "the server reported a conflict",
        422 => "the server rejected our request due to an error in our request",
        429 => "the server has received too many requests and has asked us to try again later",
        503 => "the server is currently unable to handle the request",
        504 => {
            "the server was unable to return a response in the time allotted, but may still be processing the request"
        }
        500.. => {
            let told = if told.is_empty() { "unknown" } else { told };
            return format!("an error on the server ({}) has prevented the request from succeeding", quoted(told));
        }
        other => {
            return format!("the server responded with the status code {other} but did not return more information");
        }
    };
    fixed.to_owned()
}

async fn exchange(reach: &Reach, webhook: &Value, target: &Target, uri: &str, body: &[u8]) -> Result<Bytes, Exchange> {
    let stream = connect(reach, webhook, target).await.map_err(Exchange::Transport)?;
    let path = uri.split_once(target.authority.as_str()).map_or("/", |(_, path)| path);
    let request = Request::post(path)
        .header(header::HOST, target.authority.as_str())
        .header(header::USER_AGENT, "kube-apiserver-admission")
        .header(header::ACCEPT, "application/json, */*")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::copy_from_slice(body)))
        .map_err(|error| Exchange::Transport(error.to_string()))?;
    let response = upstream::exchange(&reach.stop, stream, request).await.map_err(Exchange::Transport)?;
    let (parts, answer) = response.into_parts();
    let read = Limited::new(answer, LARGEST_ANSWER).collect().await;
    let bytes = read.map_err(|error| {
        Exchange::Answer(format!("unexpected error when reading response body. Please retry. Original error: {error}"))
    })?;
    let bytes = bytes.to_bytes();
    // client-go takes 200 to 206 for success.
    if (200..=206).contains(&parts.status.as_u16()) {
        Ok(bytes)
    } else {
        Err(Exchange::Answer(refusal(parts.status, &bytes)))
    }
}

/// Why there is no answer.
enum Exchange {
    /// Nothing came back: Go names the request before the reason.
    Transport(String),
    /// Something came back.
    Answer(String),
}

/// Sends a review to the webhook; its answer must come within `limit`.
///
/// # Errors
/// Why there is none, in the original's words.
pub async fn post(reach: &Reach, webhook: &Value, limit: Duration, body: &[u8]) -> Result<Bytes, String> {
    let target = Target::of(webhook)?;
    let uri = format!("https://{}{}?timeout={}s", target.authority, target.path, limit.as_secs());
    let transport = |why: &str| format!("Post {}: {why}", quoted(&uri));
    match tokio::time::timeout(limit, exchange(reach, webhook, &target, &uri, body)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Exchange::Transport(why))) => Err(transport(&why)),
        Ok(Err(Exchange::Answer(why))) => Err(why),
        Err(_) => Err(transport("context deadline exceeded")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"url": "https://a.example.com/b"}), "a.example.com", "/b", "a.example.com")]
    #[case(json!({"url": "https://127.0.0.1:8443"}), "127.0.0.1:8443", "/", "127.0.0.1")]
    #[case(json!({"service": {"name": "s", "namespace": "n"}}), "s.n.svc:443", "/", "s.n.svc")]
    #[case(json!({"service": {"name": "s", "namespace": "n", "path": "/p/q", "port": 8443}}), "s.n.svc:8443", "/p/q", "s.n.svc")]
    fn reads_where_a_webhook_is(
        #[case] config: Value,
        #[case] authority: &str,
        #[case] path: &str,
        #[case] server_name: &str,
    ) {
        let target = Target::of(&json!({"clientConfig": config})).unwrap();
        assert_eq!((target.authority.as_str(), target.path.as_str()), (authority, path));
        assert_eq!(target.server_name, server_name);
    }

    #[rstest]
    #[case(404, "", "the server could not find the requested resource")]
    #[case(500, "boom\n", "an error on the server (\"boom\") has prevented the request from succeeding")]
    #[case(403, "not you", "not you")]
    #[case(302, "", "the server responded with the status code 302 but did not return more information")]
    fn words_answers_that_are_no_success(#[case] code: u16, #[case] body: &str, #[case] expected: &str) {
        assert_eq!(refusal(http::StatusCode::from_u16(code).unwrap(), body.as_bytes()), expected);
    }
}

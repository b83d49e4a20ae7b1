//! The kubelet's HTTPS API: health, pods and container logs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;
use tokio::sync::watch;

use super::Kubelet;
use super::container::NoLog;
use super::log_query::{LogQuery, NoQuery};
use crate::logs::{Log, Progress};
use crate::network::Listener;
use crate::network::serve::{Abort, Asked, Body, ClientCertificate, full, serve};

/// The port of a kubelet.
pub(crate) const PORT: u16 = 10250;

/// Serves the kubelet of `node` on `listener` until the cluster stops.
pub(crate) fn start(kubelet: &Arc<Kubelet>, node: &str, listener: Box<dyn Listener>, tls: Arc<rustls::ServerConfig>) {
    let (home, node) = (kubelet.clone(), Arc::<str>::from(node));
    let handler = move |(request, _): Asked| {
        let (home, node) = (home.clone(), node.clone());
        async move { Ok::<_, Abort>(answer(&home, &node, &request)) }
    };
    kubelet.cluster.spawn_to_end(serve(listener, Some(tls), kubelet.cluster.stop.clone(), handler));
}

/// The address that `listener` tells others to use.
pub(crate) fn port_of(listener: &dyn Listener) -> u16 {
    SocketAddr::port(&listener.address())
}

fn answer(kubelet: &Arc<Kubelet>, node: &str, request: &Request<Incoming>) -> Response<Body> {
    if request.extensions().get::<ClientCertificate>().is_none() {
        return text(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed");
    }
    let path: Vec<_> = request.uri().path().trim_matches('/').split('/').collect();
    match path.as_slice() {
        ["healthz"] => text(StatusCode::OK, "ok"),
        ["pods"] => pods(kubelet, node),
        ["containerLogs", namespace, pod, container] => {
            let query = LogQuery::parse(request.uri().query().unwrap_or_default(), kubelet.cluster.clock.wall());
            match query {
                Err(error @ NoQuery::Undecodable) => text(StatusCode::BAD_REQUEST, &error.to_string()),
                Err(error @ NoQuery::Invalid) => text(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
                Ok(query) => logs(kubelet, node, (namespace, pod, container), &query),
            }
        }
        _ => text(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(text.to_owned()));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

fn pods(kubelet: &Arc<Kubelet>, node: &str) -> Response<Body> {
    let pods: Vec<_> = kubelet.pods_on(node).iter().filter_map(|shared| shared.pod()).collect();
    let pods: Vec<_> = pods.iter().map(|pod| json!(pod.as_ref())).collect();
    let list = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods });
    let mut response = Response::new(full(list.to_string()));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// Answers as kubernetes v1.20 does, `pkg/kubelet/server/server.go` and `kubelet_pods.go`.
fn logs(kubelet: &Arc<Kubelet>, node: &str, of: (&str, &str, &str), query: &LogQuery) -> Response<Body> {
    let (namespace, pod, container) = of;
    let on_node = kubelet.pods_on(node);
    let shared = on_node.iter().find(|shared| shared.key.namespace == namespace && shared.key.name == pod);
    let Some(shared) = shared else {
        return text(StatusCode::NOT_FOUND, &format!("pod \"{pod}\" does not exist"));
    };
    let Some(container) = shared.all().find(|one| one.state().name == container) else {
        return text(StatusCode::NOT_FOUND, &format!("container \"{container}\" not found in pod \"{pod}\""));
    };
    let name = container.state().name;
    match container.log(query.previous) {
        Err(NoLog::Waiting(reason)) => {
            let reason = match reason {
                "ErrImagePull" => "image can't be pulled",
                "ImagePullBackOff" => "trying and failing to pull image",
                other => other,
            };
            let message = format!("container \"{name}\" in pod \"{pod}\" is waiting to start: {reason}");
            text(StatusCode::BAD_REQUEST, &message)
        }
        Err(NoLog::NoPrevious) => {
            let message = format!("previous terminated container \"{name}\" in pod \"{pod}\" not found");
            text(StatusCode::BAD_REQUEST, &message)
        }
        Ok(log) => {
            let lines = lines(log, query.clone());
            let body = StreamBody::new(lines.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync();
            let mut response = Response::new(body);
            let plain = http::HeaderValue::from_static("text/plain");
            response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
            response
        }
    }
}

/// Where a reader of a log stands.
struct Reader {
    log: Arc<Log>,
    progress: watch::Receiver<Progress>,
    query: LogQuery,
    next: usize,
    left: Option<usize>,
}

/// The lines that `query` asks for, as they are and, if it follows, as they come until the log ends.
fn lines(log: Arc<Log>, query: LogQuery) -> impl Stream<Item = Bytes> + Send {
    let mut progress = log.progress();
    let written = progress.borrow_and_update().lines;
    let all = log.lines_from(0);
    let fits = |line: &crate::logs::LogLine| query.since.is_none_or(|since| line.at >= since);
    let begin = all.iter().position(fits).unwrap_or(written);
    // `tailLines` counts from the end, `sinceTime` cuts what is older: both hold.
    let tail = query.tail.map_or(0, |tail| written.saturating_sub(tail));
    let reader = Reader { log, progress, left: query.limit_bytes, next: begin.max(tail), query };
    stream::unfold(reader, |mut reader| async move {
        loop {
            if reader.left == Some(0) {
                return None;
            }
            let ended = reader.progress.borrow_and_update().ended;
            let lines = reader.log.lines_from(reader.next);
            if !lines.is_empty() {
                reader.next += lines.len();
                let mut bytes: Vec<u8> = lines.iter().flat_map(|line| reader.query.render(line)).collect();
                if let Some(left) = &mut reader.left {
                    bytes.truncate(*left);
                    *left -= bytes.len();
                }
                return Some((Bytes::from(bytes), reader));
            }
            if ended || !reader.query.follow || reader.progress.changed().await.is_err() {
                return None;
            }
        }
    })
}

/// TLS settings with a certificate for `name` and `address` of the node's own making, which ask for a client
/// certificate of whatever issuer.
pub(crate) fn tls(name: &str, address: IpAddr) -> Result<Arc<rustls::ServerConfig>, String> {
    let reason = |error: &dyn std::fmt::Display| error.to_string();
    let made =
        rcgen::generate_simple_self_signed(vec![name.to_owned(), address.to_string()]).map_err(|e| reason(&e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let verifier = super::client_certificates::AskForAny::new(provider.clone());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| reason(&e))?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .map_err(|e| reason(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

//! What goes on to kubelets and pods: logs and proxies.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use apiserver::{DialFailure, Dialer, Options, Stream, TcpDialer};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rstest::rstest;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use crate::support::{Cluster, refused, start, start_with};

const PODS: &str = "/api/v1/namespaces/default/pods";

/// Sends every dial to one real address, and remembers what was dialled.
struct Redirect {
    to: SocketAddr,
    dialled: Mutex<Vec<String>>,
}

#[async_trait]
impl Dialer for Redirect {
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, DialFailure> {
        self.dialled.lock().unwrap().push(format!("{host}:{port}"));
        if port == 9 {
            return Err(DialFailure::Refused);
        }
        TcpDialer.dial(&self.to.ip().to_string(), self.to.port()).await
    }
}

/// A server that answers with what it was asked, over TLS if `tls`.
async fn echo(tls: bool) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["kubelet".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
                    let headers = request.headers();
                    if request.uri().path() == "/json" {
                        let mut answer = Response::new(Full::new(Bytes::from_static(br#"{"a":1}"#)));
                        answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
                        return Ok(answer);
                    }
                    let shown = format!(
                        "{} {} auth={}",
                        request.method(),
                        request.uri(),
                        headers.contains_key("authorization")
                    );
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(shown))))
                });
                let server = hyper::server::conn::http1::Builder::new();
                if tls {
                    let stream = acceptor.accept(stream).await.unwrap();
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                } else {
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                }
            });
        }
    });
    address
}

async fn with_backend(tls: bool) -> (Cluster, Arc<Redirect>) {
    let redirect = Arc::new(Redirect { to: echo(tls).await, dialled: Mutex::new(Vec::new()) });
    let dialer: Arc<dyn Dialer> = Arc::<Redirect>::clone(&redirect);
    let cluster = start_with(Options { dialer, ..Options::default() }).await;
    cluster.post("/api/v1/nodes", json!({"metadata": {"name": "node1"}})).await;
    let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.5"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}});
    cluster.merge("/api/v1/nodes/node1/status", status).await;
    let spec = json!({"nodeName": "node1", "containers": [{"name": "a", "image": "i"}]});
    cluster.post(PODS, json!({"metadata": {"name": "p"}, "spec": spec})).await;
    let ips = json!({"status": {"phase": "Running", "podIP": "10.244.0.7", "podIPs": [{"ip": "10.244.0.7"}]}});
    cluster.merge(&format!("{PODS}/p/status"), ips).await;
    (cluster, redirect)
}

async fn text(cluster: &Cluster, path: &str) -> Result<String, kube::Error> {
    cluster.admin.request_text(Request::get(path).body(Vec::new()).unwrap()).await
}

#[tokio::test]
async fn asks_the_kubelet_for_logs() {
    let (cluster, redirect) = with_backend(true).await;
    let told = text(&cluster, &format!("{PODS}/p/log?tailLines=3&follow=true")).await.unwrap();
    assert_eq!(told, "GET /containerLogs/default/p/a?follow=true&tailLines=3 auth=false");
    assert_eq!(*redirect.dialled.lock().unwrap(), ["10.0.0.5:10250"]);
}

#[rstest]
#[case("q/log", "a container name must be specified for pod q, choose one of: [a b]")]
#[case("q/log?container=zz", "container zz is not valid for pod q")]
#[case(
    "q/log?container=a&tailLines=-2",
    "PodLogOptions \"q\" is invalid: tailLines: Invalid value: -2: must be greater than or equal to 0"
)]
#[case("none/log", "pods \"none\" not found")]
#[tokio::test]
async fn refuses_logs_in_the_words_of_the_original(#[case] path: &str, #[case] message: &str) {
    let cluster = start().await;
    let spec = json!({"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]});
    cluster.post(PODS, json!({"metadata": {"name": "q"}, "spec": spec})).await;
    assert_eq!(refused(&cluster.admin, "GET", &format!("{PODS}/{path}"), Value::Null).await.1, message);
}

#[tokio::test]
async fn tells_that_the_kubelet_is_unreachable() {
    let (cluster, _) = with_backend(true).await;
    let port = json!({"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 9}}}});
    cluster.merge("/api/v1/nodes/node1/status", port).await;
    let refused = cluster.refused("GET", &format!("{PODS}/p/log"), Value::Null).await;
    let text = "Get \"https://10.0.0.5:9/containerLogs/default/p/a\": dial tcp 10.0.0.5:9: connect: connection refused";
    assert_eq!(refused, (500, text.to_owned()));
}

async fn with_service() -> (Cluster, Arc<Redirect>) {
    let (cluster, redirect) = with_backend(false).await;
    let spec = json!({"ports": [{"port": 80, "targetPort": 9090}], "selector": {"a": "b"}});
    cluster.post("/api/v1/namespaces/default/services", json!({"metadata": {"name": "ks"}, "spec": spec})).await;
    (cluster, redirect)
}

fn endpoints(port: u16, target: &str) -> Value {
    let address = json!({"ip": "10.244.0.7", "targetRef": {"kind": "Pod", "namespace": "default", "name": target}});
    json!({"metadata": {"name": "ks"}, "subsets": [{"addresses": [address], "ports": [{"port": port}]}]})
}

const PROXY: &str = "/api/v1/namespaces/default/services";

#[rstest]
#[case("ks")]
#[case(":ks:")]
#[case(":ks:80")]
#[case("http:ks:80")]
#[tokio::test]
async fn passes_requests_on_to_the_pods_of_a_service(#[case] reference: &str) {
    let (cluster, redirect) = with_service().await;
    cluster.post("/api/v1/namespaces/default/endpoints", endpoints(9090, "p")).await;
    let path = format!("{PROXY}/{reference}/proxy/kapis/version?x=1");
    assert_eq!(text(&cluster, &path).await.unwrap(), "GET /kapis/version?x=1 auth=false");
    assert_eq!(*redirect.dialled.lock().unwrap(), ["10.244.0.7:9090"]);
}

#[tokio::test]
async fn passes_on_only_to_addresses_of_pods() {
    let (cluster, _) = with_service().await;
    cluster.post("/api/v1/namespaces/default/endpoints", endpoints(9090, "other")).await;
    let refused = cluster.refused("GET", &format!("{PROXY}/:ks:/proxy/x"), Value::Null).await;
    assert_eq!(refused, (503, "no endpoints available for service \":ks:\"".to_owned()));
}

#[rstest]
#[case("none", 404, "services \"none\" not found")]
#[case("ks:99", 503, "no service port 99 found for service \"ks\"")]
#[case("a:b:c:d", 400, "invalid service request \"a:b:c:d\"")]
#[case(":ks:", 500, "error trying to reach service: dial tcp 10.244.0.7:9: connect: connection refused")]
#[tokio::test]
async fn refuses_proxies_in_the_words_of_the_original(
    #[case] reference: &str,
    #[case] code: u16,
    #[case] message: &str,
) {
    let (cluster, _) = with_service().await;
    cluster.post("/api/v1/namespaces/default/endpoints", endpoints(9, "p")).await;
    let refused = cluster.refused("GET", &format!("{PROXY}/{reference}/proxy/x"), Value::Null).await;
    assert_eq!(refused, (code, message.to_owned()));
}

#[tokio::test]
async fn binds_a_pod_to_a_node_once() {
    let cluster = start().await;
    cluster.post(PODS, json!({"metadata": {"name": "q"}, "spec": {"containers": [{"name": "a", "image": "i"}]}})).await;
    let binding = json!({"metadata": {"name": "q"}, "target": {"kind": "Node", "name": "n"}});
    cluster.post(&format!("{PODS}/q/binding"), binding.clone()).await;
    assert_eq!(cluster.get(&format!("{PODS}/q")).await["spec"]["nodeName"], "n");
    assert_eq!(cluster.refused("POST", &format!("{PODS}/q/binding"), binding).await.0, 409);
}

#[rstest]
#[case::a_program("kubectl/v1.20.2")]
#[case::a_person("curl/7.88.1")]
#[tokio::test]
async fn passes_on_what_a_pod_answers_as_it_is(#[case] agent: &str) {
    let (cluster, _) = with_backend(false).await;
    let request = Request::get(format!("{PODS}/p:80/proxy/json")).header("user-agent", agent).body(Vec::new()).unwrap();
    assert_eq!(cluster.admin.request_text(request).await.unwrap(), r#"{"a":1}"#);
}

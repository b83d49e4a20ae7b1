//! What the tests share: servers, clients, raw requests.

use std::sync::Arc;
use std::time::Duration;

use apiserver::{ApiServer, Lifetime, Options};
use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub const HOUR: Duration = Duration::from_hours(1);

/// A server and its administrator.
pub struct Cluster {
    pub server: ApiServer,
    pub admin: kube::Client,
}

pub async fn start() -> Cluster {
    start_with(Options::default()).await
}

pub async fn start_with(options: Options) -> Cluster {
    let server = ApiServer::start(options).await.unwrap();
    let kubeconfig = server.admin_kubeconfig(&format!("https://{}", server.address()), "test").unwrap();
    let admin = client_of(&kubeconfig).await;
    Cluster { server, admin }
}

pub async fn client_of(kubeconfig: &str) -> kube::Client {
    client_from(Kubeconfig::from_yaml(kubeconfig).unwrap()).await
}

async fn client_from(kubeconfig: Kubeconfig) -> kube::Client {
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    // Refusals are what the tests look at, 503 among them.
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}

impl Cluster {
    /// A client with other credentials: the `user` part of a kubeconfig.
    pub async fn client_with(&self, user: Value) -> kube::Client {
        let kubeconfig = self.server.admin_kubeconfig(&format!("https://{}", self.server.address()), "test").unwrap();
        let mut kubeconfig = Kubeconfig::from_yaml(&kubeconfig).unwrap();
        kubeconfig.auth_infos[0].auth_info = Some(serde_json::from_value(user).unwrap());
        client_from(kubeconfig).await
    }

    pub async fn user(&self, name: &str, groups: &[&str]) -> kube::Client {
        let issued = self.server.issue_client_certificate(name, groups, Lifetime::for_duration(HOUR)).unwrap();
        self.client_with(certificate_user(&issued)).await
    }

    pub async fn get(&self, path: &str) -> Value {
        call(&self.admin, "GET", path, "", Value::Null).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        call(&self.admin, "POST", path, "application/json", body).await.unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> Value {
        call(&self.admin, "PUT", path, "application/json", body).await.unwrap()
    }

    pub async fn merge(&self, path: &str, body: Value) -> Value {
        call(&self.admin, "PATCH", path, "application/merge-patch+json", body).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Value {
        call(&self.admin, "DELETE", path, "", Value::Null).await.unwrap()
    }

    /// The head of an answer, whatever it says.
    pub async fn head_of(&self, method: &str, path: &str, body: Value) -> http::response::Parts {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let body = kube::client::Body::from(serde_json::to_vec(&body).unwrap());
        self.admin.send(request.body(body).unwrap()).await.unwrap().into_parts().0
    }

    /// A TLS connection of the administrator, for bytes that no client would send.
    pub async fn connection(&self, protocol: &str) -> TlsStream<TcpStream> {
        let issued =
            self.server.issue_client_certificate("admin", &["system:masters"], Lifetime::for_duration(HOUR)).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.server.ca_pem().as_bytes()).unwrap()).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let mut tls = rustls::ClientConfig::builder_with_provider(apiserver::pki::crypto())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.server.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap()
    }

    /// The failure of a request that must fail: code and message.
    pub async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        refused(&self.admin, method, path, body).await
    }
}

pub fn certificate_user(issued: &apiserver::ClientCertificate) -> Value {
    use base64::Engine as _;
    let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
    json!({"client-certificate-data": encode(&issued.certificate_pem), "client-key-data": encode(&issued.key_pem)})
}

pub async fn call(
    client: &kube::Client,
    method: &str,
    path: &str,
    media: &str,
    body: Value,
) -> Result<Value, kube::Error> {
    let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
    let mut request = Request::builder().method(method).uri(path);
    if !media.is_empty() {
        request = request.header("content-type", media);
    }
    client.request::<Value>(request.body(bytes).unwrap()).await
}

pub async fn refused(client: &kube::Client, method: &str, path: &str, body: Value) -> (u16, String) {
    let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    match call(client, method, path, media, body).await {
        Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
        other => panic!("{method} {path} should be refused: {other:?}"),
    }
}

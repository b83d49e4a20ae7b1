//! How clients get into a server: the same kubeconfig for both, but for address and keys.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

/// Address and credentials of an administrator.
#[derive(Clone)]
pub struct Access {
    /// Where the server listens.
    pub address: SocketAddr,
    /// PEM of its authority.
    pub ca_pem: String,
    /// PEM of the administrator's certificate.
    pub certificate_pem: String,
    /// PEM of the administrator's key.
    pub key_pem: String,
}

impl Access {
    /// The server's URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A kubeconfig whose context is in `namespace`; JSON, which is YAML.
    pub fn kubeconfig(&self, namespace: &str) -> String {
        let encoded = |pem: &str| BASE64_STANDARD.encode(pem);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "witness",
            "clusters": [{"name": "witness", "cluster": {
                "server": self.url(), "certificate-authority-data": encoded(&self.ca_pem),
            }}],
            "users": [{"name": "admin", "user": {
                "client-certificate-data": encoded(&self.certificate_pem), "client-key-data": encoded(&self.key_pem),
            }}],
            "contexts": [{"name": "witness", "context": {"cluster": "witness", "user": "admin", "namespace": namespace}}],
        })
        .to_string()
    }

    /// The configuration of a client in this process.
    ///
    /// # Errors
    /// When the credentials are not usable.
    pub async fn config(&self) -> Result<kube::Config, super::Cause> {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig("default"))?;
        Ok(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    }

    /// A client in this process.
    ///
    /// # Errors
    /// When the credentials are not usable.
    pub async fn client(&self) -> Result<kube::Client, super::Cause> {
        Ok(kube::Client::try_from(self.config().await?)?)
    }
}

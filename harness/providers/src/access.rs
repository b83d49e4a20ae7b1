//! Where a kubeconfig's current context leads and with which credentials, as plain data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use nodes::network::client::Endpoint;
use nodes::network::tls::{ClientIdentity, TlsSettings};
use serde_yaml::Value;

/// How we name ourselves to API servers.
pub(crate) const AGENT: &str = concat!("ks-e2e/v", env!("CARGO_PKG_VERSION"));

/// The current context of a kubeconfig with inline data. It holds secrets, so it is not printable.
#[derive(Clone)]
pub struct Access {
    /// Address of the API server.
    pub server: String,
    /// PEM of the authority, empty if there is none.
    pub authority_pem: Vec<u8>,
    /// Accept any server certificate.
    pub insecure: bool,
    /// Name to verify in place of the server's.
    pub tls_server_name: Option<String>,
    /// Client certificate.
    pub identity: Option<ClientIdentity>,
    /// Bearer token.
    pub token: Option<String>,
}

/// A kubeconfig that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AccessError(String);

impl Access {
    /// Reads the current context of `kubeconfig` (YAML text).
    ///
    /// # Errors
    /// When it is not YAML, or its current context lacks something.
    pub fn of(kubeconfig: &str) -> Result<Self, AccessError> {
        let config: Value =
            serde_yaml::from_str(kubeconfig).map_err(|error| AccessError(format!("not YAML: {error}")))?;
        let current = config["current-context"].as_str().unwrap_or_default();
        let context = named(&config, "contexts", "context", current)?;
        let cluster = named(&config, "clusters", "cluster", context["cluster"].as_str().unwrap_or_default())?;
        let user = named(&config, "users", "user", context["user"].as_str().unwrap_or_default())?;
        let server = cluster["server"].as_str().ok_or_else(|| AccessError("the cluster has no server".to_owned()))?;
        let certificate = decoded(user, "client-certificate-data")?;
        let key = decoded(user, "client-key-data")?;
        Ok(Self {
            server: server.to_owned(),
            authority_pem: decoded(cluster, "certificate-authority-data")?.unwrap_or_default(),
            insecure: cluster["insecure-skip-tls-verify"].as_bool().unwrap_or_default(),
            tls_server_name: cluster["tls-server-name"].as_str().map(str::to_owned),
            identity: certificate
                .zip(key)
                .map(|(certificate_pem, key_pem)| ClientIdentity { certificate_pem, key_pem }),
            token: user["token"].as_str().map(str::to_owned),
        })
    }

    /// The same as an endpoint of a network client.
    ///
    /// # Errors
    /// When the server is no address.
    pub fn endpoint(&self) -> Result<Endpoint, AccessError> {
        let server: Uri =
            self.server.parse().map_err(|error| AccessError(format!("server {}: {error}", self.server)))?;
        if server.scheme().is_none() || server.host().is_none() {
            return Err(AccessError(format!("server {}: no scheme or no host", self.server)));
        }
        Ok(Endpoint {
            server,
            tls: TlsSettings {
                authorities_pem: self.authority_pem.clone(),
                insecure: self.insecure,
                server_name: self.tls_server_name.clone(),
                identity: self.identity.clone(),
            },
            authorization: self.token.as_ref().map(|token| format!("Bearer {token}")),
            agent: Some(AGENT.to_owned()),
        })
    }
}

/// The same kubeconfig with another server in its current cluster.
///
/// # Errors
/// When it is not a kubeconfig.
pub fn with_server(kubeconfig: &str, server: &str) -> Result<String, AccessError> {
    let current = Access::of(kubeconfig)?.server;
    let mut config: Value =
        serde_yaml::from_str(kubeconfig).map_err(|error| AccessError(format!("not YAML: {error}")))?;
    for cluster in config["clusters"].as_sequence_mut().into_iter().flatten() {
        if cluster["cluster"]["server"].as_str() == Some(&current) {
            cluster["cluster"]["server"] = server.into();
        }
    }
    serde_yaml::to_string(&config).map_err(|error| AccessError(error.to_string()))
}

fn named<'a>(config: &'a Value, list: &str, key: &str, name: &str) -> Result<&'a Value, AccessError> {
    let entries = config[list].as_sequence().into_iter().flatten();
    let entry = entries.into_iter().find(|entry| entry["name"].as_str() == Some(name));
    entry.map(|entry| &entry[key]).ok_or_else(|| AccessError(format!("no {key} named {name:?}")))
}

fn decoded(holder: &Value, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
    let Some(text) = holder[key].as_str() else { return Ok(None) };
    STANDARD.decode(text).map(Some).map_err(|error| AccessError(format!("{key} is not base64: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: Q0E=}}]
users: [{name: u, user: {token: t}}]
";

    #[test]
    fn follows_the_current_context() {
        let access = Access::of(CONFIG).unwrap();
        assert_eq!(
            (access.server.as_str(), access.authority_pem.as_slice()),
            ("https://10.0.0.1:6443", b"CA".as_slice())
        );
        assert_eq!(access.endpoint().unwrap().authorization.as_deref(), Some("Bearer t"));
    }

    #[test]
    fn names_what_a_kubeconfig_lacks() {
        let error = Access::of("current-context: x").err().unwrap();
        assert_eq!(error.to_string(), "no context named \"x\"");
    }

    #[test]
    fn writes_another_server() {
        let changed = with_server(CONFIG, "https://127.0.0.1:6443").unwrap();
        assert_eq!(Access::of(&changed).unwrap().server, "https://127.0.0.1:6443");
    }
}

//! Where an API server is and who asks, as client-go's `rest.Config` has it, and a client made of that.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use nodes::clock::Delay;
use nodes::network::client::{Endpoint, EndpointError, client, upgradable_client};
use nodes::network::tls::{ClientIdentity, TlsSettings};
use nodes::program::PodContext;

use super::api_client::ApiClient;

/// An exec credential plugin. Programs have no other executables, so it is never found.
#[derive(Clone)]
pub struct ExecPlugin {
    /// The executable.
    pub command: String,
    /// What to tell a person who lacks it.
    pub install_hint: String,
}

/// Credentials of a kubeconfig's user.
#[derive(Clone, Default)]
pub struct Credentials {
    /// PEM of the client certificate.
    pub client_certificate: Vec<u8>,
    /// PEM of its key.
    pub client_key: Vec<u8>,
    /// Bearer token.
    pub token: String,
    /// Name for basic authentication.
    pub username: String,
    /// Password for basic authentication.
    pub password: String,
    /// Name of an auth provider.
    pub auth_provider: Option<String>,
    /// A credential plugin.
    pub exec: Option<ExecPlugin>,
}

/// Why no client can be made, in client-go's words.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An authority and `insecure-skip-tls-verify` at once.
    #[error("specifying a root certificates file with the insecure flag is not allowed")]
    AuthorityAndInsecure,
    /// An auth provider that is not compiled in: KubeSphere has none.
    #[error("no Auth Provider found for name {0:?}")]
    AuthProvider(String),
    /// The server is no URL.
    #[error("host must be a URL or a host:port pair: {0:?}")]
    Server(String),
    /// The certificates or keys are not usable.
    #[error("{}", words_of(.0))]
    Endpoint(#[from] EndpointError),
}

/// Go's words for PEM that is none; other causes keep ours.
fn words_of(error: &EndpointError) -> String {
    match error {
        EndpointError::Tls(nodes::network::tls::TlsSettingsError::Pem {
            what: "certificate-authority-data", ..
        }) => "unable to load root certificates: unable to parse bytes as PEM block".to_owned(),
        EndpointError::Tls(nodes::network::tls::TlsSettingsError::Pem { what, .. }) => format!(
            "tls: failed to find any PEM data in {} input",
            if *what == "client-key-data" { "key" } else { "certificate" }
        ),
        EndpointError::Tls(nodes::network::tls::TlsSettingsError::Identity(_)) => {
            "tls: private key does not match public key".to_owned()
        }
        EndpointError::Authorization | EndpointError::Agent => error.to_string(),
    }
}

/// A loaded kubeconfig. Its credentials are never printed.
#[derive(Clone)]
pub struct RestConfig {
    server: String,
    authorities: Vec<u8>,
    insecure: bool,
    server_name: Option<String>,
    credentials: Credentials,
}

impl fmt::Debug for RestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestConfig").field("server", &self.server).finish_non_exhaustive()
    }
}

impl RestConfig {
    /// A configuration. Where the server is reached without TLS, client-go ignores authorities and credentials; a
    /// server without a scheme counts as such, since the authorities are looked at too late (seen on v3.3.2).
    #[must_use]
    pub fn new(
        server: &str,
        authorities: Vec<u8>,
        insecure: bool,
        server_name: Option<String>,
        credentials: Credentials,
    ) -> Self {
        let server = server.trim_end_matches('/');
        if server.starts_with("https://") {
            Self { server: server.to_owned(), authorities, insecure, server_name, credentials }
        } else {
            Self {
                server: server.to_owned(),
                authorities: Vec::new(),
                insecure: false,
                server_name: None,
                credentials: Credentials::default(),
            }
        }
    }

    /// The server as the kubeconfig has it.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The same credentials for another server.
    #[must_use]
    pub fn at(&self, server: &str) -> Self {
        Self { server: server.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// PEM of the authorities.
    #[must_use]
    pub fn authorities(&self) -> &[u8] {
        &self.authorities
    }

    /// Whether the server's certificate is not checked.
    #[must_use]
    pub fn insecure(&self) -> bool {
        self.insecure
    }

    /// PEM of the client certificate; empty without one.
    #[must_use]
    pub fn client_certificate(&self) -> &[u8] {
        &self.credentials.client_certificate
    }

    /// A client of the program in `ctx` whose calls end after `limit`.
    ///
    /// # Errors
    /// [`ClientError`] in client-go's words.
    pub fn connect(&self, ctx: &PodContext, limit: Option<Delay>) -> Result<ApiClient, ClientError> {
        let (network, clock) = (ctx.network.clone(), ctx.clock.clone());
        let kube = client(network.clone(), &clock, &self.endpoint(ctx)?)?;
        Ok(ApiClient::new(kube, &self.with_scheme(), network, clock, limit, self.credentials.exec.clone()))
    }

    /// A client whose connections can become something else, as a `WebSocket`.
    ///
    /// # Errors
    /// [`ClientError`] in client-go's words.
    pub fn connect_for_upgrade(&self, ctx: &PodContext) -> Result<kube::Client, ClientError> {
        Ok(upgradable_client(ctx.network.clone(), &ctx.clock, &self.endpoint(ctx)?)?)
    }

    fn with_scheme(&self) -> String {
        if self.server.contains("://") { self.server.clone() } else { format!("http://{}", self.server) }
    }

    fn endpoint(&self, ctx: &PodContext) -> Result<Endpoint, ClientError> {
        if let Some(name) = &self.credentials.auth_provider {
            return Err(ClientError::AuthProvider(name.clone()));
        }
        if self.insecure && !self.authorities.is_empty() {
            return Err(ClientError::AuthorityAndInsecure);
        }
        let server: Uri = self.with_scheme().parse().map_err(|_| ClientError::Server(self.server.clone()))?;
        if server.host().is_none() {
            return Err(ClientError::Server(self.server.clone()));
        }
        Ok(Endpoint {
            server,
            tls: TlsSettings {
                authorities_pem: self.authorities.clone(),
                insecure: self.insecure,
                server_name: self.server_name.clone(),
                identity: self.identity(),
            },
            authorization: self.authorization(),
            agent: Some(ctx.pod.agent()),
        })
    }

    fn identity(&self) -> Option<ClientIdentity> {
        (!self.credentials.client_certificate.is_empty()).then(|| ClientIdentity {
            certificate_pem: self.credentials.client_certificate.clone(),
            key_pem: self.credentials.client_key.clone(),
        })
    }

    fn authorization(&self) -> Option<String> {
        let Credentials { token, username, password, .. } = &self.credentials;
        if !token.is_empty() {
            Some(format!("Bearer {token}"))
        } else if !username.is_empty() || !password.is_empty() {
            Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
        } else {
            None
        }
    }
}

//! The two servers: where they are, and how an administrator gets in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use apiserver::pki::Authority;
use apiserver::{ApiServer, ClientCertificate, Lifetime, Options, pki};
use base64::Engine as _;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use crate::credentials::certificate::{CertificateSpec, ClientAuthority};
use crate::credentials::keys;
use crate::credentials::token::TokenKeys;

/// A server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A file is not there.
    #[error("read {}: give the directory of a server, with its kubeconfig, ca.key and sa.key", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The kubeconfig has not what is needed.
    #[error("read the server's kubeconfig: no {wanted}, inline")]
    Kubeconfig {
        /// What is missing.
        wanted: &'static str,
    },
    /// Certificates and keys do not fit.
    #[error("use the administrator's certificate of {name}")]
    Tls {
        /// The server.
        name: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key cannot be used.
    #[error("use the {name} of {server}")]
    Key {
        /// Which.
        name: &'static str,
        /// Whose.
        server: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The embedded server did not start.
    #[error("start the embedded server")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A server.
pub struct Endpoint<'a> {
    /// What it is called in a report.
    pub name: &'static str,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// TLS with the administrator's certificate.
    pub admin: Arc<rustls::ClientConfig>,
    /// Its authority's certificate, PEM.
    pub ca_pem: String,
    /// Issues client certificates.
    pub clients: ClientAuthority<'a>,
    /// Signs tokens of `ServiceAccount`s.
    pub tokens: TokenKeys,
}

/// What a real server's credentials are made with.
pub struct RealKeys<'a> {
    /// The authority of its clients.
    pub clients: ClientAuthority<'a>,
    /// The key of its tokens, PKCS #8 PEM.
    pub tokens_pem: String,
}

impl RealKeys<'_> {
    /// The keys in `directory`: `ca.crt`, `ca.key`, `sa.key`.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn in_directory(directory: &Path) -> Result<Self, EndpointError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).map_err(|source| EndpointError::File { path, source })
        };
        let key = |name: &'static str, file: &str| {
            let source = || Box::from("it is no P-256 key");
            keys::pkcs8(&read(file)?).ok_or_else(|| EndpointError::Key { name, server: REAL, source: source() })
        };
        let clients = Authority::load(&read("ca.crt")?, &key("authority's key", "ca.key")?);
        let clients =
            clients.map_err(|error| EndpointError::Key { name: "authority", server: REAL, source: error.into() })?;
        Ok(Self { clients: ClientAuthority::Loaded(Box::new(clients)), tokens_pem: key("tokens' key", "sa.key")? })
    }
}

/// The certificates and addresses of a real server.
#[derive(Debug, Clone)]
pub struct RealServer {
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Its authority's certificate, PEM.
    pub ca_pem: String,
    /// The administrator's certificate and key.
    pub admin: ClientCertificate,
}

impl RealServer {
    /// The server whose files are in `directory`: `kubeconfig` with everything inline.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn in_directory(directory: &Path) -> Result<Self, EndpointError> {
        let path = directory.join("kubeconfig");
        let text =
            std::fs::read_to_string(&path).map_err(|source| EndpointError::File { path: path.clone(), source })?;
        Self::from_kubeconfig(&text)
    }

    /// The server of a kubeconfig with everything inline.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn from_kubeconfig(text: &str) -> Result<Self, EndpointError> {
        let kubeconfig: Value = serde_yaml::from_str(text).unwrap_or_default();
        let find = |pointer: &str, wanted: &'static str| {
            let found = kubeconfig.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            found.ok_or(EndpointError::Kubeconfig { wanted })
        };
        let decode = |pointer: &str, wanted: &'static str| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(find(pointer, wanted)?).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or(EndpointError::Kubeconfig { wanted })
        };
        let server = find("/clusters/0/cluster/server", "server")?;
        Ok(Self {
            address: server.trim_start_matches("https://").trim_end_matches('/').to_owned(),
            ca_pem: decode("/clusters/0/cluster/certificate-authority-data", "certificate-authority-data")?,
            admin: ClientCertificate {
                certificate_pem: decode("/users/0/user/client-certificate-data", "client-certificate-data")?,
                key_pem: decode("/users/0/user/client-key-data", "client-key-data")?,
            },
        })
    }
}

/// What a real server is called.
const REAL: &str = "kube-apiserver";
/// What an embedded server is called.
const EMBEDDED: &str = "embedded";

impl<'a> Endpoint<'a> {
    /// A real server.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn real(server: &RealServer, keys: RealKeys<'a>) -> Result<Self, EndpointError> {
        Ok(Self {
            name: REAL,
            address: server.address.clone(),
            admin: tls(REAL, &server.ca_pem, Some(&server.admin))?,
            ca_pem: server.ca_pem.clone(),
            clients: keys.clients,
            tokens: token_keys(REAL, &keys.tokens_pem)?,
        })
    }

    /// TLS of whoever asks, but the administrator: with the certificate of `spec`, or without one.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn tls_for(
        &self,
        spec: Option<&CertificateSpec>,
        fill: impl Fn(&str) -> String,
    ) -> Result<Arc<rustls::ClientConfig>, EndpointError> {
        let issued = spec.map(|spec| self.clients.issue(spec, fill)).transpose();
        let issued = issued.map_err(|error| EndpointError::Tls { name: self.name, source: error.into() })?;
        tls(self.name, &self.ca_pem, issued.as_ref())
    }

    /// Starts an embedded server, which lives as long as the handle that is returned beside it.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub async fn embedded() -> Result<(Self, ApiServer), EndpointError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| EndpointError::Start(source);
        let key = rcgen::KeyPair::generate().map_err(|error| failed(error.into()))?;
        let options = Options {
            service_account_signing_key_pem: Some(key.serialize_pem()),
            service_account_admission: false,
            ..Options::default()
        };
        let server = ApiServer::start(options).await.map_err(|error| failed(error.into()))?;
        let lifetime = Lifetime::for_duration(std::time::Duration::from_hours(1));
        let admin = server
            .issue_client_certificate("kubernetes-admin", &["system:masters"], lifetime)
            .map_err(|error| failed(error.into()))?;
        let endpoint = Self {
            name: EMBEDDED,
            address: server.address().to_string(),
            admin: tls(EMBEDDED, server.ca_pem(), Some(&admin))?,
            ca_pem: server.ca_pem().to_owned(),
            clients: ClientAuthority::Server(server.clone()),
            tokens: token_keys(EMBEDDED, &key.serialize_pem())?,
        };
        Ok((endpoint, server))
    }
}

fn token_keys(server: &'static str, pem: &str) -> Result<TokenKeys, EndpointError> {
    TokenKeys::new(pem).map_err(|error| EndpointError::Key { name: "tokens' key", server, source: error.into() })
}

/// TLS that trusts `ca_pem` and shows `client`, if there is one.
fn tls(
    name: &'static str,
    ca_pem: &str,
    client: Option<&ClientCertificate>,
) -> Result<Arc<rustls::ClientConfig>, EndpointError> {
    configure(ca_pem, client).map(Arc::new).map_err(|source| EndpointError::Tls { name, source })
}

fn configure(
    ca_pem: &str,
    client: Option<&ClientCertificate>,
) -> Result<rustls::ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let config = rustls::ClientConfig::builder_with_provider(pki::crypto())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let Some(client) = client else { return Ok(config.with_no_client_auth()) };
    let chain = CertificateDer::pem_slice_iter(client.certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes())?;
    Ok(config.with_client_auth_cert(chain, key)?)
}

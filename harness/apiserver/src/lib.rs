//! An embedded Kubernetes API server for tests, true to Kubernetes 1.20.
//!
//! It listens on loopback with TLS, keeps its objects in memory, and answers kubectl and other clients as
//! kube-apiserver 1.20.2 does: discovery, RBAC, validation, patches, watches, tables, custom resources, logs of pods,
//! and the proxies of pods and services. It is bounded: `surface.toml` lists what is served, and
//! [`ApiServer::surface_misses`] names the requests beyond that which the original would have served. Validating
//! and conversion webhooks are called, mutating ones are not (a request that would meet one is a miss); there is no exec
//! or attach.
//!
//! # Trying a controller
//!
//! A test starts a server, a client and what is to be tried, in milliseconds and with nothing installed; each test has
//! a server of its own. The feature `client`, on by default, has a [`kube::Client`]; [`ApiServer::admin_kubeconfig`] is for
//! every other client, kubectl among them. A whole controller is in `examples/controller.rs`.
//!
//! ```
//! use apiserver::{ApiServer, Options};
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::api::{Api, PostParams};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ApiServer::start(Options::default()).await?;
//! let maps: Api<ConfigMap> = Api::default_namespaced(server.client().await?);
//! let map = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
//! let made = maps.create(&PostParams::default(), &map).await?;
//! assert_eq!(made.metadata.namespace.as_deref(), Some("default"));
//! assert!(maps.create(&PostParams::default(), &map).await.is_err(), "there already");
//! server.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The server alone has no controllers, as an envtest has none: a Deployment gets no pods, a namespace that is deleted
//! stays `Terminating`. The crate `ks-e2e-nodes` brings them, and nodes whose pods run.

mod access;
mod admission;
mod answer;
mod apiservices;
mod audit;
mod authn;
mod authz;
mod bootstrap;
mod call;
#[cfg(feature = "client")]
mod client;
mod clock;
mod components;
mod consent;
mod conversion;
mod custom;
mod defaults;
mod deletion;
mod deprecation;
mod discovery;
mod eviction;
mod fields;
mod flowcontrol;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod go;
mod gojson;
mod gotypes;
mod handler;
mod in_process;
mod jsoniter;
mod jsonpatch;
mod limits;
mod logs;
mod managed;
mod mergepatch;
mod names;
mod negotiate;
mod normal;
mod objects;
mod openapi;
mod options;
mod parameters;
mod patch;
mod paths;
pub mod pki;
mod pods;
mod proto;
mod proxy;
mod quantity;
mod reads;
mod registry;
mod request;
mod reviews;
mod scale;
mod selector;
mod server;
mod services;
mod shape;
mod show;
mod snapshot;
mod state;
mod status;
mod store;
mod strategic;
mod surface;
mod table;
mod types;
mod unmanaged;
mod unstructured;
mod upstream;
mod validation;
mod warnings;
mod webhooks;
mod websocket;
mod yaml;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use answer::Body;
pub use audit::{Audit, AuditEvent, AuditUser, ObjectRef, ResponseStatus};
#[cfg(feature = "client")]
pub use client::ClientError;
pub use in_process::{InProcess, Stopped};
pub use options::{DialFailure, Dialer, Options, Stream, TcpDialer, TimeLimits};
pub use pki::{CertificateError, ClientCertificate, Lifetime};
pub use snapshot::Snapshot;

use authn::{AcceptAnyClient, Signer, SigningKeyError, Tokens};
use clock::ServerClock;
use pki::Authority;
use state::{Parts, State};
use store::Store;

/// How long the administrator's certificate holds: a year, as kubeadm's.
const ADMIN_LIFETIME: std::time::Duration = std::time::Duration::from_hours(365 * 24);

/// The server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No port could be listened on.
    #[error("listen on a port of 127.0.0.1 for the API server")]
    Listen(#[source] std::io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The authority is not usable for verifying clients.
    #[error("verify client certificates with the server's authority: {0}")]
    Authority(String),
    /// TLS could not be set up.
    #[error("set up TLS of the API server")]
    Tls(#[from] rustls::Error),
    /// A public key is none.
    #[error("read a ServiceAccount public key: give P-256 keys as SPKI PEM")]
    ServiceAccountKey(#[source] jsonwebtoken::errors::Error),
    /// The key that signs tokens is none.
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    /// The first objects were refused.
    #[error("create the objects of a new cluster: {0}")]
    Bootstrap(String),
}

/// A kubeconfig could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Its certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It could not be written as YAML.
    #[error("write a kubeconfig as YAML")]
    Yaml(#[from] serde_yaml::Error),
}

/// Ends the server when the last handle goes.
struct Running {
    state: Arc<State>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.state.stop.cancel();
    }
}

/// A running API server. Clones are handles of the same server; it ends with [`ApiServer::stop`] or the last handle.
#[derive(Clone)]
pub struct ApiServer {
    running: Arc<Running>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Starts a server on a free port of 127.0.0.1, with an authority and UIDs of its own unless it goes on from a
    /// [`Snapshot`].
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let clock = ServerClock::shifted(options.clock_offset_seconds);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(StartError::Listen)?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let (authority, signer, store) = if let Some(snapshot) = &options.restore {
            snapshot.parts()
        } else {
            let signer = Signer::new(options.service_account_signing_key_pem.as_deref())?;
            (Arc::new(Authority::generate(clock.now())?), Arc::new(signer), Store::new())
        };
        let keys = options.service_account_public_keys_pem.iter().map(String::as_str).chain([signer.public_pem()]);
        let tokens = Tokens::new(keys, &options.service_account_issuer).map_err(StartError::ServiceAccountKey)?;
        let verifier = authn::client_verifier(authority.certificate()).map_err(StartError::Authority)?;
        let tls = server_tls(&authority, &options, clock, Arc::clone(&verifier))?;
        let kubelet_client =
            authority.client_identity("kube-apiserver-kubelet-client", "system:masters", clock.now())?;
        let state = Arc::new(State::new(Parts {
            store,
            clock,
            tokens,
            signer,
            verifier,
            authority,
            dialer: options.dialer,
            upstream_tls: upstream::client_tls(kubelet_client)?,
            service_cidr_prefix: options.service_cidr_prefix,
            service_account_admission: options.service_account_admission,
            address,
            time_limits: options.time_limits,
            audit: options.audit,
        }));
        match &options.restore {
            Some(snapshot) => snapshot.resume(&state),
            None => bootstrap::create(&state, options.advertise)
                .map_err(|failure| StartError::Bootstrap(failure.message))?,
        }
        let task = tokio::spawn(server::serve(Arc::clone(&state), listener, Arc::new(tls)));
        let task = std::sync::Mutex::new(Some(task));
        Ok(Self { running: Arc::new(Running { state, task }) })
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.state.address
    }

    /// The authority's certificate, PEM: it signed the server's own, verifies clients', and signed the certificate
    /// (`CN=kube-apiserver-kubelet-client`, `O=system:masters`) that the server shows to kubelets and pods.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.running.state.authority.certificate_pem()
    }

    /// A client certificate for the user `common_name` in the groups `organizations`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issue_client_certificate(
        &self,
        common_name: &str,
        organizations: &[&str],
        lifetime: Lifetime,
    ) -> Result<ClientCertificate, CertificateError> {
        self.running.state.authority.client(common_name, organizations, lifetime)
    }

    /// A kubeconfig for the administrator, as kubeadm writes it: user `kubernetes-admin` of `system:masters`, context
    /// `kubernetes-admin@CLUSTER`, everything inline.
    ///
    /// # Errors
    /// [`KubeconfigError`].
    pub fn admin_kubeconfig(&self, server: &str, cluster_name: &str) -> Result<String, KubeconfigError> {
        let lifetime = Lifetime::around(self.running.state.clock.now(), ADMIN_LIFETIME);
        let client = self.issue_client_certificate("kubernetes-admin", &["system:masters"], lifetime)?;
        Ok(pki::kubeconfig(server, cluster_name, self.ca_pem(), &client)?)
    }

    /// Everything that the server keeps now, for others to begin with.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.running.state)
    }

    /// The requests so far that kube-apiserver 1.20 would have served and this server does not, each once, sorted:
    /// `METHOD PATH`, `PATCH MEDIA-TYPE RESOURCE` for a kind of patch, `MUTATE OPERATION RESOURCE by
    /// WEBHOOK` for a webhook that would have changed an object, `BODY …` for one that is nested deeper than is read. Each was refused with a truthful `Status`,
    /// but a test that went through one has not seen what a real cluster does: a test run that finds any should fail
    /// and name them. Refusals that the original gives too (unknown paths and groups, methods that a resource does
    /// not know, missing rights) are no misses. What is served is listed in the crate's `surface.toml`.
    ///
    /// ```
    /// # async fn run(server: apiserver::ApiServer) {
    /// // At the end of a test, before `stop`:
    /// assert!(server.surface_misses().is_empty(), "not served: {:?}", server.surface_misses());
    /// # }
    /// ```
    #[must_use]
    pub fn surface_misses(&self) -> Vec<String> {
        self.running.state.misses()
    }

    /// Closes the listener and every connection; returns when all tasks have ended.
    pub async fn stop(self) {
        self.running.state.stop.cancel();
        let task = self.running.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task {
            // The task does not panic, and nobody aborts it.
            let _ = task.await;
        }
    }
}

fn server_tls(
    authority: &Authority,
    options: &Options,
    clock: ServerClock,
    verifier: Arc<dyn rustls::server::danger::ClientCertVerifier>,
) -> Result<rustls::ServerConfig, StartError> {
    let mut names: Vec<String> = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        .iter()
        .chain(&["kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1"])
        .map(|name| (*name).to_owned())
        .collect();
    names.push(bootstrap::service_address(options.service_cidr_prefix).to_string());
    names.extend(options.server_names.iter().cloned());
    let identity = authority.server_identity(&names, clock.now())?;
    let mut tls = rustls::ServerConfig::builder_with_provider(pki::crypto())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(AcceptAnyClient::new(verifier)))
        .with_single_cert(identity.chain, identity.key)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

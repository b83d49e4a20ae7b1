//! What all requests to one server share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::server::danger::ClientCertVerifier;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Audit;
use crate::authn::{Evidence, Signer, Tokens};
use crate::clock::ServerClock;
use crate::custom::definition;
use crate::options::{Dialer, TimeLimits};
use crate::pki::Authority;
use crate::registry::{Registry, Resource};
use crate::store::Store;
use crate::webhooks::Reach;

/// The state of one server.
pub struct State {
    /// Objects.
    pub store: Arc<Store>,
    /// Time.
    pub clock: ServerClock,
    /// Verifies tokens.
    pub tokens: Tokens,
    /// Signs tokens.
    pub signer: Arc<Signer>,
    /// Verifies client certificates.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Signs certificates.
    pub authority: Arc<Authority>,
    /// Reaches kubelets and pods.
    pub dialer: Arc<dyn Dialer>,
    /// TLS towards kubelets and pods: shows the server's client certificate, believes any server.
    pub upstream_tls: Arc<rustls::ClientConfig>,
    /// First two bytes of every `ClusterIP`.
    pub service_cidr_prefix: [u8; 2],
    /// See [`Options`](crate::Options).
    pub service_account_admission: bool,
    /// Where the server listens.
    pub address: std::net::SocketAddr,
    /// How long clients may take.
    pub time_limits: TimeLimits,
    /// Who takes note of the requests.
    pub audit: Option<Audit>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// What goes on beside the requests, until the end.
    pub tasks: TaskTracker,
    /// Held while a Service is stored, so that no two get the same address.
    pub allocation: Mutex<()>,
    /// What is known of the stored definitions.
    pub definitions: definition::Memo,
    registry: RwLock<Arc<Registry>>,
    misses: Mutex<BTreeSet<String>>,
    groups: Mutex<BTreeSet<String>>,
}

/// The parts that a state is made of.
pub struct Parts {
    /// See [`State`].
    pub clock: ServerClock,
    /// See [`State`].
    pub tokens: Tokens,
    /// See [`State`].
    pub store: Store,
    /// See [`State`].
    pub signer: Arc<Signer>,
    /// See [`State`].
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// See [`State`].
    pub authority: Arc<Authority>,
    /// See [`State`].
    pub dialer: Arc<dyn Dialer>,
    /// See [`State`].
    pub upstream_tls: Arc<rustls::ClientConfig>,
    /// See [`State`].
    pub service_cidr_prefix: [u8; 2],
    /// See [`State`].
    pub service_account_admission: bool,
    /// See [`State`].
    pub address: std::net::SocketAddr,
    /// See [`State`].
    pub time_limits: TimeLimits,
    /// See [`State`].
    pub audit: Option<Audit>,
}

impl State {
    /// A state of these.
    pub fn new(parts: Parts) -> Self {
        Self {
            store: Arc::new(parts.store),
            clock: parts.clock,
            tokens: parts.tokens,
            signer: parts.signer,
            verifier: parts.verifier,
            authority: parts.authority,
            dialer: parts.dialer,
            upstream_tls: parts.upstream_tls,
            service_cidr_prefix: parts.service_cidr_prefix,
            service_account_admission: parts.service_account_admission,
            address: parts.address,
            time_limits: parts.time_limits,
            audit: parts.audit,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            allocation: Mutex::new(()),
            definitions: definition::Memo::default(),
            registry: RwLock::new(Arc::new(Registry::new(Vec::new()))),
            misses: Mutex::new(BTreeSet::new()),
            groups: Mutex::new(BTreeSet::new()),
        }
    }

    /// What authentication looks at.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence { tokens: &self.tokens, store: &self.store, clock: self.clock }
    }

    /// What it takes to reach webhooks.
    pub fn reach(&self) -> Reach {
        Reach { store: Arc::clone(&self.store), dialer: Arc::clone(&self.dialer), stop: self.stop.clone() }
    }

    /// What is served now.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves what the stored definitions say: called after one of them changed.
    pub fn reload_definitions(&self) {
        // The lock is taken first, so that the last caller sees the last definitions.
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        let (definitions, reach) = (self.definitions.all(&self.store), self.reach());
        let custom: Vec<Arc<Resource>> =
            definitions.iter().flat_map(|known| known.resources(&reach)).map(Arc::clone).collect();
        for resource in &custom {
            self.store.open(&resource.full_name);
        }
        *registry = Arc::new(Registry::new(custom));
        drop(registry);
        crate::apiservices::sync(self);
    }

    /// Notes that `group` is served.
    pub fn remember_group(&self, group: &str) {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).insert(group.to_owned());
    }

    /// The groups that were ever served: the original never gives up the path of one (`handledGroups` of
    /// kube-aggregator, Kubernetes 1.20).
    pub fn remembered_groups(&self) -> BTreeSet<String> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a request that is outside what is served.
    pub fn miss(&self, request: String) {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner).insert(request);
    }

    /// The requests noted.
    pub fn misses(&self) -> Vec<String> {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

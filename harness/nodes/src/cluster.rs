//! What all controllers and kubelets of a cluster share.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Namespace, Pod, Secret, Service, ServiceAccount};
use kube::{Api, Resource};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::{Cache, Kind};
use crate::clock::Clock;

/// How many of the latest failures of controllers are kept.
const KEPT_FAILURES: usize = 50;

/// The caches of the kinds that controllers and kubelets look at.
pub(crate) struct Caches {
    pub(crate) config_maps: Arc<Cache<ConfigMap>>,
    pub(crate) deployments: Arc<Cache<Deployment>>,
    pub(crate) endpoints: Arc<Cache<Endpoints>>,
    pub(crate) namespaces: Arc<Cache<Namespace>>,
    pub(crate) pods: Arc<Cache<Pod>>,
    pub(crate) replica_sets: Arc<Cache<ReplicaSet>>,
    pub(crate) secrets: Arc<Cache<Secret>>,
    pub(crate) service_accounts: Arc<Cache<ServiceAccount>>,
    pub(crate) services: Arc<Cache<Service>>,
}

pub(crate) struct Cluster {
    pub(crate) client: kube::Client,
    pub(crate) clock: Clock,
    pub(crate) caches: Caches,
    pub(crate) stop: CancellationToken,
    tasks: TaskTracker,
    failures: Mutex<VecDeque<String>>,
    synced: CancellationToken,
}

impl Cluster {
    pub(crate) fn new(client: kube::Client, clock: Clock) -> Arc<Self> {
        let caches = Caches {
            config_maps: Cache::new(),
            deployments: Cache::new(),
            endpoints: Cache::new(),
            namespaces: Cache::new(),
            pods: Cache::new(),
            replica_sets: Cache::new(),
            secrets: Cache::new(),
            service_accounts: Cache::new(),
            services: Cache::new(),
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        Arc::new(Self {
            client,
            clock,
            caches,
            stop,
            tasks,
            failures: Mutex::default(),
            synced: CancellationToken::new(),
        })
    }

    /// Starts the watches and waits for the first lists. Controllers must have put their handlers in place before.
    pub(crate) async fn watch(&self) {
        let caches = &self.caches;
        self.keep(&caches.config_maps);
        self.keep(&caches.deployments);
        self.keep(&caches.endpoints);
        self.keep(&caches.namespaces);
        self.keep(&caches.pods);
        self.keep(&caches.replica_sets);
        self.keep(&caches.secrets);
        self.keep(&caches.service_accounts);
        self.keep(&caches.services);
        caches.config_maps.ready().await;
        caches.deployments.ready().await;
        caches.endpoints.ready().await;
        caches.namespaces.ready().await;
        caches.pods.ready().await;
        caches.replica_sets.ready().await;
        caches.secrets.ready().await;
        caches.service_accounts.ready().await;
        caches.services.ready().await;
        self.synced.cancel();
    }

    /// Waits until all first lists are here: whoever acts earlier takes what is not listed yet for missing.
    pub(crate) async fn synced(&self) {
        self.synced.cancelled().await;
    }

    fn keep<K: Kind>(&self, cache: &Arc<Cache<K>>) {
        self.spawn(cache.clone().keep(Api::all(self.client.clone()), self.clock.clone()));
    }

    /// Runs `task` until it ends or the cluster stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _stopped = stop.run_until_cancelled(task).await;
        });
    }

    /// Runs `task`, which heeds `stop` by itself, to its end.
    pub(crate) fn spawn_to_end(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Stops everything and waits for it.
    pub(crate) async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Keeps a failure of a controller for the curious.
    pub(crate) fn note(&self, failure: String) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() == KEPT_FAILURES {
            failures.pop_front();
        }
        failures.push_back(failure);
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// A request of a controller or kubelet that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {source}")]
pub(crate) struct Failure {
    pub(crate) operation: String,
    pub(crate) source: Box<kube::Error>,
}

impl Failure {
    /// The object is not what the request took it for.
    pub(crate) fn is_conflict(&self) -> bool {
        code_of(&self.source) == 409
    }
}

/// Names the operation of a failed request.
pub(crate) trait During<T> {
    fn during(self, operation: &str) -> Result<T, Failure>;
    /// The same, where the object may be gone already.
    fn unless_gone(self, operation: &str) -> Result<Option<T>, Failure>;
    /// The same, where the object may exist already.
    fn unless_there(self, operation: &str) -> Result<Option<T>, Failure>;
}

impl<T> During<T> for Result<T, kube::Error> {
    fn during(self, operation: &str) -> Result<T, Failure> {
        self.map_err(|source| Failure { operation: operation.to_owned(), source: Box::new(source) })
    }

    fn unless_gone(self, operation: &str) -> Result<Option<T>, Failure> {
        match self {
            Err(error) if code_of(&error) == 404 => Ok(None),
            other => other.during(operation).map(Some),
        }
    }

    fn unless_there(self, operation: &str) -> Result<Option<T>, Failure> {
        match self {
            Err(error) if reason_of(&error) == "AlreadyExists" => Ok(None),
            other => other.during(operation).map(Some),
        }
    }
}

pub(crate) fn code_of(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    }
}

pub(crate) fn reason_of(error: &kube::Error) -> &str {
    match error {
        kube::Error::Api(status) => &status.reason,
        _ => "",
    }
}

/// The server refuses new objects since the namespace is being deleted.
pub(crate) fn is_terminating(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status
            .details
            .as_ref()
            .is_some_and(|details| details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating")),
        _ => false,
    }
}

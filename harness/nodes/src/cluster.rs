//! What all controllers and kubelets of a cluster share.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, Endpoints, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service,
    ServiceAccount,
};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::{Api, Resource};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ages::Ages;
use crate::cache::{self, Cache, Kind};
use crate::clock::Clock;
use crate::components::Components;
use crate::events::Correlator;
use crate::old_kinds::{CronJob, EndpointSlice};
use crate::served::Served;

/// How many of the latest failures of controllers are kept.
const KEPT_FAILURES: usize = 50;

macro_rules! caches {
    ($($field:ident: $kind:ty),+ $(,)?) => {
        /// The caches of the kinds that controllers and kubelets look at.
        pub(crate) struct Caches {
            $(pub(crate) $field: Arc<Cache<$kind>>,)+
        }

        /// What the caches know, for others to begin with.
        #[derive(Clone)]
        pub(crate) struct Known {
            $($field: cache::State<$kind>,)+
        }

        impl Caches {
            fn new() -> Self {
                Self { $($field: Cache::new(),)+ }
            }

            pub(crate) fn known(&self) -> Known {
                Known { $($field: self.$field.known(),)+ }
            }

            async fn ready(&self) {
                $(self.$field.ready().await;)+
            }
        }

        impl Cluster {
            fn keep_all(&self, served: &Served, known: Option<&Known>) {
                $(self.keep(&self.caches.$field, served, known.map(|known| known.$field.clone()));)+
            }
        }
    };
}

caches! {
    claims: PersistentVolumeClaim,
    classes: StorageClass,
    config_maps: ConfigMap,
    cron_jobs: CronJob,
    daemon_sets: DaemonSet,
    deployments: Deployment,
    endpoint_slices: EndpointSlice,
    endpoints: Endpoints,
    jobs: Job,
    namespaces: Namespace,
    nodes: Node,
    pods: Pod,
    replica_sets: ReplicaSet,
    revisions: ControllerRevision,
    secrets: Secret,
    service_accounts: ServiceAccount,
    services: Service,
    stateful_sets: StatefulSet,
    volumes: PersistentVolume,
}

pub(crate) struct Cluster {
    /// That of the controllers.
    pub(crate) client: kube::Client,
    pub(crate) scheduler: kube::Client,
    pub(crate) kubelet: kube::Client,
    pub(crate) clock: Clock,
    pub(crate) caches: Caches,
    pub(crate) stop: CancellationToken,
    tasks: TaskTracker,
    failures: Mutex<VecDeque<String>>,
    synced: CancellationToken,
    pub(crate) events: Correlator,
    pub(crate) ages: Ages,
}

impl Cluster {
    pub(crate) fn new(components: Components, clock: Clock) -> Arc<Self> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let ages = Ages::new(clock.clone());
        Arc::new(Self {
            client: components.controller_manager,
            scheduler: components.scheduler,
            kubelet: components.kubelet,
            clock,
            caches: Caches::new(),
            stop,
            tasks,
            failures: Mutex::default(),
            synced: CancellationToken::new(),
            events: Correlator::default(),
            ages,
        })
    }

    /// Starts the watches of what is served and waits for the first lists, where nothing is `known`. Controllers must have
    /// put their handlers in place before.
    pub(crate) async fn watch(&self, served: &Served, known: Option<&Known>) {
        self.keep_all(served, known);
        self.caches.ready().await;
        self.synced.cancel();
    }

    /// Waits until all first lists are here: whoever acts earlier takes what is not listed yet for missing.
    pub(crate) async fn synced(&self) {
        self.synced.cancelled().await;
    }

    fn keep<K: Kind>(&self, cache: &Arc<Cache<K>>, served: &Served, known: Option<cache::State<K>>) {
        if served.has(&K::api_version(&()), &K::plural(&())) {
            self.spawn(cache.clone().keep(Api::all(self.client.clone()), self.clock.clone(), known));
        } else {
            cache.stays_empty();
        }
    }

    /// Runs `task` until it ends or the cluster stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        // Some are large, and would be moved several times.
        let task = Box::pin(task);
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

    /// The client in whose name `component` records its events.
    pub(crate) fn client_of(&self, component: &str) -> &kube::Client {
        match component {
            "kubelet" => &self.kubelet,
            "default-scheduler" => &self.scheduler,
            _ => &self.client,
        }
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

/// What the server says, without the words of our client around it.
pub(crate) fn message_of(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
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

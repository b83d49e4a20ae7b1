//! Garbage collection by owner references, among all kinds that the server can list, watch and delete.

mod collect;
mod graph;
mod monitor;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::ApiResource;

use self::graph::{Graph, Object, Place, Uid, Work};
use self::monitor::{Monitor, Watches};
use super::resources::Deletable;
use crate::cache::{Cache, Kind};
use crate::cluster::Cluster;
use crate::queue::{Queue, work};

struct Garbage {
    cluster: Arc<Cluster>,
    queue: Arc<Queue<Work>>,
    graph: Mutex<Graph>,
    resources: Mutex<Vec<Deletable>>,
}

/// Kinds that have caches come from there; [`Monitors::start`] watches the others.
pub(crate) struct Monitors {
    garbage: Arc<Garbage>,
    monitor: Arc<Monitor>,
}

/// What the garbage collector has seen, for another one to go on from.
pub(crate) struct Known {
    graph: Graph,
    resources: Vec<Deletable>,
    watches: Watches,
}

impl Monitors {
    /// Begins to watch the kinds without caches, and those that come later.
    pub(crate) fn start(&self) {
        self.monitor.start();
    }

    /// Sees everything that is there.
    pub(crate) async fn catch_up(&self) {
        self.monitor.catch_up().await;
    }

    pub(crate) fn known(&self) -> Known {
        // In this order: what comes in between, its watch shows again.
        let watches = self.monitor.known();
        Known { watches, graph: self.garbage.graph().clone(), resources: self.garbage.resources().clone() }
    }
}

pub(crate) fn start(cluster: &Arc<Cluster>, known: Option<&Known>) -> Monitors {
    let queue = Queue::new(cluster.clock.clone());
    let garbage = Arc::new(Garbage {
        cluster: cluster.clone(),
        queue: queue.clone(),
        graph: Mutex::new(known.map(|known| known.graph.clone()).unwrap_or_default()),
        resources: Mutex::default(),
    });
    let caches = &cluster.caches;
    garbage.hook(&caches.claims, true);
    garbage.hook(&caches.classes, false);
    garbage.hook(&caches.config_maps, true);
    garbage.hook(&caches.cron_jobs, true);
    garbage.hook(&caches.daemon_sets, true);
    garbage.hook(&caches.deployments, true);
    garbage.hook(&caches.endpoint_slices, true);
    garbage.hook(&caches.endpoints, true);
    garbage.hook(&caches.jobs, true);
    garbage.hook(&caches.namespaces, false);
    garbage.hook(&caches.nodes, false);
    garbage.hook(&caches.pods, true);
    garbage.hook(&caches.replica_sets, true);
    garbage.hook(&caches.revisions, true);
    garbage.hook(&caches.secrets, true);
    garbage.hook(&caches.service_accounts, true);
    garbage.hook(&caches.services, true);
    garbage.hook(&caches.stateful_sets, true);
    garbage.hook(&caches.volumes, false);
    let home = garbage.clone();
    work(cluster, "garbage-collector", queue, move |work| {
        let garbage = home.clone();
        async move {
            match work {
                Work::Dependent(uid) => garbage.dependent(&uid).await,
                Work::Owner(uid) => garbage.owner(&uid).await,
            }
        }
    });
    let with_caches = garbage.resources().len();
    if let Some(known) = known {
        garbage.resources().extend(known.resources.iter().skip(with_caches).cloned());
        // What the other one was amid is not known.
        garbage.push(known.graph.work());
    }
    let monitor = Monitor::new(&garbage, with_caches, known.map(|known| &known.watches));
    Monitors { garbage, monitor }
}

impl Garbage {
    /// Learns of the objects of a kind from its cache.
    fn hook<K: Kind>(self: &Arc<Self>, cache: &Arc<Cache<K>>, namespaced: bool) {
        let place = self.add(Deletable {
            resource: ApiResource::erase::<K>(&()),
            namespaced,
            collection: true,
            watchable: true,
        });
        // Weak, since the caches live in the cluster that this holds.
        let home = Arc::downgrade(self);
        cache.on_change(move |change| {
            let Some(home) = home.upgrade() else { return };
            let new = change.new.map(|new| new.meta());
            if let Some(old) = change.old.map(|old| old.meta())
                && new.is_none_or(|new| new.uid != old.uid)
            {
                home.is_gone(old.uid.as_deref().unwrap_or_default());
            }
            if let Some(new) = new {
                home.saw(place, new);
            }
        });
    }

    /// Adds a kind; its place.
    fn add(&self, resource: Deletable) -> Place {
        let mut resources = self.resources();
        resources.push(resource);
        resources.len() - 1
    }

    fn saw(&self, place: Place, meta: &ObjectMeta) {
        self.push(self.graph().observe(place, meta));
    }

    fn is_gone(&self, uid: &str) {
        self.push(self.graph().remove(uid));
    }

    fn push(&self, work: Vec<Work>) {
        for work in work {
            self.queue.push(work);
        }
    }

    fn object(&self, uid: &str) -> Option<Object> {
        self.graph().get(uid).cloned()
    }

    fn whereabouts(&self, uid: &str) -> Option<(Place, String)> {
        self.graph().whereabouts(uid).map(|(place, namespace)| (place, namespace.to_owned()))
    }

    fn dependents(&self, uid: &str) -> Vec<Uid> {
        self.graph().dependents(uid)
    }

    fn resource(&self, place: Place) -> Option<Deletable> {
        self.resources().get(place).cloned()
    }

    fn resource_where(&self, is_it: impl Fn(&Deletable) -> bool) -> Option<Deletable> {
        self.resources().iter().find(|one| is_it(one)).cloned()
    }

    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resources(&self) -> MutexGuard<'_, Vec<Deletable>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Simulated kubelets: they run registered programs for the pods of their nodes.

pub(crate) mod api;
mod client_certificates;
pub(crate) mod container;
mod context;
mod credentials;
mod environment;
pub(crate) mod heartbeat;
pub(crate) mod images;
mod log_query;
pub(crate) mod mounts;
pub(crate) mod node;
pub(crate) mod pod;
mod shared;
mod status;
mod supervise;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use self::pod::Worker;
use self::shared::{Shared, Signal};
use crate::cache::{Change, Key};
use crate::clock::Delay;
use crate::cluster::Cluster;
use crate::network::client::InProcess;
use crate::node_network::NodeNetwork;
use crate::program::Programs;
use crate::queue::Queue;
use crate::snapshot::{KeptPod, Snapshot};

/// How long a kubelet waits before it tries a failed request again.
const RETRY: Delay = Delay::new("kubelet-retry", Duration::from_secs(1));

/// The API server as programs reach it.
pub(crate) struct Server {
    /// Inside the cluster, as `https://10.96.0.1:443`.
    pub(crate) address: String,
    /// The same, parsed.
    pub(crate) uri: http::Uri,
    /// PEM of its authority.
    pub(crate) ca_pem: Arc<str>,
    /// Without a connection.
    pub(crate) in_process: Option<InProcess>,
}

/// What the kubelets of a cluster share.
pub(crate) struct Kubelet {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) programs: Programs,
    pub(crate) network: Arc<dyn NodeNetwork>,
    pub(crate) server: Server,
    pub(crate) seed: u64,
    /// Address by node.
    pub(crate) nodes: BTreeMap<String, IpAddr>,
    pub(crate) pulled: images::Pulled,
    /// By UID.
    pods: Mutex<BTreeMap<String, Arc<Shared>>>,
    /// What the nodes had before.
    restore: Option<Snapshot>,
}

impl Kubelet {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        programs: Programs,
        network: Arc<dyn NodeNetwork>,
        server: Server,
        seed: u64,
        nodes: BTreeMap<String, IpAddr>,
        restore: Option<Snapshot>,
    ) -> Arc<Self> {
        let pulled = restore.as_ref().map(|kept| kept.0.pulled.clone()).unwrap_or_default();
        Arc::new(Self {
            cluster,
            programs,
            network,
            server,
            seed,
            nodes,
            pulled: images::Pulled::of(pulled),
            pods: Mutex::default(),
            restore,
        })
    }

    /// Hooks into the caches: pods of our nodes get workers, which look again when their volumes' sources change.
    pub(crate) fn start(self: &Arc<Self>) {
        let caches = &self.cluster.caches;
        // Weak, since the caches live in the cluster that the kubelets hold.
        let home = Arc::downgrade(self);
        caches.pods.on_change(move |change| {
            if let Some(home) = home.upgrade() {
                home.pod_changed(change);
            }
        });
        let home = Arc::downgrade(self);
        caches.config_maps.on_change(move |change| {
            if let (Some(home), Some(map)) = (home.upgrade(), change.any()) {
                home.source_changed(&Key::of(map.as_ref()).namespace);
            }
        });
        let home = Arc::downgrade(self);
        caches.secrets.on_change(move |change| {
            if let (Some(home), Some(secret)) = (home.upgrade(), change.any()) {
                home.source_changed(&Key::of(secret.as_ref()).namespace);
            }
        });
        let home = Arc::downgrade(self);
        caches.service_accounts.on_change(move |change| {
            if let (Some(home), Some(account)) = (home.upgrade(), change.any()) {
                home.source_changed(&Key::of(account.as_ref()).namespace);
            }
        });
    }

    fn pod_changed(self: &Arc<Self>, change: &Change<'_, Pod>) {
        let uid_of = |pod: &Arc<Pod>| pod.metadata.uid.clone().unwrap_or_default();
        let new_uid = change.new.map(uid_of);
        // Deleted, or replaced by another pod of the same name.
        if let Some(old_uid) = change.old.map(uid_of).filter(|uid| Some(uid) != new_uid.as_ref())
            && let Some(gone) = self.pods().remove(&old_uid)
        {
            gone.update(None);
        }
        let Some(pod) = change.new else { return };
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        let Some(host) = self.nodes.get(&node) else { return };
        let mut pods = self.pods();
        if let Some(shared) = new_uid.as_ref().and_then(|uid| pods.get(uid)) {
            shared.update(Some(pod));
            return;
        }
        if crate::controllers::pods::has_ended(pod) && pod.metadata.deletion_timestamp.is_none() {
            return;
        }
        let kept = self.restore.as_ref().and_then(|kept| kept.0.pods.get(&new_uid.unwrap_or_default()));
        let shared = Shared::new(pod, &node, Queue::new(self.cluster.clock.clone()), kept);
        pods.insert(shared.uid.clone(), shared.clone());
        drop(pods);
        shared.queue.push(Signal::Changed);
        self.cluster.spawn_to_end(Worker::new(self.clone(), shared, *host).run());
    }

    fn source_changed(&self, namespace: &str) {
        for shared in self.pods().values().filter(|shared| shared.key.namespace == namespace) {
            shared.queue.push(Signal::Changed);
        }
    }

    /// All pods by UID, if every one of them is at rest.
    pub(crate) fn keep(&self) -> Option<BTreeMap<String, KeptPod>> {
        self.pods().iter().map(|(uid, shared)| Some((uid.clone(), shared.keep()?))).collect()
    }

    /// The pods on `node`.
    pub(crate) fn pods_on(&self, node: &str) -> Vec<Arc<Shared>> {
        self.pods().values().filter(|shared| shared.node == node).cloned().collect()
    }

    fn pods(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Shared>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

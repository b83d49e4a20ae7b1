//! What the parts of a kubelet share of a pod.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Container as Spec, Pod};
use tokio::sync::watch;

use super::container::{Container, Role};
use crate::cache::Key;
use crate::queue::Queue;
use crate::snapshot::{KeptPod, Standing};

/// What the worker, its supervisors and the kubelet's API share of a pod.
pub(crate) struct Shared {
    pub(crate) key: Key,
    pub(crate) uid: String,
    pub(crate) node: String,
    /// Init containers in their order.
    pub(crate) init: Vec<Arc<Container>>,
    pub(crate) containers: Vec<Arc<Container>>,
    /// The pod as last seen; none when it is gone.
    pod: Mutex<Option<Arc<Pod>>>,
    pub(crate) queue: Arc<Queue<Signal>>,
    /// What its worker knows of it, once it has its place.
    standing: Mutex<Option<Standing>>,
    /// Counts the worker's looks at the pod: those begun, and the last that has ended.
    begun: AtomicU64,
    ended: watch::Sender<u64>,
}

/// Why the worker looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    /// The pod, a volume's source or a container changed.
    Changed,
    /// The delay of a changed mount is over.
    MountDue,
    /// The pod has been active for as long as it may.
    DeadlineOver,
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::MountDue => "mount due",
            Self::DeadlineOver => "deadline over",
        })
    }
}

impl Shared {
    /// A pod that was just bound to `node`, or one that was kept.
    pub(crate) fn new(pod: &Arc<Pod>, node: &str, queue: Arc<Queue<Signal>>, kept: Option<&KeptPod>) -> Arc<Self> {
        let spec = pod.spec.as_ref();
        let init = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
        let main = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let reason = if init.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        let known = kept.map(|kept| kept.containers.as_slice()).unwrap_or_default();
        let new = |role: Role, container: &Spec| match known.iter().find(|kept| kept.state.name == container.name) {
            Some(kept) => Container::restored(role, kept),
            None => Container::new(role, &container.name, container.image.as_deref().unwrap_or_default(), reason),
        };
        Arc::new(Self {
            key: Key::of(pod.as_ref()),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            node: node.to_owned(),
            init: init.iter().map(|container| new(Role::Init, container)).collect(),
            containers: main.iter().map(|container| new(Role::Main, container)).collect(),
            pod: Mutex::new(Some(pod.clone())),
            queue,
            standing: Mutex::new(kept.map(|kept| kept.standing.clone())),
            begun: AtomicU64::new(0),
            ended: watch::Sender::new(0),
        })
    }

    /// Init containers, then the others, as [`specs`] has them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.init.iter().chain(&self.containers)
    }

    /// All of the pod, if it stands and its containers are at rest.
    pub(crate) fn keep(&self) -> Option<KeptPod> {
        let standing = self.standing().clone()?;
        let containers = self.all().map(|container| container.keep()).collect::<Option<Vec<_>>>()?;
        Some(KeptPod { standing, containers })
    }

    pub(crate) fn standing(&self) -> MutexGuard<'_, Option<Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn update(&self, pod: Option<&Arc<Pod>>) {
        *self.pod.lock().unwrap_or_else(PoisonError::into_inner) = pod.cloned();
        self.queue.push(Signal::Changed);
    }

    /// The worker begins to look; the number of the look.
    pub(crate) fn begins(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The worker's look has ended, and the status says what was seen, unless writing it failed.
    pub(crate) fn ends(&self, look: u64) {
        self.ended.send_replace(look);
    }

    /// Waits until the status says what is the case now.
    pub(crate) async fn shown(&self) {
        let before = self.begun.load(Ordering::SeqCst);
        self.queue.push(Signal::Changed);
        let mut ended = self.ended.subscribe();
        // The sender lives as long as `self`, so an error cannot come.
        let _ended = ended.wait_for(|look| *look > before).await;
    }

    pub(crate) fn pod(&self) -> Option<Arc<Pod>> {
        self.pod.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The init containers of a pod, then the others.
pub(crate) fn specs(pod: &Pod) -> impl Iterator<Item = &Spec> {
    let spec = pod.spec.as_ref();
    let init = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    init.iter().chain(spec.map(|spec| spec.containers.as_slice()).unwrap_or_default())
}

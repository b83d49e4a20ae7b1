//! What the parts of a kubelet share of a pod.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;

use super::container::Container;
use crate::cache::Key;
use crate::queue::Queue;

/// What the worker, its supervisors and the kubelet's API share of a pod.
pub(crate) struct Shared {
    pub(crate) key: Key,
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) containers: Vec<Arc<Container>>,
    /// The pod as last seen; none when it is gone.
    pod: Mutex<Option<Arc<Pod>>>,
    pub(crate) queue: Arc<Queue<Signal>>,
}

/// Why the worker looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    /// The pod, a volume's source or a container changed.
    Changed,
    /// The delay of a changed mount is over.
    MountDue,
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::MountDue => "mount due",
        })
    }
}

impl Shared {
    pub(crate) fn new(pod: &Arc<Pod>, node: &str, queue: Arc<Queue<Signal>>) -> Arc<Self> {
        let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let containers = containers
            .iter()
            .map(|container| Container::new(&container.name, container.image.as_deref().unwrap_or_default()));
        Arc::new(Self {
            key: Key::of(pod.as_ref()),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            node: node.to_owned(),
            containers: containers.collect(),
            pod: Mutex::new(Some(pod.clone())),
            queue,
        })
    }

    pub(crate) fn update(&self, pod: Option<&Arc<Pod>>) {
        *self.pod.lock().unwrap_or_else(PoisonError::into_inner) = pod.cloned();
        self.queue.push(Signal::Changed);
    }

    pub(crate) fn pod(&self) -> Option<Arc<Pod>> {
        self.pod.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

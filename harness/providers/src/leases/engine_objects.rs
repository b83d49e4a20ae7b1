//! What a run makes in a container engine: containers, clusters of node containers, and the network they are on.

use serde::{Deserialize, Serialize};

use crate::container_engine::{ContainerEngine, EngineError};

/// Something in a container engine. Its name begins with the run's, so that a lease can name nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineObject {
    /// The engine.
    pub engine: ContainerEngine,
    /// What it is.
    pub what: EngineObjectKind,
    /// Its name.
    pub name: String,
}

/// What an [`EngineObject`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineObjectKind {
    /// A container.
    Container,
    /// A kind cluster: its node containers and their volumes.
    KindCluster,
    /// A network; it can go only after the clusters on it.
    Network,
}

impl EngineObject {
    /// Removes it; false when it was gone already. Blocks.
    ///
    /// # Errors
    /// When it stays.
    pub fn remove(&self) -> Result<bool, EngineError> {
        match self.what {
            EngineObjectKind::Container => self.engine.remove_container(&self.name),
            EngineObjectKind::KindCluster => self.engine.remove_cluster(&self.name),
            EngineObjectKind::Network => self.engine.remove_network(&self.name),
        }
    }
}

impl std::fmt::Display for EngineObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.what {
            EngineObjectKind::Container => write!(f, "container {}", self.name),
            EngineObjectKind::KindCluster => write!(f, "kind cluster {}", self.name),
            EngineObjectKind::Network => write!(f, "network {}", self.name),
        }
    }
}

/// Removes all of `objects`, clusters before networks, and says of each what became of it: whether it was there, or why
/// it stays. What was on its way when its maker was killed appears late, so everything is looked at twice. Blocks.
pub(super) fn remove(mut objects: Vec<EngineObject>) -> Vec<(EngineObject, Result<bool, EngineError>)> {
    objects.sort_by_key(|object| object.what);
    let first: Vec<_> = objects.iter().map(EngineObject::remove).collect();
    let again = objects.iter().map(EngineObject::remove);
    let outcomes = first.into_iter().zip(again).map(|(first, again)| match (first, again) {
        (_, Err(error)) => Err(error),
        (first, Ok(late)) => Ok(late || first.unwrap_or(true)),
    });
    let outcomes: Vec<_> = outcomes.collect();
    objects.into_iter().zip(outcomes).collect()
}

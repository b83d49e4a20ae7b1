//! Clusters at rest, kept for others to begin as.

use std::sync::Arc;

use nodes::NodeSpec;
use scenario::model::On;

/// A whole embedded cluster at rest: its objects, authority and keys, its nodes with their containers. A cluster that
/// begins with it is the same one, identities included, on addresses of its own. Cheap to clone.
#[derive(Clone)]
pub struct ClusterSnapshot(pub(crate) Arc<Kept>);

pub(crate) struct Kept {
    pub(crate) server: apiserver::Snapshot,
    pub(crate) nodes: nodes::Snapshot,
    pub(crate) specs: Vec<NodeSpec>,
    pub(crate) service_account_key_pem: String,
}

impl std::fmt::Debug for ClusterSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterSnapshot").finish_non_exhaustive()
    }
}

impl PartialEq for ClusterSnapshot {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ClusterSnapshot {}

/// What the clusters of a pair begin with in place of nothing, where the provider can keep clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restore {
    /// The host.
    pub host: Option<ClusterSnapshot>,
    /// The member.
    pub member: Option<ClusterSnapshot>,
}

impl Restore {
    /// What the cluster `on` begins with.
    #[must_use]
    pub fn on(&self, on: On) -> Option<&ClusterSnapshot> {
        match on {
            On::Host => self.host.as_ref(),
            On::Member => self.member.as_ref(),
        }
    }
}

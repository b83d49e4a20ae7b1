//! What every provider gives: clusters, alone or as a host and a member.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use checks::view::ClusterView;
use nodes::clock::Clock;
use scenario::model::On;

use crate::leases::Lease;

/// A running cluster, owned by its [`Pair`].
#[async_trait]
pub trait Cluster: ClusterView {
    /// A kubeconfig with an administrator's rights that works where the harness and its steps run. YAML text.
    fn admin_kubeconfig(&self) -> &str;

    /// The kubeconfig that a person pastes on the host: its server is reachable from the other cluster. YAML text.
    fn pasteable_kubeconfig(&self) -> &str;

    /// Values that must never be shown: keys, tokens.
    fn secrets(&self) -> Vec<String>;

    /// Everything about the cluster as one value for two clusters to be compared by: authority, UIDs, machine IDs.
    ///
    /// # Errors
    /// When the API server does not answer.
    async fn identity(&self) -> Result<Identity, ProviderError>;

    /// Requests that a real API server would have served and this one did not; none where it is a real one.
    fn surface_misses(&self) -> Vec<String> {
        Vec::new()
    }

    /// As a [`ClusterView`].
    fn view(&self) -> &dyn ClusterView;
}

/// What makes a cluster itself and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM of the authority that signs its certificates.
    pub authority: String,
    /// UID of the namespace `kube-system`.
    pub kube_system_uid: String,
    /// Machine IDs of the nodes.
    pub machine_ids: Vec<String>,
}

/// What a scenario needs of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairPlan {
    /// Nodes of the host cluster.
    pub host_nodes: usize,
    /// Nodes of the member cluster; none without a member.
    pub member_nodes: Option<usize>,
    /// Seed of everything random but identities, which differ always.
    pub seed: u64,
    /// How the stub behaves; faithful unless a defect is asked for.
    pub behaviour: stub::Behaviour,
}

/// A host cluster and perhaps a member, on one clock.
pub struct Pair {
    /// The host.
    pub host: Arc<dyn Cluster>,
    /// The member.
    pub member: Option<Arc<dyn Cluster>>,
    /// The clusters' clock.
    pub clock: Clock,
    pub(crate) teardown: Box<dyn Teardown>,
}

impl Pair {
    /// The cluster `on`, if there is one.
    #[must_use]
    pub fn cluster(&self, on: On) -> Option<&Arc<dyn Cluster>> {
        match on {
            On::Host => Some(&self.host),
            On::Member => self.member.as_ref(),
        }
    }

    /// Takes both clusters down and returns when nothing of them is left.
    pub async fn destroy(self) {
        self.teardown.run().await;
    }
}

#[async_trait]
pub(crate) trait Teardown: Send + Sync {
    async fn run(self: Box<Self>);
}

/// Makes clusters.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Name, as on the command line.
    fn name(&self) -> &'static str;

    /// Whether it can work here.
    ///
    /// # Errors
    /// [`Missing`] says what is missing and how to get it.
    async fn probe(&self) -> Result<(), Missing>;

    /// Makes the clusters of `plan` under `lease`.
    ///
    /// # Errors
    /// When a cluster does not come up.
    async fn create(&self, lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError>;
}

/// Something that the environment lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {how}")]
pub struct Missing {
    /// What is missing.
    pub what: String,
    /// How to get it.
    pub how: String,
}

/// A provider that could not do its work.
#[derive(Debug)]
pub struct ProviderError {
    /// Which provider.
    pub provider: &'static str,
    /// What it was doing, as `start the API server of the host cluster`.
    pub operation: String,
    /// Why it failed.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} provider: cannot {}: {}", self.provider, self.operation, self.source)?;
        let mut cause = self.source.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for ProviderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

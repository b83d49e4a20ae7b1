//! A host cluster and perhaps a member: made for a plan, used by one cell at a time, reset in between.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use nodes::clock::Clock;
use scenario::model::{On, SyncFrequency};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::provider::{ProviderError, Standing};
use crate::snapshot::{ClusterSnapshot, Restore};

/// What a scenario needs of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairPlan {
    /// The host cluster.
    pub host: ClusterShape,
    /// The member cluster; none where the scenario has none.
    pub member: Option<ClusterShape>,
    /// Seed of everything random but identities, which differ always.
    pub seed: u64,
    /// How the stub behaves; faithful unless a defect is asked for.
    pub behaviour: stub::Behaviour,
    /// What the clusters begin with, where the provider keeps clusters.
    #[serde(skip)]
    pub restore: Restore,
}

/// What a cluster looks like before anything is installed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterShape {
    /// Nodes, the control plane's included.
    pub nodes: usize,
    /// How soon kubelets see changed ConfigMaps.
    pub sync_frequency: SyncFrequency,
}

impl PairPlan {
    /// The cluster `on` as planned.
    #[must_use]
    pub fn shape(&self, on: On) -> Option<ClusterShape> {
        match on {
            On::Host => Some(self.host),
            On::Member => self.member,
        }
    }
}

/// A host cluster and perhaps a member, on one clock.
pub struct Pair {
    /// The host.
    pub host: Arc<dyn Cluster>,
    /// The member.
    pub member: Option<Arc<dyn Cluster>>,
    /// The clusters' clock.
    pub clock: Clock,
    life: Box<dyn Life>,
}

impl Pair {
    pub(crate) fn new(standing: Standing, life: Box<dyn Life>) -> Self {
        let Standing { host, member, clock } = standing;
        Self { host, member, clock, life }
    }

    /// The cluster `on`, if there is one.
    #[must_use]
    pub fn cluster(&self, on: On) -> Option<&Arc<dyn Cluster>> {
        match on {
            On::Host => Some(&self.host),
            On::Member => self.member.as_ref(),
        }
    }

    /// Both clusters, the host first.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<dyn Cluster>> {
        [Some(&self.host), self.member.as_ref()].into_iter().flatten()
    }

    /// Whether a reset can make this pair what `plan` asks for.
    #[must_use]
    pub fn fits(&self, plan: &PairPlan) -> bool {
        self.life.fits(plan)
    }

    /// Makes the pair as if it had just been created for `plan`: whatever was made on it is removed, finalizers and
    /// webhooks first, and each cluster is compared with the inventory of its beginning.
    ///
    /// # Errors
    /// When a cluster stays dirty; the pair is of no use then and is to be destroyed.
    pub async fn reset(&mut self, plan: &PairPlan) -> Result<(), ProviderError> {
        let Standing { host, member, clock } = self.life.reset(plan).await?;
        (self.host, self.member, self.clock) = (host, member, clock);
        Ok(())
    }

    /// The cluster `on` as it is now, for others to begin with: none while something goes on in it, and where the provider
    /// keeps no clusters.
    pub async fn snapshot(&self, on: On) -> Option<ClusterSnapshot> {
        self.life.snapshot(on).await
    }

    /// Writes what explains the clusters' behaviour (logs of their parts) into files below `directory`. They may hold
    /// secrets, as logs do.
    ///
    /// # Errors
    /// When it cannot be had or written.
    pub async fn export(&self, directory: &Path) -> Result<(), ProviderError> {
        self.life.export(directory).await
    }

    /// Takes both clusters down and returns when nothing of them is left.
    ///
    /// # Errors
    /// When something of them stays; the lease names it.
    pub async fn destroy(self) -> Result<(), ProviderError> {
        self.life.destroy().await
    }
}

/// What a provider does for a pair after it was made.
#[async_trait]
pub(crate) trait Life: Send + Sync {
    fn fits(&self, plan: &PairPlan) -> bool;

    async fn reset(&mut self, plan: &PairPlan) -> Result<Standing, ProviderError>;

    async fn snapshot(&self, _on: On) -> Option<ClusterSnapshot> {
        None
    }

    async fn export(&self, directory: &Path) -> Result<(), ProviderError>;

    async fn destroy(self: Box<Self>) -> Result<(), ProviderError>;
}

//! What a provider is: whether it can work here, and how it makes clusters.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use nodes::clock::Clock;
use scenario::model::{Given, Scenario};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::leases::Lease;
use crate::pair::{Pair, PairPlan};

/// Makes clusters.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Name, as on the command line.
    fn name(&self) -> &'static str;

    /// Whether it can work here, and what it makes. Makes nothing itself.
    ///
    /// # Errors
    /// [`Missing`] says what is missing and how to get it.
    async fn probe(&self) -> Result<Capabilities, Missing>;

    /// What it is about to do to something that is not its own, for its owner to read and to agree to; none where all is its
    /// own. After a successful probe.
    fn plan(&self) -> Option<String> {
        None
    }

    /// Why its clusters cannot be as `given` says; none where they can, or where that shows only later. After a successful
    /// probe.
    fn cannot_be(&self, _given: &Given) -> Option<String> {
        None
    }

    /// Why the steps of `scenario` cannot be done on its clusters; none where they can. After a successful probe.
    fn cannot_do(&self, _scenario: &Scenario) -> Option<String> {
        None
    }

    /// Makes the clusters of `plan` under `lease`. A caller that stops polling leaves what was made so far to the lease.
    ///
    /// # Errors
    /// When a cluster does not come up; the lease removes what is left of it.
    async fn create(&self, lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError>;
}

/// What a provider that can work here makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Kubernetes version of its clusters, as `v1.20.2`; none where it shows only once a cluster runs.
    pub kubernetes: Option<String>,
    /// Whether a pair takes so long to make that cells share it, one after the other, with a reset in between.
    pub shares_pairs: bool,
    /// Cells at a time if nobody says otherwise.
    pub jobs: usize,
    /// Whether its clusters live on a virtual clock, which can hold a delay.
    pub virtual_clock: bool,
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

impl Missing {
    /// Something missing, and how to get it.
    #[must_use]
    pub fn new(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), how: how.into() }
    }
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

impl ProviderError {
    /// Says that `provider` could not do `operation`.
    pub(crate) fn new(
        provider: &'static str,
        operation: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { provider, operation: operation.into(), source: source.into() }
    }

    /// Why it failed, with all that led to it, in words.
    pub(crate) fn reason(&self) -> String {
        let first: &(dyn std::error::Error + 'static) = self.source.as_ref();
        let causes = std::iter::successors(Some(first), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} provider: cannot {}: {}", self.provider, self.operation, self.reason())
    }
}

impl std::error::Error for ProviderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Two clusters that stand, and their clock.
pub(crate) struct Standing {
    pub(crate) host: Arc<dyn Cluster>,
    pub(crate) member: Option<Arc<dyn Cluster>>,
    pub(crate) clock: Clock,
}

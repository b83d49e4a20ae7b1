//! A real kube-apiserver and etcd for each cluster, as controller-runtime's envtest starts them, with our simulated nodes
//! and network around it.

mod assets;
mod process;
mod standalone;
mod start;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use scenario::model::On;

pub use self::assets::ASSETS_VARIABLE;
use self::assets::Surroundings;
pub use self::standalone::Standalone;
use crate::leases::Lease;
use crate::pair::{Pair, PairPlan};
use crate::provider::{Capabilities, Missing, Provider, ProviderError};
use crate::real_server::Running;

/// Name of this provider.
pub const NAME: &str = "envtest";

/// Makes clusters around real API servers.
#[derive(Debug, Default)]
pub struct Envtest {
    /// Pairs made so far, for the names of their directories.
    made: AtomicUsize,
}

#[async_trait]
impl Provider for Envtest {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        let assets = Surroundings::of_this_process().find()?;
        let version = assets.version().await?;
        Ok(Capabilities { kubernetes: Some(version), shares_pairs: true, jobs: 1, virtual_clock: false })
    }

    async fn create(&self, lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let assets = Surroundings::of_this_process()
            .find()
            .map_err(|missing| ProviderError::new(NAME, "find its programs", missing))?;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let directory = lease.directory().join(format!("{NAME}-{number}"));
        let start = |on: On| start::start(lease, &assets, on, directory.join(on.to_string()));
        // Both to their end, so that neither is left running without an owner.
        let (host, member) = tokio::join!(start(On::Host), start(On::Member));
        Running::pair(NAME, [host?, member?], plan).await
    }
}

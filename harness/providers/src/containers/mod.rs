//! kube-apiserver and etcd out of container images, with our simulated nodes and network around them: real API servers of
//! any version, for whoever has a container engine and no binaries.
//!
//! Each cluster has an address of its own on the run's network. Both programs of a cluster share it, as containers of a
//! pod do, and a directory of the run's, in which their files and sockets are: the engine has to be on this machine.

mod images;
#[cfg(feature = "containers")]
mod start;

use std::sync::atomic::AtomicUsize;
#[cfg(feature = "containers")]
use std::sync::atomic::Ordering;

use async_trait::async_trait;
#[cfg(feature = "containers")]
use scenario::model::On;
#[cfg(feature = "containers")]
use tokio::sync::OnceCell;

pub use self::images::Images;
use crate::container_engine::version_in;
use crate::leases::Lease;
use crate::pair::{Pair, PairPlan};
use crate::provider::{Capabilities, Missing, Provider, ProviderError};
#[cfg(feature = "containers")]
use crate::real_server::Running;

/// Name of this provider.
pub const NAME: &str = "containers";

/// Makes clusters around API servers in containers.
#[derive(Debug, Default)]
pub struct Containers {
    images: Images,
    /// Pairs made so far, for the names of what belongs to them.
    #[cfg_attr(not(feature = "containers"), expect(dead_code, reason = "nothing is made"))]
    made: AtomicUsize,
    /// The network of all pairs of the run.
    #[cfg(feature = "containers")]
    network: OnceCell<String>,
}

impl Containers {
    /// Out of these images.
    #[must_use]
    pub fn new(images: Images) -> Self {
        Self { images, ..Self::default() }
    }
}

#[async_trait]
impl Provider for Containers {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        if cfg!(not(feature = "containers")) {
            return Err(not_built());
        }
        self.images.find().await?;
        let kubernetes = version_in(self.images.apiserver());
        Ok(Capabilities { kubernetes, shares_pairs: true, jobs: 1, virtual_clock: false })
    }

    #[cfg(feature = "containers")]
    async fn create(&self, lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let failed = |source| ProviderError::new(NAME, "make the containers' network", source);
        let engine = images::engine().map_err(|missing| failed(missing.into()))?;
        let network = self.network.get_or_try_init(|| crate::container_engine::make_network(lease, &engine)).await;
        let network = network.map_err(failed)?;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let start = |on: On| {
            let name = format!("{}-{number}-{on}", lease.name());
            start::start(start::Place { lease, engine: &engine, images: &self.images, network, on, name })
        };
        // Both to their end, so that neither is left running without an owner.
        let (host, member) = tokio::join!(start(On::Host), start(On::Member));
        Running::pair(NAME, [host?, member?], plan).await
    }

    #[cfg(not(feature = "containers"))]
    async fn create(&self, _lease: &Lease, _plan: &PairPlan) -> Result<Pair, ProviderError> {
        Err(ProviderError::new(NAME, "make containers", not_built()))
    }
}

fn not_built() -> Missing {
    Missing::new(
        "this ks-e2e was built without the provider containers",
        "build it with `cargo build --features containers`, or take --provider envtest",
    )
}

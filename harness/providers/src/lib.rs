//! Makers of clusters: embedded, envtest, kind; and the leases over everything a run creates.

pub mod access;
mod cluster;
pub mod container_engine;
mod delays;
pub mod embedded;
pub mod envtest;
pub mod image;
pub mod inside;
mod inventory;
pub mod keeper;
pub mod kind;
pub mod leases;
mod pair;
pub mod pool;
mod probe;
mod provider;
mod simulated;

pub use cluster::{Cluster, Identity, identity};
pub use pair::{ClusterShape, Pair, PairPlan};
pub use provider::{Capabilities, Missing, Provider, ProviderError};

use std::sync::Arc;

/// Every provider, with `options` for kind; the default one first.
#[must_use]
pub fn all(options: kind::KindOptions) -> Vec<Arc<dyn Provider>> {
    vec![Arc::new(embedded::Embedded), Arc::new(envtest::Envtest::default()), Arc::new(kind::Kind::new(options))]
}

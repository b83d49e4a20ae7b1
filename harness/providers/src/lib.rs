//! Makers of clusters: embedded; and the leases over everything a run creates.

pub mod access;
mod cluster;
pub mod embedded;
pub mod image;
pub mod leases;
mod probe;

pub use cluster::{Cluster, Identity, Missing, Pair, PairPlan, Provider, ProviderError};

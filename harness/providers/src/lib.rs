//! Makers of clusters: embedded, envtest, containers, kind; and the leases over everything a run creates.

pub mod access;
mod cluster;
pub mod container_engine;
pub mod containers;
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
pub mod process;
pub mod program;
mod provider;
mod real_server;
mod simulated;

pub use cluster::{Cluster, Identity, identity};
pub use pair::{ClusterShape, Pair, PairPlan};
pub use provider::{Capabilities, Missing, Provider, ProviderError};

use std::path::PathBuf;
use std::sync::Arc;

/// The file of this process's executable, also when a build has put another one in its place since it started: a run may
/// take minutes. Good for other processes, as long as this one lives.
///
/// # Errors
/// When the system cannot tell.
pub fn own_executable() -> std::io::Result<PathBuf> {
    let link = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if link.exists() { Ok(link) } else { std::env::current_exe() }
}

/// Every provider, with its options; the default one first.
#[must_use]
pub fn all(kind: kind::KindOptions, images: containers::Images) -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(embedded::Embedded),
        Arc::new(envtest::Envtest::default()),
        Arc::new(containers::Containers::new(images)),
        Arc::new(kind::Kind::new(kind)),
    ]
}

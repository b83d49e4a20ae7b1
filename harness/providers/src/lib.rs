//! Makers of clusters: embedded, envtest, containers, kind, and existing, which makes none; and the leases over everything
//! a run creates.

pub mod access;
mod cluster;
pub mod container_engine;
pub mod containers;
mod delays;
pub mod embedded;
pub mod envtest;
pub mod existing;
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
mod snapshot;

pub use cluster::{Cluster, Identity, identity};
pub use pair::{ClusterShape, Pair, PairPlan};
pub use provider::{Capabilities, Missing, Provider, ProviderError};
pub use snapshot::{ClusterSnapshot, Restore};

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

/// What providers can be told.
#[derive(Debug, Default)]
pub struct Options {
    /// To embedded.
    pub embedded: embedded::EmbeddedOptions,
    /// To containers.
    pub containers: containers::Images,
    /// To kind.
    pub kind: kind::KindOptions,
    /// To existing.
    pub existing: existing::ExistingOptions,
}

impl Options {
    /// What tests are told through the environment: the images that clusters are made of.
    #[must_use]
    pub fn of_environment() -> Self {
        let node_image = std::env::var("KS_E2E_NODE_IMAGE").ok().filter(|image| !image.is_empty());
        Self {
            containers: containers::Images::of_environment(),
            kind: kind::KindOptions { node_image, ..kind::KindOptions::default() },
            ..Self::default()
        }
    }
}

/// Every provider; the default one first.
#[must_use]
pub fn all(options: Options) -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(embedded::Embedded::new(options.embedded)),
        Arc::new(envtest::Envtest::default()),
        Arc::new(containers::Containers::new(options.containers)),
        Arc::new(kind::Kind::new(options.kind)),
        Arc::new(existing::Existing::new(options.existing)),
    ]
}

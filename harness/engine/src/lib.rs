//! Load, plan, provision, run, report, release.

mod cell;
mod cell_thread;
mod evidence;
pub mod explain;
mod export;
mod followed;
mod given;
mod installer_log;
mod kept;
mod kk;
mod known_issue;
pub mod library;
mod manifests;
mod needs;
mod originals;
mod pairing;
mod partial;
mod recorder;
mod releases;
mod run;
mod sandbox;
mod secrets;
mod serving;
mod session;
mod steps;
mod tools;
pub mod up;
mod versions;
mod waiter;

pub use given::{GivenError, establish_crds, install};
pub use kept::{Keep, KeptCell, kubeconfig_of};
pub use manifests::{Manifests, ManifestsError};
pub use recorder::Observer;
pub use run::RunOptions;
pub use sandbox::quoted;
pub use session::{Session, SessionOptions};
pub use stub::{Behaviour, Deviation, DeviationKind};
pub use tools::{KUBECTL_VARIABLE, Tools};
pub use versions::unsupported_kubernetes;

/// Acts as what this process was called as by something that the harness has set up, if it was: the editor behind
/// `kubectl edit`, `KubeKey`, or a part inside a cluster. To be asked first thing in `main`.
#[must_use]
pub fn serve_hidden() -> Option<std::process::ExitCode> {
    steps::edit::serve_as_editor().or_else(kk::serve).or_else(providers::inside::serve)
}

pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

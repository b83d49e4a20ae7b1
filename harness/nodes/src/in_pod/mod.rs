//! A program in a real pod: its [`PodContext`](crate::program::PodContext) made of the container's files, environment and
//! sockets.
//!
//! The container needs nothing but the executable; in particular no shell and no C library's resolver. What is read of the
//! environment and of files is read in one place ([`surroundings`]), before the program starts.

mod context;
mod mounts;
mod run;
pub mod surroundings;
mod watch;

use std::path::PathBuf;

pub use self::run::{PANICKED, run};
pub use self::surroundings::Surroundings;
use crate::network::client::EndpointError;
use crate::network::resolver::ResolverError;

/// A program that cannot start in this container.
#[derive(Debug, thiserror::Error)]
pub enum InPodError {
    /// No program belongs to the image.
    #[error("image {image}: no program is known for it; the image must be one that KubeSphere's manifests name")]
    NoProgram {
        /// The image.
        image: String,
    },
    /// A variable that every container has is not set.
    #[error("environment variable {name} is not set; a kubelet sets it in every container")]
    NotSet {
        /// The variable.
        name: &'static str,
    },
    /// A variable has a value that is not usable.
    #[error("environment variable {name}: {reason}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read.
    #[error("read {}: {source}; {hint}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// Where it should come from.
        hint: &'static str,
    },
    /// The hosts file does not name the pod.
    #[error("{}: no line names {name}; a kubelet writes the pod's address there, unless the pod uses its node's network", .path.display())]
    NoAddress {
        /// The file.
        path: PathBuf,
        /// The pod's name.
        name: String,
    },
    /// Names cannot be looked up.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// No client can be made of the ServiceAccount.
    #[error("make a client for {server}: {source}")]
    Client {
        /// The API server's address.
        server: String,
        /// Why.
        source: EndpointError,
    },
    /// A mounted volume cannot be watched.
    #[error("watch {}: {source}; each pod takes one of the node's inotify instances (fs.inotify.max_user_instances)", .path.display())]
    Watch {
        /// The mount point.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be waited for.
    #[error("wait for SIGTERM and SIGINT: {0}")]
    Signals(std::io::Error),
}

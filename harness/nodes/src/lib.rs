//! What a cluster without real nodes lacks: controllers, and simulated nodes that run programs in this process.

mod cache;
pub mod clock;
mod cluster;
pub mod config;
mod controllers;
mod events;
mod files;
pub mod in_pod;
mod kubelet;
pub mod logs;
mod names;
pub mod network;
pub mod node_network;
pub mod program;
mod queue;
pub mod quiescence;
#[cfg(test)]
mod testing;

pub use config::{NodeSpec, Nodes, NodesConfig, NodesError};
pub use kubelet::container::RESTART_BACKOFF;
pub use kubelet::pod::{CONFIG_MOUNT, TERMINATION_GRACE};

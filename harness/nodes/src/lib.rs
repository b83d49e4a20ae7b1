//! What a cluster without real nodes lacks: controllers, and simulated nodes that run programs in this process.

mod ages;
mod cache;
pub mod clock;
mod cluster;
mod components;
pub mod config;
mod controllers;
mod events;
mod files;
pub mod in_pod;
mod kubelet;
pub mod logs;
pub mod memory;
mod merge;
mod names;
pub mod network;
pub mod node_network;
mod old_kinds;
pub mod program;
mod queue;
pub mod quiescence;
mod selectors;
mod served;
mod snapshot;
#[cfg(test)]
mod testing;
mod times;

pub use components::Components;
pub use config::{NodeSpec, Nodes, NodesConfig, NodesError};
pub use kubelet::container::RESTART_BACKOFF;
pub use kubelet::pod::{CONFIG_MOUNT, TERMINATION_GRACE};
pub use snapshot::Snapshot;

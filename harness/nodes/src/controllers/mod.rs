//! What kube-controller-manager, kube-scheduler and kube-proxy do, as far as clusters of programs need it.
//!
//! Each controller is a function that hooks into the caches and works through a queue of its own. They speak to any
//! Kubernetes API server.

pub(crate) mod accounts;
pub(crate) mod deployment;
pub(crate) mod endpoints;
pub(crate) mod garbage;
pub(crate) mod namespace;
mod owners;
pub(crate) mod pods;
pub(crate) mod replicaset;
mod resources;
pub(crate) mod root_ca;
pub(crate) mod scheduler;
pub(crate) mod service_tables;
pub(crate) mod storage;
pub(crate) mod tokens;

use std::sync::Arc;

use self::scheduler::Target;
use self::tokens::Signer;
use crate::cluster::Cluster;
use crate::config::NodeSpec;
use crate::kubelet::node::labels;
use crate::node_network::NodeNetwork;

/// Hooks all controllers into the caches.
pub(crate) fn start(
    cluster: &Arc<Cluster>,
    signer: Signer,
    ca_pem: &Arc<str>,
    network: &Arc<dyn NodeNetwork>,
    nodes: &[NodeSpec],
) {
    garbage::start(cluster);
    namespace::start(cluster);
    accounts::start(cluster);
    tokens::start(cluster, signer, ca_pem);
    root_ca::start(cluster, ca_pem);
    let targets = nodes.iter().map(|node| Target { name: node.name.clone(), labels: labels(node) });
    scheduler::start(cluster, targets.collect());
    deployment::start(cluster);
    replicaset::start(cluster);
    endpoints::start(cluster);
    service_tables::start(cluster, network);
}

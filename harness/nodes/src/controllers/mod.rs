//! What kube-controller-manager, kube-scheduler and kube-proxy do, as far as clusters of programs need it.
//!
//! Each controller is a function that hooks into the caches and works through a queue of its own. They speak to any
//! Kubernetes API server.

pub(crate) mod accounts;
mod claims;
mod cronjob;
mod daemonset;
pub(crate) mod deployment;
mod endpoint_slices;
pub(crate) mod endpoints;
pub(crate) mod garbage;
mod history;
mod job;
pub(crate) mod namespace;
mod node_taints;
mod owners;
mod pod_gc;
pub(crate) mod pods;
pub(crate) mod replicaset;
mod resources;
pub(crate) mod root_ca;
pub(crate) mod scheduler;
mod scheduling;
pub(crate) mod service_tables;
mod statefulset;
mod statuses;
pub(crate) mod storage;
pub(crate) mod tokens;
mod volumes;

use std::sync::Arc;

use self::garbage::Monitors;
use self::tokens::Signer;
use crate::cluster::Cluster;
use crate::node_network::NodeNetwork;

/// Hooks all controllers into the caches; the garbage collector goes on from what it knew, where it did.
pub(crate) fn start(
    cluster: &Arc<Cluster>,
    signer: Signer,
    ca_pem: &Arc<str>,
    network: &Arc<dyn NodeNetwork>,
    known: Option<&garbage::Known>,
) -> Monitors {
    let monitors = garbage::start(cluster, known);
    namespace::start(cluster);
    accounts::start(cluster);
    tokens::start(cluster, signer, ca_pem);
    root_ca::start(cluster, ca_pem);
    scheduler::start(cluster);
    node_taints::start(cluster);
    pod_gc::start(cluster);
    deployment::start(cluster);
    replicaset::start(cluster);
    statefulset::start(cluster);
    daemonset::start(cluster);
    job::start(cluster);
    cronjob::start(cluster);
    volumes::start(cluster);
    endpoints::start(cluster);
    endpoint_slices::start(cluster);
    service_tables::start(cluster, network);
    monitors
}

//! What the nodes of a cluster hold beside its objects, for others to go on with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::Known;
use crate::controllers::garbage;
use crate::kubelet::container::State;
use crate::kubelet::mounts::Mounted;
use crate::logs::LogLine;
use crate::memory;
use crate::served::Served;

/// The containers of a cluster that is at rest, with their logs, their files and what their programs know: what real
/// nodes still have when their kubelets start again. Together with the objects of the API server
/// ([`NodesConfig::restore`](crate::NodesConfig::restore)) it is the whole cluster. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot(pub(crate) Arc<Kept>);

pub(crate) struct Kept {
    /// By UID.
    pub(crate) pods: BTreeMap<String, KeptPod>,
    /// Images by node.
    pub(crate) pulled: BTreeSet<(String, String)>,
    pub(crate) controllers: Controllers,
}

/// What controllers know of the objects, so that they need not ask for all of them.
pub(crate) struct Controllers {
    pub(crate) served: Served,
    pub(crate) caches: Known,
    pub(crate) garbage: garbage::Known,
}

/// A pod whose containers run, its init containers being done.
pub(crate) struct KeptPod {
    pub(crate) standing: Standing,
    /// Init containers first.
    pub(crate) containers: Vec<KeptContainer>,
}

/// What a kubelet knows of a pod beside its containers.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) begun: Timestamp,
    pub(crate) address: IpAddr,
    pub(crate) mounted: Vec<Arc<Mounted>>,
    /// The status as it was last written.
    pub(crate) written: Option<Arc<Value>>,
}

#[derive(Clone)]
pub(crate) struct KeptContainer {
    pub(crate) state: State,
    /// Lines of the run before the latest, and of the latest.
    pub(crate) logs: (Option<Vec<LogLine>>, Option<Vec<LogLine>>),
    /// Of one that runs.
    pub(crate) memory: Option<memory::Kept>,
}

//! The named delays of the KubeSphere stand-in, as they last in real life.

use std::time::Duration;

use nodes::clock::Delay;

/// From a changed file to a process that works with it: seen within a second or two (kubesphere v3.3.2, observed).
pub const RELOAD: Delay = Delay::new("config-reload", Duration::from_secs(1));
/// The cluster controller's resync unless `clusterControllerResyncPeriod` says otherwise
/// (kubesphere v3.3.2, `pkg/simple/client/multicluster/options.go`).
pub const RESYNC: Delay = Delay::new("cluster-resync", Duration::from_mins(2));
/// How often a join looks for the ServiceAccount's token (kubesphere v3.3.2, `pkg/controller/cluster/join.go`).
pub const JOIN_POLL: Delay = Delay::new("join-poll", Duration::from_secs(1));
/// How long a join looks for it.
pub const JOIN_LIMIT: Delay = Delay::new("join-limit", Duration::from_secs(30));
/// The limit of each request that a validation sends to a member.
pub const REQUEST_LIMIT: Delay = Delay::new("request-limit", Duration::from_secs(10));
/// How long a member may take to tell its version at a resync (kubesphere v3.2.1, `pkg/controller/cluster`).
pub const PROBE_LIMIT: Delay = Delay::new("probe-limit", Duration::from_secs(3));
/// The limit of the cluster controller's questions to a member's ks-apiserver.
pub const ENDPOINT_LIMIT: Delay = Delay::new("endpoint-limit", Duration::from_secs(5));

/// The work behind one component task of the installer, which installs things that nobody here looks at.
pub const INSTALLER_TASK: Delay = Delay::new("installer-task", Duration::from_secs(1));
/// How long the installer waits for the pods of ks-console and of ks-apiserver: 30 tries, 30 s apart
/// (ks-installer v3.3.2, role `check-result`).
pub const INSTALLER_PODS_LIMIT: Delay = Delay::new("installer-pods-limit", Duration::from_mins(15));
/// How long one `helm upgrade --wait` of kubefed may take (ks-installer v3.3.2, role `ks-multicluster`).
pub const HELM_LIMIT: Delay = Delay::new("helm-limit", Duration::from_mins(30));
/// The pause between two tries of it.
pub const HELM_PAUSE: Delay = Delay::new("helm-pause", Duration::from_mins(1));
/// The pause between two tries to reach kubefed's webhook.
pub const WEBHOOK_POLL: Delay = Delay::new("webhook-poll", Duration::from_secs(1));
/// How long the installer waits for the API server to serve new kinds.
pub const CRD_LIMIT: Delay = Delay::new("crd-limit", Duration::from_mins(1));
/// The pause before a broken watch starts again.
pub const WATCH_PAUSE: Delay = Delay::new("watch-pause", Duration::from_secs(1));

// Where the stand-in deviates.

/// Between a banner that comes too early and the configuration.
pub const BANNER_AHEAD: Delay = Delay::new("banner-ahead", Duration::from_mins(1));
/// Work of the installer that takes longer.
pub const INSTALLER_TASK_SLOW: Delay = Delay::new("installer-task-slow", Duration::from_secs(30));
/// A changed file that is noticed late.
pub const RELOAD_SLOW: Delay = Delay::new("config-reload-slow", Duration::from_secs(30));
/// From a controller's start to the host's late Cluster.
pub const HOST_CLUSTER_LATE: Delay = Delay::new("host-cluster-late", Duration::from_mins(1));
/// A resync that comes late, and so heals late; checks give an import five minutes.
pub const RESYNC_LONG: Delay = Delay::new("cluster-resync-long", Duration::from_mins(4));

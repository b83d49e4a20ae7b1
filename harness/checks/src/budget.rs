//! How long a promise may take, on the clusters' clock.

use std::time::Duration;

/// An installer run that changes a role: the page says "a few minutes"; a first installation on real nodes pulls images.
pub(crate) const INSTALLER_RUN: Duration = Duration::from_mins(10);

/// From a changed ConfigMap to processes that use it: a kubelet's ConfigMap sync takes up to about two minutes, then
/// ks-apiserver reloads within seconds (3.3 and later) or its pod is replaced (3.2).
pub(crate) const RELOAD: Duration = Duration::from_mins(3);

/// From a changed ConfigMap to the host's own Cluster: a reload, a leader election (30 s) and one resync (120 s).
pub(crate) const HOST_CLUSTER: Duration = Duration::from_secs(330);

/// From a created Cluster to its being Ready: a healthy member's first join may lose a race and is then tried again at
/// the next resync only (120 s by default), so more than two of them.
pub(crate) const IMPORT: Duration = Duration::from_mins(5);

/// From a changed spec to the first line of a run, with room to spare: ks-installer watches its configuration.
pub(crate) const RUN_BEGINS: Duration = Duration::from_secs(10);

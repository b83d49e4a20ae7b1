//! How long the stub's named delays last where time is real: short, since every stage waits for its cause anyway. On a
//! virtual clock they keep their real durations.

use std::time::Duration;

use nodes::clock::{Clock, Delays};
use scenario::model::SyncFrequency;

use crate::pair::ClusterShape;

/// What is shortened, by the delay's name (`stub::delays`, and `nodes` for what kubelets do).
const SHORT: [(&str, Duration); 9] = [
    ("installer-task", Duration::from_millis(10)),
    ("config-reload", Duration::from_millis(100)),
    ("cluster-resync", Duration::from_secs(5)),
    ("webhook-poll", Duration::from_millis(100)),
    ("helm-pause", Duration::from_secs(2)),
    ("watch-pause", Duration::from_millis(100)),
    ("restart-backoff", Duration::from_secs(1)),
    ("namespace-look-again", Duration::from_millis(200)),
    ("kubelet-retry", Duration::from_millis(100)),
];

/// The clock of whoever waits for clusters whose time is real: a look costs them little, and somebody waits for it.
pub(crate) fn real_clock() -> Clock {
    Clock::real().with_delays(Delays::default().with("look", Duration::from_millis(500)))
}

/// The kubelets' sync period where a scenario does not ask for the default.
pub(crate) const SYNC_PERIOD: Duration = Duration::from_secs(1);

/// The delays of a cluster of `shape` on a real clock.
pub(crate) fn on_real_time(shape: ClusterShape) -> Delays {
    let short = SHORT.iter().fold(Delays::default(), |delays, (name, short)| delays.with(name, *short));
    match shape.sync_frequency {
        SyncFrequency::Short => short.with(nodes::CONFIG_MOUNT.name, SYNC_PERIOD),
        SyncFrequency::Default => short,
    }
}

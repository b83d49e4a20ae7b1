//! Times as objects have them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::clock::Clock;

/// Kubernetes writes times in whole seconds.
pub(crate) fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The time now, by the cluster's wall clock.
pub(crate) fn now(clock: &Clock) -> Time {
    Time(second(clock.wall()))
}

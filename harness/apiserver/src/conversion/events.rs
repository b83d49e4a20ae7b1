//! Events of `events.k8s.io`, kept as those of the core group (pkg/apis/events/v1/conversion.go, Kubernetes 1.20).

use serde_json::Value;

use super::rename;

/// Names in `events.k8s.io`, and in the core group.
const NAMES: &[(&str, &str)] = &[
    ("reportingController", "reportingComponent"),
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// As the core group has it.
pub(super) fn to_core(event: &mut Value) {
    rename(event, NAMES);
}

/// As `events.k8s.io` has it.
pub(super) fn from_core(event: &mut Value) {
    let back: Vec<(&str, &str)> = NAMES.iter().map(|(events, core)| (*core, *events)).collect();
    rename(event, &back);
}

//! What a Deployment asks of its rollouts, in whole replicas.

use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// How a Deployment replaces pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strategy {
    pub(super) replicas: i32,
    pub(super) max_unavailable: i32,
    pub(super) max_surge: i32,
    pub(super) recreate: bool,
}

impl Strategy {
    pub(super) fn of(spec: &DeploymentSpec) -> Self {
        let replicas = spec.replicas.unwrap_or(1);
        let strategy = spec.strategy.clone().unwrap_or_default();
        let recreate = strategy.type_.as_deref() == Some("Recreate");
        if recreate {
            return Self { replicas, max_unavailable: 0, max_surge: 0, recreate };
        }
        let rolling = strategy.rolling_update.unwrap_or_default();
        // The defaults of both are 25%: the surge rounded up, the unavailable down (apps/v1 documentation).
        let max_surge = share(rolling.max_surge.as_ref(), replicas, true);
        let mut max_unavailable = share(rolling.max_unavailable.as_ref(), replicas, false);
        // Something must be able to move (kubernetes v1.20, `ResolveFenceposts`).
        if max_surge == 0 && max_unavailable == 0 {
            max_unavailable = 1;
        }
        Self { replicas, max_unavailable: max_unavailable.min(replicas), max_surge, recreate }
    }

    /// The most replicas that there may be at once.
    pub(super) fn most(&self) -> i32 {
        self.replicas + self.max_surge
    }
}

/// `value` as a number; a percentage is one `of` something.
pub(crate) fn share(value: Option<&IntOrString>, of: i32, round_up: bool) -> i32 {
    let percent = |percent: i32| {
        let hundredths = of.saturating_mul(percent);
        if round_up { (hundredths + 99) / 100 } else { hundredths / 100 }
    };
    match value {
        None => percent(25),
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(text)) => percent(text.trim_end_matches('%').parse().unwrap_or(25)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case::defaults(json!({"type": "RollingUpdate"}), 10, (2, 3))]
    #[case::one(json!({"type": "RollingUpdate"}), 1, (0, 1))]
    #[case::numbers(json!({"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 5}}), 3, (3, 2))]
    #[case::nothing_may_move(json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}), 3, (1, 0))]
    #[case::recreate(json!({"type": "Recreate"}), 3, (0, 0))]
    fn counts_in_whole_replicas(#[case] strategy: Value, #[case] replicas: i32, #[case] expected: (i32, i32)) {
        let spec = json!({"replicas": replicas, "selector": {}, "template": {}, "strategy": strategy});
        let strategy = Strategy::of(&serde_json::from_value(spec).unwrap());
        assert_eq!((strategy.max_unavailable, strategy.max_surge), expected);
    }
}

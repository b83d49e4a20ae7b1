//! How many replicas each `ReplicaSet` of a Deployment should have now.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DeploymentSpec, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{DESIRED, MAXIMUM};

/// The `ReplicaSets` of a Deployment; the old ones by revision.
#[derive(Debug, Clone, Default)]
pub(super) struct Sets {
    pub(super) new: Option<Arc<ReplicaSet>>,
    pub(super) old: Vec<Arc<ReplicaSet>>,
}

/// What a Deployment asks of its rollouts, in whole replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strategy {
    pub(super) replicas: i32,
    pub(super) max_unavailable: i32,
    max_surge: i32,
    recreate: bool,
}

/// Sets to scale, and to what.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<(Arc<ReplicaSet>, i32)>,
}

pub(super) fn wanted(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

pub(super) fn there(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map_or(0, |status| status.replicas)
}

pub(super) fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

impl Strategy {
    pub(super) fn of(spec: &DeploymentSpec) -> Self {
        let replicas = spec.replicas.unwrap_or(1);
        let strategy = spec.strategy.clone().unwrap_or_default();
        let recreate = strategy.type_.as_deref() == Some("Recreate");
        let rolling = strategy.rolling_update.unwrap_or_default();
        // The defaults of both are 25%: the surge rounded up, the unavailable down (apps/v1 documentation).
        let max_surge = share(rolling.max_surge.as_ref(), replicas, true);
        let mut max_unavailable = share(rolling.max_unavailable.as_ref(), replicas, false);
        if max_surge == 0 && max_unavailable == 0 {
            max_unavailable = 1;
        }
        if recreate {
            return Self { replicas, max_unavailable: 0, max_surge: 0, recreate };
        }
        Self { replicas, max_unavailable: max_unavailable.min(replicas), max_surge, recreate }
    }

    pub(super) fn annotations(&self) -> [(String, String); 2] {
        let most = self.replicas + self.max_surge;
        [(DESIRED.to_owned(), self.replicas.to_string()), (MAXIMUM.to_owned(), most.to_string())]
    }

    /// Replicas that a new set starts with.
    pub(super) fn first_replicas(&self, sets: &Sets) -> i32 {
        let old: i32 = sets.old.iter().map(|set| wanted(set)).sum();
        if self.recreate {
            return if old == 0 && sets.old.iter().all(|set| there(set) == 0) { self.replicas } else { 0 };
        }
        (self.replicas + self.max_surge - old).clamp(0, self.replicas)
    }

    pub(super) fn plan(&self, sets: &Sets, old_pods: usize) -> Plan {
        let mut steps = Vec::new();
        let Some(new) = &sets.new else { return Plan { steps } };
        let old_wanted: i32 = sets.old.iter().map(|set| wanted(set)).sum();
        if self.recreate {
            steps.extend(sets.old.iter().filter(|set| wanted(set) > 0).map(|set| (set.clone(), 0)));
            if steps.is_empty() && old_pods == 0 && wanted(new) != self.replicas {
                steps.push((new.clone(), self.replicas));
            }
            return Plan { steps };
        }
        let new_wanted = if wanted(new) >= self.replicas {
            self.replicas
        } else {
            let room = self.replicas + self.max_surge - old_wanted - wanted(new);
            (wanted(new) + room.max(0)).min(self.replicas)
        };
        if new_wanted != wanted(new) {
            steps.push((new.clone(), new_wanted));
        }
        let least_available = self.replicas - self.max_unavailable;
        // Old replicas that serve nobody may go as far as new ones do not count on their place.
        let not_yet = (new_wanted - available(new)).max(0);
        let mut unhealthy_room = (old_wanted + new_wanted - least_available - not_yet).max(0);
        let old_available: i32 = sets.old.iter().map(|set| available(set).min(wanted(set))).sum();
        let mut healthy_room = (old_available + available(new).min(new_wanted) - least_available).max(0);
        for set in &sets.old {
            let unhealthy = (wanted(set) - available(set)).max(0).min(unhealthy_room);
            unhealthy_room -= unhealthy;
            let healthy = (wanted(set) - unhealthy).min(available(set)).min(healthy_room).min(unhealthy_room);
            healthy_room -= healthy;
            unhealthy_room -= healthy;
            if unhealthy + healthy > 0 {
                steps.push((set.clone(), wanted(set) - unhealthy - healthy));
            }
        }
        Plan { steps }
    }

    pub(super) fn is_complete(&self, sets: &Sets) -> bool {
        sets.new.as_ref().is_some_and(|new| there(new) == self.replicas && available(new) == self.replicas)
            && sets.old.iter().all(|set| there(set) == 0)
    }
}

fn share(value: Option<&IntOrString>, of: i32, round_up: bool) -> i32 {
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
    use serde_json::json;

    use super::*;

    fn set(wanted: i32, available: i32) -> Arc<ReplicaSet> {
        let set = json!({
            "metadata": {}, "spec": {"replicas": wanted, "selector": {}},
            "status": {"replicas": available, "availableReplicas": available},
        });
        Arc::new(serde_json::from_value(set).unwrap())
    }

    fn strategy(replicas: i32, kind: &str) -> Strategy {
        let spec = json!({"replicas": replicas, "selector": {}, "template": {}, "strategy": {"type": kind}});
        Strategy::of(&serde_json::from_value(spec).unwrap())
    }

    #[rstest]
    #[case::scales_up(1, (1, 1), &[], &[])]
    #[case::grows(3, (1, 1), &[], &[3])]
    #[case::shrinks(1, (3, 3), &[], &[1])]
    #[case::waits_for_the_new_one(1, (1, 0), &[(1, 1)], &[])]
    #[case::drops_the_old_one(1, (1, 1), &[(1, 1)], &[0])]
    #[case::keeps_what_never_worked_while_the_new_one_does_not(1, (1, 0), &[(1, 0)], &[])]
    #[case::drops_what_never_worked_first(4, (2, 2), &[(3, 0)], &[1])]
    #[case::rolls_four(4, (1, 0), &[(4, 4)], &[3])]
    #[case::rolls_on(4, (2, 2), &[(3, 3)], &[1])]
    fn rolls_without_falling_below_what_must_be_there(
        #[case] replicas: i32,
        #[case] new: (i32, i32),
        #[case] old: &[(i32, i32)],
        #[case] expected: &[i32],
    ) {
        let sets = Sets { new: Some(set(new.0, new.1)), old: old.iter().map(|(w, a)| set(*w, *a)).collect() };
        let plan = strategy(replicas, "RollingUpdate").plan(&sets, 0);
        let replicas: Vec<_> = plan.steps.iter().map(|(_, replicas)| *replicas).collect();
        assert_eq!(replicas, expected);
    }

    #[rstest]
    #[case(1, &[0])]
    #[case(0, &[])]
    fn recreates_only_after_the_old_pods_are_gone(#[case] old_wanted: i32, #[case] expected: &[i32]) {
        let sets = Sets { new: Some(set(0, 0)), old: vec![set(old_wanted, 0)] };
        let steps = strategy(1, "Recreate").plan(&sets, 1).steps;
        assert_eq!(steps.iter().map(|(_, replicas)| *replicas).collect::<Vec<_>>(), expected);
        if old_wanted == 0 {
            let steps = strategy(1, "Recreate").plan(&sets, 0).steps;
            assert_eq!(steps.iter().map(|(_, replicas)| *replicas).collect::<Vec<_>>(), [1]);
        }
    }
}

//! How many replicas each `ReplicaSet` of a Deployment should have now.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;

use super::annotations;
use super::sets::{Sets, available, wanted};
use super::strategy::Strategy;

/// Sets to scale, and to what.
pub(super) type Steps = Vec<(Arc<ReplicaSet>, i32)>;

impl Strategy {
    /// Replicas that a new set starts with.
    pub(super) fn first_replicas(&self, sets: &Sets) -> i32 {
        if self.recreate {
            return self.replicas;
        }
        let old: i32 = sets.old.iter().map(|set| wanted(set)).sum();
        (self.most() - old).clamp(0, self.replicas)
    }

    /// The next steps of replacing old pods in turns. What must be there stays there.
    pub(super) fn roll(&self, sets: &Sets) -> Steps {
        let mut steps = Vec::new();
        let Some(new) = &sets.new else { return steps };
        let old_wanted: i32 = sets.old.iter().map(|set| wanted(set)).sum();
        let new_wanted = if wanted(new) >= self.replicas {
            self.replicas
        } else {
            let room = self.most() - old_wanted - wanted(new);
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
        steps
    }

    /// The steps of ending all old pods, before a new one starts.
    pub(super) fn end_old(sets: &Sets) -> Steps {
        sets.old.iter().filter(|set| wanted(set) > 0).map(|set| (set.clone(), 0)).collect()
    }

    /// The steps after the wanted number changed, also in the middle of a rollout: every set keeps its share (kubernetes
    /// v1.20, `pkg/controller/deployment/sync.go`, `scale`).
    pub(super) fn rescale(&self, sets: &Sets) -> Steps {
        let active: Vec<_> = sets.active().cloned().collect();
        let only = match active.as_slice() {
            [] => sets.new.clone().or_else(|| sets.old.last().cloned()),
            [only] => Some(only.clone()),
            _ => None,
        };
        if let Some(only) = only {
            return if wanted(&only) == self.replicas { Vec::new() } else { vec![(only, self.replicas)] };
        }
        if active.is_empty() {
            return Vec::new();
        }
        if sets.new.as_ref().is_some_and(|new| self.is_saturated(new)) {
            return Self::end_old(sets);
        }
        if self.recreate { Vec::new() } else { self.proportions(active) }
    }

    /// Whether the set has all pods of the Deployment, and knows so.
    fn is_saturated(&self, new: &ReplicaSet) -> bool {
        let all = self.replicas;
        wanted(new) == all && annotations::desired(new) == Some(all) && available(new) == all
    }

    /// Gives every one of the `active` sets its share of the replicas that are to come or to go.
    fn proportions(&self, active: Vec<Arc<ReplicaSet>>) -> Steps {
        let allowed = if self.replicas > 0 { self.most() } else { 0 };
        let more = allowed - active.iter().map(|set| wanted(set)).sum::<i32>();
        let mut sets = active;
        let created = |set: &ReplicaSet| set.metadata.creation_timestamp.as_ref().map(|time| time.0);
        // The larger first. Of equal ones the newer grows first and the older shrinks first.
        sets.sort_by(|a, b| {
            let by_age = created(b).cmp(&created(a)).then_with(|| b.metadata.name.cmp(&a.metadata.name));
            wanted(b).cmp(&wanted(a)).then(if more > 0 { by_age } else { by_age.reverse() })
        });
        let mut added = 0;
        let mut sizes: Vec<_> = sets
            .iter()
            .map(|set| {
                let left = more - added;
                let share = self.fraction(set);
                let share = if more > 0 { share.min(left) } else { share.max(left) };
                let share = if left == 0 { 0 } else { share };
                added += share;
                wanted(set) + share
            })
            .collect();
        // What rounding left over is the largest's.
        if let Some(first) = sizes.first_mut() {
            *first = (*first + more - added).max(0);
        }
        sets.into_iter().zip(sizes).collect()
    }

    /// How much `set` would grow or shrink to keep its proportion.
    fn fraction(&self, set: &ReplicaSet) -> i32 {
        if self.replicas == 0 {
            return -wanted(set);
        }
        let former = annotations::maximum(set).filter(|maximum| *maximum > 0).unwrap_or_else(|| self.most());
        let product = i64::from(wanted(set)) * i64::from(self.most());
        let former = i64::from(former);
        // Rounded half away from zero, as the original does; all of it is positive.
        let size = (2 * product + former) / (2 * former);
        i32::try_from(size).unwrap_or(i32::MAX) - wanted(set)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn set(wanted: i32, available: i32) -> Arc<ReplicaSet> {
        let set = json!({
            "metadata": {"annotations": {"deployment.kubernetes.io/max-replicas": "5"}},
            "spec": {"replicas": wanted, "selector": {}},
            "status": {"replicas": available, "availableReplicas": available},
        });
        Arc::new(serde_json::from_value(set).unwrap())
    }

    fn strategy(replicas: i32, kind: &str) -> Strategy {
        let spec = json!({"replicas": replicas, "selector": {}, "template": {}, "strategy": {"type": kind}});
        Strategy::of(&serde_json::from_value(spec).unwrap())
    }

    fn replicas(steps: &Steps) -> Vec<i32> {
        steps.iter().map(|(_, replicas)| *replicas).collect()
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
        #[case] all: i32,
        #[case] new: (i32, i32),
        #[case] old: &[(i32, i32)],
        #[case] expected: &[i32],
    ) {
        let sets = Sets { new: Some(set(new.0, new.1)), old: old.iter().map(|(w, a)| set(*w, *a)).collect() };
        assert_eq!(replicas(&strategy(all, "RollingUpdate").roll(&sets)), expected);
    }

    #[rstest]
    #[case::the_only_one(6, (4, 4), &[], &[6])]
    #[case::the_newest_of_none(2, (0, 0), &[(0, 0)], &[2])]
    #[case::nothing_to_do(4, (4, 4), &[], &[])]
    #[case::each_its_share(8, (2, 2), &[(3, 3)], &[6, 4])]
    #[case::down_to_nothing(0, (2, 2), &[(3, 3)], &[0, 0])]
    fn scales_every_set_by_its_share(
        #[case] all: i32,
        #[case] new: (i32, i32),
        #[case] old: &[(i32, i32)],
        #[case] expected: &[i32],
    ) {
        let sets = Sets { new: Some(set(new.0, new.1)), old: old.iter().map(|(w, a)| set(*w, *a)).collect() };
        assert_eq!(replicas(&strategy(all, "RollingUpdate").rescale(&sets)), expected);
    }

    #[test]
    fn ends_all_old_sets_that_have_pods() {
        let sets = Sets { new: None, old: vec![set(0, 0), set(2, 1)] };
        assert_eq!(replicas(&Strategy::end_old(&sets)), [0]);
    }
}

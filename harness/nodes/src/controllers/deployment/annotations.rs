//! What a Deployment notes on its `ReplicaSets` (kubernetes v1.20, `pkg/controller/deployment/util`).

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::strategy::Strategy;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a Deployment that say nothing about its sets.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
];

/// How long the list of a set's former revisions may become, in characters.
const LONGEST_HISTORY: usize = 2000;

type Annotations = BTreeMap<String, String>;

fn number(metadata: &ObjectMeta, name: &str) -> Option<i64> {
    metadata.annotations.as_ref()?.get(name)?.parse().ok()
}

/// The revision of a Deployment or of a set; 0 where there is none.
pub(super) fn revision_of(metadata: &ObjectMeta) -> i64 {
    number(metadata, REVISION).unwrap_or(0)
}

/// How many replicas the Deployment wanted when it last wrote the set.
pub(super) fn desired(set: &ReplicaSet) -> Option<i32> {
    number(&set.metadata, DESIRED).and_then(|number| i32::try_from(number).ok())
}

/// How many it allowed then.
pub(super) fn maximum(set: &ReplicaSet) -> Option<i32> {
    number(&set.metadata, MAXIMUM).and_then(|number| i32::try_from(number).ok())
}

/// What the Deployment wants and allows now.
pub(super) fn sizes(strategy: &Strategy) -> Annotations {
    let entry = |name: &str, number: i32| (name.to_owned(), number.to_string());
    Annotations::from([entry(DESIRED, strategy.replicas), entry(MAXIMUM, strategy.most())])
}

/// The annotations of the new set: the Deployment's, and its revision, which is `revision` at the least.
pub(super) fn of_new_set(deployment: &Deployment, before: Option<&Annotations>, revision: i64) -> Annotations {
    let mut annotations = before.cloned().unwrap_or_default();
    for (name, value) in deployment.metadata.annotations.iter().flatten() {
        if !NOT_COPIED.contains(&name.as_str()) {
            annotations.insert(name.clone(), value.clone());
        }
    }
    let old = annotations.get(REVISION).cloned();
    let old_number = old.as_ref().and_then(|old| old.parse::<i64>().ok()).unwrap_or(0);
    if old_number < revision {
        annotations.insert(REVISION.to_owned(), revision.to_string());
        // It is the set of a former revision that has become the new one again.
        if let Some(old) = old {
            let history = annotations.remove(HISTORY).unwrap_or_default();
            annotations.insert(HISTORY.to_owned(), with_revision(&history, &old));
        }
    }
    annotations
}

/// `history` with `revision` at its end; what is oldest goes when it becomes too long.
fn with_revision(history: &str, revision: &str) -> String {
    let mut revisions: Vec<_> = history.split(',').filter(|one| !one.is_empty()).collect();
    revisions.push(revision);
    let length = |revisions: &[&str]| revisions.iter().map(|one| one.len() + 1).sum::<usize>().saturating_sub(1);
    while length(&revisions) > LONGEST_HISTORY {
        revisions.remove(0);
    }
    revisions.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Deployment {
        let annotations =
            json!({"note": "mine", "kubectl.kubernetes.io/last-applied-configuration": "{}", REVISION: "3"});
        serde_json::from_value(json!({"metadata": {"annotations": annotations}})).unwrap()
    }

    #[test]
    fn copies_what_concerns_the_set() {
        let annotations = of_new_set(&deployment(), None, 4);
        let expected = [("note", "mine"), (REVISION, "4")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(annotations, Annotations::from(expected));
    }

    #[test]
    fn remembers_former_revisions_of_a_set() {
        let mut annotations = of_new_set(&deployment(), None, 1);
        annotations = of_new_set(&deployment(), Some(&annotations), 3);
        annotations = of_new_set(&deployment(), Some(&annotations), 5);
        assert_eq!(annotations[HISTORY], "1,3");
        assert_eq!(annotations[REVISION], "5");
    }

    #[test]
    fn keeps_a_revision_that_is_higher() {
        let annotations = of_new_set(&deployment(), None, 7);
        assert_eq!(of_new_set(&deployment(), Some(&annotations), 2), annotations);
    }

    #[test]
    fn drops_the_oldest_of_a_long_history() {
        let history = vec!["12345"; 400].join(",");
        let longer = with_revision(&history, "6");
        assert!(longer.len() <= LONGEST_HISTORY);
        assert!(longer.ends_with(",6"));
    }
}

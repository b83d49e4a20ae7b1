//! What a namespace that is being deleted says about itself (kubernetes v1.20,
//! `pkg/controller/namespace/deletion/status_condition_utils.go`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::NamespaceCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Conditions in their order, with reason and message of those that do not hold.
const ALL_WELL: [(&str, &str, &str); 5] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
];

/// What a round of deletions has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Objects by resource and group, as `pods.`.
    pub(super) resources: BTreeMap<String, usize>,
    /// Objects by finalizer.
    pub(super) finalizers: BTreeMap<String, usize>,
    /// Why deletions failed.
    pub(super) failures: Vec<String>,
}

impl Left {
    /// Reason and message of a condition, where it holds.
    fn trouble(&self, kind: &str) -> Option<(&'static str, String)> {
        let list = |counts: &BTreeMap<String, usize>, join: &str| {
            let texts: Vec<_> =
                counts.iter().map(|(name, count)| format!("{name}{join}{count} resource instances")).collect();
            texts.join(", ")
        };
        match kind {
            "NamespaceContentRemaining" if !self.resources.is_empty() => {
                let list = list(&self.resources, " has ");
                Some(("SomeResourcesRemain", format!("Some resources are remaining: {list}")))
            }
            "NamespaceFinalizersRemaining" if !self.finalizers.is_empty() => {
                let list = list(&self.finalizers, " in ");
                let message = format!("Some content in the namespace has finalizers remaining: {list}");
                Some(("SomeFinalizersRemain", message))
            }
            "NamespaceDeletionContentFailure" if !self.failures.is_empty() => {
                let mut texts = self.failures.clone();
                texts.sort();
                let (count, texts) = (texts.len(), texts.join(", "));
                let message = format!("Failed to delete all resource types, {count} remaining: {texts}");
                Some(("ContentDeletionFailed", message))
            }
            _ => None,
        }
    }

    /// The conditions after the round.
    pub(super) fn conditions(&self, before: &[NamespaceCondition], now: &Time) -> Vec<NamespaceCondition> {
        let mut conditions = before.to_vec();
        for (kind, reason, message) in ALL_WELL {
            let (status, reason, message) = match self.trouble(kind) {
                Some((reason, message)) => ("True", reason, message),
                None => ("False", reason, message.to_owned()),
            };
            let wanted = NamespaceCondition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message),
                last_transition_time: Some(now.clone()),
            };
            match conditions.iter_mut().find(|condition| condition.type_ == kind) {
                None => conditions.push(wanted),
                Some(old) if old.status == status => {
                    let since = old.last_transition_time.clone();
                    *old = NamespaceCondition { last_transition_time: since, ..wanted };
                }
                Some(old) => *old = wanted,
            }
        }
        conditions
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn names_what_remains_and_why() {
        let mut left = Left::default();
        left.resources.insert("pods.".to_owned(), 2);
        left.resources.insert("things.example.com".to_owned(), 1);
        left.finalizers.insert("example.com/stay".to_owned(), 1);
        let conditions = left.conditions(&[], &at(1));
        let message = |at: usize| conditions[at].message.as_deref().unwrap();
        assert_eq!(
            message(3),
            "Some resources are remaining: pods. has 2 resource instances, \
             things.example.com has 1 resource instances"
        );
        assert_eq!(
            message(4),
            "Some content in the namespace has finalizers remaining: example.com/stay in 1 resource instances"
        );
        assert_eq!(conditions[2].status, "False");
    }

    #[test]
    fn keeps_the_time_of_a_condition_that_stays() {
        let first = Left::default().conditions(&[], &at(1));
        let mut left = Left::default();
        left.failures.push("no".to_owned());
        let second = left.conditions(&first, &at(2));
        assert_eq!(second[0], first[0]);
        assert_eq!(second[2].last_transition_time, Some(at(2)));
    }
}

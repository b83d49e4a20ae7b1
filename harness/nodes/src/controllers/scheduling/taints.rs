//! Taints of nodes, and pods that tolerate them.

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};

/// Effects that keep a pod from being put on a node.
pub(crate) const SCHEDULING: &[&str] = &["NoSchedule", "NoExecute"];
/// The effect that drives pods from a node.
pub(crate) const EXECUTION: &[&str] = &["NoExecute"];

/// The first taint of `node` with one of `effects` that none of `tolerations` tolerates.
pub(crate) fn untolerated<'a>(node: &'a Node, tolerations: &[Toleration], effects: &[&str]) -> Option<&'a Taint> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints
        .iter()
        .filter(|taint| effects.contains(&taint.effect.as_str()))
        .find(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

/// Whether `toleration` is for `taint` (core/v1 documentation of `Toleration`).
pub(crate) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    let (effect, key) = (given(&toleration.effect), given(&toleration.key));
    if !effect.is_empty() && effect != taint.effect || !key.is_empty() && key != taint.key {
        return false;
    }
    match toleration.operator.as_deref() {
        Some("Exists") => true,
        None | Some("" | "Equal") => !key.is_empty() && given(&toleration.value) == given(&taint.value),
        Some(_) => false,
    }
}

/// A toleration of whatever value of `key`.
pub(crate) fn exists(key: &str, effect: &str) -> Toleration {
    Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        ..Toleration::default()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case(json!({"operator": "Exists"}), true)]
    #[case(json!({"key": "dedicated", "operator": "Exists"}), true)]
    #[case(json!({"key": "dedicated", "value": "db"}), true)]
    #[case(json!({"key": "dedicated", "value": "web"}), false)]
    #[case(json!({"key": "dedicated", "value": "db", "effect": "NoExecute"}), false)]
    #[case(json!({"key": "other", "operator": "Exists"}), false)]
    fn tolerates_by_key_value_and_effect(#[case] toleration: Value, #[case] expected: bool) {
        let taint = Taint {
            key: "dedicated".to_owned(),
            value: Some("db".to_owned()),
            effect: "NoSchedule".to_owned(),
            time_added: None,
        };
        assert_eq!(tolerates(&serde_json::from_value(toleration).unwrap(), &taint), expected);
    }
}

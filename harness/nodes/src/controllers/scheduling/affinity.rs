//! Node selectors and the required part of node affinity (kubernetes v1.20, `component-helpers`' node affinity).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume, PodSpec};

/// Whether the node is one that the pod asks for by labels or name.
pub(crate) fn wants(spec: &PodSpec, node: &Node) -> bool {
    let empty = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    selected && required.is_none_or(|required| required.node_selector_terms.iter().any(|term| meets(term, node)))
}

/// The node that a required affinity names, as pods of a `DaemonSet` have it.
pub(crate) fn named(spec: &PodSpec) -> Option<&str> {
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    let named = fields.filter(|field| field.key == "metadata.name" && field.operator == "In");
    named.flat_map(|field| field.values.iter().flatten()).map(String::as_str).next()
}

/// Whether the node is one of those that a volume can be used on.
pub(crate) fn reaches(volume: &PersistentVolume, node: &Node) -> bool {
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required.as_ref());
    required.is_none_or(|required| required.node_selector_terms.iter().any(|term| meets(term, node)))
}

fn meets(term: &NodeSelectorTerm, node: &Node) -> bool {
    let labels = node.metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    let field = |key: &str| if key == "metadata.name" { node.metadata.name.as_deref() } else { None };
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    // An empty term selects nothing.
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|one| holds(one, label(&one.key)))
        && fields.iter().all(|one| holds(one, field(&one.key)))
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = |value: &str| values.iter().any(|one| one == value);
    let numbers = || -> Option<(i64, i64)> { Some((value?.parse().ok()?, values.first()?.parse().ok()?)) };
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, limit)| value > limit),
        "Lt" => numbers().is_some_and(|(value, limit)| value < limit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn required(terms: &Value) -> Value {
        let required = json!({ "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } });
        json!({"containers": [], "affinity": {"nodeAffinity": required}})
    }

    #[rstest]
    #[case(json!({"containers": []}), true)]
    #[case(json!({"containers": [], "nodeSelector": {"disk": "fast"}}), true)]
    #[case(json!({"containers": [], "nodeSelector": {"disk": "slow"}}), false)]
    #[case(required(&json!([{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]}])), true)]
    #[case(required(&json!([{"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]}])), false)]
    #[case(required(&json!([{"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["3"]}]}])), true)]
    #[case(required(&json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}])), false)]
    #[case(required(&json!([{}, {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}])), true)]
    #[case(required(&json!([{}])), false)]
    fn asks_for_nodes_by_label_and_name(#[case] spec: Value, #[case] expected: bool) {
        let node = json!({"metadata": {"name": "n1", "labels": {"disk": "fast", "cores": "4"}}});
        let (spec, node) = (serde_json::from_value(spec).unwrap(), serde_json::from_value(node).unwrap());
        assert_eq!(wants(&spec, &node), expected);
    }
}

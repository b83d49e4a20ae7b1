//! Which labels a selector selects (kubernetes v1.20, `apimachinery/pkg/apis/meta/v1/helpers.go`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

type Labels = BTreeMap<String, String>;

/// Whether `selector` selects an object with `labels`. An empty selector selects everything.
pub(crate) fn selects(selector: &LabelSelector, labels: Option<&Labels>) -> bool {
    let value = |key: &str| labels.and_then(|labels| labels.get(key));
    let equal = selector.match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted));
    let fits = selector.match_expressions.iter().flatten().all(|requirement| {
        let listed = |value: &String| requirement.values.iter().flatten().any(|one| one == value);
        match (requirement.operator.as_str(), value(&requirement.key)) {
            ("In", Some(value)) => listed(value),
            ("NotIn", Some(value)) => !listed(value),
            ("Exists", found) => found.is_some(),
            ("NotIn" | "DoesNotExist", None) => true,
            _ => false,
        }
    });
    equal && fits
}

/// Whether `selector` says nothing at all.
pub(crate) fn selects_everything(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case(json!({}), true)]
    #[case(json!({"matchLabels": {"app": "web"}}), true)]
    #[case(json!({"matchLabels": {"app": "db"}}), false)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}), true)]
    fn selects_by_labels_and_expressions(#[case] selector: Value, #[case] expected: bool) {
        let labels = Labels::from([("app".to_owned(), "web".to_owned())]);
        let selector = serde_json::from_value(selector).unwrap();
        assert_eq!(selects(&selector, Some(&labels)), expected);
    }
}

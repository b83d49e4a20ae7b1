//! `SelfSubjectRulesReview`: everything that the user may do in a namespace.

use serde_json::{Map, Value, json};

use super::{Question, text};
use crate::authz::{self, Rule, Wording};
use crate::status::Failure;

/// The lists of `pairs` that are not empty, and `verbs` always.
fn listed(verbs: &[String], pairs: &[(&str, &Vec<String>)]) -> Value {
    let mut map = Map::new();
    map.insert("verbs".to_owned(), Value::from(verbs.to_vec()));
    for (key, list) in pairs.iter().filter(|(_, list)| !list.is_empty()) {
        map.insert((*key).to_owned(), Value::from((*list).clone()));
    }
    Value::Object(map)
}

/// The answer, which names nothing of the question (Kubernetes 1.20, `selfsubjectrulesreview/rest.go`).
///
/// # Errors
/// 400 without a namespace.
pub fn answer(question: &Question<'_>) -> Result<Value, Failure> {
    let namespace = text(question.object, "/spec/namespace");
    if namespace.is_empty() {
        return Err(Failure::bad_request("no namespace on request"));
    }
    let (rules, fault) = authz::rules_for(&question.state.store, question.user, namespace, Wording::Cache);
    let resources = |rule: &Rule| {
        let lists =
            [("apiGroups", &rule.api_groups), ("resources", &rule.resources), ("resourceNames", &rule.resource_names)];
        listed(&rule.verbs, &lists)
    };
    let urls = |rule: &Rule| listed(&rule.verbs, &[("nonResourceURLs", &rule.non_resource_urls)]);
    let resource_rules: Vec<Value> = rules.iter().filter(|rule| !rule.resources.is_empty()).map(resources).collect();
    let url_rules: Vec<Value> = rules.iter().filter(|rule| !rule.non_resource_urls.is_empty()).map(urls).collect();
    let mut status = json!({"resourceRules": resource_rules, "nonResourceRules": url_rules, "incomplete": false});
    if let Some(fault) = fault {
        status["evaluationError"] = Value::from(fault);
    }
    Ok(question.in_shape(json!({"metadata": {}, "spec": {}, "status": status})))
}

//! Which webhooks a write concerns: rules, scope, selectors, equivalent versions.

use std::sync::Arc;

use serde_json::Value;

use super::text;
use crate::consent::{Attributes, Operation};
use crate::registry::{Registry, Resource};
use crate::selector::LabelSelector;
use crate::state::State;
use crate::status::Failure;
use crate::store::Key;

/// A webhook that is to be called.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The webhook, as its configuration has it.
    pub webhook: Value,
    /// The resource, in the version that the webhook asks for.
    pub resource: Arc<Resource>,
}

fn names(rule: &Value, key: &str, wanted: &str) -> bool {
    let items = rule.get(key).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).any(|item| item == "*" || item == wanted)
}

fn in_scope(rule: &Value, resource: &Resource, namespace: &str) -> bool {
    let is_namespace = resource.group.is_empty() && resource.plural == "namespaces";
    match text(rule, "/scope") {
        "" | "*" => true,
        "Namespaced" => !is_namespace && !namespace.is_empty(),
        "Cluster" => is_namespace || namespace.is_empty(),
        _ => false,
    }
}

fn names_resource(rule: &Value, resource: &Resource, subresource: &str) -> bool {
    let items = rule.get("resources").and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).any(|item| {
        let (plural, sub) = item.split_once('/').unwrap_or((item, ""));
        (plural == "*" || plural == resource.plural) && (sub == "*" || sub == subresource)
    })
}

fn rule_matches(rule: &Value, resource: &Resource, write: &Attributes<'_>) -> bool {
    in_scope(rule, resource, write.namespace)
        && names(rule, "operations", write.operation.name())
        && names(rule, "apiGroups", &resource.group)
        && names(rule, "apiVersions", &resource.version)
        && names_resource(rule, resource, write.subresource)
}

/// The resource that a webhook's rules mean: the write's own, or with `matchPolicy: Equivalent` another version of it.
fn meant(registry: &Registry, webhook: &Value, write: &Attributes<'_>) -> Option<Arc<Resource>> {
    let rules = || webhook.get("rules").and_then(Value::as_array).into_iter().flatten();
    if rules().any(|rule| rule_matches(rule, write.resource, write)) {
        return Some(Arc::clone(write.resource));
    }
    if text(webhook, "/matchPolicy") == "Exact" {
        return None;
    }
    let others = || {
        registry
            .resources()
            .filter(|other| other.full_name == write.resource.full_name && other.version != write.resource.version)
    };
    rules().find_map(|rule| others().find(|other| rule_matches(rule, other, write)).map(Arc::clone))
}

/// Whether the namespace of the write is one that the webhook selects.
fn selects_namespace(state: &State, webhook: &Value, write: &Attributes<'_>) -> Result<bool, Failure> {
    if write.namespace.is_empty() && write.resource.plural != "namespaces" {
        return Ok(true);
    }
    let selector = LabelSelector::from_value(webhook.get("namespaceSelector").unwrap_or(&Value::Null));
    if selector.is_empty() {
        return Ok(true);
    }
    let is_itself = write.resource.plural == "namespaces" && write.subresource.is_empty();
    if is_itself && matches!(write.operation, Operation::Create | Operation::Update) {
        return Ok(write.object.is_some_and(|object| selector.matches(object)));
    }
    let namespace = state.store.get(&Arc::from("namespaces"), &Key::new("", write.namespace));
    let namespace = namespace.ok_or_else(|| Failure::core_not_found("namespaces", write.namespace))?;
    Ok(selector.matches(&namespace.value))
}

fn selects_object(webhook: &Value, write: &Attributes<'_>) -> bool {
    let selector = LabelSelector::from_value(webhook.get("objectSelector").unwrap_or(&Value::Null));
    selector.is_empty() || [write.object, write.old].into_iter().flatten().any(|object| selector.matches(object))
}

/// How `webhook` is to be called for the write, if it is.
///
/// # Errors
/// 404 when the rules fit but the namespace is not there.
pub fn invocation(
    state: &State,
    registry: &Registry,
    webhook: &Value,
    write: &Attributes<'_>,
) -> Result<Option<Invocation>, Failure> {
    let namespace = selects_namespace(state, webhook, write);
    if matches!(namespace, Ok(false)) || !selects_object(webhook, write) {
        return Ok(None);
    }
    let Some(resource) = meant(registry, webhook, write) else { return Ok(None) };
    // Only a webhook that would be called may fail the request.
    namespace?;
    Ok(Some(Invocation { webhook: webhook.clone(), resource }))
}

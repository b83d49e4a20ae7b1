//! Waits until a cluster's objects are as a step wants them.

use checks::{Finding, Waiter as _};
use futures::FutureExt as _;
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::error::DiscoveryError;
use kube::{Api, Client, Error, discovery};
use scenario::model::{Objects, Step, Wanted};
use serde_json::{Map, Value, json};

use super::{Done, substitute};
use crate::cell::World;
use crate::partial::{identity, plain};

/// Looks for `objects` until they are as wanted, or the step's time is over.
pub async fn wait(step: &Step, objects: &Objects, world: &World<'_>) -> Done {
    let partial = substituted(&objects.partial, world);
    let mut done = Done { command: Some(told(objects.wanted, &partial)), ..Done::default() };
    let Some(cluster) = world.pair.cluster(step.on) else {
        done.failure = Some((format!("a {} cluster", step.on), "there is none".to_owned()));
        return done;
    };
    let client = cluster.client();
    let attempt = || look(client.clone(), objects.wanted, partial.clone()).boxed();
    let finding = world.waiter.until_holds(step.timeout, &attempt).await;
    done.interrupted = world.stop.is_cancelled();
    if let Finding::Fails { expected, actual, .. } = finding {
        done.failure = Some((expected, actual));
    }
    done
}

async fn look(client: Client, wanted: Wanted, partial: Value) -> Finding {
    let expected = expected(wanted, &partial);
    let fails = |actual: String| Finding::fails(expected.clone(), actual.clone(), actual);
    let found = match list(client, &partial).await {
        Ok(found) => found,
        // A kind that nobody serves is a mistake more often than an absent object.
        Err(reason) => return fails(reason),
    };
    let differences: Vec<Option<String>> = found.iter().map(|object| difference(&partial, object, "")).collect();
    match wanted {
        Wanted::Some if differences.iter().any(Option::is_none) => Finding::holds(),
        Wanted::Some => match differences.into_iter().flatten().next() {
            Some(difference) => fails(difference),
            None => fails("there is no such object".to_owned()),
        },
        Wanted::None => match found.iter().zip(&differences).find(|(_, difference)| difference.is_none()) {
            Some((object, _)) => fails(format!("{} is so", name(object))),
            None => Finding::holds(),
        },
        Wanted::Absent => match found.first() {
            Some(object) => fails(format!("{} is there", name(object))),
            None => Finding::holds(),
        },
    }
}

/// The objects that have the partial one's kind, name, namespace and labels.
async fn list(client: Client, partial: &Value) -> Result<Vec<Value>, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&partial["apiVersion"]);
    let (group, version) = version.split_once('/').unwrap_or(("", version.as_str()));
    let gvk = GroupVersionKind::gvk(group, version, &text(&partial["kind"]));
    let (resource, _) = discovery::pinned_kind(&client, &gvk).await.map_err(|error| {
        let why = match error {
            Error::Discovery(DiscoveryError::MissingKind(_)) => "the cluster has no such kind".to_owned(),
            error => error.to_string(),
        };
        format!("{} {} is not served: {why}", gvk.api_version(), gvk.kind)
    })?;
    let metadata = &partial["metadata"];
    let api: Api<DynamicObject> = match metadata["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let mut params = ListParams::default();
    if let Some(name) = metadata["name"].as_str() {
        params = params.fields(&format!("metadata.name={name}"));
    }
    if let Some(labels) = metadata["labels"].as_object() {
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
        params = params.labels(&labels.join(","));
    }
    let found = api.list(&params).await.map_err(|error| format!("cannot list {}: {error}", resource.plural))?;
    Ok(found
        .items
        .into_iter()
        .map(|mut object| {
            // Items of a list do not say of what kind they are.
            object.types = None;
            let mut value = serde_json::to_value(&object).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                for key in ["apiVersion", "kind"] {
                    fields.insert(key.to_owned(), partial[key].clone());
                }
            }
            value
        })
        .collect())
}

/// The first place in which `object` is not as `partial` says. An object may hold more than that, and of a list each
/// item of `partial` has to be found, in any order.
fn difference(partial: &Value, object: &Value, path: &str) -> Option<String> {
    match (partial, object) {
        (Value::Object(partial), Value::Object(object)) => partial.iter().find_map(|(key, wanted)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match object.get(key) {
                Some(found) => difference(wanted, found, &path),
                None if wanted.is_null() => None,
                None => Some(format!("{path} is not there")),
            }
        }),
        (Value::Array(partial), Value::Array(object)) => {
            partial.iter().find_map(|wanted| of_items(wanted, object, path))
        }
        (wanted, found) if wanted == found => None,
        (_, found) => Some(format!("{path} is {found}")),
    }
}

/// Why none of `items` is as `wanted` says; of one that is meant, what differs in it.
fn of_items(wanted: &Value, items: &[Value], path: &str) -> Option<String> {
    if items.iter().any(|item| difference(wanted, item, path).is_none()) {
        return None;
    }
    let Some((key, name)) = identity(wanted) else {
        return Some(format!("{path}: no item is {wanted}, among {}", Value::from(items.to_vec())));
    };
    let namesakes: Vec<&Value> = items.iter().filter(|item| item.get(key) == Some(name)).collect();
    match namesakes[..] {
        [meant] => difference(wanted, meant, &format!("{path}[{key}={}]", plain(name))),
        [] => {
            let there: Vec<String> = items.iter().filter_map(|item| item.get(key)).map(plain).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            Some(format!("{path}: no item has {key} {}, among {there}", plain(name)))
        }
        _ => Some(format!("{path}: no item is {wanted}, among {}", json!(namesakes))),
    }
}

fn substituted(value: &Value, world: &World<'_>) -> Value {
    match value {
        Value::String(text) => Value::from(substitute(text, &world.variables)),
        Value::Array(items) => items.iter().map(|item| substituted(item, world)).collect(),
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(key, value)| (key.clone(), substituted(value, world))).collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

/// What the report shows in place of a command.
fn told(wanted: Wanted, partial: &Value) -> String {
    let verb = match wanted {
        Wanted::Some => "assert",
        Wanted::None => "error",
        Wanted::Absent => "absent",
    };
    format!("{verb}: {partial}")
}

fn expected(wanted: Wanted, partial: &Value) -> String {
    match wanted {
        Wanted::Some => format!("{} as asserted", name(partial)),
        Wanted::None => format!("no {} that is so", name(partial)),
        Wanted::Absent => format!("{} absent", name(partial)),
    }
}

fn name(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or("of any name");
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::more(json!({"a": 1}), json!({"a": 1, "b": 2}), None)]
    #[case::deep(json!({"a": {"b": "x"}}), json!({"a": {"b": "x", "c": 1}}), None)]
    #[case::item(json!({"l": [{"type": "Ready"}]}), json!({"l": [{"type": "A"}, {"type": "Ready", "status": "True"}]}), None)]
    #[case::null(json!({"a": null}), json!({}), None)]
    #[case::other(json!({"a": {"b": "x"}}), json!({"a": {"b": "y"}}), Some("a.b is \"y\""))]
    #[case::missing(json!({"a": {"b": "x"}}), json!({"a": {}}), Some("a.b is not there"))]
    #[case::kind(json!({"a": {"b": 1}}), json!({"a": 3}), Some("a is 3"))]
    #[case::no_item(
        json!({"l": [{"type": "Ready", "status": "True"}]}),
        json!({"l": [{"type": "Ready", "status": "False"}, {"type": "Other", "status": "True"}]}),
        Some("l[type=Ready].status is \"False\""),
    )]
    #[case::no_such_item(
        json!({"l": [{"type": "Ready"}]}),
        json!({"l": [{"type": "A"}, {"type": "B"}]}),
        Some("l: no item has type Ready, among A, B"),
    )]
    #[case::no_item_at_all(json!({"l": [{"name": "a"}]}), json!({"l": []}), Some("l: no item has name a, among none"))]
    #[case::no_item_by_name(json!({"l": [{"a": 1}]}), json!({"l": [{"a": 2}]}), Some("l: no item is {\"a\":1}, among [{\"a\":2}]"))]
    #[case::namesakes(
        json!({"l": [{"name": "a", "port": 1}]}),
        json!({"l": [{"name": "a", "port": 2}, {"name": "a", "port": 3}, {"name": "b"}]}),
        Some("l: no item is {\"name\":\"a\",\"port\":1}, among [{\"name\":\"a\",\"port\":2},{\"name\":\"a\",\"port\":3}]"),
    )]
    fn tells_the_first_difference(#[case] partial: Value, #[case] object: Value, #[case] expected: Option<&str>) {
        let difference = difference(&partial, &object, "");
        match expected {
            None => assert_eq!(difference, None),
            Some(text) => assert!(difference.as_ref().is_some_and(|found| found.starts_with(text)), "{difference:?}"),
        }
    }
}

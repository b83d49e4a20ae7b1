//! Waits that watch.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt as _;
use nodes::clock::{Clock, Delay};
use serde_json::Value;

use super::kubectl::{Change, Kubectl, KubectlError, Target};
use crate::delays;

/// Waits until `there` holds for the objects of a kind; false when `limit` passes first.
pub async fn until(
    kubectl: &Kubectl,
    clock: &Clock,
    (target, query): (Target<'_>, &str),
    limit: Delay,
    there: impl Fn(&[&Value]) -> bool + Send + Sync,
) -> Result<bool, KubectlError> {
    let waiting = async {
        loop {
            if follow(kubectl, (target, query), &there).await? {
                return Ok(());
            }
            clock.sleep(delays::WATCH_PAUSE).await;
        }
    };
    clock.within(limit, waiting).await.map_or(Ok(false), |ended| ended.map(|()| true))
}

/// True when it holds, false when the watch ended before.
async fn follow(
    kubectl: &Kubectl,
    (target, query): (Target<'_>, &str),
    there: &(impl Fn(&[&Value]) -> bool + Send + Sync),
) -> Result<bool, KubectlError> {
    let (items, changes) = kubectl.follow(target, query).await?;
    let mut objects: BTreeMap<String, Value> = items.into_iter().map(|object| (name(&object), object)).collect();
    let mut changes = pin!(changes);
    loop {
        if there(&objects.values().collect::<Vec<_>>()) {
            return Ok(true);
        }
        match changes.next().await {
            Some(Change::Set(object)) => {
                objects.insert(name(&object), object);
            }
            Some(Change::Gone(object)) => {
                objects.remove(&name(&object));
            }
            Some(Change::Broken) | None => return Ok(false),
        }
    }
}

/// Whether the custom resource definition `name` is served.
pub fn is_established(definition: &Value, name: &str) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    definition.pointer("/metadata/name").and_then(Value::as_str) == Some(name)
        && conditions.into_iter().flatten().any(|condition| {
            condition.get("type").and_then(Value::as_str) == Some("Established")
                && condition.get("status").and_then(Value::as_str) == Some("True")
        })
}

fn name(object: &Value) -> String {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

//! Tables, as `kubectl get` asks for: the columns and cells of kube-apiserver 1.20.2.

mod columns;
mod kinds;
mod network;
mod pods;
mod storage;
mod workloads;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::{ServerClock, human_duration};
use crate::custom::columns::PrinterColumn;
use crate::fields::text;
use crate::flowcontrol;
use crate::registry::Resource;
use crate::store::Stored;

/// The column definitions of a resource.
#[must_use]
pub fn definitions(resource: &Resource) -> Value {
    let definition = |name: &str, kind: &str, format: &str, priority: i64| json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority});
    if let Some(custom) = &resource.custom {
        let mut all = vec![definition("Name", "string", "name", 0)];
        all.extend(custom.columns.iter().map(PrinterColumn::heading));
        return Value::from(all);
    }
    let kept = resource.hub.as_deref().unwrap_or(resource);
    columns::of(kept).map(|c| definition(c.name, c.kind, c.format, i64::from(c.wide))).collect::<Vec<_>>().into()
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

fn or_none(text: impl Into<String>) -> String {
    or(text, "<none>")
}

fn or(text: impl Into<String>, otherwise: &str) -> String {
    let text = text.into();
    if text.is_empty() { otherwise.to_owned() } else { text }
}

fn since(clock: ServerClock, stamp: &str) -> String {
    clock.seconds_since(stamp).map_or_else(|| "<unknown>".to_owned(), human_duration)
}

/// Labels as one text.
fn labels(map: Option<&Value>) -> String {
    or_none(pairs(map).join(","))
}

fn pairs(map: Option<&Value>) -> Vec<String> {
    let mut pairs: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    pairs
}

/// A selector as one text: its demands by key.
fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector else { return "<none>".to_owned() };
    let mut parts = pairs(selector.get("matchLabels"));
    for expression in list(selector, "/matchExpressions") {
        let key = text(expression, "/key");
        let mut values: Vec<&str> = list(expression, "/values").iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        parts.push(match text(expression, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.sort_by_key(|part| part.trim_start_matches('!').split(['=', ' ']).next().unwrap_or_default().to_owned());
    or_none(parts.join(","))
}

fn joined(items: &[Value], pointer: &str) -> String {
    items.iter().map(|item| text(item, pointer)).collect::<Vec<_>>().join(",")
}

/// The row of one object: its conditions, if its kind has any, and its cells.
pub struct Row {
    /// What `kubectl` may colour.
    pub conditions: Option<Value>,
    /// The cells.
    pub cells: Vec<Value>,
}

/// Objects in the order of their rows: that of a list, but flow schemas come in the order in which they are asked
/// (pkg/printers/internalversion/printers.go, `printFlowSchemaList`).
#[must_use]
pub fn in_order<'a>(resource: &Resource, objects: &'a [Arc<Stored>]) -> Cow<'a, [Arc<Stored>]> {
    if &*resource.full_name != flowcontrol::SCHEMAS {
        return Cow::Borrowed(objects);
    }
    let mut sorted = objects.to_vec();
    sorted.sort_by_key(|schema| {
        (count(&schema.value, "/spec/matchingPrecedence"), text(&schema.value, "/metadata/name").to_owned())
    });
    Cow::Owned(sorted)
}

/// The row of one object, in the form in which it is kept.
#[must_use]
pub fn row(resource: &Resource, object: &Value, clock: ServerClock) -> Row {
    let kept = resource.hub.as_deref().unwrap_or(resource);
    let conditions = (&*kept.full_name == "pods").then(|| pods::conditions(object)).flatten();
    Row { conditions, cells: cells(kept, object, clock) }
}

fn cells(resource: &Resource, object: &Value, clock: ServerClock) -> Vec<Value> {
    let name = Value::from(text(object, "/metadata/name"));
    let created = text(object, "/metadata/creationTimestamp");
    if let Some(custom) = &resource.custom {
        let mut cells = vec![name];
        cells.extend(custom.columns.iter().map(|column| column.cell(object, clock)));
        return cells;
    }
    let age = Value::from(since(clock, created));
    let named = |more: Vec<Value>| [vec![name.clone()], more].concat();
    match &*resource.full_name {
        "pods" => named(pods::cells(object, age)),
        "podtemplates" => named(workloads::template(object)),
        "replicationcontrollers" => named(workloads::replicas(object, age, labels(object.pointer("/spec/selector")))),
        "replicasets.apps" => named(workloads::replicas(object, age, selector(object.pointer("/spec/selector")))),
        "deployments.apps" => named(workloads::deployment(object, age)),
        "statefulsets.apps" => named(workloads::stateful_set(object, age)),
        "daemonsets.apps" => named(workloads::daemon_set(object, age)),
        "jobs.batch" => named(workloads::job(object, age, clock)),
        "cronjobs.batch" => named(workloads::cron_job(object, age, clock)),
        "horizontalpodautoscalers.autoscaling" => named(workloads::autoscaler(object, age)),
        "controllerrevisions.apps" => named(workloads::revision(object, age)),
        "services" => named(network::service(object, age)),
        "endpoints" => named(vec![network::endpoints(object).into(), age]),
        "endpointslices.discovery.k8s.io" => named(network::endpoint_slice(object, age)),
        "ingresses.networking.k8s.io" => named(network::ingress(object, age)),
        "ingressclasses.networking.k8s.io" => named(network::class(object, age)),
        "networkpolicies.networking.k8s.io" => named(vec![selector(object.pointer("/spec/podSelector")).into(), age]),
        "persistentvolumes" => named(storage::volume(object, age)),
        "persistentvolumeclaims" => named(storage::claim(object, age)),
        "storageclasses.storage.k8s.io" => storage::class(object, age),
        "csinodes.storage.k8s.io" => named(vec![list(object, "/spec/drivers").len().into(), age]),
        "csidrivers.storage.k8s.io" => named(storage::driver(object, age)),
        "volumeattachments.storage.k8s.io" => named(storage::attachment(object, age)),
        "events" => kinds::event(object, clock),
        full_name => kinds::cells(full_name, object, &age).map_or_else(|| vec![name.clone(), created.into()], &named),
    }
}

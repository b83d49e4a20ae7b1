//! What the original's priority and fairness controller tells of a `FlowSchema`: whether its priority level is there
//! (`staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go`, Kubernetes 1.20.2). Nothing is queued here.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::objects::{Intent, Part, Place};
use crate::state::State;
use crate::store::Key;

/// The resources whose changes it follows.
pub const SCHEMAS: &str = "flowschemas.flowcontrol.apiserver.k8s.io";
/// See [`SCHEMAS`].
pub const LEVELS: &str = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io";

/// Makes the conditions of all schemas true.
pub fn sync(state: &State) {
    let registry = state.registry();
    let Some(resource) = registry.built_in("flowcontrol.apiserver.k8s.io", "flowschemas") else { return };
    let manager = "api-priority-and-fairness-config-consumer-v1";
    let place = Place { state, resource, requested: resource, namespace: "", dry_run: false, manager, consent: None };
    for (key, stored) in state.store.list(&Arc::from(SCHEMAS), None).objects {
        if dangling(state, &stored.value).is_some() {
            // A schema that is gone, or has just been changed by someone else, is looked at again then.
            let _ = place.update(&key.name, Part::Status, Intent::Patch, |found| {
                let mut next = found.clone();
                if let Some(condition) = dangling(state, found) {
                    next["status"] = json!({"conditions": [condition]});
                }
                Ok(next)
            });
        }
    }
}

/// The condition `Dangling` that a schema should have, if it has another.
fn dangling(state: &State, schema: &Value) -> Option<Value> {
    let level = schema.pointer("/spec/priorityLevelConfiguration/name").and_then(Value::as_str)?;
    let known = state.store.get(&Arc::from(LEVELS), &Key::new("", level)).is_some();
    let (status, reason, end) =
        if known { ("False", "Found", "and it exists") } else { ("True", "NotFound", "but there is no such object") };
    let quoted = crate::go::quoted(level);
    let message = format!("This FlowSchema references the PriorityLevelConfiguration object named {quoted} {end}");
    let conditions = schema.pointer("/status/conditions").and_then(Value::as_array);
    let told = conditions.into_iter().flatten().any(|condition| {
        condition["type"] == "Dangling" && condition["status"] == status && condition["message"] == message.as_str()
    });
    (!told).then(|| {
        json!({
            "type": "Dangling",
            "status": status,
            "lastTransitionTime": state.clock.stamp(),
            "reason": reason,
            "message": message,
        })
    })
}

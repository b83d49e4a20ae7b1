//! `componentstatuses`: of the parts of a control plane, which all run in this process.

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::answer::Body;
use crate::show::Shower;
use crate::status::Failure;
use crate::store::Stored;

/// The parts, and what the original hears from them when they are well.
const PARTS: &[(&str, &str)] =
    &[("scheduler", "ok"), ("controller-manager", "ok"), ("etcd-0", "{\"health\":\"true\"}")];

fn status(name: &str, message: &str) -> Value {
    json!({
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name, "creationTimestamp": null},
        "conditions": [{"type": "Healthy", "status": "True", "message": message}],
    })
}

/// Answers a read.
///
/// # Errors
/// 500, as the original has it, for a part that does not exist.
pub fn answer(shower: &Shower, name: &str, verb: &str) -> Result<Response<Body>, Failure> {
    let all = || PARTS.iter().map(|(name, message)| (*name, Stored::detached(status(name, message))));
    match verb {
        "list" => {
            let parts: Vec<Arc<Stored>> = all().map(|(_, part)| part).collect();
            shower.list(&parts, 0, None)
        }
        _ => match all().find(|(part, _)| *part == name) {
            Some((_, part)) => shower.answer(StatusCode::OK, &part),
            None => Err(Failure::internal(format!("Component not found: {name}"))),
        },
    }
}

//! Cells of pods.

use serde_json::{Value, json};

use super::{count, list, or_none, text};

/// The conditions of a row: that a pod has ended.
pub(super) fn conditions(object: &Value) -> Option<Value> {
    let (reason, message) = match text(object, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

pub(super) fn cells(object: &Value, age: Value) -> Vec<Value> {
    let status = Status::read(object);
    let total = list(object, "/spec/containers").len();
    let gates = list(object, "/spec/readinessGates");
    let passed = gates.iter().filter(|gate| has_condition(object, text(gate, "/conditionType"))).count();
    let gates = if gates.is_empty() { "<none>".to_owned() } else { format!("{passed}/{}", gates.len()) };
    vec![
        format!("{}/{total}", status.ready).into(),
        status.reason.into(),
        status.restarts.into(),
        age,
        or_none(text(object, "/status/podIPs/0/ip")).into(),
        or_none(text(object, "/spec/nodeName")).into(),
        or_none(text(object, "/status/nominatedNodeName")).into(),
        gates.into(),
    ]
}

fn has_condition(object: &Value, kind: &str) -> bool {
    let found = list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind);
    found.is_some_and(|condition| text(condition, "/status") == "True")
}

/// What the containers of a pod come to.
struct Status {
    reason: String,
    ready: usize,
    restarts: i64,
}

impl Status {
    fn read(object: &Value) -> Self {
        let own = text(object, "/status/reason");
        let reason = if own.is_empty() { text(object, "/status/phase") } else { own };
        let mut status = Self { reason: reason.to_owned(), ready: 0, restarts: 0 };
        if !status.read_init(object) {
            status.read_containers(object);
        }
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            let reason = if own == "NodeLost" { "Unknown" } else { "Terminating" };
            reason.clone_into(&mut status.reason);
        }
        status
    }

    /// Whether containers that run before the others still do.
    fn read_init(&mut self, object: &Value) -> bool {
        for (index, container) in list(object, "/status/initContainerStatuses").iter().enumerate() {
            self.restarts += count(container, "/restartCount");
            let (ended, waiting) = (container.pointer("/state/terminated"), text(container, "/state/waiting/reason"));
            self.reason = match ended {
                Some(ended) if count(ended, "/exitCode") == 0 => continue,
                Some(ended) => format!("Init:{}", how_it_ended(ended)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{index}/{}", list(object, "/spec/initContainers").len()),
            };
            return true;
        }
        false
    }

    fn read_containers(&mut self, object: &Value) {
        self.restarts = 0;
        for container in list(object, "/status/containerStatuses").iter().rev() {
            self.restarts += count(container, "/restartCount");
            let waiting = text(container, "/state/waiting/reason");
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if let Some(ended) = container.pointer("/state/terminated") {
                self.reason = how_it_ended(ended);
            } else if container.get("ready") == Some(&Value::Bool(true))
                && container.pointer("/state/running").is_some()
            {
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && self.ready > 0 {
            let reason = if has_condition(object, "Ready") { "Running" } else { "NotReady" };
            reason.clone_into(&mut self.reason);
        }
    }
}

fn how_it_ended(ended: &Value) -> String {
    match (text(ended, "/reason"), count(ended, "/signal")) {
        ("", 0) => format!("ExitCode:{}", count(ended, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

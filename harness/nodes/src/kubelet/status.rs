//! A pod's status from its containers.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::container::{Ended, Phase, State};

/// What a pod's status is made of.
pub(crate) struct Facts<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) containers: &'a [State],
    /// The pod's address, once it has one.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) host: IpAddr,
    pub(crate) started: Timestamp,
    pub(crate) now: Timestamp,
}

/// Whether a container that ended so is started again under the pod's restart policy.
pub(crate) fn restarts(pod: &Pod, code: i32) -> bool {
    match pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) {
        Some("Never") => false,
        Some("OnFailure") => code != 0,
        _ => true,
    }
}

/// The status as a merge patch has it; `before` gives the times of conditions that did not change.
pub(crate) fn status(facts: &Facts<'_>, before: Option<&Value>) -> Value {
    let phase = phase(facts);
    let done = matches!(phase, "Succeeded" | "Failed");
    let ready = |state: &State| matches!(state.phase, Phase::Running { .. });
    let all_ready = facts.containers.iter().all(ready);
    let unready: Vec<_> =
        facts.containers.iter().filter(|state| !ready(state)).map(|state| state.name.as_str()).collect();
    let (reason, message) = match (all_ready, done && phase == "Succeeded") {
        (true, _) => (None, None),
        (false, true) => (Some("PodCompleted"), None),
        (false, false) => {
            (Some("ContainersNotReady"), Some(format!("containers with unready status: [{}]", unready.join(" "))))
        }
    };
    let initialized = if phase == "Succeeded" { Some("PodCompleted") } else { None };
    let conditions: Vec<_> = [
        ("Initialized", true, initialized, None),
        ("Ready", all_ready, reason, message.as_ref()),
        ("ContainersReady", all_ready, reason, message.as_ref()),
        ("PodScheduled", true, None, None),
    ]
    .into_iter()
    .map(|(kind, holds, reason, message)| {
        let status = if holds { "True" } else { "False" };
        let mut condition = json!({
            "type": kind, "status": status, "lastProbeTime": null,
            "lastTransitionTime": since(before, kind, status).unwrap_or_else(|| json!(second(facts.now))),
        });
        if let Some(reason) = reason {
            condition["reason"] = json!(reason);
        }
        if let Some(message) = message {
            condition["message"] = json!(message);
        }
        condition
    })
    .collect();
    let mut status = json!({
        "phase": phase,
        "conditions": conditions,
        "hostIP": facts.host,
        "startTime": second(facts.started),
        "containerStatuses": facts.containers.iter().map(container).collect::<Vec<_>>(),
        "qosClass": quality(facts.pod),
    });
    if let Some(ip) = facts.ip {
        status["podIP"] = json!(ip);
        status["podIPs"] = json!([{ "ip": ip }]);
    }
    status
}

fn phase(facts: &Facts<'_>) -> &'static str {
    let states = facts.containers;
    let never_started = |state: &State| state.id.is_none();
    if states.iter().any(never_started) {
        return "Pending";
    }
    let final_code = |state: &State| match &state.phase {
        Phase::Ended(ended) if !restarts(facts.pod, ended.code) => Some(ended.code),
        _ => None,
    };
    let codes: Option<Vec<_>> = states.iter().map(final_code).collect();
    match codes {
        None => "Running",
        Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
        Some(_) => "Failed",
    }
}

/// When a condition took this status, if it has it already.
fn since(before: Option<&Value>, kind: &str, status: &str) -> Option<Value> {
    let conditions = before?.get("conditions")?.as_array()?;
    let same = conditions.iter().find(|condition| condition["type"] == kind && condition["status"] == status)?;
    same.get("lastTransitionTime").cloned()
}

fn container(state: &State) -> Value {
    let now = match &state.phase {
        Phase::Waiting { reason, message: None } => json!({ "waiting": { "reason": reason } }),
        Phase::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
        Phase::Running { since } => json!({ "running": { "startedAt": second(*since) } }),
        Phase::Ended(ended) => json!({ "terminated": terminated(ended) }),
    };
    let last = state.last.as_ref().map_or_else(|| json!({}), |ended| json!({ "terminated": terminated(ended) }));
    let is_running = matches!(state.phase, Phase::Running { .. });
    let image_id = if state.id.is_some() { image_id(&state.image) } else { String::new() };
    let mut status = json!({
        "name": state.name, "image": state.image, "imageID": image_id, "ready": is_running, "started": is_running,
        "restartCount": state.restarts, "state": now, "lastState": last,
    });
    if let Some(id) = &state.id {
        status["containerID"] = json!(id);
    }
    status
}

fn terminated(ended: &Ended) -> Value {
    json!({
        "exitCode": ended.code, "reason": ended.reason, "startedAt": second(ended.started),
        "finishedAt": second(ended.finished), "containerID": ended.id,
    })
}

/// A digest that stands for an image.
fn image_id(image: &str) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(image.as_bytes());
    let repository = image.split('@').next().unwrap_or(image);
    format!("{repository}@sha256:{}", crate::names::hex(&digest))
}

/// Kubernetes writes times in whole seconds.
pub(crate) fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn quality(pod: &Pod) -> &'static str {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let limited = |container: &k8s_openapi::api::core::v1::Container| {
        let resources = container.resources.clone().unwrap_or_default();
        (resources.requests.unwrap_or_default(), resources.limits.unwrap_or_default())
    };
    let all: Vec<_> = containers.iter().map(limited).collect();
    if all.iter().all(|(requests, limits)| requests.is_empty() && limits.is_empty()) {
        "BestEffort"
    } else if all.iter().all(|(requests, limits)| limits.len() == 2 && (requests.is_empty() || requests == limits)) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn state(phase: Phase, id: Option<&str>) -> State {
        let id = id.map(str::to_owned);
        State { name: "c".to_owned(), image: "i:v1".to_owned(), phase, last: None, restarts: 0, id }
    }

    fn ended(code: i32) -> State {
        let now = Timestamp::UNIX_EPOCH;
        let ended = Ended { code, reason: "Error", started: now, finished: now, id: "x".to_owned() };
        state(Phase::Ended(ended), Some("x"))
    }

    fn pod(policy: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [], "restartPolicy": policy}})).unwrap()
    }

    fn status_of(pod: &Pod, containers: &[State], before: Option<&Value>, now: Timestamp) -> Value {
        let host = "10.0.0.1".parse().unwrap();
        status(&Facts { pod, containers, ip: None, host, started: now, now }, before)
    }

    #[rstest]
    #[case("Always", state(Phase::Waiting { reason: "ContainerCreating", message: None }, None), "Pending", "False")]
    #[case("Always", state(Phase::Running { since: Timestamp::UNIX_EPOCH }, Some("x")), "Running", "True")]
    #[case("Always", state(Phase::Waiting { reason: "CrashLoopBackOff", message: None }, Some("x")), "Running", "False")]
    #[case("Always", ended(0), "Running", "False")]
    #[case("Never", ended(0), "Succeeded", "False")]
    #[case("Never", ended(1), "Failed", "False")]
    #[case("OnFailure", ended(1), "Running", "False")]
    fn tells_phase_and_readiness(
        #[case] policy: &str,
        #[case] container: State,
        #[case] phase: &str,
        #[case] ready: &str,
    ) {
        let status = status_of(&pod(policy), &[container], None, Timestamp::UNIX_EPOCH);
        assert_eq!(status["phase"], phase);
        assert_eq!(status["conditions"][1]["status"], ready);
    }

    #[test]
    fn keeps_the_time_of_an_unchanged_condition() {
        let running = [state(Phase::Running { since: Timestamp::UNIX_EPOCH }, Some("x"))];
        let first = status_of(&pod("Always"), &running, None, Timestamp::UNIX_EPOCH);
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(status_of(&pod("Always"), &running, Some(&first), later)["conditions"], first["conditions"]);
        let after = status_of(&pod("Always"), &[ended(1)], Some(&first), later);
        assert_eq!(after["conditions"][1]["lastTransitionTime"], json!(later));
        assert_eq!(after["conditions"][0]["lastTransitionTime"], json!(Timestamp::UNIX_EPOCH));
    }
}

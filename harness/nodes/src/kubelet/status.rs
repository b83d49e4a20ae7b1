//! A pod's status from its containers.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::container::{Ended, Phase, Role, State};
use crate::times::second;

/// What a pod's status is made of.
pub(crate) struct Facts<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) init: &'a [State],
    pub(crate) containers: &'a [State],
    /// The pod's address, once it has one.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) host: IpAddr,
    pub(crate) started: Timestamp,
    pub(crate) now: Timestamp,
    /// Why the kubelet has ended the pod, if it has.
    pub(crate) ended: Option<Eviction>,
}

/// Why a kubelet ends a pod by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Eviction {
    pub(crate) reason: &'static str,
    pub(crate) message: &'static str,
}

/// Whether a container that ended so is started again under the pod's restart policy.
pub(crate) fn restarts(pod: &Pod, role: Role, code: i32) -> bool {
    let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    match (policy, role) {
        (Some("Never"), _) => false,
        // An init container that succeeded has done its work.
        (Some("OnFailure"), _) | (_, Role::Init) => code != 0,
        (_, Role::Main) => true,
    }
}

/// A condition before it has times.
struct Condition {
    kind: &'static str,
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

/// The conditions in their order (kubernetes v1.20, `pkg/kubelet/status/generate.go`).
fn conditions(facts: &Facts<'_>, phase: &str) -> [Condition; 4] {
    let succeeded = phase == "Succeeded";
    let ready = |state: &State| matches!(state.phase, Phase::Running { .. });
    let done = |state: &State| matches!(&state.phase, Phase::Ended(ended) if ended.code == 0);
    let of =
        |kind: &'static str, states: &[State], holds: &dyn Fn(&State) -> bool, reason: &'static str, what: &str| {
            let names: Vec<_> = states.iter().filter(|state| !holds(state)).map(|state| state.name.as_str()).collect();
            let message = (!names.is_empty()).then(|| format!("containers with {what} status: [{}]", names.join(" ")));
            Condition { kind, holds: names.is_empty(), reason: (!names.is_empty()).then_some(reason), message }
        };
    let completed = |kind, holds| Condition { kind, holds, reason: Some("PodCompleted"), message: None };
    let initialized = if succeeded {
        completed("Initialized", true)
    } else {
        of("Initialized", facts.init, &done, "ContainersNotInitialized", "incomplete")
    };
    let containers_ready = |kind| {
        if succeeded {
            return completed(kind, false);
        }
        of(kind, facts.containers, &ready, "ContainersNotReady", "unready")
    };
    let scheduled = Condition { kind: "PodScheduled", holds: true, reason: None, message: None };
    [initialized, gated(facts.pod, containers_ready("Ready")), containers_ready("ContainersReady"), scheduled]
}

/// Readiness gates: conditions that others set.
fn gated(pod: &Pod, ready: Condition) -> Condition {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_deref()).unwrap_or_default();
    if !ready.holds || gates.is_empty() {
        return ready;
    }
    let known = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let lacks = gates.iter().filter_map(|gate| {
        let name = &gate.condition_type;
        match known.iter().find(|condition| &condition.type_ == name) {
            None => Some(format!("corresponding condition of pod readiness gate {name:?} does not exist.")),
            Some(condition) if condition.status != "True" => {
                Some(format!("the status of pod readiness gate {name:?} is not \"True\", but {}", condition.status))
            }
            Some(_) => None,
        }
    });
    let lacks: Vec<_> = lacks.collect();
    if lacks.is_empty() {
        return ready;
    }
    Condition { holds: false, reason: Some("ReadinessGatesNotReady"), message: Some(lacks.join(", ")), ..ready }
}

/// The status as a merge patch has it; `before` gives the times of conditions that did not change.
pub(crate) fn status(facts: &Facts<'_>, before: Option<&Value>) -> Value {
    let phase = phase(facts);
    let conditions = conditions(facts, phase).into_iter().map(|condition| {
        let status = if condition.holds { "True" } else { "False" };
        let since = since(before, condition.kind, status).unwrap_or_else(|| json!(second(facts.now)));
        let mut value = json!({
            "type": condition.kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since,
        });
        if let Some(reason) = condition.reason {
            value["reason"] = json!(reason);
        }
        if let Some(message) = condition.message {
            value["message"] = json!(message);
        }
        value
    });
    let mut conditions: Vec<_> = conditions.collect();
    // What readiness gates are about is others' to write.
    let gates = facts.pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_deref()).unwrap_or_default();
    let known = facts.pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let foreign = known.iter().filter(|one| gates.iter().any(|gate| gate.condition_type == one.type_));
    conditions.extend(foreign.map(|condition| json!(condition)));
    let mut status = json!({
        "phase": phase,
        "conditions": conditions,
        "hostIP": facts.host,
        "startTime": second(facts.started),
        "containerStatuses": facts.containers.iter().map(|state| container(state, Role::Main)).collect::<Vec<_>>(),
        "qosClass": quality(facts.pod),
    });
    if !facts.init.is_empty() {
        status["initContainerStatuses"] = facts.init.iter().map(|state| container(state, Role::Init)).collect();
    }
    if let Some(Eviction { reason, message }) = facts.ended {
        status["reason"] = json!(reason);
        status["message"] = json!(message);
    }
    if let Some(ip) = facts.ip {
        status["podIP"] = json!(ip);
        status["podIPs"] = json!([{ "ip": ip }]);
    }
    status
}

/// The pod's phase (kubernetes v1.20, `getPhase` in `pkg/kubelet/kubelet_pods.go`).
fn phase(facts: &Facts<'_>) -> &'static str {
    if facts.ended.is_some() {
        return "Failed";
    }
    let never = facts.pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("Never");
    let (mut pending, mut failed) = (false, false);
    for state in facts.init {
        match (&state.phase, &state.last) {
            (Phase::Ended(ended), _) | (Phase::Waiting { .. }, Some(ended)) => failed |= ended.code != 0,
            (Phase::Running { .. } | Phase::Waiting { .. }, _) => pending = true,
        }
    }
    if failed && never {
        return "Failed";
    }
    let states = facts.containers;
    let never_started = |state: &State| state.id.is_none();
    if pending || failed || states.iter().any(never_started) {
        return "Pending";
    }
    let final_code = |state: &State| match &state.phase {
        Phase::Ended(ended) if !restarts(facts.pod, Role::Main, ended.code) => Some(ended.code),
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

fn container(state: &State, role: Role) -> Value {
    let now = match &state.phase {
        Phase::Waiting { reason, message: None } => json!({ "waiting": { "reason": reason } }),
        Phase::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
        Phase::Running { since } => json!({ "running": { "startedAt": second(*since) } }),
        Phase::Ended(ended) => json!({ "terminated": terminated(ended) }),
    };
    let last = state.last.as_ref().map_or_else(|| json!({}), |ended| json!({ "terminated": terminated(ended) }));
    let is_running = matches!(state.phase, Phase::Running { .. });
    let image_id = if state.id.is_some() { image_id(&state.image) } else { String::new() };
    // An init container is ready when it has done its work.
    let ready = match (role, &state.phase) {
        (Role::Init, Phase::Ended(ended)) => ended.code == 0,
        (Role::Init, _) => false,
        (Role::Main, _) => is_running,
    };
    let mut status = json!({
        "name": state.name, "image": state.image, "imageID": image_id, "ready": ready,
        "restartCount": state.restarts, "state": now, "lastState": last,
    });
    if role == Role::Main {
        status["started"] = json!(is_running);
    }
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
        status(&Facts { pod, init: &[], containers, ip: None, host, started: now, now, ended: None }, before)
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

    #[rstest]
    #[case::waits(state(Phase::Waiting { reason: "PodInitializing", message: None }, None), "Always", "Pending", "False")]
    #[case::done(ended(0), "Always", "Running", "True")]
    #[case::failed(ended(1), "Never", "Failed", "False")]
    #[case::tries_again(ended(1), "Always", "Pending", "False")]
    fn waits_for_init_containers(
        #[case] init: State,
        #[case] policy: &str,
        #[case] phase: &str,
        #[case] initialized: &str,
    ) {
        let running = [state(Phase::Running { since: Timestamp::UNIX_EPOCH }, Some("x"))];
        let now = Timestamp::UNIX_EPOCH;
        let host = "10.0.0.1".parse().unwrap();
        let init = [init];
        let pod = pod(policy);
        let facts =
            Facts { pod: &pod, init: &init, containers: &running, ip: None, host, started: now, now, ended: None };
        let status = status(&facts, None);
        assert_eq!(status["phase"], phase);
        assert_eq!(status["conditions"][0]["status"], initialized);
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

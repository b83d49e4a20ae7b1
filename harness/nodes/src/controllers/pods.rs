//! What controllers ask about pods, and how they make and delete them.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams};

use super::claims::Namespaced;
use super::owners::reference;
use crate::cache::Key;
use crate::cluster::{Cluster, During as _, Failure, is_terminating, message_of};
use crate::events::{News, record};

/// Whether the pod counts as a replica: neither ended nor going (kubernetes v1.20, `IsPodActive`).
pub(crate) fn is_active(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && !has_ended(pod)
}

/// The pod's phase.
pub(crate) fn phase_of(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Whether all its containers have ended for good.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    matches!(phase_of(pod), "Succeeded" | "Failed")
}

/// The node that the pod is on.
pub(crate) fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether its condition `Ready` holds.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some()
}

/// How soon a ready pod is available: at once when it has been ready for `least` seconds; none when it is not ready.
pub(crate) fn available_in(cluster: &Cluster, pod: &Pod, least: i32) -> Option<Duration> {
    let ready = ready_condition(pod)?;
    let least = Duration::from_secs(u64::try_from(least).unwrap_or(0));
    if least.is_zero() {
        return Some(Duration::ZERO);
    }
    let since = ready.last_transition_time.as_ref().map_or_else(|| cluster.clock.wall(), |time| time.0);
    let what = format!("ready/{}", pod.metadata.uid.as_deref().unwrap_or_default());
    Some(cluster.ages.left(&what, since, least).unwrap_or_default())
}

/// Which of two pods is given up first when there are too many (kubernetes v1.20, `ActivePods` in
/// `pkg/controller/controller_utils.go`): those that serve least, then the youngest.
pub(crate) fn given_up_first(a: &Pod, b: &Pod) -> Ordering {
    let assigned = |pod: &Pod| node_of(pod).is_some();
    let progress = |pod: &Pod| match phase_of(pod) {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let ready_since = |pod: &Pod| ready_condition(pod)?.last_transition_time.as_ref().map(|time| time.0);
    let restarts = |pod: &Pod| {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        statuses.iter().map(|status| status.restart_count).max().unwrap_or(0)
    };
    let by_ready_time = match (ready_since(a), ready_since(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        _ => Ordering::Equal,
    };
    assigned(a)
        .cmp(&assigned(b))
        .then(progress(a).cmp(&progress(b)))
        .then(is_ready(a).cmp(&is_ready(b)))
        .then(by_ready_time)
        .then(restarts(b).cmp(&restarts(a)))
        .then(created(b).cmp(&created(a)))
}

/// When the pod was created.
pub(crate) fn created(pod: &Pod) -> Option<Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

/// A pod of `owner` from `template`, named after it.
pub(crate) fn from_template<O: Namespaced>(template: &PodTemplateSpec, owner: &O) -> Pod {
    let from = template.metadata.clone().unwrap_or_default();
    let name = owner.meta().name.as_deref().unwrap_or_default();
    let metadata = ObjectMeta {
        generate_name: Some(format!("{name}-")),
        labels: from.labels,
        annotations: from.annotations,
        finalizers: from.finalizers,
        owner_references: Some(vec![reference(owner)]),
        ..ObjectMeta::default()
    };
    Pod { metadata, spec: template.spec.clone(), status: None }
}

/// Creates `pod` for `owner`; none when the namespace is going.
pub(crate) async fn create<O: Namespaced>(
    cluster: &Arc<Cluster>,
    component: &'static str,
    owner: &O,
    pod: &Pod,
) -> Result<Option<Arc<Pod>>, Failure> {
    let key = Key::of(owner);
    match cluster.api::<Pod>(&key.namespace).create(&PostParams::default(), pod).await {
        Err(error) if is_terminating(&error) => Ok(None),
        Err(error) => {
            let message = format!("Error creating: {}", message_of(&error));
            record(cluster, component, None, owner, News::warning("FailedCreate", message));
            Err(error).during(&format!("create a pod of {} {key}", O::kind(&())))
        }
        Ok(pod) => {
            let name = pod.metadata.name.clone().unwrap_or_default();
            cluster.caches.pods.wrote(pod.clone());
            record(cluster, component, None, owner, News::normal("SuccessfulCreate", format!("Created pod: {name}")));
            Ok(Some(Arc::new(pod)))
        }
    }
}

/// Deletes a pod of `owner`.
pub(crate) async fn delete<O: Namespaced>(
    cluster: &Arc<Cluster>,
    component: &'static str,
    owner: &O,
    pod: &Pod,
) -> Result<(), Failure> {
    let key = Key::of(pod);
    match cluster.api::<Pod>(&key.namespace).delete(&key.name, &DeleteParams::default()).await {
        Ok(answer) => {
            answer.either(|going| cluster.caches.pods.wrote(going), drop);
            let news = News::normal("SuccessfulDelete", format!("Deleted pod: {}", key.name));
            record(cluster, component, None, owner, news);
            Ok(())
        }
        Err(error) if crate::cluster::code_of(&error) == 404 => Ok(()),
        Err(error) => {
            let message = format!("Error deleting: {}", message_of(&error));
            record(cluster, component, None, owner, News::warning("FailedDelete", message));
            Err(error).during(&format!("delete Pod {key}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn pod(node: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [], "nodeName": node}, "status": status}))
            .unwrap()
    }

    fn ready(at: &str) -> Value {
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at}]})
    }

    #[rstest]
    #[case::without_a_node(pod("", &json!({"phase": "Pending"})), pod("a", &json!({"phase": "Pending"})))]
    #[case::pending(pod("a", &json!({"phase": "Pending"})), pod("a", &json!({"phase": "Running"})))]
    #[case::not_ready(pod("a", &json!({"phase": "Running"})), pod("a", &ready("2026-01-01T00:00:00Z")))]
    #[case::ready_for_a_shorter_time(
        pod("a", &ready("2026-01-01T00:00:09Z")), pod("a", &ready("2026-01-01T00:00:00Z"))
    )]
    fn gives_up_what_serves_least(#[case] first: Pod, #[case] last: Pod) {
        assert_eq!(given_up_first(&first, &last), Ordering::Less);
        assert_eq!(given_up_first(&last, &first), Ordering::Greater);
    }
}

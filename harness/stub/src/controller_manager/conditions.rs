//! Conditions of a Cluster (kubesphere v3.3.2, `pkg/controller/cluster`; texts as seen on v3.3.2).

use jiff::Timestamp;
use serde_json::{Value, json};

/// A condition to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    kind: &'static str,
    status: bool,
    reason: String,
    message: String,
}

impl Condition {
    /// The join went well. Unlike the others it has no reason.
    #[must_use]
    pub fn federated() -> Self {
        let message = "Cluster has joined federation control plane successfully".to_owned();
        Self { kind: "Federated", status: true, reason: String::new(), message }
    }

    /// The join failed; the reason is the raw error.
    #[must_use]
    pub fn not_federated(error: &str) -> Self {
        let message = "Cluster can not join federation control plane".to_owned();
        Self { kind: "Federated", status: false, reason: error.to_owned(), message }
    }

    /// Everything is there.
    #[must_use]
    pub fn ready() -> Self {
        Self { kind: "Ready", status: true, reason: "Ready".to_owned(), message: "Cluster is available now".to_owned() }
    }

    /// The join failed, so it is not.
    #[must_use]
    pub fn not_ready() -> Self {
        let reason = "Cluster join federation control plane failed".to_owned();
        Self { kind: "Ready", status: false, reason, message: "Cluster is Not Ready now".to_owned() }
    }

    /// It did not tell its version (v3.2.1, `probeClusters`).
    #[must_use]
    pub fn unavailable() -> Self {
        let reason = "failed to connect get kubernetes version".to_owned();
        Self { kind: "Ready", status: false, reason, message: "Cluster is not available now".to_owned() }
    }

    /// When the kubeconfig's certificate ends; `None` for a kubeconfig without one (v3.4.0 and later).
    #[must_use]
    pub fn certificate(end: Option<Timestamp>, now: Timestamp) -> Self {
        const KIND: &str = "KubeConfigCertExpiresInSevenDays";
        const SEVEN_DAYS: i64 = 7 * 24 * 3600;
        Self {
            kind: KIND,
            status: end.is_some_and(|end| end.as_second() - now.as_second() < SEVEN_DAYS),
            reason: KIND.to_owned(),
            message: end.map(spelled).unwrap_or_default(),
        }
    }

    /// Puts this condition at the end of `cluster`'s, in place of an older one; both times are renewed always.
    pub fn put(&self, cluster: &mut Value, now: Timestamp) {
        let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut condition = json!({
            "type": self.kind,
            "status": if self.status { "True" } else { "False" },
            "lastUpdateTime": time,
            "lastTransitionTime": time,
        });
        if !self.reason.is_empty() {
            condition["reason"] = self.reason.as_str().into();
        }
        if !self.message.is_empty() {
            condition["message"] = self.message.as_str().into();
        }
        let mut conditions = match cluster["status"]["conditions"].take() {
            Value::Array(conditions) => conditions,
            _ => Vec::new(),
        };
        conditions.retain(|condition| condition["type"] != self.kind);
        conditions.push(condition);
        cluster["status"]["conditions"] = conditions.into();
    }
}

/// A time as Go prints it.
fn spelled(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn kinds(cluster: &Value) -> Vec<&str> {
        cluster["status"]["conditions"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn puts_a_failure_behind_the_conditions_that_stay() {
        let mut cluster = json!({});
        for condition in [Condition::federated(), Condition::ready(), Condition::certificate(Some(at(0)), at(0))] {
            condition.put(&mut cluster, at(0));
        }
        assert_eq!(kinds(&cluster), ["Federated", "Ready", "KubeConfigCertExpiresInSevenDays"]);
        Condition::not_federated("Unauthorized").put(&mut cluster, at(1));
        Condition::not_ready().put(&mut cluster, at(1));
        assert_eq!(kinds(&cluster), ["KubeConfigCertExpiresInSevenDays", "Federated", "Ready"]);
    }

    #[test]
    fn leaves_out_an_empty_reason() {
        let mut cluster = json!({});
        Condition::federated().put(&mut cluster, at(0));
        assert_eq!(cluster["status"]["conditions"][0].get("reason"), None);
    }

    #[test]
    fn tells_when_a_certificate_ends_as_go_prints_it() {
        let mut cluster = json!({});
        let end = "2027-11-22T11:58:39Z".parse().unwrap();
        Condition::certificate(Some(end), "2026-11-22T00:00:00Z".parse().unwrap()).put(&mut cluster, at(0));
        let condition = &cluster["status"]["conditions"][0];
        assert_eq!(
            (&condition["message"], &condition["status"]),
            (&"2027-11-22 11:58:39 +0000 UTC".into(), &"False".into())
        );
    }
}

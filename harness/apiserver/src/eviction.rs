//! Eviction: deleting a pod where its disruption budgets let it go
//! (pkg/registry/core/pod/storage/eviction.go, Kubernetes 1.20).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::deletion::DeleteOptions;
use crate::objects::Place;
use crate::selector::LabelSelector;
use crate::status::Failure;

impl Place<'_> {
    /// Deletes the pod `name`, unless a budget forbids it.
    ///
    /// # Errors
    /// 404, and 429 when a budget forbids it.
    pub fn evict(&self, name: &str, options: &DeleteOptions) -> Result<(), Failure> {
        let pod = self.get(name)?;
        let ended = matches!(pod.value.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
        if !ended {
            let budgets =
                self.state.store.list(&Arc::from("poddisruptionbudgets.policy"), Some(self.namespace)).objects;
            let selects = |budget: &Value| {
                let selector = budget.pointer("/spec/selector").map(LabelSelector::from_value);
                selector.is_some_and(|selector| !selector.is_empty() && selector.matches(&pod.value))
            };
            let mut covering = budgets.iter().filter(|(_, budget)| selects(&budget.value));
            if let Some((key, budget)) = covering.next() {
                if covering.next().is_some() {
                    let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                    return Err(Failure::internal(text));
                }
                let number = |field: &str| {
                    budget.value.pointer(&format!("/status/{field}")).and_then(Value::as_i64).unwrap_or(0)
                };
                if number("disruptionsAllowed") <= 0 {
                    let (desired, healthy) = (number("desiredHealthy"), number("currentHealthy"));
                    let why = format!(
                        "The disruption budget {} needs {desired} healthy pods and has {healthy} currently",
                        key.name
                    );
                    return Err(refusal(&why));
                }
            }
        }
        self.delete(name, options).map(|_| ())
    }
}

fn refusal(why: &str) -> Failure {
    let mut failure = Failure::bad_request("Cannot evict pod as it would violate the pod's disruption budget.");
    failure.code = http::StatusCode::TOO_MANY_REQUESTS;
    failure.reason = "TooManyRequests";
    failure.details = Some(json!({"causes": [{"reason": "DisruptionBudget", "message": why}]}));
    failure
}

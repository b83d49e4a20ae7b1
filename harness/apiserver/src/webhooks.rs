//! Validating webhooks: which of them a write concerns, and what they say (Kubernetes 1.20,
//! `k8s.io/apiserver/pkg/admission/plugin/webhook`). Mutating webhooks are not called: a write that would meet one is
//! noted as a miss, and the webhook counts as one that does not answer.

mod client;
mod matching;
mod review;

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use crate::consent::Attributes;
use crate::fields::text;
use crate::registry::{Registry, group_resource};
use crate::state::State;
use crate::status::{Failure, quoted};
use crate::warnings::Warnings;
use matching::Invocation;

pub use client::{Reach, post};

const GROUP: &str = "admissionregistration.k8s.io";
const VALIDATING: &str = "validatingwebhookconfigurations";
const MUTATING: &str = "mutatingwebhookconfigurations";

/// Whether any webhook is configured at all.
#[must_use]
pub fn any(state: &State) -> bool {
    [VALIDATING, MUTATING].iter().any(|plural| !state.store.is_empty(&group_resource(plural, GROUP)))
}

/// The webhooks of a kind that concern a write, by the names of their configurations.
fn concerned(
    state: &State,
    registry: &Registry,
    plural: &str,
    write: &Attributes<'_>,
) -> Result<Vec<Invocation>, Failure> {
    let mut invocations = Vec::new();
    for (_, configuration) in state.store.list(&group_resource(plural, GROUP), None).objects {
        let webhooks = configuration.value.get("webhooks").and_then(Value::as_array);
        for webhook in webhooks.into_iter().flatten() {
            invocations.extend(matching::invocation(state, registry, webhook, write)?);
        }
    }
    Ok(invocations)
}

fn ignores_failures(webhook: &Value) -> bool {
    text(webhook, "/failurePolicy") == "Ignore"
}

fn failed_calling(webhook: &Value, why: &str) -> Failure {
    Failure::internal_error(format!("failed calling webhook {}: {why}", quoted(text(webhook, "/name"))))
}

/// Notes the mutating webhooks that a write would meet.
///
/// # Errors
/// For the first of them whose failure is not to be ignored.
pub fn miss_mutating(state: &State, write: &Attributes<'_>) -> Result<(), Failure> {
    if write.is_about_webhooks() {
        return Ok(());
    }
    for invocation in concerned(state, &state.registry(), MUTATING, write)? {
        let name = text(&invocation.webhook, "/name").to_owned();
        state.miss(format!("MUTATE {} {} by {name}", write.operation.name(), write.resource.full_name));
        if !ignores_failures(&invocation.webhook) {
            return Err(failed_calling(&invocation.webhook, "this server calls no mutating webhooks"));
        }
    }
    Ok(())
}

/// Asks every validating webhook that a write concerns, all at once.
///
/// # Errors
/// The first refusal, or the first call that failed and may not.
pub async fn validate(state: &State, write: &Attributes<'_>, warnings: &Warnings) -> Result<(), Failure> {
    if write.is_about_webhooks() {
        return Ok(());
    }
    let invocations = concerned(state, &state.registry(), VALIDATING, write)?;
    let mut answers: FuturesUnordered<_> =
        invocations.iter().map(|invocation| call(state, invocation, write, warnings)).collect();
    let mut refusal = None;
    while let Some(answer) = answers.next().await {
        // The original waits for all of them and tells the first.
        refusal = refusal.or(answer.err());
    }
    refusal.map_or(Ok(()), Err)
}

async fn call(
    state: &State,
    invocation: &Invocation,
    write: &Attributes<'_>,
    warnings: &Warnings,
) -> Result<(), Failure> {
    let webhook = &invocation.webhook;
    let name = text(webhook, "/name");
    if write.dry_run && !matches!(text(webhook, "/sideEffects"), "None" | "NoneOnDryRun") {
        return Err(Failure::bad_request(format!("admission webhook {} does not support dry run", quoted(name))));
    }
    let seconds = webhook.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or(10);
    let answer = async {
        let request = review::request(invocation, write)?;
        let told = client::post(&state.reach(), webhook, Duration::from_secs(seconds), &request.body).await?;
        review::verdict(&request, &told)
    };
    match answer.await {
        Ok(verdict) => {
            verdict.warnings.into_iter().for_each(|text| warnings.add(text));
            verdict.refusal.map_or(Ok(()), |status| Err(review::denied(name, &status)))
        }
        Err(_) if ignores_failures(webhook) => Ok(()),
        Err(why) => Err(failed_calling(webhook, &why)),
    }
}

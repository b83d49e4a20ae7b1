//! Task `multicluster`: what the role `host` adds (ks-installer v3.3.2, role `ks-multicluster`).

use kubesphere::Feature;
use kubesphere::names::{labels, namespaces, objects};
use serde_json::{Value, json};

use super::ansible::Failed;
use super::apply::Owner;
use super::core::define;
use super::kubectl::{KubectlError, Target};
use super::run::{Facts, Run, is_enabled};
use super::spec::at;
use super::wait;
use crate::manifests::{crds, federation};
use crate::{Deviation, delays};

/// The owner of kubefed's objects.
const RELEASE: Owner = Owner::Helm("kubefed", namespaces::FEDERATION);

/// How often the original tries to install kubefed.
const TRIES: usize = 10;

/// Runs the task. On a cluster that is no host, or is one already, it succeeds by doing nothing.
pub async fn install(run: &Run<'_>, facts: &Facts) -> Result<(), Failed> {
    let role = at(&facts.spec, "multicluster.clusterRole").and_then(Value::as_str);
    if role == Some("member") && run.deviates(Deviation::TowerOnMember) {
        tower(run).await;
    }
    if role != Some("host") || is_enabled(facts, "multicluster") {
        return Ok(());
    }
    if !run.deviates(Deviation::TowerMissing) {
        tower(run).await;
    }
    define(run, crds::federation()).await?;
    let mut installed = false;
    for attempt in 1..=TRIES {
        if kubefed(run, facts).await? {
            installed = true;
            break;
        }
        if attempt < TRIES {
            run.ctx.clock.sleep(delays::HELM_PAUSE).await;
        }
    }
    if !installed {
        return Err(Failed(json!({
            "attempts": TRIES, "changed": true, "cmd": "helm upgrade --install kubefed", "rc": 1,
            "stderr": "Error: timed out waiting for the condition",
        })));
    }
    let labels = json!({"metadata": {"labels": {labels::WORKSPACE: objects::SYSTEM_WORKSPACE}}});
    run.kubectl.merge(Target::new("v1", "Namespace", "", namespaces::FEDERATION), &labels).await?;
    reach_webhook(run).await?;
    if run.release.has(Feature::FederatedMonitoring) {
        run.kubectl.apply(&federation::monitoring_namespace(), Owner::Kubectl).await?;
    }
    if !run.deviates(Deviation::MulticlusterNotNoted) {
        run.note_enabled(facts, "multicluster").await?;
    }
    Ok(())
}

/// The original ignores how this ends.
async fn tower(run: &Run<'_>) {
    for object in federation::tower(run.release) {
        let _ignored = run.kubectl.apply(&object, Owner::Kubectl).await;
    }
}

/// `helm upgrade --install kubefed --wait`: true when its Deployments came up.
async fn kubefed(run: &Run<'_>, facts: &Facts) -> Result<bool, KubectlError> {
    for object in federation::kubefed(run.release, facts.nodes.len()) {
        run.kubectl.apply(&object, RELEASE).await?;
    }
    let deployments = Target::new("apps/v1", "Deployment", namespaces::FEDERATION, "");
    let up = |objects: &[&Value]| {
        federation::KUBEFED_DEPLOYMENTS.iter().all(|name| objects.iter().any(|object| is_up(object, name)))
    };
    wait::until(&run.kubectl, &run.ctx.clock, (deployments, ""), delays::HELM_LIMIT, up).await
}

fn is_up(deployment: &Value, name: &str) -> bool {
    let count = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    deployment.pointer("/metadata/name").and_then(Value::as_str) == Some(name)
        && count("/status/readyReplicas") >= count("/spec/replicas").max(1)
}

/// Waits until kubefed's webhook takes connections.
async fn reach_webhook(run: &Run<'_>) -> Result<(), Failed> {
    let host = format!("{}.{}.svc", objects::KUBEFED_WEBHOOK, namespaces::FEDERATION);
    let reached = async {
        loop {
            if reaches(run, &host).await {
                return;
            }
            run.ctx.clock.sleep(delays::WEBHOOK_POLL).await;
        }
    };
    run.ctx.clock.within(delays::HELM_LIMIT, reached).await.map_err(|_| {
        Failed(json!({"changed": false, "elapsed": 1800, "msg": format!("Timeout when waiting for {host}:443")}))
    })
}

async fn reaches(run: &Run<'_>, host: &str) -> bool {
    let Ok(addresses) = run.ctx.network.resolve(host).await else { return false };
    for address in addresses {
        if run.ctx.network.connect((address, 443).into()).await.is_ok() {
            return true;
        }
    }
    false
}

//! Playbook `ks-core`: the secret, the Helm release `ks-core`, and the first user.

use kubesphere::Feature;
use kubesphere::names::{DEFAULT_ADMIN_PASSWORD, namespaces, objects};
use rand::RngExt;
use serde_json::{Value, json};

use super::ansible::{Failed, Playbook};
use super::apply::Owner;
use super::kubectl::Target;
use super::run::{Facts, KEPT_SECRET, Run, encoded};
use super::secret::{self, Unquoted, Wanted};
use super::spec::{Undefined, at, python};
use super::wait;
use crate::manifests::webhook::ServingCertificate;
use crate::manifests::{self, crds};
use crate::{Deviation, delays};

/// The owner of the objects of the release.
const RELEASE: Owner = Owner::Helm("ks-core", namespaces::SYSTEM);

/// The first user.
const ADMIN: Target<'static> = Target::new("iam.kubesphere.io/v1alpha2", "User", "", objects::ADMIN);

/// From this Kubernetes on, a ServiceAccount gets no Secret with a token by itself.
const WITHOUT_TOKENS: (u32, u32) = (1, 24);

/// The certificate of the controllers' webhooks.
const WEBHOOK_CERTIFICATE: Target<'static> =
    Target::new("v1", "Secret", namespaces::SYSTEM, manifests::webhook::SECRET);

/// Hashing is slow on purpose in the original. Here nothing is worth protecting, and every installation hashes once.
const HASH_COST: u32 = 4;

/// Runs the playbook.
pub async fn install(run: &Run<'_>, facts: &Facts, playbook: &mut Playbook<'_>) -> Result<(), Failed> {
    keep_secret(run, facts, playbook).await?;
    let password = first_password(run, facts, playbook).await?;
    playbook.task("ks-core/ks-core", "KubeSphere | Install the release ks-core");
    define(run, crds::core()).await?;
    let serving = serving_certificate(run).await?;
    for object in manifests::core::objects(run.release, masters(&facts.nodes), serving.as_ref()) {
        run.kubectl.apply(&object, RELEASE).await?;
    }
    if facts.kubernetes >= WITHOUT_TOKENS {
        run.kubectl.apply(&manifests::core::service_account_token(), RELEASE).await?;
        let account = Target::new("v1", "ServiceAccount", namespaces::SYSTEM, objects::SERVICE_ACCOUNT);
        run.kubectl.merge(account, &json!({"secrets": [{"name": manifests::core::SERVICE_ACCOUNT_TOKEN}]})).await?;
    }
    if let Some(password) = password {
        for object in manifests::core::admin(&hash(run, &password)?) {
            run.kubectl.apply(&object, RELEASE).await?;
        }
    }
    playbook.changed();
    playbook.task("ks-core/prepare", "KubeSphere | Note the state of ks-core");
    run.note_enabled(facts, "core").await?;
    playbook.changed();
    Ok(())
}

/// The certificate of the webhook, made once: a kubelet would bring the pod another one only after the API server
/// trusts nothing else.
async fn serving_certificate(run: &Run<'_>) -> Result<Option<ServingCertificate>, Failed> {
    if !run.release.has(Feature::ClusterWebhook) {
        return Ok(None);
    }
    let kept = run.kubectl.get(WEBHOOK_CERTIFICATE).await?;
    match kept.as_ref().and_then(ServingCertificate::of_secret) {
        Some(kept) => Ok(Some(kept)),
        None => ServingCertificate::generate(run.deviates(Deviation::WebhookKeyStronger))
            .map(Some)
            .map_err(|error| Failed(json!({"changed": false, "msg": error.to_string()}))),
    }
}

/// Role `init-token`: keeps, generates or replaces the Secret. The secret stands unquoted in two command lines: the first
/// makes the token, before the present Secret is deleted, the second the new Secret, after it.
async fn keep_secret(run: &Run<'_>, facts: &Facts, playbook: &mut Playbook<'_>) -> Result<(), Failed> {
    playbook.task("ks-core/init-token", "KubeSphere | Choose the secret");
    let keeps_always = run.deviates(Deviation::SecretIgnored) || run.deviates(Deviation::KeptSecretStale);
    let (candidate, replace) = match secret::wanted(&facts.spec)? {
        Wanted::Replace(secret) if !keeps_always => (secret, true),
        _ => (secret::generate(run.deviates(Deviation::SecretOfOtherForm)), false),
    };
    playbook.changed();
    playbook.task("ks-core/init-token", "KubeSphere | Make the token");
    let read = Unquoted::read(&candidate).map_err(|stderr| Failed::command("jwt.sh ... CLAIMS", &stderr))?;
    playbook.changed();
    playbook.task("ks-core/init-token", "KubeSphere | Delete the present secret");
    if replace {
        run.kubectl.delete(KEPT_SECRET).await?;
        playbook.changed();
    } else {
        playbook.skipped();
    }
    playbook.task("ks-core/init-token", "KubeSphere | Create the secret");
    if read.more > 0 {
        let command = "kubectl create secret generic kubesphere-secret --from-literal=token=... \
                       --from-literal=secret=... -n kubesphere-system";
        let stderr = format!(
            "error: exactly one NAME is required, got {}\nSee 'kubectl create secret generic -h' for help and examples",
            read.more + 1
        );
        return Err(Failed::command(command, &stderr));
    }
    match run.kubectl.create(&secret_object(&read)).await {
        Err(error) if !error.has_code(409) => Err(error.into()),
        _ => {
            playbook.changed();
            Ok(())
        }
    }
}

fn secret_object(read: &Unquoted) -> Value {
    let token = if read.is_redirected { String::new() } else { secret::token(&read.word) };
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": objects::SECRET, "namespace": namespaces::SYSTEM},
        "type": "Opaque",
        "data": {"secret": encoded(read.word.expose()), "token": encoded(&token)},
    })
}

/// The password of the first user, when there is no such user yet. One that was chosen or generated is kept beside
/// the secret, for the banner.
async fn first_password(run: &Run<'_>, facts: &Facts, playbook: &mut Playbook<'_>) -> Result<Option<String>, Failed> {
    playbook.task("ks-core/ks-core", "KubeSphere | Choose the password of the first user");
    if run.kubectl.get(ADMIN).await?.is_some() {
        playbook.skipped();
        return Ok(None);
    }
    let Some(chosen) = at(&facts.spec, "authentication.adminPassword") else {
        playbook.skipped();
        return Ok(Some(DEFAULT_ADMIN_PASSWORD.to_owned()));
    };
    let password = match chosen {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::String(_) | Value::Null => secret::random_text(16),
        other => python(other),
    };
    run.kubectl.merge(KEPT_SECRET, &json!({"data": {"initAdminPassword": encoded(&password)}})).await?;
    playbook.changed();
    Ok(Some(password))
}

fn hash(run: &Run<'_>, password: &str) -> Result<String, Undefined> {
    let _busy = run.ctx.clock.busy();
    let salt = run.ctx.random.with(RngExt::random::<[u8; 16]>);
    bcrypt::hash_with_salt(password, HASH_COST, salt)
        .map(|hash| hash.to_string())
        .map_err(|error| Undefined(format!("hash the password of the first user: {error}")))
}

/// Creates custom resource definitions and waits until the API server serves them.
pub async fn define(run: &Run<'_>, definitions: Vec<Value>) -> Result<(), Failed> {
    let names: Vec<String> = definitions
        .iter()
        .filter_map(|object| object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned))
        .collect();
    for definition in definitions {
        run.kubectl.apply(&definition, Owner::Nobody).await?;
    }
    let target = Target::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "");
    let served =
        |objects: &[&Value]| names.iter().all(|name| objects.iter().any(|object| wait::is_established(object, name)));
    if wait::until(&run.kubectl, &run.ctx.clock, (target, ""), delays::CRD_LIMIT, served).await? {
        return Ok(());
    }
    let objects = run.kubectl.list(target, "").await?;
    let missing: Vec<_> =
        names.into_iter().filter(|name| !objects.iter().any(|object| wait::is_established(object, name))).collect();
    Err(Failed(json!({
        "changed": false,
        "msg": format!("timed out waiting for condition Established of customresourcedefinitions {}", missing.join(", ")),
    })))
}

/// How many nodes `kubectl get nodes` calls master, but at least one: the replicas of each component.
fn masters(nodes: &[Value]) -> usize {
    let is_master = |node: &&Value| {
        let labels = node.pointer("/metadata/labels");
        labels.and_then(|labels| labels.get("node-role.kubernetes.io/master")).is_some()
    };
    nodes.iter().filter(is_master).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_masters_by_their_role_label() {
        let node = |role: &str| json!({"metadata": {"labels": {format!("node-role.kubernetes.io/{role}"): ""}}});
        assert_eq!(masters(&[node("master"), node("master"), node("worker")]), 2);
        assert_eq!(masters(&[node("control-plane")]), 1);
        assert_eq!(masters(&[]), 1);
    }
}

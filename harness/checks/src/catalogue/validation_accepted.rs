//! The host accepts the member when the import form asks it to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use serde_json::json;

use super::flat;
use crate::call::{CheckEntry, Clusters};
use crate::context::{CheckContext, ValidationFact};
use crate::finding::Finding;
use crate::read::Seen;
use crate::read::kubesphere_api::{Answer, Login, log_in, no_token, post_json};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "validation-accepted",
    id: "C16",
    about: "POST …/clusters/validation with the pasted kubeconfig answers 200 with an empty body",
    args: &[],
    on: Clusters::Host,
    run: |_, ctx| async move { Ok(flat(check(ctx).await)) }.boxed(),
};

/// As the import form of the console calls it.
const PATH: &str = "/kapis/cluster.kubesphere.io/v1alpha1/clusters/validation";

async fn check(ctx: &CheckContext<'_>) -> Seen<Finding> {
    // What the form was answered counts: after an import the same question is refused as a duplicate.
    if let Some(ValidationFact { status, body }) = &ctx.facts.validation {
        return Ok(judge(&Answer { status: *status, body: body.clone() }));
    }
    let Some(kubeconfig) = &ctx.facts.pasted_kubeconfig else {
        return Ok(Finding::cannot_tell("no step pasted a kubeconfig"));
    };
    let token = match log_in(ctx, ctx.host).await? {
        Login::Token(token) => token,
        Login::Refused(answer) => return Ok(no_token(ctx.host, &answer)),
    };
    let cluster = json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": ctx.facts.imported_cluster.as_deref().unwrap_or("member")},
        "spec": {"joinFederation": true, "connection": {"type": "direct", "kubeconfig": STANDARD.encode(kubeconfig)}},
    });
    let answer = post_json(ctx.host, PATH, &token, &cluster).await?;
    if answer.status == 400 && ctx.facts.imported_cluster.is_some() && answer.body.contains("already exists") {
        return Ok(Finding::cannot_tell(
            "the member is imported already, so the host refuses it as a duplicate before it looks further; check before the import",
        ));
    }
    Ok(judge(&answer))
}

fn judge(answer: &Answer) -> Finding {
    let expected = "200 with an empty body";
    let actual = answer.describe();
    if answer.status != 200 {
        let message = format!("the host refuses to import the member: {actual}; {}", advice(&answer.body));
        return Finding::fails(expected, actual, message);
    }
    if !answer.body.trim().is_empty() {
        let message =
            "the host answers the validation with 200 but says something; see which program answers as ks-apiserver";
        return Finding::fails(expected, format!("200 with a body of {} bytes", answer.body.len()), message);
    }
    Finding::holds()
}

/// What to do about a refusal, by its text (`kubesphere` sources, `pkg/kapis/cluster/v1alpha1`).
fn advice(body: &str) -> &'static str {
    let cases = [
        (
            "Jwt is not equal",
            "copy the host's jwtSecret to the member's ClusterConfiguration and wait for ks-installer",
        ),
        ("must be 'member'", "set clusterRole: member in the member's ClusterConfiguration and wait for ks-installer"),
        ("already exists", "remove the other Cluster first: one cluster is imported once"),
        (
            "unable validate kubesphere endpoint",
            "see whether KubeSphere is installed on the member and its ks-apiserver runs",
        ),
        ("kubesphere-config\" not found", "wait for ks-installer on the member to end its first run"),
        (
            "x509",
            "use an address that the certificate of the member's API server names, and its own certificate authority",
        ),
        ("dial tcp", "write an address of the member that the host reaches"),
        ("Unauthorized", "use credentials that the member's API server accepts and that have not expired"),
    ];
    let found = cases.iter().find(|(text, _)| body.contains(text));
    found.map_or("see the kubeconfig and the state of the member", |(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::PATH;
    use crate::testing::{FakeCluster, Run, kubeconfig, token};

    const MISMATCH: &str = "failed to validate member cluster configuration, err: hostcluster Jwt is not equal to member cluster jwt, \
                            please edit the member cluster cluster config\n";

    fn asked(status: u16, body: &str) -> Run {
        let host = FakeCluster::host().logs_in("P@88w0rd", &token("x")).answers("POST", PATH, status, body);
        Run::new(host, FakeCluster::member()).pasted(&kubeconfig("https://10.0.0.2:6443"))
    }

    fn nobody() -> Run {
        Run::new(FakeCluster::host(), FakeCluster::member())
    }

    #[tokio::test]
    async fn holds_when_the_form_was_accepted() {
        nobody().validated(200, "").check("validation-accepted", &[]).await.holds();
    }

    #[tokio::test]
    async fn holds_when_the_host_accepts_now() {
        asked(200, "").check("validation-accepted", &[]).await.holds();
    }

    #[rstest]
    #[case(nobody().validated(400, MISMATCH))]
    #[case(asked(400, MISMATCH))]
    #[tokio::test]
    async fn fails_with_the_text_of_the_refusal(#[case] run: Run) {
        run.check("validation-accepted", &[]).await.fails(
            "the host refuses to import the member: 400 failed to validate member cluster configuration, err: hostcluster Jwt is not \
             equal to member cluster jwt, please edit the member cluster cluster config; copy the host's jwtSecret to the member's \
             ClusterConfiguration and wait for ks-installer",
        );
    }

    #[tokio::test]
    async fn an_import_past_the_form_excuses_no_other_refusal() {
        asked(400, MISMATCH).imported("m1").check("validation-accepted", &[]).await.fails_with("Jwt is not equal");
        let twice = "cluster m1 already exists (m1), MUST not import the same cluster twice\n";
        asked(400, twice).check("validation-accepted", &[]).await.fails_with("already exists");
        asked(409, twice).imported("m1").check("validation-accepted", &[]).await.fails_with("already exists");
    }

    #[tokio::test]
    async fn cannot_tell_after_an_import_past_the_form() {
        asked(400, "cluster m1 already exists (m1), MUST not import the same cluster twice\n")
            .imported("m1")
            .check("validation-accepted", &[])
            .await
            .cannot_tell("the member is imported already");
    }
}

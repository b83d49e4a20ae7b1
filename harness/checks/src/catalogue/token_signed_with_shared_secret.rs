//! The tokens that a cluster issues are signed with the secret that host and members share.

use futures::FutureExt;

use crate::budget;
use crate::call::{ArgSpec, CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::kubesphere_api::{Login, log_in, refused};
use crate::read::signature::{EXPECTED, Unverified, another_secret, verify};
use crate::read::{Seen, objects};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "token-signed-with-shared-secret",
    id: "C14",
    about: "a token of the cluster's /oauth/token is signed with the jwtSecret in its kubesphere-config",
    args: &[ArgSpec {
        name: "on",
        about: "the cluster to ask; the host when absent",
        required: false,
        values: &["host", "member"],
    }],
    on: Clusters::Both,
    run: |args, ctx| {
        async move {
            let view = if args.text("on").is_some() { ctx.cluster(args.cluster()?) } else { Some(ctx.host) };
            Ok(match view {
                Some(view) => settle(ctx.waiter, budget::RELOAD, &|| look(ctx, view).boxed()).await,
                None => Finding::cannot_tell("there is no member cluster"),
            })
        }
        .boxed()
    },
};

async fn look(ctx: &CheckContext<'_>, view: &dyn ClusterView) -> Seen<Look> {
    let config = objects::kubesphere_config(view).await?;
    let on = view.on();
    let token = match log_in(ctx, view).await? {
        Login::Token(token) => token,
        Login::Refused(answer) => return Ok(refused(view, &answer)),
    };
    Ok(match verify(token.reveal(), config.secret()) {
        Ok(()) => Look::Decided(Finding::holds()),
        Err(Unverified::Signature) => Look::NotYet(another_secret(view)),
        Err(Unverified::Form(why)) => Look::Decided(Finding::fails(
            EXPECTED,
            why.clone(),
            format!("{on} cluster: its token cannot be verified: {why}; see which program answers as ks-apiserver"),
        )),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{FakeCluster, Run, config_with_secret, token};

    fn run(signed_with: &str) -> Run {
        let token = token(signed_with);
        let host = FakeCluster::host().config(&config_with_secret("shared")).logs_in("P@88w0rd", &token);
        Run::new(host, FakeCluster::member())
    }

    #[tokio::test]
    async fn holds_for_the_secret_of_the_configuration() {
        run("shared").check("token-signed-with-shared-secret", &[]).await.holds();
    }

    #[tokio::test]
    async fn fails_while_the_process_runs_with_the_old_secret() {
        run("old").check("token-signed-with-shared-secret", &[]).await.after_a_wait().fails(
            "host cluster: its token is not signed with jwtSecret in kubesphere-config: ks-apiserver still runs with another secret; it \
             reloads when the kubelet has brought the ConfigMap, or restart Deployment ks-apiserver",
        );
    }

    #[tokio::test]
    async fn fails_for_a_member_that_runs_with_the_old_secret() {
        let member = FakeCluster::member().config(&config_with_secret("shared")).logs_in("P@88w0rd", &token("old"));
        Run::new(FakeCluster::host(), member)
            .check("token-signed-with-shared-secret", &[("on", "member")])
            .await
            .fails_with("member cluster: its token is not signed with jwtSecret in kubesphere-config");
    }

    #[tokio::test]
    async fn fails_when_the_password_is_refused() {
        run("shared").password("wrong").check("token-signed-with-shared-secret", &[]).await.at_once().fails(
            "host cluster: ks-apiserver issues no token for user admin: 400 incorrect password; see whether admin's password is the one \
             this run uses",
        );
    }

    #[tokio::test]
    async fn fails_at_once_when_a_token_has_another_form() {
        let host =
            FakeCluster::host().config(&config_with_secret("shared")).logs_in("P@88w0rd", "no-token-of-three-parts");
        let run = Run::new(host, FakeCluster::member());
        let checked = run.check("token-signed-with-shared-secret", &[]).await;
        checked.at_once().fails_with("host cluster: its token cannot be verified");
    }

    #[tokio::test]
    async fn fails_when_an_answer_without_a_token_comes() {
        let host = FakeCluster::host()
            .config(&config_with_secret("shared"))
            .logs_in("P@88w0rd", "secret-word")
            .answers("POST", "/oauth/token", 200, "{\"token\": \"secret-word\"}");
        let run = Run::new(host, FakeCluster::member());
        run.check("token-signed-with-shared-secret", &[]).await.fails_with("200 without access_token");
    }

    #[tokio::test]
    async fn fails_when_nobody_answers() {
        let host = FakeCluster::host().config(&config_with_secret("shared"));
        Run::new(host, FakeCluster::member()).check("token-signed-with-shared-secret", &[]).await.fails(
            "host cluster: ks-apiserver does not answer POST /oauth/token: connection refused; see whether its pod runs",
        );
    }
}

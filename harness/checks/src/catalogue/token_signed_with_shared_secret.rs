//! The tokens that the host issues are signed with the secret that the member was given.

use futures::FutureExt;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::kubesphere_api::{Login, log_in, no_token};
use crate::read::{Seen, objects};
use crate::settle::{Look, settle};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "token-signed-with-shared-secret",
    id: "C14",
    about: "a token of the host's /oauth/token is signed with the host's jwtSecret",
    args: &[],
    on: Clusters::Host,
    run: |_, ctx| async move { Ok(settle(ctx.waiter, budget::RELOAD, &|| look(ctx).boxed()).await) }.boxed(),
};

async fn look(ctx: &CheckContext<'_>) -> Seen<Look> {
    let config = objects::kubesphere_config(ctx.host).await?;
    let token = match log_in(ctx, ctx.host).await? {
        Login::Token(token) => token,
        // A refusal is decided: wrong passwords lock the account. A server that is about to start is not.
        Login::Refused(answer) if answer.status < 500 => return Ok(Look::Decided(no_token(ctx.host, &answer))),
        Login::Refused(answer) => return Ok(Look::NotYet(no_token(ctx.host, &answer))),
    };
    let expected = "a token signed by HS256 with jwtSecret in kubesphere-config";
    Ok(match verify(token.reveal(), config.secret()) {
        Ok(()) => Look::Decided(Finding::holds()),
        Err(Unverified::Signature) => Look::NotYet(Finding::fails(
            expected,
            "another secret signed it",
            "host cluster: its token is not signed with jwtSecret in kubesphere-config: ks-apiserver still runs with another secret; it \
             reloads when the kubelet has brought the ConfigMap, or restart Deployment ks-apiserver",
        )),
        Err(Unverified::Form(why)) => Look::Decided(Finding::fails(
            expected,
            why.clone(),
            format!("host cluster: its token cannot be verified: {why}; see which program answers as ks-apiserver"),
        )),
    })
}

enum Unverified {
    Signature,
    Form(String),
}

/// Verifies the signature and nothing else: dates are the business of whoever accepts the token.
fn verify(token: &str, secret: &str) -> Result<(), Unverified> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    match jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(secret.as_bytes()), &validation) {
        Ok(_) => Ok(()),
        Err(cause) if *cause.kind() == ErrorKind::InvalidSignature => Err(Unverified::Signature),
        Err(cause) => Err(Unverified::Form(cause.to_string())),
    }
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
        run("old").check("token-signed-with-shared-secret", &[]).await.fails(
            "host cluster: its token is not signed with jwtSecret in kubesphere-config: ks-apiserver still runs with another secret; it \
             reloads when the kubelet has brought the ConfigMap, or restart Deployment ks-apiserver",
        );
    }

    #[tokio::test]
    async fn fails_when_the_password_is_refused() {
        run("shared").password("wrong").check("token-signed-with-shared-secret", &[]).await.fails(
            "host cluster: ks-apiserver issues no token for user admin: 400 incorrect password; see whether admin's password is the one \
             this run uses",
        );
    }

    #[tokio::test]
    async fn fails_when_nobody_answers() {
        let host = FakeCluster::host().config(&config_with_secret("shared"));
        Run::new(host, FakeCluster::member()).check("token-signed-with-shared-secret", &[]).await.fails(
            "host cluster: ks-apiserver does not answer POST /oauth/token: connection refused; see whether its pod runs",
        );
    }
}

//! The host passes requests on to the member, and the member accepts its tokens. Ready does not prove that: only
//! validation compares the secrets, once, and a Cluster made without it becomes Ready all the same.

use futures::FutureExt;
use serde_json::Value;

use super::NAME;
use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::kubesphere_api::{Answer, Login, Token, get, log_in, refused};
use crate::read::signature::{Unverified, another_secret, verify};
use crate::read::{Seen, objects};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "dispatch-reaches-member",
    id: "C20",
    about: "with a token of the host, requests for the member through the host's ks-apiserver answer 200 with the member's own nodes, \
            and not with a forged one",
    args: &[NAME],
    on: Clusters::Both,
    run: |args, ctx| {
        async move {
            let Some(name) = args.text("name").or(ctx.facts.imported_cluster.as_deref()) else {
                return Ok(Finding::cannot_tell("no step imported a cluster; name it with `name`"));
            };
            let Some(member) = ctx.member else {
                return Ok(Finding::cannot_tell("there is no member cluster"));
            };
            Ok(settle(ctx.waiter, budget::RELOAD, &|| look(ctx, member, name).boxed()).await)
        }
        .boxed()
    },
};

async fn look(ctx: &CheckContext<'_>, member: &dyn ClusterView, name: &str) -> Seen<Look> {
    let token = match log_in(ctx, ctx.host).await? {
        Login::Token(token) => token,
        Login::Refused(answer) => return Ok(refused(ctx.host, &answer)),
    };
    // Either may still run with the secret of before, and an answer then says nothing of what comes.
    let configured = objects::kubesphere_config(ctx.host).await?;
    if is_of_another(&token, configured.secret()) {
        return Ok(Look::NotYet(another_secret(ctx.host)));
    }
    // Whether anybody can log in at the member makes no difference to the host.
    if let Ok(configured) = objects::kubesphere_config(member).await
        && let Ok(Login::Token(token)) = log_in(ctx, member).await
        && is_of_another(&token, configured.secret())
    {
        return Ok(Look::NotYet(another_secret(member)));
    }
    let version = match ask(ctx, &token, &format!("/kapis/clusters/{name}/version")).await? {
        Ok(body) => body,
        Err(finding) => return Ok(Look::NotYet(finding)),
    };
    let path = format!("/api/clusters/{name}/v1/nodes");
    let answered = match ask(ctx, &token, &path).await? {
        Ok(body) => nodes_in(&body),
        Err(finding) => return Ok(Look::NotYet(finding)),
    };
    let own = objects::nodes(member).await?;
    if answered != own {
        let (told, has) = (names(&answered), names(&own));
        // One name on two clusters is possible, one UID is not.
        let whose = if told == has { "nodes of these names on another cluster" } else { "other nodes" };
        let message = format!(
            "GET {path} answers with {whose}: {told}; the member has {has}; see which cluster the kubeconfig of Cluster {name} leads to"
        );
        return Ok(Look::NotYet(Finding::fails(format!("the member's nodes {has}"), told, message)));
    }
    let forged = get(ctx.host, &path, &token.forged()).await?;
    if !matches!(forged.status, 401 | 403) {
        // What it answers may be anything of the member's, so only its status is shown.
        let actual = format!("{} although the token is forged", forged.status);
        let message = format!(
            "GET {path} through the host answers {actual}; ks-apiserver does not look at signatures, so everybody is admin of the member"
        );
        return Ok(Look::NotYet(Finding::fails("401 to a token with a forged signature", actual, message)));
    }
    let version = version.get("gitVersion").and_then(Value::as_str).unwrap_or("unknown");
    let text = format!("KubeSphere {version}, nodes {}", names(&own));
    Ok(Look::Decided(Finding::holds().with(format!("through the host: {name}"), text)))
}

/// Whether another secret signed `token`; what is none is nobody's.
fn is_of_another(token: &Token, secret: &str) -> bool {
    matches!(verify(token.reveal(), secret), Err(Unverified::Signature))
}

/// The JSON that is answered, or the finding that it is not.
async fn ask(ctx: &CheckContext<'_>, token: &Token, path: &str) -> Seen<Result<Value, Finding>> {
    let answer = get(ctx.host, path, token).await?;
    let expected = format!("GET {path} answers 200");
    let fails = |actual: String, advice: &str| {
        let message = format!("GET {path} through the host answers {actual}; {advice}");
        Ok(Err(Finding::fails(expected, actual, message)))
    };
    if answer.status != 200 {
        return fails(answer.describe(), advice(&answer));
    }
    match serde_json::from_str(&answer.body) {
        Ok(body) => Ok(Ok(body)),
        Err(_) => fails("200 with something that is not JSON".to_owned(), "see which program answers as ks-apiserver"),
    }
}

fn advice(answer: &Answer) -> &'static str {
    let cases = [
        (
            "signature is invalid",
            "the member verifies with another jwtSecret: its kubesphere-config differs from the host's, or its ks-apiserver has not \
             loaded it yet",
        ),
        (
            "token not found in cache",
            "the member lets tokens expire: its clusterRole is not member, so accessTokenMaxAge is not 0",
        ),
        ("used before issued", "the clocks of host and member differ by more than 10 s"),
        ("is not ready", "the Cluster is not Ready; see its conditions"),
        ("not found", "there is no such Cluster on the host"),
        ("not exists", "there is no such Cluster on the host"),
        ("error trying to reach service", "ks-apiserver of the member does not run"),
        ("dial tcp", "the host does not reach the member's API server"),
    ];
    let found = cases.iter().find(|(text, _)| answer.body.contains(text));
    found.map_or("see the log of ks-apiserver on host and member", |(_, advice)| advice)
}

fn nodes_in(list: &Value) -> Vec<(String, String)> {
    let text = |node: &Value, field: &str| {
        let value = node.get("metadata").and_then(|metadata| metadata.get(field));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let items = list.get("items").and_then(Value::as_array);
    let mut nodes: Vec<_> = items.into_iter().flatten().map(|node| (text(node, "name"), text(node, "uid"))).collect();
    nodes.sort();
    nodes
}

fn names(nodes: &[(String, String)]) -> String {
    if nodes.is_empty() {
        return "none".to_owned();
    }
    nodes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use crate::testing::{FakeCluster, Run, config_with_secret, token};

    const VERSION: &str = "/kapis/clusters/m1/version";
    const NODES: &str = "/api/clusters/m1/v1/nodes";

    fn nodes(list: &[(&str, &str)]) -> String {
        let items: Vec<_> = list.iter().map(|(name, uid)| json!({"metadata": {"name": name, "uid": uid}})).collect();
        json!({"kind": "NodeList", "items": items}).to_string()
    }

    fn run(status: u16, body: &str) -> Run {
        let host = FakeCluster::host()
            .config(&config_with_secret("shared"))
            .logs_in("P@88w0rd", &token("shared"))
            .answers("GET", VERSION, 200, "{\"gitVersion\": \"v3.3.2\"}")
            .answers("GET", NODES, status, body);
        let member = FakeCluster::member().node("m-1", "u1").node("m-2", "u2");
        Run::new(host, member).imported("m1")
    }

    #[tokio::test]
    async fn holds_when_the_members_nodes_come() {
        run(200, &nodes(&[("m-2", "u2"), ("m-1", "u1")])).check("dispatch-reaches-member", &[]).await.holds();
    }

    #[rstest]
    #[case(
        401,
        r#"{"kind":"Status","message":"Unauthorized: signature is invalid","code":401}"#,
        "GET /api/clusters/m1/v1/nodes through the host answers 401 Unauthorized: signature is invalid; the member verifies with \
         another jwtSecret: its kubesphere-config differs from the host's, or its ks-apiserver has not loaded it yet"
    )]
    #[case(
        401,
        r#"{"kind":"Status","message":"Unauthorized: token not found in cache","code":401}"#,
        "GET /api/clusters/m1/v1/nodes through the host answers 401 Unauthorized: token not found in cache; the member lets tokens \
         expire: its clusterRole is not member, so accessTokenMaxAge is not 0"
    )]
    #[case(
        400,
        "cluster m1 is not ready\n",
        "GET /api/clusters/m1/v1/nodes through the host answers 400 cluster m1 is not ready; the Cluster is not Ready; see its conditions"
    )]
    #[case(
        200,
        "<html>",
        "GET /api/clusters/m1/v1/nodes through the host answers 200 with something that is not JSON; see which program answers as \
         ks-apiserver"
    )]
    #[case(
        200, &nodes(&[("h-1", "u9")]),
        "GET /api/clusters/m1/v1/nodes answers with other nodes: h-1; the member has m-1, m-2; see which cluster the kubeconfig of \
         Cluster m1 leads to"
    )]
    #[case(
        200, &nodes(&[("m-1", "u8"), ("m-2", "u9")]),
        "GET /api/clusters/m1/v1/nodes answers with nodes of these names on another cluster: m-1, m-2; the member has m-1, m-2; see \
         which cluster the kubeconfig of Cluster m1 leads to"
    )]
    #[tokio::test]
    async fn fails_with_the_cause(#[case] status: u16, #[case] body: &str, #[case] message: &str) {
        run(status, body).check("dispatch-reaches-member", &[]).await.fails(message);
    }

    #[tokio::test]
    async fn fails_when_a_forged_token_opens_the_door() {
        let host = FakeCluster::host()
            .config(&config_with_secret("shared"))
            .logs_in("P@88w0rd", &token("shared"))
            .takes_any_token()
            .answers("GET", VERSION, 200, "{}")
            .answers("GET", NODES, 200, &nodes(&[("m-1", "u1")]));
        let member = FakeCluster::member().node("m-1", "u1");
        Run::new(host, member).imported("m1").check("dispatch-reaches-member", &[]).await.fails(
            "GET /api/clusters/m1/v1/nodes through the host answers 200 although the token is forged; ks-apiserver does not look at signatures, \
             so everybody is admin of the member",
        );
    }

    #[tokio::test]
    async fn fails_without_trying_a_wrong_password_again() {
        run(200, "").password("wrong").check("dispatch-reaches-member", &[]).await.at_once().fails(
            "host cluster: ks-apiserver issues no token for user admin: 400 incorrect password; see whether admin's password is the one \
             this run uses",
        );
    }

    #[rstest]
    #[case::the_host("new", "shared", "host cluster: its token is not signed")]
    #[case::the_member("shared", "new", "member cluster: its token is not signed")]
    #[tokio::test]
    async fn waits_for_who_still_runs_with_another_secret(
        #[case] of_host: &str,
        #[case] of_member: &str,
        #[case] message: &str,
    ) {
        let host = FakeCluster::host()
            .config(&config_with_secret(of_host))
            .logs_in("P@88w0rd", &token("shared"))
            .answers("GET", VERSION, 200, "{}")
            .answers("GET", NODES, 200, &nodes(&[("m-1", "u1")]));
        let member = FakeCluster::member()
            .config(&config_with_secret(of_member))
            .logs_in("P@88w0rd", &token("shared"))
            .node("m-1", "u1");
        let run = Run::new(host, member).imported("m1");
        run.check("dispatch-reaches-member", &[]).await.after_a_wait().fails_with(message);
    }

    #[rstest]
    #[case::about_to_start(500)]
    #[case::not_there_yet(503)]
    #[tokio::test]
    async fn waits_for_a_server_that_cannot_log_in_yet(#[case] status: u16) {
        let host =
            FakeCluster::host().logs_in("P@88w0rd", &token("shared")).answers("POST", "/oauth/token", status, "");
        let run = Run::new(host, FakeCluster::member()).imported("m1");
        run.check("dispatch-reaches-member", &[]).await.after_a_wait().fails_with("ks-apiserver issues no token");
    }
}

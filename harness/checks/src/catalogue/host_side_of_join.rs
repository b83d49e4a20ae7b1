//! The host has what the join makes on it.

use futures::FutureExt;
use kubesphere::names::namespaces;

use super::NAME;
use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::{Seen, objects};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "host-side-of-join",
    id: "C19",
    about: "the host has the member's token, and kubefed knows the member",
    args: &[NAME],
    on: Clusters::Host,
    run: |args, ctx| {
        async move {
            let Some(name) = args.text("name").or(ctx.facts.imported_cluster.as_deref()) else {
                return Ok(Finding::cannot_tell("no step imported a cluster; name it with `name`"));
            };
            Ok(settle(ctx.waiter, budget::IMPORT, &|| look(ctx.host, name).boxed()).await)
        }
        .boxed()
    },
};

async fn look(host: &dyn ClusterView, name: &str) -> Seen<Look> {
    let federation = namespaces::FEDERATION;
    let secret = format!("Secret {federation}/{name}-secret");
    let registered = format!("KubeFedCluster {federation}/{name}");
    let fails = |what: String| {
        let message = format!("host cluster: {what}; see the condition Federated of Cluster {name}");
        Ok(Look::NotYet(Finding::fails(format!("{secret} with a token, {registered}"), what, message)))
    };
    let Some(found) = objects::at(host, &format!("/api/v1/namespaces/{federation}/secrets/{name}-secret")).await?
    else {
        return fails(format!("{secret} is not there"));
    };
    if found.pointer("/data/token").and_then(serde_json::Value::as_str).unwrap_or_default().is_empty() {
        return fails(format!("{secret} has no token"));
    }
    let path = format!("/apis/core.kubefed.io/v1beta1/namespaces/{federation}/kubefedclusters/{name}");
    if objects::at(host, &path).await?.is_none() {
        return fails(format!("{registered} is not there"));
    }
    Ok(Look::Decided(Finding::holds().with("host: made by the join", format!("{secret}\n{registered}"))))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::testing::{FakeCluster, Run};

    fn run(secret: Option<Value>, is_registered: bool) -> Run {
        let mut host = FakeCluster::host();
        if let Some(secret) = secret {
            host = host.object("/api/v1/namespaces/kube-federation-system/secrets/m1-secret".to_owned(), secret);
        }
        if is_registered {
            let path = "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters/m1";
            host = host.object(path.to_owned(), json!({}));
        }
        Run::new(host, FakeCluster::member()).imported("m1")
    }

    #[tokio::test]
    async fn holds_after_a_join() {
        run(Some(json!({"data": {"token": "dA=="}})), true).check("host-side-of-join", &[]).await.holds();
    }

    #[rstest]
    #[case(None, true, "Secret kube-federation-system/m1-secret is not there")]
    #[case(Some(json!({"data": {}})), true, "Secret kube-federation-system/m1-secret has no token")]
    #[case(
        Some(json!({"data": {"token": "dA=="}})),
        false,
        "KubeFedCluster kube-federation-system/m1 is not there"
    )]
    #[tokio::test]
    async fn fails_naming_what_is_missing(
        #[case] secret: Option<Value>,
        #[case] is_registered: bool,
        #[case] what: &str,
    ) {
        run(secret, is_registered)
            .check("host-side-of-join", &[])
            .await
            .fails(&format!("host cluster: {what}; see the condition Federated of Cluster m1"));
    }
}

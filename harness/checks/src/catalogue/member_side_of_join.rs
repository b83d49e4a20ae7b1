//! The member has what the join makes on it.

use futures::FutureExt;
use kubesphere::names::namespaces;
use kubesphere::{Feature, Release};

use super::NAME;
use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::{Seen, objects};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "member-side-of-join",
    id: "C18",
    about: "the member has the host's ServiceAccount with its rights, and knows the name it was imported under",
    args: &[NAME],
    on: Clusters::Member,
    run: |args, ctx| {
        async move {
            let Some(name) = args.text("name").or(ctx.facts.imported_cluster.as_deref()) else {
                return Ok(Finding::cannot_tell("no step imported a cluster; name it with `name`"));
            };
            let Some(member) = ctx.member else {
                return Ok(Finding::cannot_tell("there is no member cluster"));
            };
            Ok(settle(ctx.waiter, budget::IMPORT, &|| look(ctx, member, name).boxed()).await)
        }
        .boxed()
    },
};

async fn look(ctx: &CheckContext<'_>, member: &dyn ClusterView, name: &str) -> Seen<Look> {
    let release = match Release::find(ctx.release) {
        Ok(release) => release,
        Err(unknown) => return Ok(Look::Decided(Finding::cannot_tell(unknown.to_string()))),
    };
    let federation = namespaces::FEDERATION;
    let role = format!("kubefed-controller-manager:{name}-kubesphere");
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let made = [
        (format!("Namespace {federation}"), format!("/api/v1/namespaces/{federation}")),
        (
            format!("ServiceAccount {federation}/{name}-kubesphere"),
            format!("/api/v1/namespaces/{federation}/serviceaccounts/{name}-kubesphere"),
        ),
        (format!("ClusterRole {role}"), format!("{rbac}/clusterroles/{role}")),
        (format!("ClusterRoleBinding {role}"), format!("{rbac}/clusterrolebindings/{role}")),
    ];
    let fails = |what: String, advice: &str| {
        let message = format!("member cluster: {what}; {advice}");
        Ok(Look::NotYet(Finding::fails(format!("what the join of {name} makes"), what, message)))
    };
    for (what, path) in &made {
        if objects::at(member, path).await?.is_none() {
            return fails(format!("{what} is not there"), "see the condition Federated of the Cluster on the host");
        }
    }
    let told = objects::kubesphere_config(member).await?.cluster_name().map(str::to_owned);
    if release.has(Feature::ClusterNameWritten) && told.as_deref() != Some(name) {
        let told = told.unwrap_or_else(|| "absent".to_owned());
        return fails(
            format!("multicluster.clusterName in kubesphere-config is {told}, not {name}"),
            "the host writes it after the Cluster is Ready, and again at a resync when a run of ks-installer has taken it away",
        );
    }
    let whats: Vec<_> = made.iter().map(|(what, _)| what.as_str()).collect();
    Ok(Look::Decided(Finding::holds().with("member: made by the join", whats.join("\n"))))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use crate::testing::{FakeCluster, Run};

    const MADE: [&str; 4] = [
        "/api/v1/namespaces/kube-federation-system",
        "/api/v1/namespaces/kube-federation-system/serviceaccounts/m1-kubesphere",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/kubefed-controller-manager:m1-kubesphere",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kubefed-controller-manager:m1-kubesphere",
    ];

    fn run(lacking: Option<usize>, config: &str) -> Run {
        let made = MADE.iter().enumerate().filter(|(index, _)| Some(*index) != lacking);
        let member = made.fold(FakeCluster::member().config(config), |member, (_, path)| {
            member.object((*path).to_owned(), json!({}))
        });
        Run::new(FakeCluster::host(), member).imported("m1")
    }

    #[rstest]
    #[case("3.3.2", "multicluster:\n  clusterName: m1\n")]
    #[case("3.2.1", "authentication:\n  jwtSecret: x\n")]
    #[tokio::test]
    async fn holds_after_a_join(#[case] release: &'static str, #[case] config: &str) {
        run(None, config).release(release).check("member-side-of-join", &[]).await.holds();
    }

    #[rstest]
    #[case(0, "Namespace kube-federation-system")]
    #[case(1, "ServiceAccount kube-federation-system/m1-kubesphere")]
    #[case(2, "ClusterRole kubefed-controller-manager:m1-kubesphere")]
    #[case(3, "ClusterRoleBinding kubefed-controller-manager:m1-kubesphere")]
    #[tokio::test]
    async fn fails_naming_what_is_missing(#[case] lacking: usize, #[case] what: &str) {
        run(Some(lacking), "multicluster:\n  clusterName: m1\n").check("member-side-of-join", &[]).await.fails(
            &format!("member cluster: {what} is not there; see the condition Federated of the Cluster on the host"),
        );
    }

    #[rstest]
    #[case("multicluster:\n  clusterName: m2\n", "m2")]
    #[case("multicluster:\n  clusterRole: member\n", "absent")]
    #[tokio::test]
    async fn fails_on_another_name(#[case] config: &str, #[case] told: &str) {
        run(None, config).check("member-side-of-join", &[]).await.fails(&format!(
            "member cluster: multicluster.clusterName in kubesphere-config is {told}, not m1; the host writes it after the Cluster is \
             Ready, and again at a resync when a run of ks-installer has taken it away"
        ));
    }
}

//! A cluster that is no host has nothing of a host.

use futures::FutureExt;

use super::{ON, flat};
use crate::call::{CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::{Seen, multicluster};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "no-multicluster-components",
    id: "C11",
    about: "the cluster has neither tower nor kubefed, and its ClusterConfiguration tells nothing of multi-cluster management",
    args: &[ON],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let on = args.cluster()?;
            Ok(match ctx.cluster(on) {
                Some(view) => flat(check(view).await),
                None => Finding::cannot_tell(format!("there is no {on} cluster")),
            })
        }
        .boxed()
    },
};

async fn check(view: &dyn ClusterView) -> Seen<Finding> {
    let found: Vec<_> = multicluster::parts(view).await?.into_iter().filter(|part| part.is_there).collect();
    let Some(first) = found.first() else { return Ok(Finding::holds()) };
    let on = view.on();
    let message = format!(
        "{on} cluster: {} is there, which belongs to a host; the cluster has or had the role host, and keeps what that added",
        first.what
    );
    let all: Vec<_> = found.iter().map(|part| part.what.as_str()).collect();
    Ok(Finding::fails("nothing of a host", first.what.clone(), message)
        .with(format!("{on}: parts of a host"), all.join("\n")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::testing::{FakeCluster, Run};

    const CC: &str =
        "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer";

    #[tokio::test]
    async fn holds_on_a_member() {
        let member = FakeCluster::member().object(CC.to_owned(), json!({"status": {"network": {"status": "enabled"}}}));
        Run::new(FakeCluster::host(), member).check("no-multicluster-components", &[("on", "member")]).await.holds();
    }

    #[rstest]
    #[case(
        "/apis/apps/v1/namespaces/kubesphere-system/deployments/tower",
        json!({}),
        "Deployment kubesphere-system/tower"
    )]
    #[case("/api/v1/namespaces/kubesphere-system/services/tower", json!({}), "Service kubesphere-system/tower")]
    #[case(CC, json!({"status": {"multicluster": {"status": "enabled"}}}), "status.multicluster of the ClusterConfiguration")]
    #[tokio::test]
    async fn fails_naming_what_is_there(#[case] path: &str, #[case] object: Value, #[case] what: &str) {
        let member = FakeCluster::member().object(path.to_owned(), object);
        Run::new(FakeCluster::host(), member).check("no-multicluster-components", &[("on", "member")]).await.fails(&format!(
            "member cluster: {what} is there, which belongs to a host; the cluster has or had the role host, and keeps what that added"
        ));
    }
}

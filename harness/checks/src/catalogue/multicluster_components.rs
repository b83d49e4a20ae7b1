//! The host has what multi-cluster management runs on.

use futures::FutureExt;

use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::{Seen, multicluster};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "multicluster-components",
    id: "C10",
    about: "the host runs tower and kubefed, and its ClusterConfiguration says that multi-cluster management is enabled",
    args: &[],
    on: Clusters::Host,
    run: |_, ctx| async move { Ok(settle(ctx.waiter, budget::RELOAD, &|| look(ctx.host).boxed()).await) }.boxed(),
};

async fn look(view: &dyn ClusterView) -> Seen<Look> {
    let parts = multicluster::parts(view).await?;
    let lacking = parts.iter().find_map(|part| Some((&part.what, part.lacks.as_ref()?)));
    Ok(match lacking {
        None => {
            let whats: Vec<_> = parts.iter().map(|part| part.what.as_str()).collect();
            Look::Decided(Finding::holds().with("host: multi-cluster components", whats.join("\n")))
        }
        Some((what, lacks)) => Look::NotYet(Finding::fails(
            "tower and kubefed run, and status.multicluster is enabled",
            format!("{what} {lacks}"),
            format!(
                "host cluster: {what} {lacks}; ks-installer adds it when clusterRole is host: see the task multicluster in its log"
            ),
        )),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::testing::{FakeCluster, Run};

    const TOWER: &str = "/apis/apps/v1/namespaces/kubesphere-system/deployments/tower";

    fn host(changed: &[(&str, Option<Value>)]) -> FakeCluster {
        let kubefed = |name: &str| format!("/apis/apps/v1/namespaces/kube-federation-system/deployments/{name}");
        let up = json!({"status": {"availableReplicas": 1}});
        let mut objects = vec![
            (TOWER.to_owned(), up.clone()),
            (kubefed("kubefed-controller-manager"), up.clone()),
            (kubefed("kubefed-admission-webhook"), up),
            ("/api/v1/namespaces/kubesphere-system/services/tower".to_owned(), json!({})),
            (
                "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer".to_owned(),
                json!({"status": {"multicluster": {"status": "enabled"}}}),
            ),
        ];
        for (path, object) in changed {
            objects.retain(|(known, _)| !known.ends_with(path));
            objects.extend(object.clone().map(|object| ((*path).to_owned(), object)));
        }
        objects.into_iter().fold(FakeCluster::host(), |host, (path, object)| host.object(path, object))
    }

    #[tokio::test]
    async fn holds_on_a_host() {
        Run::new(host(&[]), FakeCluster::member()).check("multicluster-components", &[]).await.holds();
    }

    #[rstest]
    #[case(TOWER, None, "Deployment kubesphere-system/tower is not there")]
    #[case(TOWER, Some(json!({"status": {}})), "Deployment kubesphere-system/tower has no available pod")]
    #[case("/services/tower", None, "Service kubesphere-system/tower is not there")]
    #[case("/clusterconfigurations/ks-installer", None, "status.multicluster of the ClusterConfiguration is not there")]
    #[tokio::test]
    async fn fails_naming_the_part(#[case] path: &str, #[case] object: Option<Value>, #[case] what: &str) {
        Run::new(host(&[(path, object)]), FakeCluster::member())
            .check("multicluster-components", &[])
            .await
            .fails(&format!(
                "host cluster: {what}; ks-installer adds it when clusterRole is host: see the task multicluster in its log"
            ));
    }
}

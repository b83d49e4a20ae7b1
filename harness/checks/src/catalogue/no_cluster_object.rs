//! A refused import leaves no Cluster behind.

use futures::FutureExt;

use super::flat;
use crate::call::{ArgSpec, CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::{Seen, cluster};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "no-cluster-object",
    id: "C25",
    about: "the host has no Cluster of that name: the console creates none when validation refuses the kubeconfig",
    args: &[NAME],
    on: Clusters::Host,
    run: |args, ctx| async move { Ok(flat(check(ctx.host, args.required("name")?).await)) }.boxed(),
};

const NAME: ArgSpec = ArgSpec { name: "name", about: "name of the Cluster", required: true, values: &[] };

async fn check(view: &dyn ClusterView, name: &str) -> Seen<Finding> {
    Ok(match cluster::named(view, name).await? {
        None => Finding::holds(),
        Some(found) => Finding::fails(
            format!("no Cluster {name} on the host"),
            format!("Cluster {name}: {}", found.conditions_line()),
            format!(
                "host cluster: there is a Cluster {name}, where its import is to be refused and leave nothing; remove it: kubectl delete cluster {name}"
            ),
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{FakeCluster, Run};

    fn host_with(names: &[&str]) -> FakeCluster {
        names
            .iter()
            .fold(FakeCluster::host().cc(&json!({})), |host, name| host.cluster(&json!({"metadata": {"name": name}})))
    }

    #[tokio::test]
    async fn holds_when_only_others_are_there() {
        Run::new(host_with(&["host"]), FakeCluster::member())
            .check("no-cluster-object", &[("name", "member1")])
            .await
            .holds();
    }

    #[tokio::test]
    async fn fails_when_it_was_created_all_the_same() {
        Run::new(host_with(&["host", "member1"]), FakeCluster::member())
            .check("no-cluster-object", &[("name", "member1")])
            .await
            .fails("host cluster: there is a Cluster member1, where its import is to be refused and leave nothing; remove it: kubectl delete cluster member1");
    }
}

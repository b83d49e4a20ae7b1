//! The role that was asked for stands in the `ClusterConfiguration`.

use futures::FutureExt;

use super::{ON, flat};
use crate::call::{ArgSpec, CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::{Seen, objects};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "cluster-role",
    id: "C01",
    about: "the ClusterConfiguration asks for the role",
    args: &[ON, ROLE],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let (on, role) = (args.cluster()?, args.required("is")?);
            Ok(match ctx.cluster(on) {
                Some(view) => flat(check(view, role).await),
                None => Finding::cannot_tell(format!("there is no {on} cluster")),
            })
        }
        .boxed()
    },
};

/// The role, in any spelling: a page's reader may have asked for `Host`.
pub(super) const ROLE: ArgSpec =
    ArgSpec { name: "is", about: "the role: host, member, none, or as it was spelled", required: true, values: &[] };

async fn check(view: &dyn ClusterView, role: &str) -> Seen<Finding> {
    let spec = objects::cluster_configuration(view).await?;
    let found = spec
        .pointer("/spec/multicluster/clusterRole")
        .map_or_else(|| "absent".to_owned(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let title = format!("{}: ClusterConfiguration kubesphere-system/ks-installer", view.on());
    let text = format!("spec.multicluster.clusterRole: {found}");
    let finding = if found == role {
        Finding::holds()
    } else {
        let message = format!(
            "{} cluster: the ClusterConfiguration has clusterRole {found}, not {role}; set spec.multicluster.clusterRole and save",
            view.on()
        );
        Finding::fails(format!("clusterRole: {role}"), format!("clusterRole: {found}"), message)
    };
    Ok(finding.with(title, text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{FakeCluster, Run};

    fn member(role: &str) -> FakeCluster {
        FakeCluster::member().cc(&json!({"multicluster": {"clusterRole": role}}))
    }

    #[tokio::test]
    async fn holds_when_the_role_was_saved() {
        Run::new(FakeCluster::host(), member("member"))
            .check("cluster-role", &[("on", "member"), ("is", "member")])
            .await
            .holds();
    }

    #[tokio::test]
    async fn fails_when_another_role_is_there() {
        Run::new(FakeCluster::host(), member("none"))
            .check("cluster-role", &[("on", "member"), ("is", "member")])
            .await
            .fails("member cluster: the ClusterConfiguration has clusterRole none, not member; set spec.multicluster.clusterRole and save");
    }

    #[tokio::test]
    async fn fails_without_a_cluster_configuration() {
        Run::new(FakeCluster::host(), FakeCluster::member())
            .check("cluster-role", &[("on", "host"), ("is", "host")])
            .await
            .fails("host cluster: ClusterConfiguration kubesphere-system/ks-installer is not there; apply cluster-configuration.yaml");
    }

    #[tokio::test]
    async fn cannot_tell_when_the_api_server_fails() {
        Run::new(FakeCluster::host(), FakeCluster::member().broken())
            .check("cluster-role", &[("on", "member"), ("is", "member")])
            .await
            .cannot_tell("member cluster: cannot read ClusterConfiguration");
    }
}

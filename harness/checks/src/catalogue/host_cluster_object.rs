//! The host has made a Cluster of itself.

use futures::FutureExt;
use serde_json::Value;

use crate::budget;
use crate::call::{ArgSpec, CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::cluster::{self, Cluster, HOST_LABEL};
use crate::read::{Seen, objects};
use crate::settle::{Look, settle};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "host-cluster-object",
    id: "C12",
    about: "the host has exactly one Cluster for itself, named as asked for, managed by KubeSphere and Ready",
    args: &[ArgSpec {
        name: "name",
        about: "name it has; the ClusterConfiguration's hostClusterName, or host, when absent",
        required: false,
        values: &[],
    }],
    on: Clusters::Host,
    run: |args, ctx| {
        async move { Ok(settle(ctx.waiter, budget::HOST_CLUSTER, &|| look(ctx, args.text("name")).boxed()).await) }
            .boxed()
    },
};

async fn look(ctx: &CheckContext<'_>, name: Option<&str>) -> Seen<Look> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => name_asked_for(ctx).await?,
    };
    let found = cluster::with_host_label(ctx.host).await?;
    let expected = format!("one Ready Cluster {name} with label {HOST_LABEL}");
    let fails = |actual: &str, advice: &str| {
        let message = format!(
            "host cluster: there should be one Ready Cluster {name} with label {HOST_LABEL}, but {actual}; {advice}"
        );
        Finding::fails(expected.clone(), actual, message)
    };
    let own = match found.as_slice() {
        [] => {
            return Ok(Look::NotYet(fails(
                "there is none",
                "KubeSphere makes it once role host is in effect and ks-controller-manager has reloaded, if Kubernetes accepts the name; \
                 see the log of ks-controller-manager",
            )));
        }
        [own] => own,
        several => {
            let names: Vec<_> = several.iter().map(Cluster::name).collect();
            let actual = format!("{} have it: {}", names.len(), names.join(", "));
            return Ok(Look::Decided(fails(&actual, "remove the label from those that are not the host")));
        }
    };
    if own.name() != name {
        let finding = fails(
            &format!("it is named {}", own.name()),
            "hostClusterName counts only while there is no such Cluster: delete it, and it comes again under the new name",
        );
        return Ok(if own.is_going() { Look::NotYet(finding) } else { Look::Decided(finding) });
    }
    if own.label("kubesphere.io/managed") != Some("true") {
        return Ok(Look::Decided(fails(
            "it has no label kubesphere.io/managed=true",
            "KubeSphere has not made this one itself",
        )));
    }
    let conditions = own.conditions_line();
    Ok(if own.is("Ready") {
        Look::Decided(Finding::holds().with(format!("host: Cluster {name}"), conditions))
    } else {
        Look::NotYet(fails(&format!("it is not Ready: {conditions}"), "see the log of ks-controller-manager"))
    })
}

async fn name_asked_for(ctx: &CheckContext<'_>) -> Seen<String> {
    let spec = objects::cluster_configuration(ctx.host).await?;
    let name =
        spec.pointer("/spec/multicluster/hostClusterName").and_then(Value::as_str).filter(|name| !name.is_empty());
    Ok(name.unwrap_or("host").to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::testing::{FakeCluster, Run, condition};

    fn own(name: &str, managed: &str, conditions: &[Value]) -> Value {
        json!({
            "metadata": {"name": name, "labels": {"cluster-role.kubesphere.io/host": "", "kubesphere.io/managed": managed}},
            "status": {"conditions": conditions},
        })
    }

    fn ready(name: &str) -> Value {
        own(name, "true", &[condition("Federated", "True", ""), condition("Ready", "True", "Ready")])
    }

    fn run(host_cluster_name: &str, clusters: &[Value]) -> Run {
        let spec = json!({"multicluster": {"clusterRole": "host", "hostClusterName": host_cluster_name}});
        let host = clusters.iter().fold(FakeCluster::host().cc(&spec), FakeCluster::cluster);
        Run::new(host, FakeCluster::member())
    }

    #[rstest]
    #[case("", "host")]
    #[case("prod.east-1", "prod.east-1")]
    #[tokio::test]
    async fn holds_under_the_name_asked_for(#[case] asked: &str, #[case] name: &str) {
        run(asked, &[ready(name)]).check("host-cluster-object", &[]).await.holds();
    }

    #[tokio::test]
    async fn waits_only_for_a_cluster_that_is_going() {
        let mut going = ready("other");
        run("", std::slice::from_ref(&going))
            .check("host-cluster-object", &[])
            .await
            .at_once()
            .fails_with("named other");
        going["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z".into();
        run("", &[going]).check("host-cluster-object", &[]).await.after_a_wait().fails_with("named other");
    }

    #[tokio::test]
    async fn holds_under_the_name_that_the_scenario_knows() {
        run("late", &[ready("host")]).check("host-cluster-object", &[("name", "host")]).await.holds();
    }

    #[rstest]
    #[case(
        &[], "there is none; KubeSphere makes it once role host is in effect and ks-controller-manager has reloaded, if Kubernetes \
              accepts the name; see the log of ks-controller-manager"
    )]
    #[case(
        &[ready("h1"), ready("h2")],
        "2 have it: h1, h2; remove the label from those that are not the host"
    )]
    #[case(
        &[ready("other")], "it is named other; hostClusterName counts only while there is no such Cluster: delete it, and it comes \
                            again under the new name"
    )]
    #[case(
        &[own("host", "false", &[])],
        "it has no label kubesphere.io/managed=true; KubeSphere has not made this one itself"
    )]
    #[case(
        &[own("host", "true", &[condition("Ready", "False", "Cluster join federation control plane failed")])],
        "it is not Ready: Ready=False (Cluster join federation control plane failed); see the log of ks-controller-manager"
    )]
    #[case(
        &[own("host", "true", &[condition("Federated", "True", ""), condition("Ready", "False", "Ready")])],
        "it is not Ready: Federated=True, Ready=False; see the log of ks-controller-manager"
    )]
    #[tokio::test]
    async fn fails_saying_what_is_there(#[case] clusters: &[Value], #[case] but: &str) {
        run("", clusters).check("host-cluster-object", &[]).await.fails(&format!(
            "host cluster: there should be one Ready Cluster host with label cluster-role.kubesphere.io/host, but {but}"
        ));
    }
}

//! The member is joined and known for what it is.

use futures::FutureExt;
use kubesphere::{Feature, Release};
use serde_json::Value;

use super::NAME;
use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::cluster::{self, Cluster};
use crate::read::{Seen, kubesphere_api, objects};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "import-succeeded",
    id: "C17",
    about: "the imported Cluster is Federated and Ready, with the member's identity, nodes and versions in its status",
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
            Ok(settle(ctx.waiter, budget::IMPORT, &|| look(ctx, member, name).boxed()).await)
        }
        .boxed()
    },
};

/// Keeps a deleted Cluster until the host has let go of it (kubesphere, `cluster_types.go`).
const FINALIZER: &str = "finalizer.cluster.kubesphere.io";

async fn look(ctx: &CheckContext<'_>, member: &dyn ClusterView, name: &str) -> Seen<Look> {
    let release = match Release::find(ctx.release) {
        Ok(release) => release,
        Err(unknown) => return Ok(Look::Decided(Finding::cannot_tell(unknown.to_string()))),
    };
    let expected = format!("Cluster {name} is Federated and Ready, and its status tells the member");
    let Some(cluster) = cluster::named(ctx.host, name).await? else {
        let message = format!(
            "host cluster: there is no Cluster {name}; the import form makes it only when the validation was accepted"
        );
        return Ok(Look::NotYet(Finding::fails(expected, "not found", message)));
    };
    let conditions = cluster.conditions_line();
    let wrong = match joined(&cluster) {
        Some(wrong) => Some(wrong),
        None => told_wrongly(&cluster, member, release).await?,
    };
    let title = format!("host: conditions of Cluster {name}");
    Ok(match wrong {
        None => Look::Decided(Finding::holds().with(title, conditions)),
        Some(wrong) => {
            let message = format!("host cluster: import of {name} has not succeeded: {wrong}; {}", advice(&cluster));
            Look::NotYet(Finding::fails(expected, wrong, message).with(title, conditions))
        }
    })
}

fn joined(cluster: &Cluster) -> Option<String> {
    if ["Federated", "Ready"].iter().all(|condition| cluster.is(condition)) {
        return None;
    }
    Some(format!("last status: {}", cluster.conditions_line()))
}

/// What the status says otherwise than the member itself.
async fn told_wrongly(cluster: &Cluster, member: &dyn ClusterView, release: &Release) -> Seen<Option<String>> {
    if !cluster.has_finalizer(FINALIZER) {
        return Ok(Some(format!("finalizer {FINALIZER} is missing")));
    }
    if release.has(Feature::ClusterUid) {
        let uid = objects::kube_system_uid(member).await?;
        if cluster.status_text("uid") != uid {
            return Ok(Some(format!(
                "status.uid is {}, but kube-system of the member has {uid}",
                or_absent(cluster.status_text("uid"))
            )));
        }
    }
    let nodes = objects::nodes(member).await?.len();
    let counted = cluster.status("nodeCount").and_then(Value::as_u64);
    if counted != u64::try_from(nodes).ok() {
        let shown = counted.map_or_else(|| "absent".to_owned(), |count| count.to_string());
        return Ok(Some(format!("status.nodeCount is {shown}, but the member has {nodes}")));
    }
    let version = objects::kubernetes_version(member).await?;
    if cluster.status_text("kubernetesVersion") != version {
        return Ok(Some(format!(
            "status.kubernetesVersion is {}, but the member is {version}",
            or_absent(cluster.status_text("kubernetesVersion"))
        )));
    }
    let told = cluster.status_text("kubeSphereVersion");
    if told.is_empty() {
        return Ok(Some("status.kubeSphereVersion is absent: ks-apiserver of the member did not answer".to_owned()));
    }
    let version = kubesphere_api::version(member).await?;
    if version.as_deref() != Some(told) {
        let version = version.as_deref().unwrap_or("without one");
        return Ok(Some(format!("status.kubeSphereVersion is {told}, but the member's /kapis/version is {version}")));
    }
    Ok(None)
}

fn or_absent(text: &str) -> &str {
    if text.is_empty() { "absent" } else { text }
}

fn advice(cluster: &Cluster) -> String {
    match cluster.condition("Federated") {
        Some(condition) if condition.status != "True" => {
            format!("`{}` is the cause; it is tried again at the next resync", condition.reason)
        }
        Some(_) => "see the log of ks-controller-manager on the host".to_owned(),
        // Kubeconfigs that KubeSphere cannot use leave no condition (3.3 also those without a client certificate).
        None => "no condition at all means that KubeSphere could not use the kubeconfig; see the log of ks-controller-manager".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::testing::{FakeCluster, Run, condition};

    fn member() -> FakeCluster {
        FakeCluster::member().kube_system("uid-of-member").node("m-1", "n1").node("m-2", "n2").answers(
            "GET",
            "/kapis/version",
            200,
            r#"{"gitVersion":"v3.3.2"}"#,
        )
    }

    fn imported() -> Value {
        json!({
            "metadata": {"name": "m1", "finalizers": ["finalizer.cluster.kubesphere.io"]},
            "status": {
                "conditions": [condition("Federated", "True", ""), condition("Ready", "True", "Ready")],
                "uid": "uid-of-member",
                "nodeCount": 2,
                "kubernetesVersion": "v1.20.2",
                "kubeSphereVersion": "v3.3.2",
            },
        })
    }

    fn with(path: &str, value: Value) -> Value {
        let mut cluster = imported();
        if let Some(place) = cluster.pointer_mut(path) {
            *place = value;
        }
        cluster
    }

    fn run(cluster: &Value) -> Run {
        Run::new(FakeCluster::host().cluster(cluster), member()).imported("m1")
    }

    #[rstest]
    #[case("3.3.2", imported())]
    #[case("3.4.1", imported())]
    // 3.2 knows no uid.
    #[case("3.2.1", with("/status/uid", Value::Null))]
    #[tokio::test]
    async fn holds_for_a_joined_member(#[case] release: &'static str, #[case] cluster: Value) {
        run(&cluster).release(release).check("import-succeeded", &[]).await.holds();
    }

    #[rstest]
    #[case(
        with("/status/conditions", json!([condition("Federated", "False", "Unauthorized"), condition("Ready", "False", "Cluster join federation control plane failed")])),
        "last status: Federated=False (Unauthorized), Ready=False (Cluster join federation control plane failed); `Unauthorized` is the \
         cause; it is tried again at the next resync"
    )]
    #[case(
        with("/status/conditions", json!([])),
        "last status: no conditions; no condition at all means that KubeSphere could not use the kubeconfig; see the log of \
         ks-controller-manager"
    )]
    #[case(
        with("/metadata/finalizers", json!([])),
        "finalizer finalizer.cluster.kubesphere.io is missing; see the log of ks-controller-manager on the host"
    )]
    #[case(
        with("/status/uid", json!("uid-of-host")),
        "status.uid is uid-of-host, but kube-system of the member has uid-of-member; see the log of ks-controller-manager on the host"
    )]
    #[case(
        with("/status/nodeCount", json!(1)),
        "status.nodeCount is 1, but the member has 2; see the log of ks-controller-manager on the host"
    )]
    #[case(
        with("/status/kubernetesVersion", json!("v1.19.0")),
        "status.kubernetesVersion is v1.19.0, but the member is v1.20.2; see the log of ks-controller-manager on the host"
    )]
    #[case(
        with("/status/kubeSphereVersion", json!("")),
        "status.kubeSphereVersion is absent: ks-apiserver of the member did not answer; see the log of ks-controller-manager on the host"
    )]
    #[case(
        with("/status/kubeSphereVersion", json!("v3.2.1")),
        "status.kubeSphereVersion is v3.2.1, but the member's /kapis/version is v3.3.2; see the log of ks-controller-manager on the host"
    )]
    #[case(
        with("/status/kubeSphereVersion", json!("unknown")),
        "status.kubeSphereVersion is unknown, but the member's /kapis/version is v3.3.2; see the log of ks-controller-manager on the host"
    )]
    #[tokio::test]
    async fn fails_saying_the_last_status(#[case] cluster: Value, #[case] wrong: &str) {
        run(&cluster)
            .check("import-succeeded", &[])
            .await
            .fails(&format!("host cluster: import of m1 has not succeeded: {wrong}"));
    }

    #[tokio::test]
    async fn fails_when_the_form_made_no_cluster() {
        Run::new(FakeCluster::host(), member()).check("import-succeeded", &[("name", "m1")]).await.fails(
            "host cluster: there is no Cluster m1; the import form makes it only when the validation was accepted",
        );
    }

    #[tokio::test]
    async fn cannot_tell_which_cluster_without_a_name() {
        Run::new(FakeCluster::host(), member())
            .check("import-succeeded", &[])
            .await
            .cannot_tell("no step imported a cluster; name it with `name`");
    }
}

//! Importing members past validation, and what the cluster controller makes of them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::World;
use crate::kubeconfigs;
use crate::records::{Record, Tally, of, placeholders};

const CLUSTERS: &str = "/apis/cluster.kubesphere.io/v1alpha1/clusters";
const CONFIG: &str = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";

/// With time to spare for what they start.
const TWO_RESYNCS: Duration = Duration::from_secs(290);

/// Records of one Cluster that was created and watched.
fn is_one_object(record: &Record) -> bool {
    let states = ["import-valid", "import-state-"];
    record.0["request"]["object"].is_object() && !states.iter().any(|state| record.case().starts_with(state))
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[tokio::test(flavor = "multi_thread")]
async fn ends_with_the_conditions_and_the_log_of_the_real_controller(#[case] version: &str) {
    let world = World::start(version).await;
    world.host.until_ready("host", "True").await;
    let records: Vec<Record> = of("import", version).into_iter().filter(is_one_object).collect();
    let wanted: Vec<&Record> = records.iter().filter(|record| !record.is_skipped()).collect();
    for record in &wanted {
        create(&world, record).await;
    }
    let begin = world.clock.now();
    let mut differences = Vec::new();
    world.host.until("two resyncs", async || world.clock.now() > begin + TWO_RESYNCS).await;
    let log = world.host.logs().await;
    let mut tally = Tally::default();
    for record in &wanted {
        let name = record.0["request"]["object"]["metadata"]["name"].as_str().unwrap();
        let cluster = world.host.get(&format!("{CLUSTERS}/{name}")).await;
        let got = conditions(&world, &cluster["status"]["conditions"]);
        let expected = conditions(&world, &record.0["final"]["status"]["conditions"]);
        differences.clear();
        if got != expected {
            differences.push(format!("{}:\n  wanted {expected}\n  got    {got}", record.case()));
        }
        for line in record.0["controller_log"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|line| told_always(line))
        {
            if !logged(&world, &log, line) {
                differences.push(format!("{}: not in the log: {line}", record.case()));
            }
        }
        tally.note(record, (!differences.is_empty()).then(|| differences.join("\n")));
    }
    world.stop().await;
    tally.settle(&records);
}

/// Races with other writers are not repeated here.
fn told_always(line: &str) -> bool {
    !line.contains("Key \"token\"") && !line.contains("Failed to update cluster status")
}

/// Whether `log` has `line`, whose severity and place are as klog writes them but without the time.
fn logged(world: &World, log: &str, line: &str) -> bool {
    let (severity, rest) = line.split_once(' ').unwrap();
    placeholders(world, log).lines().any(|written| written.starts_with(severity) && written.ends_with(rest))
}

async fn create(world: &World, record: &Record) {
    let mut object = record.0["request"]["object"].clone();
    let case = record.case().strip_prefix("import-").unwrap();
    if let Some(field) = object.pointer_mut("/spec/connection/kubeconfig") {
        *field = STANDARD.encode(kubeconfigs::of_case(world, case).await.unwrap()).into();
    }
    world.host.create(&object).await;
}

fn conditions(world: &World, conditions: &Value) -> Value {
    let conditions: Vec<_> = conditions
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| {
            let reason = placeholders(world, condition["reason"].as_str().unwrap_or_default());
            let message = if condition["type"] == "KubeConfigCertExpiresInSevenDays" {
                json!("<time>")
            } else {
                condition["message"].clone()
            };
            json!([condition["type"], condition["status"], reason, message])
        })
        .collect();
    conditions.into()
}

async fn import(world: &World, name: &str) {
    world.host.create(&stub::console::form::cluster_object(name, &kubeconfigs::valid(&world.member))).await;
    world.host.until_ready(name, "True").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fills_in_a_joined_member_and_names_it_in_its_configuration() {
    let world = World::start("v3.3.2").await;
    import(&world, "member1").await;
    let cluster = world.host.get(&format!("{CLUSTERS}/member1")).await;
    let status = &cluster["status"];
    assert_eq!((&status["nodeCount"], &status["kubeSphereVersion"]), (&2.into(), &"v3.3.2".into()));
    assert_eq!(
        cluster["spec"]["connection"]["kubernetesAPIEndpoint"],
        format!("https://{}:6443", world.member.address)
    );
    world
        .host
        .until("the member knows its name", async || {
            world.member.get(CONFIG).await["data"]["kubesphere.yaml"]
                == include_str!("../data/kubesphere-member-rewritten.yaml")
        })
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forgets_a_member_on_the_host_alone() {
    let world = World::start("v3.3.2").await;
    import(&world, "member1").await;
    let on_host = [
        "/api/v1/namespaces/kube-federation-system/secrets/member1-secret",
        "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters/member1",
    ];
    let on_member = "/api/v1/namespaces/kube-federation-system/serviceaccounts/member1-kubesphere";
    for path in on_host {
        assert_eq!(world.host.call(Method::GET, path, None).await.0, 200, "{path}");
    }
    world.host.call(Method::DELETE, &format!("{CLUSTERS}/member1"), None).await;
    world
        .host
        .until("member1 is gone", async || world.host.get(&format!("{CLUSTERS}/member1")).await["code"] == 404)
        .await;
    for path in on_host {
        assert_eq!(world.host.call(Method::GET, path, None).await.0, 404, "{path}");
    }
    assert_eq!(world.member.call(Method::GET, on_member, None).await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renames_the_host_cluster_only_after_it_was_deleted() {
    let world = World::start("v3.3.2").await;
    world.host.until_ready("host", "True").await;
    let named =
        crate::fixture::HOST_CONFIG.replace("  enable: true\n", "  enable: true\n  hostClusterName: my-host.1\n");
    world.host.patch(CONFIG, &json!({"data": {"kubesphere.yaml": named}})).await;
    let begin = world.clock.now();
    world.host.until("two resyncs", async || world.clock.now() > begin + TWO_RESYNCS).await;
    assert_eq!(world.host.get(&format!("{CLUSTERS}/my-host.1")).await["code"], 404);
    world.host.call(Method::DELETE, &format!("{CLUSTERS}/host"), None).await;
    world.host.until_ready("my-host.1", "True").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn complains_about_a_second_host_cluster() {
    let world = World::start("v3.3.2").await;
    world.host.until_ready("host", "True").await;
    let mut second = stub::console::form::cluster_object("second-host", &kubeconfigs::valid(&world.bare));
    second["metadata"]["labels"] = json!({"cluster-role.kubesphere.io/host": ""});
    world.host.create(&second).await;
    world.host.until_ready("second-host", "False").await;
    world.host.until("a complaint", async || {
        let line = "cluster_controller.go:219] Error create host cluster, error there MUST not be more than one host clusters, while there are 2";
        world.host.logs().await.contains(line)
    })
    .await;
    world.stop().await;
}

//! Importing members past validation: every kubeconfig and object of the records, side by side on one host.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::World;
use crate::kubeconfigs;
use crate::records::{Record, Replay, Tally, placeholders};
use crate::timeline::{self, Timeline, conditions};

pub const CLUSTERS: &str = "/apis/cluster.kubesphere.io/v1alpha1/clusters";
pub const CONFIG: &str = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";

/// With time to spare for what they start.
pub const TWO_RESYNCS: Duration = Duration::from_secs(290);

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn goes_through_the_states_and_the_log_of_the_real_controller(#[case] version: &str) {
    let world = World::start(version).await;
    world.host.until_ready("host", "True").await;
    let watch = Timeline::start(&world.host).await;
    let records = Replay::Object.records(version);
    let wanted: Vec<&Record> = records.iter().filter(|record| !record.is_skipped()).collect();
    for record in &wanted {
        create(&world, record).await;
    }
    world.pass(TWO_RESYNCS).await;
    let log = world.host.logs().await;
    for record in &wanted {
        world.host.call(Method::DELETE, &format!("{CLUSTERS}/{}", name_in(record)), None).await;
    }
    world.host.until("all are gone", async || wanted.iter().all(|record| watch.is_gone(name_in(record)))).await;
    let mut tally = Tally::default();
    for record in &wanted {
        tally.note(record, difference(&world, record, &watch, &log).await);
    }
    world.stop().await;
    tally.settle(&records);
}

/// What differs between the record of one Cluster and what became of ours.
pub async fn difference(world: &World, record: &Record, watch: &Timeline, log: &str) -> Option<String> {
    let mut wanted = timeline::recorded(world, &record.0["timeline"]);
    wanted.retain(|state| !is_lost_race(state));
    let mut got = watch.of(world, name_in(record)).await;
    if wanted.last().is_none_or(|last| last["event"] != "DELETED") {
        // The deletion was not watched.
        got.retain(|state| state["event"] != "DELETED" && state["deleting"] != true);
    }
    if record.0["observed_s"].as_f64().is_some_and(|seconds| seconds < LEASE) && got.starts_with(&wanted) {
        // It was watched for less time than another process may need to become leader.
        got.truncate(wanted.len());
    }
    let mut differences: Vec<String> = timeline::difference(record.case(), &wanted, &got).into_iter().collect();
    for line in record.0["controller_log"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if told_always(line, record) && !logged(world, log, line) {
            differences.push(format!("{}: not in the log: {line}", record.case()));
        }
    }
    (!differences.is_empty()).then(|| differences.join("\n"))
}

/// The controllers' leader election: so long may nobody look at Clusters, in seconds.
const LEASE: f64 = 30.0;

/// A first join that lost against the token controller; `races` plays that.
fn is_lost_race(state: &Value) -> bool {
    let reason = state["conditions"][0][2].as_str().unwrap_or_default();
    reason.contains("Key \"token\"") || reason.contains("the object has been modified")
}

/// Races with other writers are not repeated here, nor is a ks-apiserver that reloads just then.
fn told_always(line: &str, record: &Record) -> bool {
    let reloads = line.contains("response code 500") && !record.case().contains("apiserver-down");
    !line.contains("Key \"token\"") && !line.contains("object has been modified") && !reloads
}

/// Whether `log` has `line`, whose severity and place are as klog writes them but without the time.
pub fn logged(world: &World, log: &str, line: &str) -> bool {
    let (severity, rest) = line.split_once(' ').unwrap();
    placeholders(world, log).lines().any(|written| written.starts_with(severity) && written.ends_with(rest))
}

pub fn name_in(record: &Record) -> &str {
    record.0["request"]["object"]["metadata"]["name"].as_str().unwrap()
}

/// Creates the record's object, with the kubeconfig that its case names.
pub async fn create(world: &World, record: &Record) {
    let mut object = record.0["request"]["object"].clone();
    let case = record.case().strip_prefix("import-").unwrap();
    if let Some(field) = object.pointer_mut("/spec/connection/kubeconfig") {
        *field = STANDARD.encode(kubeconfigs::of_case(world, case).await.unwrap()).into();
    }
    world.host.create(&object).await;
}

/// Imports the member as `name`.
pub async fn import(world: &World, name: &str) {
    world.host.create(&stub::console::form::cluster_object(name, &kubeconfigs::valid(&world.member))).await;
    world.host.until_ready(name, "True").await;
    // The controller has filled in the address, which is a change of the spec and makes it look once more.
    world.settle().await;
}

/// Waits until the member's configuration has the name `cluster`.
pub async fn until_named(world: &World, cluster: &str) {
    world
        .member
        .until(&format!("the member is called {cluster}"), async || name_of_member(world).await == cluster)
        .await;
}

/// The name in the member's configuration, empty without one.
pub async fn name_of_member(world: &World) -> String {
    let config = world.member.get(CONFIG).await;
    let text = config["data"]["kubesphere.yaml"].as_str().unwrap_or_default();
    let document: Value = serde_yaml::from_str(text).unwrap_or_default();
    document["multicluster"]["clusterName"].as_str().unwrap_or_default().to_owned()
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn fills_in_a_joined_member_and_names_it_in_its_configuration(#[case] version: &str) {
    let world = World::start(version).await;
    world.host.until_ready("host", "True").await;
    let record = &Replay::Import.record(version);
    let watch = Timeline::start(&world.host).await;
    create(&world, record).await;
    world.host.until_ready("member1", "True").await;
    until_named(&world, "member1").await;
    let after = record.0["member_kubesphere_config_after"].as_str().unwrap();
    let config = world.member.get(CONFIG).await["data"]["kubesphere.yaml"].clone();
    let mut differences: Vec<String> =
        difference(&world, record, &watch, &world.host.logs().await).await.into_iter().collect();
    if masked(config.as_str().unwrap()) != after {
        differences.push(format!("configuration\n wanted {after}\n got {config}"));
    }
    let wanted = &record.0["final_object"];
    let cluster = world.host.get(&format!("{CLUSTERS}/member1")).await;
    if cluster["status"]["configz"] != wanted["status"]["configz"] {
        differences.push(format!("configz\n wanted {wanted}\n got {cluster}"));
    }
    world.stop().await;
    Tally::settle_one(record, &differences);
}

/// A configuration with the records' name for the secret.
pub fn masked(config: &str) -> String {
    let other = crate::fixture::SECRET.replace('A', "B");
    config.replace(crate::fixture::SECRET, "<HOST-JWT-SECRET>").replace(&other, "<OTHER-JWT-SECRET>")
}

#[rstest]
#[case::v3_2_1("v3.2.1")]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_0("v3.4.0")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn forgets_a_member_on_the_host_alone(#[case] version: &str) {
    let world = World::start(version).await;
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

/// The conditions of the Cluster `name` as the records list them: type, status, reason.
pub async fn told(world: &World, name: &str) -> Value {
    let cluster = world.host.get(&format!("{CLUSTERS}/{name}")).await;
    let all = conditions(world, &cluster["status"]["conditions"]);
    all.as_array().unwrap().iter().map(|one| json!([one[0], one[1], one[2]])).collect()
}

/// Conditions of a record in that form, whose empty reasons are null in some records.
pub fn told_in(conditions: &Value) -> Value {
    let rows = conditions.as_array().unwrap().iter();
    rows.map(|row| json!([row[0], row[1], row[2].as_str().unwrap_or_default()])).collect()
}

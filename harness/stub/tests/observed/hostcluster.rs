//! The host's own Cluster: made, renamed, deleted, doubled; and the check of its name at the controllers' start.

use std::time::Duration;

use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::{HOST_CONFIG, World};
use crate::imports::{CLUSTERS, CONFIG, TWO_RESYNCS, logged};
use crate::kubeconfigs;
use crate::records::{Record, Replay, Tally};
use crate::timeline::{self, Timeline, conditions};

fn record<'a>(records: &'a [Record], case: &str) -> &'a Record {
    records.iter().find(|record| record.case() == case).unwrap()
}

/// The Clusters as the records list them.
async fn clusters(world: &World) -> Value {
    let list = world.host.get(CLUSTERS).await;
    let told = |cluster: &Value| {
        let all = conditions(world, &cluster["status"]["conditions"]);
        let all: Vec<_> = all.as_array().unwrap().iter().map(|one| json!([one[0], one[1], one[2]])).collect();
        json!({
            "name": cluster["metadata"]["name"], "labels": cluster["metadata"]["labels"],
            "conditions": all, "finalizers": cluster["metadata"]["finalizers"],
        })
    };
    list["items"].as_array().unwrap().iter().map(told).collect()
}

/// The same of a record, whose empty reasons are null.
fn clusters_in(record: &Value) -> Value {
    let mut all = record.clone();
    for cluster in all.as_array_mut().unwrap() {
        cluster["conditions"] = crate::imports::told_in(&cluster["conditions"]);
    }
    all
}

fn differ(what: &str, wanted: &Value, got: &Value) -> Option<String> {
    (wanted != got).then(|| format!("{what}\n  wanted {wanted}\n  got    {got}"))
}

fn note(tally: &mut Tally, record: &Record, differences: impl IntoIterator<Item = Option<String>>) {
    let all: Vec<String> = differences.into_iter().flatten().collect();
    tally.note(record, (!all.is_empty()).then(|| format!("{}: {}", record.case(), all.join("\n"))));
}

fn renamed() -> String {
    HOST_CONFIG.replace("  enable: true\n", "  enable: true\n  hostClusterName: my-host.1\n")
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn makes_renames_and_doubles_the_host_cluster_as_the_real_controller_does(#[case] version: &str) {
    let world = World::start(version).await;
    let records = Replay::HostCluster.records(version);
    let mut tally = Tally::default();

    let created = Timeline::from_the_beginning(&world.host).await;
    world.host.until_ready("host", "True").await;
    if let Some(record) = records.iter().find(|record| record.case() == "hostcluster-autocreate") {
        let wanted = timeline::recorded(&world, &record.0["timeline"]);
        let got = created.of(&world, "host").await;
        let first = json!({
            "labels": record.0["first_object"]["metadata"]["labels"], "spec": record.0["first_object"]["spec"],
        });
        let mut ours = world.host.get(&format!("{CLUSTERS}/host")).await;
        ours["spec"]["connection"]["kubeconfig"] = "<BASE64-KUBECONFIG>".into();
        ours["spec"]["connection"].as_object_mut().unwrap().shift_remove("kubernetesAPIEndpoint");
        let ours = json!({"labels": ours["metadata"]["labels"], "spec": ours["spec"]});
        let differences = [timeline::difference("autocreate", &wanted, &got), differ("object", &first, &ours)];
        let differences: Vec<String> = differences.into_iter().flatten().collect();
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        // The record lists what all of KubeSphere's controllers made meanwhile.
        let others = record.0["created"].as_array().unwrap().iter().filter_map(Value::as_str);
        let others: Vec<&str> = others.filter(|object| object.starts_with("Role ")).collect();
        tally.note(record, (!others.is_empty()).then(|| format!("not made: {}", others.join(", "))));
    }

    let rename = record(&records, "hostcluster-rename-with-existing");
    let before = clusters(&world).await;
    world.host.patch(CONFIG, &json!({"data": {"kubesphere.yaml": renamed()}})).await;
    world.pass(TWO_RESYNCS).await;
    let config = world.host.get(CONFIG).await;
    let config: Value = serde_yaml::from_str(config["data"]["kubesphere.yaml"].as_str().unwrap()).unwrap();
    note(
        &mut tally,
        rename,
        [
            differ("before", &clusters_in(&rename.0["before"]), &before),
            differ("after", &clusters_in(&rename.0["after"]), &clusters(&world).await),
            differ("name", &rename.0["host_config_clusterName"], &config["multicluster"]["clusterName"]),
        ],
    );

    let recreated = record(&records, "hostcluster-deleted-recreated");
    let watch = Timeline::start(&world.host).await;
    world.host.call(Method::DELETE, &format!("{CLUSTERS}/host"), None).await;
    world.host.until_ready("my-host.1", "True").await;
    let of_record = |key: &str| timeline::recorded(&world, &recreated.0[key]);
    note(
        &mut tally,
        recreated,
        [
            timeline::difference("deleted", &of_record("timeline_deleted"), &watch.of(&world, "host").await),
            timeline::difference("recreated", &of_record("timeline_recreated"), &watch.of(&world, "my-host.1").await),
            differ("after", &clusters_in(&recreated.0["after"]), &clusters(&world).await),
        ],
    );

    let second = record(&records, "hostcluster-second-host-label");
    let mut object = stub::console::form::cluster_object("second-host", &kubeconfigs::valid(&world.bare));
    object["metadata"]["labels"] = json!({"cluster-role.kubesphere.io/host": ""});
    world.host.create(&object).await;
    world.host.until_ready("second-host", "False").await;
    let line = second.0["log"][0].as_str().unwrap();
    world.host.until("a complaint", async || logged(&world, &world.host.logs().await, line)).await;
    note(&mut tally, second, [differ("after", &clusters_in(&second.0["after"]), &clusters(&world).await)]);

    world.stop().await;
    tally.settle(&records);
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn checks_the_name_of_the_host_cluster_at_the_start(#[case] version: &str) {
    let world = World::start(version).await;
    world.host.until_ready("host", "True").await;
    let records = Replay::HostNameCheck.records(version);
    let mut tally = Tally::default();
    for record in &records {
        let described = record.0["description"].as_str().unwrap();
        let name = described.split('\'').nth(1).unwrap();
        let config = HOST_CONFIG.replace("  enable: true\n", &format!("  enable: true\n  hostClusterName: {name:?}\n"));
        world.host.patch(CONFIG, &json!({"data": {"kubesphere.yaml": config}})).await;
        let before = controllers(&world).await.unwrap();
        let path =
            format!("/api/v1/namespaces/kubesphere-system/pods/{}", before["metadata"]["name"].as_str().unwrap());
        world.host.call(Method::DELETE, &path, None).await;
        world
            .host
            .until("another pod has decided", async || {
                let Some(pod) = controllers(&world).await else { return false };
                let ended = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
                pod["metadata"]["uid"] != before["metadata"]["uid"]
                    && (ended.is_object() || log_of(&world, &pod).await.contains("setting up manager"))
            })
            .await;
        let pod = controllers(&world).await.unwrap();
        let output = log_of(&world, &pod).await;
        let ended = pod.pointer("/status/containerStatuses/0/lastState/terminated/exitCode").cloned();
        let accepted = record.0["accepted_by_option_check"] == true;
        let mut differences = vec![differ("accepted", &json!(accepted), &json!(ended.is_none()))];
        if !accepted {
            differences.push(differ("exit code", &record.0["exit"], &json!(ended)));
        }
        for line in record.0["output"].as_array().unwrap().iter().filter_map(Value::as_str) {
            differences.push((!logged(&world, &output, line)).then(|| format!("not in the log: {line}")));
        }
        note(&mut tally, record, differences);
    }
    world.stop().await;
    tally.settle(&records);
}

/// The pod of ks-controller-manager that is not about to end.
async fn controllers(world: &World) -> Option<Value> {
    let list =
        world.host.get("/api/v1/namespaces/kubesphere-system/pods?labelSelector=app%3Dks-controller-manager").await;
    list["items"].as_array()?.iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null()).cloned()
}

async fn log_of(world: &World, pod: &Value) -> String {
    let name = pod["metadata"]["name"].as_str().unwrap();
    world.host.text(&format!("/api/v1/namespaces/kubesphere-system/pods/{name}/log")).await
}

/// A name that the option check accepts and the API server does not.
#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn complains_at_every_resync_about_a_name_that_the_api_server_refuses(#[case] version: &str) {
    let world = World::start(version).await;
    world.host.until_ready("host", "True").await;
    let config = HOST_CONFIG.replace("  enable: true\n", "  enable: true\n  hostClusterName: My_Host\n");
    world.host.patch(CONFIG, &json!({"data": {"kubesphere.yaml": config}})).await;
    world.pass(Duration::from_secs(130)).await;
    world.host.call(Method::DELETE, &format!("{CLUSTERS}/host"), None).await;
    world.pass(TWO_RESYNCS).await;
    let complaints =
        |log: &str| log.matches("Error create host cluster, error Cluster.cluster.kubesphere.io \"My_Host\"").count();
    assert!(complaints(&world.host.logs().await) >= 2);
    assert_eq!(world.host.get(CLUSTERS).await["items"], json!([]));
    world.stop().await;
}

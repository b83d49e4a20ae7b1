//! A member that stops answering after its import, and kubeconfigs that are changed with kubectl: what v3.4's webhook
//! makes of both, and what is seen without it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::{World, refuse};
use crate::imports::{CLUSTERS, TWO_RESYNCS, import, logged, told, told_in};
use crate::kubeconfigs;
use crate::records::{Replay, Tally, check, placeholders};

/// A Status as kubectl prints it.
fn printed(world: &World, (code, status): (u16, &Value)) -> Option<String> {
    let text = |key: &str| status[key].as_str().unwrap_or_default();
    (code >= 400).then(|| placeholders(world, &format!("Error from server ({}): {}", text("reason"), text("message"))))
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn treats_an_unreachable_member_as_the_real_controller_does(#[case] version: &str) {
    let world = World::start(version).await;
    let cluster = format!("{CLUSTERS}/gone1");
    import(&world, "gone1").await;
    let record = Replay::Unreachable.record(version);
    let mut differences = Vec::new();

    let fault = refuse(&world, world.member.address, 6443);
    let moments = record.0["conditions_over_time"].as_array().unwrap();
    check(&mut differences, "at once", &told_in(&moments[0]["conditions"]), &told(&world, "gone1").await);
    let lines: Vec<&str> = record.0["controller_log"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    world
        .host
        .until("the log has the record's lines", async || {
            let log = world.host.logs().await;
            lines.iter().all(|line| logged(&world, &log, line))
        })
        .await;
    world.pass(Duration::from_secs(1)).await;
    let last = moments.last().unwrap();
    check(&mut differences, "after a resync", &told_in(&last["conditions"]), &told(&world, "gone1").await);

    if let Some(output) = record.0["label_update_while_down"]["output"].as_str() {
        let (code, answer) = world.host.try_patch(&cluster, &json!({"metadata": {"labels": {"a": "b"}}})).await;
        check(&mut differences, "label", &json!(output), &json!(printed(&world, (code, &answer))));
    }
    world.host.call(Method::DELETE, &cluster, None).await;
    world.pass(Duration::from_secs(45)).await;
    let (code, left) = world.host.call(Method::GET, &cluster, None).await;
    let deletion = &record.0["delete_while_down"];
    check(&mut differences, "still there", &deletion["still_there"], &json!(code == 200));
    check(&mut differences, "finalizers", &deletion["finalizers"], &left["metadata"]["finalizers"]);

    world.network.clear_fault(fault);
    world.pass(Duration::from_secs(150)).await;
    let gone = world.host.call(Method::GET, &cluster, None).await.0 == 404;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    check(&mut differences, "gone at last", &json!(record.0["gone_after_member_back_s"].is_number()), &json!(gone));
    world.stop().await;
    Tally::settle_one(&record, &differences);
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn takes_and_refuses_kubeconfigs_that_are_patched(#[case] version: &str) {
    let world = World::start(version).await;
    let cluster = format!("{CLUSTERS}/swap1");
    import(&world, "swap1").await;
    let record = Replay::KubeconfigChange.record(version);
    let mut differences = Vec::new();
    for step in record.0["steps"].as_array().unwrap() {
        let what = step["what"].as_str().unwrap();
        let Some(given) = what.strip_prefix("kubectl patch spec.connection.kubeconfig: ") else { continue };
        let kubeconfig = match given {
            "closed port" => kubeconfigs::of_case(&world, "closed-port").await.unwrap(),
            "kubeconfig of another cluster" => kubeconfigs::valid(&world.bare),
            _ => kubeconfigs::valid(&world.member),
        };
        let change = json!({"spec": {"connection": {"kubeconfig": STANDARD.encode(kubeconfig)}}});
        let (code, answer) = world.host.try_patch(&cluster, &change).await;
        let output = printed(&world, (code, &answer));
        let wanted = step["output"].as_str().filter(|_| step["rc"] != 0);
        check(&mut differences, given, &json!(wanted), &json!(output));
        world.pass(Duration::from_secs(6)).await;
        let now = world.host.get(&cluster).await;
        check(&mut differences, given, &told_in(&step["conditions"]), &told(&world, "swap1").await);
        check(&mut differences, given, &step["nodeCount"], &now["status"]["nodeCount"]);
        let endpoint = now["spec"]["connection"]["kubernetesAPIEndpoint"].as_str().unwrap();
        check(&mut differences, given, &step["kubernetesAPIEndpoint"], &json!(placeholders(&world, endpoint)));
    }
    world.stop().await;
    Tally::settle_one(&record, &differences);
}

/// v3.4.0 has the webhook as well, which only its sources tell; v3.2.1 has not.
#[rstest]
#[case::v3_2_1("v3.2.1", false)]
#[case::v3_3_2("v3.3.2", false)]
#[case::v3_4_0("v3.4.0", true)]
#[case::v3_4_1("v3.4.1", true)]
#[tokio::test(flavor = "multi_thread")]
async fn refuses_labels_of_a_joined_cluster_whose_member_is_down(#[case] version: &str, #[case] refused: bool) {
    let world = World::start(version).await;
    import(&world, "gone1").await;
    let never_joined =
        stub::console::form::cluster_object("empty", &kubeconfigs::of_case(&world, "closed-port").await.unwrap());
    world.host.create(&never_joined).await;
    world.host.until_ready("empty", "False").await;
    refuse(&world, world.member.address, 6443);
    let label = json!({"metadata": {"labels": {"cluster.kubesphere.io/group": "testing"}}});
    let (code, _) = world.host.try_patch(&format!("{CLUSTERS}/gone1"), &label).await;
    assert_eq!(code, if refused { 403 } else { 200 });
    // Without a known uid there is nothing to compare.
    world.host.patch(&format!("{CLUSTERS}/empty"), &label).await;
    world.stop().await;
}

/// The controllers of a cluster that is no host have no handler, but the configuration stays.
#[rstest]
#[case::v3_4_0("v3.4.0")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn has_no_handler_where_the_cluster_is_no_host(#[case] version: &str) {
    let world = World::start(version).await;
    world.member.create(&stub::console::form::cluster_object("m", &kubeconfigs::valid(&world.bare))).await;
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let path = format!("{CLUSTERS}/m");
    let mut told = (0, Value::Null);
    world
        .member
        .until("the controllers answer", async || {
            told = world.member.try_patch(&path, &label).await;
            !told.1["message"].as_str().unwrap_or_default().contains("connection refused")
        })
        .await;
    let message = "Internal error occurred: failed calling webhook \"validating-cluster.kubesphere.io\": the server could not \
                   find the requested resource";
    assert_eq!((told.0, told.1["message"].as_str().unwrap()), (500, message));
    world.stop().await;
}

/// Up to v3.2.1 a resync asks for the version first, and has words of its own for a cluster that does not tell it.
#[tokio::test(flavor = "multi_thread")]
async fn calls_a_silent_member_unavailable_at_the_next_resync_of_3_2_1() {
    let world = World::start("v3.2.1").await;
    import(&world, "gone1").await;
    assert_eq!(told(&world, "gone1").await, json!([["Federated", "True", ""], ["Ready", "True", "Ready"]]));
    let fault = refuse(&world, world.member.address, 6443);
    world.host.until_ready("gone1", "False").await;
    let ready = world.host.condition("gone1", "Ready").await.unwrap();
    assert_eq!(
        (&ready["reason"], &ready["message"]),
        (&"failed to connect get kubernetes version".into(), &"Cluster is not available now".into())
    );
    world.network.clear_fault(fault);
    world.pass(TWO_RESYNCS).await;
    assert_eq!(told(&world, "gone1").await, json!([["Federated", "True", ""], ["Ready", "True", "Ready"]]));
    world.stop().await;
}

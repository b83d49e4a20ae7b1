//! Another kubeconfig for an imported member, through ks-apiserver.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rstest::rstest;
use serde_json::json;

use crate::fixture::World;
use crate::kubeconfigs;
use crate::records::{Got, Record, Replay};

async fn put(world: &World, kubeconfig: &str) -> Got {
    let token = format!("Bearer {}", world.host.token("admin").await);
    let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
    let body = json!({"kubeconfig": STANDARD.encode(kubeconfig)}).to_string();
    world
        .host
        .ask(Method::PUT, "/kapis/cluster.kubesphere.io/v1alpha1/clusters/swap1/kubeconfig", &headers, &body)
        .await
}

async fn start(version: &str) -> World {
    let world = World::start(version).await;
    let cluster = stub::console::form::cluster_object("swap1", &kubeconfigs::valid(&world.member));
    world.host.create(&cluster).await;
    world.host.until_ready("swap1", "True").await;
    world
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn takes_and_refuses_kubeconfigs_as_the_real_one_does(#[case] version: &str) {
    let world = start(version).await;
    let steps = Replay::KubeconfigChange.record(version).0["steps"].take();
    let mut differences = Vec::new();
    for step in steps.as_array().unwrap() {
        let what = step["what"].as_str().unwrap();
        let Some(("PUT /kapis/cluster.kubesphere.io/v1alpha1/clusters/NAME/kubeconfig", given)) = what.split_once(": ")
        else {
            continue;
        };
        let kubeconfig = match given {
            "empty" => String::new(),
            "unreachable" => kubeconfigs::of_case(&world, "closed-port").await.unwrap(),
            "the host's own kubeconfig" => kubeconfigs::valid(&world.host),
            "kubeconfig of another cluster (without KubeSphere)" => kubeconfigs::valid(&world.bare),
            _ => kubeconfigs::valid(&world.member),
        };
        let mut record = step.clone();
        record["case"] = given.into();
        // What the cluster controller writes meanwhile would be a conflict, there as here.
        world.settle().await;
        differences.extend(Record(record).difference(&world, &put(&world, &kubeconfig).await));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    world.stop().await;
}

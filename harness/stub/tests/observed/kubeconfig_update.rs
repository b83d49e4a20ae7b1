//! Another kubeconfig for an imported member, through ks-apiserver.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use crate::fixture::{MEMBER_CONFIG, SECRET, World};
use crate::kubeconfigs;
use crate::records::{Got, Record, of};

async fn put(world: &World, kubeconfig: &str) -> Got {
    let token = format!("Bearer {}", world.host.token("admin").await);
    let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
    let body = json!({"kubeconfig": STANDARD.encode(kubeconfig)}).to_string();
    world
        .host
        .ask(Method::PUT, "/kapis/cluster.kubesphere.io/v1alpha1/clusters/swap1/kubeconfig", &headers, &body)
        .await
}

async fn start() -> World {
    let world = World::start("v3.3.2").await;
    let cluster = stub::console::form::cluster_object("swap1", &kubeconfigs::valid(&world.member));
    world.host.create(&cluster).await;
    world.host.until_ready("swap1", "True").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_and_refuses_kubeconfigs_as_the_real_one_does() {
    let world = start().await;
    let records = of("import", "v3.3.2");
    let steps = &records.iter().find(|record| record.case() == "change-kubeconfig-after-import").unwrap().0["steps"];
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
        differences.extend(Record(record).difference(&world, &put(&world, &kubeconfig).await));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_a_kubeconfig_that_it_refuses_because_of_the_secret() {
    let world = start().await;
    let other = MEMBER_CONFIG.replace(SECRET, &SECRET.replace('A', "B"));
    let path = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";
    world.member.patch(path, &json!({"data": {"kubesphere.yaml": other}})).await;
    let fresh = kubeconfigs::of_case(&world, "expires-in-3-days").await.unwrap();
    assert_eq!(put(&world, &fresh).await.status, Some(400));
    let cluster = world.host.get("/apis/cluster.kubesphere.io/v1alpha1/clusters/swap1").await;
    assert_eq!(cluster["spec"]["connection"]["kubeconfig"], STANDARD.encode(fresh));
    world.stop().await;
}

//! Looking at a member before its import.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kubesphere::Feature;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::{MEMBER_CONFIG, SECRET, World, refuse_ks_apiserver};
use crate::kubeconfigs;
use crate::records::{Got, Record, Replay, Tally};

const PATH: &str = "/kapis/cluster.kubesphere.io/v1alpha1/clusters/validation";
const HOST_CLUSTER: &str = "/apis/cluster.kubesphere.io/v1alpha1/clusters/host";
const CONFIG_PATH: &str = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";
/// The state that every record begins with.
const AS_BEFORE: &str = "";

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn validates_as_the_real_one_does(#[case] version: &str) {
    let world = World::start(version).await;
    let mut tally = Tally::default();
    let token = world.host.token("admin").await;
    let records = Replay::Validation.records(version);
    let state = |record: &Record| record.0["state"].as_str().unwrap_or_default().to_owned();
    for record in records.iter().filter(|record| state(record).ends_with("not imported")) {
        if record.is_skipped() {
            continue;
        }
        let _progress = (case(record) == "blackhole").then(|| world.progress());
        let uid = if case(record) == "host-itself" { Some(hide_host(&world).await) } else { None };
        tally.compare(&world, record, &send(&world, record, &token).await);
        if let Some(uid) = uid {
            world.host.patch(HOST_CLUSTER, &json!({"status": {"uid": uid}})).await;
        }
    }
    world.member.keep_endpoints().await;
    for record in records.iter().filter(|record| case(record).starts_with("state-")) {
        if record.is_skipped() {
            continue;
        }
        set_state(&world, case(record)).await;
        let ends = world.release.has(Feature::ReloadChecked)
            && matches!(
                case(record),
                "state-secret-empty" | "state-no-authentication-section" | "state-config-not-yaml"
            );
        if ends {
            world.member.until_ks_apiserver_listens(false).await;
        }
        let fault = if case(record) == "state-apiserver-down" { Some(refuse_ks_apiserver(&world).await) } else { None };
        tally.compare(&world, record, &send(&world, record, &token).await);
        if let Some(fault) = fault {
            world.network.clear_fault(fault);
        }
        if ends {
            set_state(&world, AS_BEFORE).await;
            world.member.until_ks_apiserver_listens(true).await;
        }
    }
    set_state(&world, AS_BEFORE).await;
    world.member.until_ks_apiserver_listens(true).await;
    world.host.create(&cluster("member1", &kubeconfigs::valid(&world.member))).await;
    world.host.until_ready("member1", "True").await;
    world.host.until_ready("host", "True").await;
    let token = world.host.token("admin").await;
    for record in records.iter().filter(|record| {
        matches!(case(record), "already-imported-same-name" | "host-itself-after" | "bare-cluster-after")
    }) {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    world.stop().await;
    tally.settle(&records);
}

/// Takes from the host's own Cluster what a member is recognized by, since the record is from before there was one.
async fn hide_host(world: &World) -> Value {
    world.host.until_ready("host", "True").await;
    let uid = world.host.get(HOST_CLUSTER).await["status"]["uid"].take();
    world.host.patch(HOST_CLUSTER, &json!({"status": {"uid": null}})).await;
    uid
}

fn case(record: &Record) -> &str {
    record.case().strip_prefix("validate-").unwrap()
}

fn cluster(name: &str, kubeconfig: &str) -> Value {
    stub::console::form::cluster_object(name, kubeconfig)
}

async fn send(world: &World, record: &Record, token: &str) -> Got {
    let request = &record.0["request"];
    let kubeconfig = kubeconfigs::of_case(world, case(record)).await.unwrap();
    let encoded = STANDARD.encode(&kubeconfig);
    let fill = |text: &str| if text.starts_with("<base64 of kubeconfig") { encoded.clone() } else { text.to_owned() };
    let body = match &request["body"] {
        Value::String(text) => text.clone(),
        body => {
            let mut body = body.clone();
            if let Some(field) = body.pointer_mut("/spec/connection/kubeconfig") {
                let plain = case(record) == "plain-kubeconfig";
                *field = if plain { kubeconfig.clone() } else { fill(field.as_str().unwrap()) }.into();
            }
            body.to_string()
        }
    };
    let authorization = match case(record) {
        "no-token" => None,
        "bad-token" => Some("Bearer nonsense".to_owned()),
        _ => Some(format!("Bearer {token}")),
    };
    let content_type = request["headers"]["Content-Type"].as_str().unwrap_or("application/json");
    let mut headers = vec![("content-type", content_type)];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    world.host.ask(Method::POST, PATH, &headers, &body).await
}

/// Brings the member into the state of a record, by its ConfigMap.
async fn set_state(world: &World, case: &str) {
    let member = &world.member;
    let section = |name: &str| {
        let mut document: serde_json::Map<String, Value> = serde_yaml::from_str(MEMBER_CONFIG).unwrap();
        document.shift_remove(name);
        serde_yaml::to_string(&document).unwrap()
    };
    let config = match case {
        "state-role-host" => MEMBER_CONFIG.replace("clusterRole: member", "clusterRole: host"),
        "state-role-unknown" => MEMBER_CONFIG.replace("clusterRole: member", "clusterRole: hsot"),
        "state-secret-differs" => MEMBER_CONFIG.replace(SECRET, &SECRET.replace('A', "B")),
        "state-secret-empty" => MEMBER_CONFIG.replace(SECRET, ""),
        "state-no-multicluster-section" => section("multicluster"),
        "state-no-authentication-section" => section("authentication"),
        "state-config-not-yaml" => "a: b: c".to_owned(),
        _ => MEMBER_CONFIG.to_owned(),
    };
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kubesphere-config", "namespace": "kubesphere-system"},
        "data": {"kubesphere.yaml": config},
    });
    member.call(Method::DELETE, CONFIG_PATH, None).await;
    if case != "state-no-config" {
        member.create(&object).await;
    }
}

//! Requests for members through the host.

use std::time::Duration;

use http::Method;
use kubesphere::Feature;
use rstest::rstest;
use serde_json::Value;

use crate::fixture::{MEMBER_CONFIG, World, refuse, refuse_ks_apiserver};
use crate::kubeconfigs;
use crate::records::{Got, Record, Replay, Tally};

const CONFIG_PATH: &str = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn dispatches_as_the_real_one_does(#[case] version: &str) {
    let world = World::start(version).await;
    let mut tally = Tally::default();
    import(&world, "member1").await;
    world.host.until_ready("host", "True").await;
    let records = Replay::Dispatch.records(version);
    let cases =
        |prefix: &str| records.iter().filter(move |record| record.case().starts_with(prefix)).collect::<Vec<_>>();
    let token = steady_token(&world).await;
    for record in [
        "dispatch-equal-",
        "dispatch-host-",
        "dispatch-unknown-",
        "dispatch-member-as",
        "dispatch-cluster",
        "dispatch-tenant",
    ]
    .into_iter()
    .flat_map(cases)
    {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    // The resync would write the file again before the records are asked for; a look that is under way may, too.
    world.clock.hold("cluster-resync");
    let without_role = MEMBER_CONFIG.replace("    accessTokenMaxAge: 0\n", "");
    let without_role = without_role.replace("clusterRole: member\n  enable: false", "clusterRole: none");
    world
        .host
        .until("the member wants cached tokens", async || {
            if world.member.get(CONFIG_PATH).await["data"]["kubesphere.yaml"] != without_role.as_str() {
                member_config(&world, &without_role).await;
            }
            ask(&world, "/kapis/clusters/member1/version", Some(&token)).await.status == Some(401)
        })
        .await;
    for record in cases("dispatch-role-none-").into_iter().filter(|record| !record.case().contains("-later-")) {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    world.clock.release("cluster-resync");
    world
        .host
        .until("the next resync has rewritten the member's configuration", async || {
            ask(&world, "/kapis/clusters/member1/version", Some(&token)).await.status == Some(200)
        })
        .await;
    for record in cases("dispatch-role-none-later-").into_iter().chain(cases("dispatch-restored")) {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    world.host.create_bob().await;
    for record in cases("api-") {
        if record.is_skipped() {
            continue;
        }
        tally.compare(&world, record, &send(&world, record, &token).await);
        if record.case() == "api-create-cluster-bad-name" {
            world.host.until_ready("viaapi", "True").await;
        }
        if record.case() == "api-delete-cluster" {
            world
                .host
                .until("viaapi is gone", async || {
                    world.host.get("/apis/cluster.kubesphere.io/v1alpha1/clusters/viaapi").await["code"] == 404
                })
                .await;
        }
    }
    let config = MEMBER_CONFIG.replace("clusterRole: member\n  enable: false", "clusterRole: host\n  enable: true");
    member_config(&world, &config).await;
    import(&world, "s-role-host").await;
    world
        .host
        .until("the member works with its new role", async || {
            let configz = "/kapis/clusters/s-role-host/config.kubesphere.io/v1alpha2/configs/configz";
            ask(&world, configz, Some(&token)).await.body.contains("\"multicluster\": true")
        })
        .await;
    for record in cases("dispatch-state-role-host-") {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    member_config(&world, &MEMBER_CONFIG.replace("multicluster:\n  clusterRole: member\n  enable: false\n", "")).await;
    import(&world, "s-no-multicluster-section").await;
    world
        .host
        .until("the member works without a role", async || {
            let configz = "/kapis/clusters/s-no-multicluster-section/config.kubesphere.io/v1alpha2/configs/configz";
            ask(&world, configz, Some(&token)).await.body.contains("\"multicluster\": false")
        })
        .await;
    for record in cases("dispatch-state-no-multicluster-section-") {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    import(&world, "s-down").await;
    let fault = refuse_ks_apiserver(&world).await;
    for record in cases("dispatch-state-apiserver-down-") {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    world.network.clear_fault(fault);
    import(&world, "gone1").await;
    let fault = refuse(&world, world.member.address, 6443);
    for record in cases("dispatch-member-down-").into_iter().filter(|record| !record.case().contains("-later-")) {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    let webhook = world.release.has(Feature::ClusterWebhook);
    if webhook {
        // It lets nothing be written about a member that does not answer.
        let later = world.clock.now() + Duration::from_secs(150);
        world.host.until("150 s have passed", async || world.clock.now() >= later).await;
    } else {
        world.host.until_ready("gone1", "False").await;
    }
    for record in cases("dispatch-member-down-later-") {
        tally.compare(&world, record, &send(&world, record, &token).await);
    }
    let conditions: Vec<_> = conditions(&world, "gone1").await;
    let first = if webhook { "Federated" } else { "KubeConfigCertExpiresInSevenDays" };
    assert_eq!((conditions.len(), conditions[0].as_str()), (3, first));
    world.network.clear_fault(fault);
    let bob = world.host.token("bob").await;
    let seen = ask(&world, "/kapis/resources.kubesphere.io/v1alpha3/clusters", Some(&bob)).await;
    assert!(seen.status == Some(200) && !seen.body.contains("\"kubeconfig\""), "{seen:?}");
    world.stop().await;
    tally.settle(&records);
}

async fn import(world: &World, name: &str) {
    world.host.create(&stub::console::form::cluster_object(name, &kubeconfigs::valid(&world.member))).await;
    world.host.until_ready(name, "True").await;
    // The controller fills in the address, which is a change of the spec and makes it look once more.
    let line = format!("successfully joined federation for cluster {name}\n");
    world
        .host
        .until("the controller is done with it", async || world.host.logs().await.matches(&line).count() >= 2)
        .await;
}

/// A token that stays good: one issued after the host has loaded its rewritten configuration.
async fn steady_token(world: &World) -> String {
    world
        .host
        .until("tokens without expiry", async || {
            let form =
                "grant_type=password&username=admin&password=P%4088w0rd&client_id=kubesphere&client_secret=kubesphere";
            let got = world
                .host
                .ask(Method::POST, "/oauth/token", &[("content-type", "application/x-www-form-urlencoded")], form)
                .await;
            got.status == Some(200) && !got.body.contains("expires_in")
        })
        .await;
    world.host.token("admin").await
}

async fn conditions(world: &World, name: &str) -> Vec<String> {
    let cluster = world.host.get(&format!("/apis/cluster.kubesphere.io/v1alpha1/clusters/{name}")).await;
    let conditions = cluster["status"]["conditions"].as_array().unwrap();
    conditions.iter().map(|condition| condition["type"].as_str().unwrap().to_owned()).collect()
}

async fn member_config(world: &World, config: &str) {
    world.member.patch(CONFIG_PATH, &serde_json::json!({"data": {"kubesphere.yaml": config}})).await;
}

async fn ask(world: &World, path: &str, token: Option<&str>) -> Got {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    world.host.ask(Method::GET, path, &headers, "").await
}

async fn send(world: &World, record: &Record, token: &str) -> Got {
    let request = &record.0["request"];
    let authorization = match (record.case(), request["token"].as_str()) {
        (case, _) if case.contains("regular-user") => Some(format!("Bearer {}", world.host.token("bob").await)),
        (_, Some("none")) => None,
        (_, Some("other")) => Some("Bearer nonsense".to_owned()),
        _ => Some(format!("Bearer {token}")),
    };
    let body = match &request["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body => {
            let mut body = body.clone();
            body["spec"]["connection"]["kubeconfig"] = stub::console::form::cluster_object(
                "x",
                &kubeconfigs::valid(&world.member),
            )["spec"]["connection"]["kubeconfig"]
                .clone();
            body.to_string()
        }
    };
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    let cluster = if request["to"] == "member" { &world.member } else { &world.host };
    let method: Method = request["method"].as_str().unwrap().parse().unwrap();
    cluster.ask(method, request["path"].as_str().unwrap(), &headers, &body).await
}

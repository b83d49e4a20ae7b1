//! Members that are not as they should be, imported past validation, and what changes on a member after its import.

use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::{MEMBER_CONFIG, SECRET, World, refuse_ks_apiserver};
use crate::imports::{
    CLUSTERS, CONFIG, create, difference, import, masked, name_in, name_of_member, told, told_in, until_named,
};
use crate::records::{Replay, Tally, check};
use crate::timeline::{self, Timeline, conditions};

fn other_secret() -> String {
    MEMBER_CONFIG.replace(SECRET, &SECRET.replace('A', "B"))
}

/// Changes the member's configuration, when nobody is about to write it any more.
async fn configure(world: &World, config: &str) {
    world.settle().await;
    world.member.patch(CONFIG, &json!({"data": {"kubesphere.yaml": config}})).await;
}

/// The member's configuration in a state of the records.
fn config_in(state: &str) -> String {
    match state {
        // The records' configuration is what v3.4.1's installer renders, on v3.3.2 as well.
        "role-host" => MEMBER_CONFIG.replace(
            "  clusterRole: member\n  enable: false\n",
            "  clusterRole: host\n  enable: true\n  agentImage: kubesphere/tower:v0.2.1\n  \
             proxyPublishService: tower.kubesphere-system.svc\n",
        ),
        "secret-differs" => other_secret(),
        "no-multicluster-section" => {
            MEMBER_CONFIG.replace("multicluster:\n  clusterRole: member\n  enable: false\n", "")
        }
        _ => MEMBER_CONFIG.to_owned(),
    }
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn imports_members_that_are_not_as_they_should_be(#[case] version: &str) {
    let world = World::start(version).await;
    world.host.until_ready("host", "True").await;
    let records = Replay::MemberState.records(version);
    let mut tally = Tally::default();
    for record in &records {
        let state = record.case().strip_prefix("import-state-").unwrap();
        let name = name_in(record);
        configure(&world, &config_in(state)).await;
        let answers = json!(state == "role-host");
        world
            .member
            .until("ks-apiserver has the configuration", async || {
                let configz = world
                    .member
                    .ask(Method::GET, "/kapis/config.kubesphere.io/v1alpha2/configs/configz", &[], "")
                    .await;
                serde_json::from_str::<Value>(&configz.body).is_ok_and(|configz| configz["multicluster"] == answers)
            })
            .await;
        if state == "no-config" {
            world.member.call(Method::DELETE, CONFIG, None).await;
        }
        let fault = if state == "apiserver-down" { Some(refuse_ks_apiserver(&world).await) } else { None };
        let watch = Timeline::start(&world.host).await;
        create(&world, record).await;
        world.host.until_ready(name, "True").await;
        if state != "no-config" {
            until_named(&world, name).await;
        }
        let cluster = world.host.get(&format!("{CLUSTERS}/{name}")).await;
        let mut differences = Vec::new();
        if cluster["status"]["configz"] != record.0["final"]["status"]["configz"] {
            differences.push(format!("{}: configz {}", record.case(), cluster["status"]["configz"]));
        }
        if let Some(wanted) = record.0["member_config_after"].as_str() {
            let config = world.member.get(CONFIG).await["data"]["kubesphere.yaml"].clone();
            let config = masked(config.as_str().unwrap());
            if config != wanted {
                differences.push(format!("{}: configuration\n  wanted {wanted}\n  got    {config}", record.case()));
            }
        }
        let log = world.host.logs().await;
        world.host.call(Method::DELETE, &format!("{CLUSTERS}/{name}"), None).await;
        world.host.until("it is gone", async || watch.is_gone(name)).await;
        differences.extend(difference(&world, record, &watch, &log).await);
        tally.note(record, (!differences.is_empty()).then(|| differences.join("\n")));
        if let Some(fault) = fault {
            world.network.clear_fault(fault);
        }
        if state == "no-config" {
            let mut config: Value = json!({"apiVersion": "v1", "kind": "ConfigMap"});
            config["metadata"] = json!({"name": "kubesphere-config", "namespace": "kubesphere-system"});
            config["data"] = json!({"kubesphere.yaml": MEMBER_CONFIG});
            world.member.create(&config).await;
        }
    }
    world.stop().await;
    tally.settle(&records);
}

#[rstest]
#[case::secret_change_v3_3_2("v3.3.2", Replay::SecretChange, other_secret())]
#[case::secret_change_v3_4_1("v3.4.1", Replay::SecretChange, other_secret())]
#[case::role_none_v3_3_2("v3.3.2", Replay::RoleChange, role_none())]
#[case::role_none_v3_4_1("v3.4.1", Replay::RoleChange, role_none())]
#[tokio::test(flavor = "multi_thread")]
async fn notices_nothing_of_a_changed_member_but_its_lost_name(
    #[case] version: &str,
    #[case] replay: Replay,
    #[case] config: String,
) {
    let world = World::start(version).await;
    import(&world, "member1").await;
    until_named(&world, "member1").await;
    configure(&world, &config).await;
    let record = replay.record(version);
    let mut differences = Vec::new();
    for moment in record.0["cluster_over_time"].as_array().unwrap() {
        let name = moment["clusterName_in_member_config"].as_str().unwrap_or_default();
        until_named(&world, name).await;
        let cluster = world.host.get(&format!("{CLUSTERS}/member1")).await;
        check(&mut differences, "conditions", &told_in(&moment["conditions"]), &told(&world, "member1").await);
        check(
            &mut differences,
            "configz",
            &moment["configz_multicluster"],
            &cluster["status"]["configz"]["multicluster"],
        );
        check(&mut differences, "labels", &moment["labels"], &cluster["metadata"]["labels"]);
    }
    if let Some(wanted) = record.0["member_config_after"].as_str() {
        let got = world.member.get(CONFIG).await["data"]["kubesphere.yaml"].clone();
        check(&mut differences, "configuration", &json!(wanted), &json!(masked(got.as_str().unwrap())));
    }
    world.stop().await;
    Tally::settle_one(&record, &differences);
}

/// What the installer renders for the role none.
fn role_none() -> String {
    let none = MEMBER_CONFIG.replace("  clusterRole: member\n  enable: false\n", "  clusterRole: none\n");
    none.replace("    accessTokenMaxAge: 0\n", "")
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn keeps_one_member_under_two_names_and_calls_it_by_turns(#[case] version: &str) {
    let world = World::start(version).await;
    import(&world, "member1").await;
    until_named(&world, "member1").await;
    let watch = Timeline::start(&world.host).await;
    world.host.until("the watch sees member1", async || !watch.of(&world, "member1").await.is_empty()).await;
    import(&world, "member2").await;
    let record = Replay::SecondName.record(version);
    let mut differences = Vec::new();
    // Every change of the name is one of the record's moments.
    for moment in record.0["clusterName_in_member_config_over_time"].as_array().unwrap() {
        until_named(&world, moment[1].as_str().unwrap()).await;
    }
    let uid = async |name: &str| world.host.get(&format!("{CLUSTERS}/{name}")).await["status"]["uid"].clone();
    check(&mut differences, "uid", &record.0["uid_equal"], &json!(uid("member1").await == uid("member2").await));
    for name in ["member1", "member2"] {
        let cluster = world.host.get(&format!("{CLUSTERS}/{name}")).await;
        let wanted = conditions(&world, &record.0[format!("conditions_{name}")]);
        check(&mut differences, name, &wanted, &conditions(&world, &cluster["status"]["conditions"]));
    }
    world.host.call(Method::DELETE, &format!("{CLUSTERS}/member2"), None).await;
    world.host.until("member2 is gone", async || watch.is_gone("member2")).await;
    until_named(&world, "member1").await;
    let member1 = world.host.get(&format!("{CLUSTERS}/member1")).await;
    let wanted = conditions(&world, &record.0["after_delete_conditions_member1"]);
    check(&mut differences, "after", &wanted, &conditions(&world, &member1["status"]["conditions"]));
    for name in ["member1", "member2"] {
        let wanted = timeline::recorded(&world, &record.0[format!("timeline_{name}")]);
        differences.extend(timeline::difference(name, &wanted, &watch.of(&world, name).await));
    }
    assert_eq!(name_of_member(&world).await, "member1");
    world.stop().await;
    Tally::settle_one(&record, &differences);
}

//! First joins that lose against the member's token controller, as some of the real ones did.

use std::time::Duration;

use rstest::rstest;
use serde_json::Value;
use stub::delays::RESYNC;
use stub::{Behaviour, Deviation};

use crate::fixture::Plan;
use crate::kubeconfigs;
use crate::records::{Replay, Tally};
use crate::timeline::Timeline;

/// The Federated condition of the first states of a member's Cluster: status and reason, with the records' name; and how
/// long it took to become Ready.
async fn first_joins(version: &str, behaviour: Behaviour) -> (Vec<(String, String)>, Duration) {
    let world = Plan::new(version).behaviour(behaviour).start().await;
    let watch = Timeline::start(&world.host).await;
    let begin = world.clock.now();
    world.host.create(&stub::console::form::cluster_object("m", &kubeconfigs::valid(&world.member))).await;
    world.host.until_ready("m", "True").await;
    let took = world.clock.now().saturating_sub(begin);
    let text = |value: &Value| value.as_str().unwrap_or_default().replace("m-kubesphere", "NAME-kubesphere");
    let told = watch.of(&world, "m").await;
    let joins = told.iter().map(|state| &state["conditions"]).filter(|conditions| conditions[0].is_array());
    let joins = joins.map(|conditions| (text(&conditions[0][1]), text(&conditions[0][2]))).collect();
    world.stop().await;
    (joins, took)
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn loses_each_race_that_the_real_first_joins_lost(#[case] version: &str) {
    let record = Replay::FirstJoins.record(version);
    let mut differences = Vec::new();
    for outcome in record.0["outcomes"].as_array().unwrap() {
        let reason = outcome["reason"].as_str().unwrap_or_default();
        let behaviour = match reason {
            "" => Behaviour::default(),
            reason if reason.starts_with("Key ") => Deviation::FirstJoinTokenRace.into(),
            _ => Deviation::FirstJoinAccountRace.into(),
        };
        let (joins, _) = first_joins(version, behaviour).await;
        let wanted = (outcome["federated"].as_str().unwrap().to_owned(), reason.to_owned());
        if joins.first() != Some(&wanted) {
            differences.push(format!("wanted {wanted:?}, got {joins:?}"));
        }
    }
    Tally::settle_one(&record, &differences);
}

/// A lost race heals at the next resync; but v3.4 tries a conflict again at once, and stores nothing of it.
#[rstest]
#[case::v3_2_1("v3.2.1", Deviation::FirstJoinAccountRace, &["False", "True"])]
#[case::v3_3_2("v3.3.2", Deviation::FirstJoinAccountRace, &["False", "True"])]
#[case::v3_4_0("v3.4.0", Deviation::FirstJoinAccountRace, &["True"])]
#[case::v3_4_1("v3.4.1", Deviation::FirstJoinAccountRace, &["True"])]
#[case::token_v3_2_1("v3.2.1", Deviation::FirstJoinTokenRace, &["False", "True"])]
#[case::token_v3_4_0("v3.4.0", Deviation::FirstJoinTokenRace, &["False", "True"])]
#[tokio::test(flavor = "multi_thread")]
async fn heals_a_lost_race(#[case] version: &str, #[case] race: Deviation, #[case] federated: &[&str]) {
    let (joins, took) = first_joins(version, race.into()).await;
    assert_eq!(joins.iter().map(|(status, _)| status.as_str()).collect::<Vec<_>>(), federated);
    assert_eq!(took >= RESYNC.duration, joins.len() > 1, "took {took:?}");
}

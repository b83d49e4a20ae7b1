//! Owners and what they own, and namespaces that go.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, ListParams, PropagationPolicy};
use nodes::program::Programs;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use super::is;
use crate::support::{Kind, TestCluster};

fn owner(object: &Value, blocks: bool) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "blockOwnerDeletion": blocks,
    })
}

pub async fn collects_kinds_that_no_controller_knows(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    let group = format!("{}.example.com", cluster.namespace);
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = |plural: &str, kind: &str, version: &str| {
        json!({
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
                "versions": [{"name": version, "served": true, "storage": true, "schema": schema}],
            },
        })
    };
    // The group's preferred version has nothing but the others.
    let definitions = [definition("others", "Other", "v2"), definition("things", "Thing", "v1")];
    for definition in &definitions {
        cluster.create("apiextensions.k8s.io/v1", "CustomResourceDefinition", definition.clone()).await;
        let is_there = |one: &Value| {
            let conditions = one["status"]["conditions"].as_array();
            one["metadata"]["name"] == definition["metadata"]["name"]
                && conditions
                    .is_some_and(|all| all.iter().any(|one| one["type"] == "Established" && one["status"] == "True"))
        };
        cluster.until_one("apiextensions.k8s.io/v1", "CustomResourceDefinition", is_there).await;
    }
    let version = format!("{group}/v1");
    let top = cluster.create_soon(&version, "Thing", json!({"metadata": {"name": "top"}})).await;
    let middle = json!({"metadata": {"name": "middle", "ownerReferences": [owner(&top, true)]}});
    let middle = cluster.create("v1", "ConfigMap", middle).await;
    let bottom = json!({"metadata": {"name": "bottom", "ownerReferences": [owner(&middle, true)]}});
    cluster.create(&version, "Thing", bottom).await;
    cluster.api(&version, "Thing").delete("top", &DeleteParams::foreground()).await.unwrap();
    cluster.until(&version, "Thing", <[Value]>::is_empty).await;
    cluster.until("v1", "ConfigMap", |maps| !maps.iter().any(|map| is(map, "/metadata/name", "middle"))).await;
    for plural in ["others", "things"] {
        let definitions = cluster.api("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        definitions.delete(&format!("{plural}.{group}"), &DeleteParams::default()).await.unwrap();
    }
    cluster.end().await;
}

pub async fn collects_what_absent_owners_left(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    let absent = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "00000000-0000-0000-0000-000000000001",
    });
    let there = cluster.create("v1", "ConfigMap", json!({"metadata": {"name": "there"}})).await;
    let alone = json!({"metadata": {"name": "alone", "ownerReferences": [absent]}});
    cluster.create("v1", "Secret", alone).await;
    let kept = json!({"metadata": {"name": "kept", "ownerReferences": [absent, owner(&there, false)]}});
    cluster.create("v1", "Secret", kept).await;
    cluster.until("v1", "Secret", |all| !all.iter().any(|one| is(one, "/metadata/name", "alone"))).await;
    let kept = cluster
        .until_one("v1", "Secret", |one| {
            is(one, "/metadata/name", "kept") && one["metadata"]["ownerReferences"].as_array().map(Vec::len) == Some(1)
        })
        .await;
    assert_eq!(kept["metadata"]["ownerReferences"][0]["name"], "there");
    cluster.end().await;
}

/// Objects in a line-up where each may be owned by earlier ones, and the deletions of some of them.
#[derive(Debug, Clone)]
struct History {
    owners: Vec<Vec<(usize, bool)>>,
    deletions: Vec<(usize, u8)>,
}

const OBJECTS: usize = 12;

fn histories() -> impl proptest::strategy::Strategy<Value = History> {
    let owners =
        (0..OBJECTS).map(|at| proptest::collection::vec((0..at.max(1), proptest::bool::ANY), 0..3.min(at + 1)));
    let owners = owners.collect::<Vec<_>>();
    let deletions = proptest::collection::vec((0..OBJECTS, 0_u8..3), 1..6);
    (owners, deletions).prop_map(|(owners, deletions)| {
        let owners = owners.into_iter().enumerate();
        let owners = owners.map(|(at, mut list)| {
            list.retain(|(owner, _)| *owner < at);
            list.sort_unstable();
            list.dedup_by_key(|(owner, _)| *owner);
            list
        });
        History { owners: owners.collect(), deletions }
    })
}

/// Which objects are left in the end: those that nobody deleted and that have, or never had, an owner which is left. An
/// object that a deletion orphaned belongs to nobody.
fn left(history: &History) -> Vec<bool> {
    let mut there = [true; OBJECTS];
    let mut owners: Vec<Vec<usize>> =
        history.owners.iter().map(|list| list.iter().map(|(owner, _)| *owner).collect()).collect();
    for (target, policy) in &history.deletions {
        if !there[*target] {
            continue;
        }
        there[*target] = false;
        if *policy == 2 {
            for list in &mut owners {
                list.retain(|owner| owner != target);
            }
        }
        for at in 0..OBJECTS {
            let lost = !owners[at].is_empty() && owners[at].iter().all(|owner| !there[*owner]);
            there[at] = there[at] && !lost;
        }
        // Whoever has another owner forgets those that are gone.
        for list in &mut owners {
            list.retain(|owner| there[*owner]);
        }
    }
    there.to_vec()
}

/// After any sequence of deletions exactly those objects are left that somebody still owns or that nobody ever did.
pub async fn converges_after_any_deletions_of_owners(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    let config = Config { rng_seed: RngSeed::Fixed(20), ..Config::default() };
    let mut runner = TestRunner::new(config);
    for round in 0..12 {
        let history = histories().new_tree(&mut runner).unwrap().current();
        let name = |at: usize| format!("round{round}-{at}");
        let mut made = BTreeMap::<usize, Value>::new();
        for (at, owners) in history.owners.iter().enumerate() {
            let owners: Vec<_> = owners.iter().map(|(of, blocks)| owner(&made[of], *blocks)).collect();
            let kind = if at % 2 == 0 { "ConfigMap" } else { "Secret" };
            let object = json!({"metadata": {"name": name(at), "ownerReferences": owners}});
            made.insert(at, cluster.create("v1", kind, object).await);
        }
        for (target, policy) in &history.deletions {
            let kind = if target % 2 == 0 { "ConfigMap" } else { "Secret" };
            let policy = match policy {
                0 => PropagationPolicy::Background,
                1 => PropagationPolicy::Foreground,
                _ => PropagationPolicy::Orphan,
            };
            let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
            let _gone_already = cluster.api("v1", kind).delete(&name(*target), &params).await;
            settled(&cluster, &format!("round{round}-")).await;
        }
        let expected = left(&history);
        let mut found = vec![false; OBJECTS];
        for kind in ["ConfigMap", "Secret"] {
            for object in cluster.api("v1", kind).list(&ListParams::default()).await.unwrap() {
                let object_name = object.metadata.name.unwrap();
                if let Some(at) = object_name.strip_prefix(&format!("round{round}-")) {
                    found[at.parse::<usize>().unwrap()] = true;
                }
            }
        }
        assert_eq!(found, expected, "{history:?}");
    }
    cluster.end().await;
}

/// Waits until nothing with the prefix waits to go, and every owner reference leads somewhere.
async fn settled(cluster: &TestCluster, prefix: &str) {
    let ours = |objects: &[Value]| -> Vec<Value> {
        let has_prefix = |one: &&Value| one["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(prefix));
        objects.iter().filter(has_prefix).cloned().collect()
    };
    loop {
        let maps = cluster.until("v1", "ConfigMap", |_| true).await;
        let secrets = cluster.until("v1", "Secret", |_| true).await;
        let all: Vec<_> = ours(&maps).into_iter().chain(ours(&secrets)).collect();
        let uids: Vec<_> = all.iter().map(|one| one["metadata"]["uid"].clone()).collect();
        let rests = |one: &Value| {
            let owners = one["metadata"]["ownerReferences"].as_array();
            one["metadata"].get("deletionTimestamp").is_none()
                && owners.is_none_or(|owners| owners.iter().all(|owner| uids.contains(&owner["uid"])))
        };
        if all.iter().all(rests) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

pub async fn says_what_keeps_a_namespace(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    let stays = json!({"metadata": {"name": "stays", "finalizers": ["example.com/stay"]}});
    cluster.create("v1", "ConfigMap", stays).await;
    let namespaces = cluster.api("v1", "Namespace");
    namespaces.delete(&cluster.namespace, &DeleteParams::default()).await.unwrap();
    let name = cluster.namespace.clone();
    let remaining = |one: &Value, kind: &str| -> Option<Value> {
        let conditions = one["status"]["conditions"].as_array()?;
        let found = conditions.iter().find(|one| one["type"] == kind && one["status"] == "True")?;
        Some(found["message"].clone())
    };
    let kept = cluster
        .until_one("v1", "Namespace", |one| {
            is(one, "/metadata/name", name.as_str())
                && remaining(one, "NamespaceContentRemaining")
                    == Some(json!("Some resources are remaining: configmaps. has 1 resource instances"))
        })
        .await;
    assert_eq!(kept["status"]["phase"], "Terminating");
    assert_eq!(
        remaining(&kept, "NamespaceFinalizersRemaining"),
        Some(json!("Some content in the namespace has finalizers remaining: example.com/stay in 1 resource instances"))
    );
    cluster.patch("v1", "ConfigMap", "stays", json!({"metadata": {"finalizers": null}})).await;
    cluster.until("v1", "Namespace", |all| !all.iter().any(|one| is(one, "/metadata/name", name.as_str()))).await;
    cluster.end().await;
}

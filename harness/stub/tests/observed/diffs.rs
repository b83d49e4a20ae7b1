//! What an import makes and changes on the member and on the host: everything there before and after.

use std::collections::BTreeMap;

use http::Method;
use rstest::rstest;
use serde_json::{Map, Value, json};

use crate::fixture::{Cluster, World};
use crate::imports::{CLUSTERS, create, masked, until_named};
use crate::records::{Record, Replay, Tally, placeholders};
use crate::timeline::conditions;

/// What is looked at: kinds whose objects nobody but people and controllers of configuration make.
const KINDS: [(&str, &str, &str); 16] = [
    ("/api/v1", "namespaces", "Namespace"),
    ("/api/v1", "configmaps", "ConfigMap"),
    ("/api/v1", "secrets", "Secret"),
    ("/api/v1", "serviceaccounts", "ServiceAccount"),
    ("/api/v1", "services", "Service"),
    ("/apis/apps/v1", "deployments", "Deployment"),
    ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"),
    ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding"),
    ("/apis/rbac.authorization.k8s.io/v1", "roles", "Role"),
    ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
    ("/apis/cluster.kubesphere.io/v1alpha1", "clusters", "Cluster"),
    ("/apis/core.kubefed.io/v1beta1", "kubefedclusters", "KubeFedCluster"),
    ("/apis/iam.kubesphere.io/v1alpha2", "users", "User"),
    ("/apis/iam.kubesphere.io/v1alpha2", "globalrolebindings", "GlobalRoleBinding"),
    ("/apis/tenant.kubesphere.io/v1alpha1", "workspaces", "Workspace"),
    ("/apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
];

/// Objects by `plural|namespace|name`.
type Snapshot = BTreeMap<String, Value>;

async fn snapshot(world: &World, cluster: &Cluster) -> Snapshot {
    let mut all = Snapshot::new();
    for (group, plural, kind) in KINDS {
        let list = cluster.get(&format!("{group}/{plural}")).await;
        for object in list["items"].as_array().into_iter().flatten() {
            let object = normal(world, kind, object);
            let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
            all.insert(format!("{plural}|{}|{}", text("namespace"), text("name")), object);
        }
    }
    all
}

/// The name of a token Secret without what is random in it.
fn token_name(account: &str) -> String {
    format!("{account}-token-XXXXX")
}

/// An object without what differs from run to run, with its fields in order.
fn normal(world: &World, kind: &str, object: &Value) -> Value {
    let mut object: Map<String, Value> = object.as_object().unwrap().clone();
    object.shift_remove("apiVersion");
    object.insert("kind".to_owned(), kind.into());
    let mut object = Value::Object(object);
    let account = object["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str().map(str::to_owned);
    let metadata = object["metadata"].as_object_mut().unwrap();
    for key in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink"] {
        metadata.shift_remove(key);
    }
    for key in ["annotations", "labels"] {
        if metadata.get(key).is_some_and(|map| map.as_object().is_some_and(Map::is_empty)) {
            metadata.shift_remove(key);
        }
    }
    match (kind, account) {
        ("Secret", Some(account)) => {
            // Whether the join made it or the token controller is a race.
            metadata.shift_remove("generateName");
            object["metadata"]["name"] = token_name(&account).into();
            object["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = "<uid>".into();
        }
        ("ServiceAccount", _) => {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            object["secrets"] = json!([{"name": token_name(&name)}]);
        }
        ("Cluster", _) => {
            object["status"]["conditions"] = conditions(world, &object["status"]["conditions"]);
            object["status"]["uid"] = "<uid>".into();
            object["spec"]["connection"]["kubeconfig"] = "<BASE64-KUBECONFIG>".into();
        }
        ("KubeFedCluster", _) => object["spec"]["caBundle"] = "<BASE64-PEM>".into(),
        _ => {}
    }
    if kind == "Secret" {
        for value in object["data"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            *value = "<data>".into();
        }
    }
    if object["metadata"]["name"] == "kube-root-ca.crt" {
        object["data"]["ca.crt"] = "<PEM>\n".into();
    }
    object.sort_all_objects();
    let text = placeholders(world, &masked(&object.to_string()));
    serde_json::from_str(&text).unwrap()
}

/// What was created, deleted and changed between two moments, and differs from the record.
fn differences(world: &World, record: &Record, before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut found = Vec::new();
    let mut wanted: Vec<Value> =
        record.0["created"].as_array().unwrap().iter().map(|object| normal(world, kind(object), object)).collect();
    let mut created: Vec<Value> =
        after.iter().filter(|(key, _)| !before.contains_key(*key)).map(|(_, o)| o.clone()).collect();
    for list in [&mut wanted, &mut created] {
        list.sort_by_key(ToString::to_string);
        list.dedup();
    }
    found.extend(
        wanted.iter().filter(|object| !created.contains(object)).map(|object| format!("not created: {object}")),
    );
    found.extend(created.iter().filter(|object| !wanted.contains(object)).map(|object| format!("created: {object}")));
    found.extend(before.keys().filter(|key| !after.contains_key(*key)).map(|key| format!("deleted: {key}")));
    let changed: Vec<&String> = after
        .iter()
        .filter(|(key, object)| before.get(*key).is_some_and(|old| old != *object))
        .map(|(key, _)| key)
        .collect();
    let recorded: Vec<&Value> = record.0["changed"].as_array().unwrap().iter().collect();
    let keys: Vec<&str> = recorded.iter().map(|change| change["key"].as_str().unwrap()).collect();
    if changed.iter().map(|key| key.as_str()).ne(keys.iter().copied()) {
        found.push(format!("changed: {changed:?} in place of {keys:?}"));
    }
    for change in recorded {
        let key = change["key"].as_str().unwrap();
        for (what, ours) in [("before", before), ("after", after)] {
            if change[what]["data"] != ours[key]["data"] {
                found.push(format!("{key} {what}\n  wanted {}\n  got    {}", change[what]["data"], ours[key]["data"]));
            }
        }
    }
    found
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn makes_and_changes_what_a_real_import_does(#[case] version: &str) {
    let world = World::start(version).await;
    world.host.until_ready("host", "True").await;
    let records = Replay::Differences.records(version);
    let record = |case: &str| records.iter().find(|record| record.case() == case).unwrap();
    let valid = Replay::Import.record(version);
    let mut tally = Tally::default();
    let note = |tally: &mut Tally, case: &str, found: &[String]| {
        tally.note(record(case), (!found.is_empty()).then(|| format!("{case}: {}", found.join("\n"))));
    };

    // What an import changes is told from what the installations still do.
    world.settle().await;
    let (host, member) = (snapshot(&world, &world.host).await, snapshot(&world, &world.member).await);
    create(&world, &valid).await;
    world.host.until_ready("member1", "True").await;
    until_named(&world, "member1").await;
    world.settle().await;
    let (host_after, first) = (snapshot(&world, &world.host).await, snapshot(&world, &world.member).await);
    note(&mut tally, "diff-host-import", &differences(&world, record("diff-host-import"), &host, &host_after));
    note(&mut tally, "diff-member-import", &differences(&world, record("diff-member-import"), &member, &first));

    let mut again = Record(valid.0.clone());
    again.0["request"]["object"]["metadata"]["name"] = "member2".into();
    create(&world, &again).await;
    world.host.until_ready("member2", "True").await;
    until_named(&world, "member2").await;
    world.settle().await;
    let second = snapshot(&world, &world.member).await;
    note(
        &mut tally,
        "diff-member-second-name",
        &differences(&world, record("diff-member-second-name"), &first, &second),
    );

    world.host.call(Method::DELETE, &format!("{CLUSTERS}/member2"), None).await;
    until_named(&world, "member1").await;
    world.settle().await;
    let gone = snapshot(&world, &world.member).await;
    let case = "diff-member-second-name-deleted";
    note(&mut tally, case, &differences(&world, record(case), &second, &gone));
    world.stop().await;
    tally.settle(&records);
}

//! Pairs in one process are as far from each other as any.

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kubesphere::names::CLUSTER;
use providers::embedded::Embedded;
use providers::leases::Lease;
use providers::{Cluster, ClusterShape, PairPlan, Provider as _, Restore};
use scenario::model::SyncFrequency;
use serde_json::json;

/// As many as a process of a long run may hold at a time, and more.
const PAIRS: usize = 100;

fn plan(seed: u64) -> PairPlan {
    let shape = ClusterShape { nodes: 1, sync_frequency: SyncFrequency::Short };
    PairPlan {
        host: shape,
        member: Some(shape),
        seed,
        behaviour: stub::Behaviour::default(),
        restore: Restore::default(),
    }
}

fn clusters(cluster: &dyn Cluster) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(CLUSTER.group, CLUSTER.version, CLUSTER.kind);
    Api::all_with(cluster.client(), &ApiResource::from_gvk_with_plural(&kind, CLUSTER.plural))
}

fn config_maps(cluster: &dyn Cluster) -> Api<ConfigMap> {
    Api::namespaced(cluster.client(), "default")
}

/// Leaves a Cluster and a ConfigMap of the name `name`.
async fn mark(cluster: &dyn Cluster, name: &str) {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    for definition in stub::manifests::crds::core() {
        if definition["metadata"]["name"] == CLUSTER.crd_name() {
            let definition = serde_json::from_value(definition).unwrap();
            definitions.create(&PostParams::default(), &definition).await.unwrap();
        }
    }
    await_condition(definitions, &CLUSTER.crd_name(), conditions::is_crd_established()).await.unwrap();
    let of = |kind: &str, version: String| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    let object = serde_json::from_value(of(CLUSTER.kind, CLUSTER.api_version())).unwrap();
    clusters(cluster).create(&PostParams::default(), &object).await.unwrap();
    let map = serde_json::from_value(of("ConfigMap", "v1".to_owned())).unwrap();
    config_maps(cluster).create(&PostParams::default(), &map).await.unwrap();
}

/// The names of what is there.
async fn marks(cluster: &dyn Cluster) -> Vec<String> {
    let all = ListParams::default();
    let maps = config_maps(cluster).list(&all).await.unwrap().items.into_iter().map(|map| map.metadata.name);
    let clusters = clusters(cluster).list(&all).await.unwrap().items.into_iter().map(|object| object.metadata.name);
    maps.chain(clusters).flatten().filter(|name| name != "kube-root-ca.crt").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pairs_in_one_process_do_not_see_each_other() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let lease = Lease::begin(directories[0].path(), directories[1].path(), "a-hundred-pairs").unwrap();
    // A few at a time: no machine shakes hands with two hundred servers in the time that one grants for it.
    let pairs = stream::iter(0..PAIRS).map(|number| {
        let lease = lease.clone();
        async move {
            let pair = Embedded::default().create(&lease, &plan(number.try_into().unwrap())).await.unwrap();
            mark(&*pair.host, &format!("host-{number}")).await;
            mark(&**pair.member.as_ref().unwrap(), &format!("member-{number}")).await;
            pair
        }
    });
    let pairs: Vec<_> = pairs.buffered(8).collect().await;
    for (number, pair) in pairs.iter().enumerate() {
        let both = |name: String| vec![name.clone(), name];
        assert_eq!(marks(&*pair.host).await, both(format!("host-{number}")));
        assert_eq!(marks(&**pair.member.as_ref().unwrap()).await, both(format!("member-{number}")));
    }
    for ended in join_all(pairs.into_iter().map(providers::Pair::destroy)).await {
        ended.unwrap();
    }
    lease.end().await.unwrap();
}

//! Clusters that begin with what others were.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt as _};
use kubesphere::Release;
use nodes::clock::Delay;
use providers::embedded::{Embedded, EmbeddedOptions};
use providers::leases::Lease;
use providers::{Cluster, ClusterShape, Pair, PairPlan, Provider as _, Restore, identity};
use scenario::model::{Given, GivenCluster, GivenKubesphere, On, SyncFrequency};
use serde_json::{Value, json};
use tempfile::TempDir;

const SYSTEM: &str = "kubesphere-system";
const BANNER: &str = "Welcome to KubeSphere!";

/// Where pairs are made.
struct Site {
    lease: Lease,
    _directories: [TempDir; 2],
}

impl Site {
    fn new() -> Self {
        let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        let lease = Lease::begin(directories[0].path(), directories[1].path(), "test").unwrap();
        Self { lease, _directories: directories }
    }

    async fn pair(&self, restore: Restore) -> Pair {
        self.audited(restore, None).await
    }

    async fn audited(&self, restore: Restore, audit_logs: Option<PathBuf>) -> Pair {
        let shape = ClusterShape { nodes: 1, sync_frequency: SyncFrequency::Short };
        let plan =
            PairPlan { host: shape, member: Some(shape), seed: 7, behaviour: stub::Behaviour::default(), restore };
        Embedded::new(EmbeddedOptions { audit_logs }).create(&self.lease, &plan).await.unwrap()
    }

    /// A pair on whose host KubeSphere is installed.
    async fn installed(&self) -> Pair {
        self.installed_as("none").await
    }

    async fn installed_as(&self, role: &str) -> Pair {
        let pair = self.pair(Restore::default()).await;
        let host = GivenCluster {
            kubesphere: GivenKubesphere::Installed,
            cluster_role: role.to_owned(),
            ..GivenCluster::default()
        };
        let given = Given { host, member: Some(GivenCluster::default()) };
        engine::install(&pair, &given, Release::find("3.3.2").unwrap()).await.unwrap();
        pair
    }

    /// A pair whose host begins as that of `pair` is.
    async fn restored(&self, pair: &Pair) -> Pair {
        let host = pair.snapshot(On::Host).await;
        assert!(host.is_some(), "the host is at rest");
        self.pair(Restore { host, member: None }).await
    }

    async fn end(self, pairs: impl IntoIterator<Item = Pair>) {
        for pair in pairs {
            pair.destroy().await.unwrap();
        }
        self.lease.end().await.unwrap();
    }
}

fn api<K>(cluster: &dyn Cluster) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(cluster.client(), SYSTEM)
}

fn orders(cluster: &dyn Cluster) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("installer.kubesphere.io", "v1alpha1", "ClusterConfiguration");
    Api::namespaced_with(cluster.client(), SYSTEM, &ApiResource::from_gvk(&kind))
}

async fn pods(cluster: &dyn Cluster) -> Vec<Pod> {
    api::<Pod>(cluster).list(&ListParams::default()).await.unwrap().items
}

async fn installer(cluster: &dyn Cluster) -> String {
    let pods = pods(cluster).await;
    pods.iter().map(Pod::name_any).find(|name| name.starts_with("ks-installer")).unwrap()
}

async fn log(cluster: &dyn Cluster) -> String {
    let name = installer(cluster).await;
    api::<Pod>(cluster).logs(&name, &LogParams::default()).await.unwrap()
}

/// Follows the installer's log until its banner stands there `count` times.
async fn banners(pair: &Pair, count: usize) {
    let _progress = pair.clock.wants_progress();
    let (host, follow) = (pair.host.as_ref(), LogParams { follow: true, ..LogParams::default() });
    let mut lines = api::<Pod>(host).log_stream(&installer(host).await, &follow).await.unwrap().lines();
    let mut seen = 0;
    while seen < count {
        seen += usize::from(lines.try_next().await.unwrap().unwrap().contains(BANNER));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_as_the_same_cluster() {
    let site = Site::new();
    let first = site.installed().await;
    let second = site.restored(&first).await;
    let same = identity(&second.host).await.unwrap() == identity(&first.host).await.unwrap();
    assert!(same, "authority, machines and UIDs");
    {
        // Not before nothing happens any more.
        let _progress = second.clock.wants_progress();
        second.clock.sleep(Delay::new("rest", Duration::from_mins(5))).await;
    }
    let (before, after) = (first.host.as_ref(), second.host.as_ref());
    assert_eq!(pods(after).await, pods(before).await, "no container was started again");
    assert_eq!(log(after).await, log(before).await);
    let events = async |cluster| api::<Event>(cluster).list(&ListParams::default()).await.unwrap().items;
    assert_eq!(events(after).await, events(before).await);
    assert_ne!(after.admin_kubeconfig(), before.admin_kubeconfig(), "at another address");
    site.end([first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carries_out_later_orders_by_itself_alone() {
    let site = Site::new();
    let first = site.installed().await;
    let second = site.restored(&first).await;
    let role = Patch::Merge(json!({"spec": {"multicluster": {"clusterRole": "host"}}}));
    orders(second.host.as_ref()).patch("ks-installer", &PatchParams::default(), &role).await.unwrap();
    banners(&second, 2).await;
    assert_eq!(log(second.host.as_ref()).await.matches(BANNER).count(), 2, "the first ones are not carried out again");
    let untouched = orders(first.host.as_ref()).get("ks-installer").await.unwrap();
    assert_eq!(untouched.data["spec"]["multicluster"]["clusterRole"], "none");
    assert_eq!(log(first.host.as_ref()).await.matches(BANNER).count(), 1);
    site.end([first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_no_cluster_in_which_something_goes_on() {
    let site = Site::new();
    let pair = site.installed().await;
    pair.clock.virtual_clock().unwrap().hold("installer-task");
    let role = Patch::Merge(json!({"spec": {"multicluster": {"clusterRole": "host"}}}));
    orders(pair.host.as_ref()).patch("ks-installer", &PatchParams::default(), &role).await.unwrap();
    let host = pair.host.as_ref();
    let follow = LogParams { follow: true, ..LogParams::default() };
    let mut lines = api::<Pod>(host).log_stream(&installer(host).await, &follow).await.unwrap().lines();
    while !lines.try_next().await.unwrap().unwrap().contains("Start installing network") {}
    assert_eq!(pair.snapshot(On::Host).await, None, "the installer is at work");
    assert!(pair.snapshot(On::Member).await.is_some(), "the member has nothing to do");
    site.end([pair]).await;
}

/// Lets a second pass once nothing happens any more.
async fn rest(pair: &Pair) {
    let _progress = pair.clock.wants_progress();
    pair.clock.sleep(Delay::new("rest", Duration::from_secs(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_lists_what_it_knew_nor_joins_clusters_that_have_joined() {
    let site = Site::new();
    let first = site.installed_as("host").await;
    // What a watch has not shown yet would be listed.
    rest(&first).await;
    let host = first.snapshot(On::Host).await;
    assert!(host.is_some(), "the host is at rest");
    let logs = TempDir::new().unwrap();
    let second = site.audited(Restore { host, member: None }, Some(logs.path().to_owned())).await;
    rest(&second).await;
    let log = std::fs::read_to_string(logs.path().join("host.log")).unwrap();
    let asked = |event: Value| {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let program = text("/userAgent").split('/').next().unwrap_or_default().to_owned();
        (program, text("/verb"), text("/objectRef/resource"))
    };
    let asked: BTreeSet<_> = log.lines().map(|line| asked(serde_json::from_str(line).unwrap())).collect();
    let asked = |program: &str, verb: &str| -> Vec<_> {
        let those = asked.iter().filter(|(one, other, _)| one == program && other == verb);
        those.map(|(_, _, resource)| resource.as_str()).collect()
    };
    assert_eq!(asked("kube-controller-manager", "list"), ["storageclasses"], "whether one is the default");
    assert_eq!(asked("kube-controller-manager", "get"), [""; 0]);
    assert_eq!(asked("ks-controller-manager", "list"), ["clusters", "namespaces"], "what its own watches begin with");
    assert_eq!(asked("ks-controller-manager", "update"), [""; 0]);
    site.end([first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collects_what_was_owned_before() {
    let site = Site::new();
    let first = site.pair(Restore::default()).await;
    let maps = Api::<ConfigMap>::namespaced(first.host.client(), "default");
    let owner = serde_json::from_value(json!({"metadata": {"name": "owner"}})).unwrap();
    let owner = maps.create(&PostParams::default(), &owner).await.unwrap();
    let dependent = json!({"metadata": {"name": "owned", "ownerReferences": [{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}]}});
    maps.create(&PostParams::default(), &serde_json::from_value(dependent.clone()).unwrap()).await.unwrap();
    let roles = Api::<Role>::namespaced(first.host.client(), "default");
    roles.create(&PostParams::default(), &serde_json::from_value(dependent).unwrap()).await.unwrap();
    rest(&first).await;
    let second = site.restored(&first).await;
    Api::<ConfigMap>::namespaced(second.host.client(), "default")
        .delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    rest(&second).await;
    let maps = Api::<ConfigMap>::namespaced(second.host.client(), "default");
    let roles = Api::<Role>::namespaced(second.host.client(), "default");
    assert_eq!(maps.get_opt("owned").await.unwrap(), None, "of a kind with a cache");
    assert_eq!(roles.get_opt("owned").await.unwrap(), None, "of a kind without one");
    site.end([first, second]).await;
}

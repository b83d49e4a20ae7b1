//! The promises, each a function on any provider.

use std::collections::BTreeSet;
use std::sync::Arc;

use checks::view::{Layer, Probe};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::{await_condition, conditions};
use providers::leases::Lease;
use providers::{Cluster, ClusterShape, Pair, PairPlan, Provider, Restore, access};
use scenario::model::SyncFrequency;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// A promise: looks at a pair that holds nothing, and gives it back unless it has destroyed it; panics where the promise is
/// broken.
pub type Promise = fn(Pair) -> BoxFuture<'static, Option<Pair>>;

/// Every promise by name.
pub const PROMISES: [(&str, Promise); 7] = [
    ("clusters_never_share_an_identity", |pair| never_share_an_identity(pair).boxed()),
    ("credentials_are_good_for_one_cluster", |pair| good_for_one_cluster(pair).boxed()),
    ("nodes_are_as_planned", |pair| nodes_are_as_planned(pair).boxed()),
    ("a_pasteable_kubeconfig_is_reached_from_every_host_node", |pair| is_reached(pair).boxed()),
    ("a_probe_names_the_layer", |pair| names_the_layer(pair).boxed()),
    ("a_reset_leaves_nothing", |pair| leaves_nothing(pair).boxed()),
    ("a_destroyed_pair_listens_no_more", |pair| listens_no_more(pair).boxed()),
];

/// Where the pairs of one provider are made, and the one that promises are looked at on, one after the other.
pub struct Grounds {
    provider: Arc<dyn Provider>,
    lease: Lease,
    directories: [tempfile::TempDir; 2],
    pair: Mutex<Option<Pair>>,
}

impl Grounds {
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let run_id = format!("{:08x}", rand::random::<u32>());
        let lease = Lease::begin(directories[0].path(), directories[1].path(), &run_id).unwrap();
        Self { provider, lease, directories, pair: Mutex::default() }
    }

    pub async fn keep(&self, promise: Promise) {
        let mut slot = self.pair.lock().await;
        let pair = match slot.take() {
            Some(mut pair) => {
                pair.reset(&plan()).await.unwrap();
                pair
            }
            None => self.provider.create(&self.lease, &plan()).await.unwrap(),
        };
        *slot = promise(pair).await;
    }

    /// Nothing is left at the end.
    pub async fn end(self) {
        if let Some(pair) = self.pair.into_inner() {
            pair.destroy().await.unwrap();
        }
        self.lease.end().await.unwrap();
        for directory in &self.directories {
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}

fn plan() -> PairPlan {
    let shape = |nodes| ClusterShape { nodes, sync_frequency: SyncFrequency::Short };
    PairPlan {
        host: shape(2),
        member: Some(shape(1)),
        seed: 7,
        behaviour: stub::Behaviour::default(),
        restore: Restore::default(),
    }
}

fn member(pair: &Pair) -> &Arc<dyn Cluster> {
    pair.member.as_ref().unwrap()
}

fn object<K: DeserializeOwned>(content: Value) -> K {
    serde_json::from_value(content).unwrap()
}

async fn never_share_an_identity(pair: Pair) -> Option<Pair> {
    let (mut authorities, mut uids, mut machines, mut keys) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for cluster in pair.clusters() {
        let identity = providers::identity(cluster).await.unwrap();
        authorities.insert(identity.authority);
        uids.insert(identity.kube_system_uid);
        machines.extend(identity.machine_ids);
        keys.extend(cluster.secrets());
    }
    assert_eq!((authorities.len(), uids.len(), machines.len(), keys.len()), (2, 2, 3, 2));
    Some(pair)
}

async fn good_for_one_cluster(pair: Pair) -> Option<Pair> {
    // The member's server and authority with the host's client certificate.
    let [host, other] = [&pair.host, member(&pair)].map(|cluster| {
        serde_json::to_value(kube::config::Kubeconfig::from_yaml(cluster.admin_kubeconfig()).unwrap()).unwrap()
    });
    let mut crossed = other;
    let names = crossed["users"][0]["name"].clone();
    crossed["users"] = host["users"].clone();
    crossed["users"][0]["name"] = names;
    let refused = ask(&crossed.to_string()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 401), "{refused}");
    for cluster in pair.clusters() {
        ask(cluster.admin_kubeconfig()).await.unwrap();
    }
    Some(pair)
}

/// Lists namespaces with `kubeconfig` from here.
async fn ask(kubeconfig: &str) -> Result<(), kube::Error> {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
    let client = kube::Client::try_from(config.unwrap()).unwrap();
    Api::<Namespace>::all(client).list(&ListParams::default()).await.map(|_| ())
}

async fn nodes_are_as_planned(pair: Pair) -> Option<Pair> {
    for (cluster, count) in pair.clusters().zip([2, 1]) {
        let nodes: Api<Node> = Api::all(cluster.client());
        let nodes = nodes.list(&ListParams::default()).await.unwrap();
        let names: BTreeSet<_> = nodes.items.iter().filter_map(|node| node.metadata.name.clone()).collect();
        assert_eq!(names, cluster.nodes().into_iter().collect());
        assert_eq!(names.len(), count);
        for node in nodes {
            let conditions = node.status.unwrap().conditions.unwrap();
            assert!(conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True"), "{conditions:?}");
        }
    }
    Some(pair)
}

async fn is_reached(pair: Pair) -> Option<Pair> {
    let by_address = member(&pair).pasteable_kubeconfig();
    let server = access::Access::of(by_address).unwrap().server;
    let (_, port) = server.rsplit_once(':').unwrap();
    let by_name = format!("https://{}:{port}", member(&pair).server_name());
    let by_name = access::with_server(by_address, &by_name).unwrap();
    for node in pair.host.nodes() {
        for kubeconfig in [by_address, by_name.as_str()] {
            let probe = pair.host.probe(&node, kubeconfig).await;
            assert!(matches!(&probe, Probe::Reached { git_version } if git_version.starts_with("v1.")), "{probe:?}");
        }
    }
    Some(pair)
}

async fn names_the_layer(pair: Pair) -> Option<Pair> {
    let good = member(&pair).pasteable_kubeconfig().to_owned();
    let server = |server: &str| access::with_server(&good, server).unwrap();
    let address = access::Access::of(&good).unwrap().server;
    let (base, _) = address.rsplit_once(':').unwrap();
    // Both clusters' servers with the other one's authority.
    let host = kube::config::Kubeconfig::from_yaml(pair.host.pasteable_kubeconfig()).unwrap();
    let mut foreign = kube::config::Kubeconfig::from_yaml(&good).unwrap();
    let authority = |config: &kube::config::Kubeconfig| {
        config.clusters[0].cluster.as_ref().unwrap().certificate_authority_data.clone()
    };
    let foreign_authority = authority(&host);
    foreign.clusters[0].cluster.as_mut().unwrap().certificate_authority_data = foreign_authority;
    let cases = [
        ("not a kubeconfig".to_owned(), Layer::Kubeconfig),
        (server("https://lb.kubesphere.local:6443"), Layer::Dns),
        (server(&format!("{base}:1")), Layer::Tcp),
        (serde_yaml::to_string(&foreign).unwrap(), Layer::Tls),
    ];
    let node = pair.host.nodes().remove(0);
    for (kubeconfig, expected) in cases {
        match pair.host.probe(&node, &kubeconfig).await {
            Probe::Stopped { layer, .. } if layer == expected => {}
            other => panic!("{expected}: {other:?}"),
        }
    }
    Some(pair)
}

async fn leaves_nothing(mut pair: Pair) -> Option<Pair> {
    // What a controller tries again after a conflict takes the clusters' time, which passes only for somebody.
    let progress = pair.clock.wants_progress();
    for cluster in pair.clusters() {
        spoil(cluster.client()).await;
    }
    drop(progress);
    pair.reset(&plan()).await.unwrap();
    for cluster in pair.clusters() {
        let client = cluster.client();
        let namespaces = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await.unwrap();
        let left: Vec<_> = namespaces.items.into_iter().filter_map(|one| one.metadata.name).collect();
        assert!(!left.contains(&"spoiled".to_owned()), "{left:?}");
        let kinds = Api::<CustomResourceDefinition>::all(client.clone()).list(&ListParams::default()).await.unwrap();
        assert!(kinds.items.is_empty(), "{kinds:?}");
        let kept: Api<Namespace> = Api::all(client.clone());
        let labels = kept.get("default").await.unwrap().metadata.labels.unwrap_or_default();
        assert!(!labels.contains_key("spoiled"), "{labels:?}");
        // What was in its way is gone as well.
        Api::<ConfigMap>::namespaced(client, "default").create(&PostParams::default(), &config_map()).await.unwrap();
    }
    Some(pair)
}

fn config_map() -> ConfigMap {
    object(json!({"metadata": {"name": "spoiled", "finalizers": ["example.com/held"]}}))
}

/// Leaves what is hard to remove: a namespace that a finalizer holds, a pod that never runs, a kind with a held object,
/// a webhook that refuses everything since nobody answers, and a changed object that was there before.
async fn spoil(client: kube::Client) {
    let create = PostParams::default();
    let namespace = object(json!({"metadata": {"name": "spoiled"}}));
    Api::<Namespace>::all(client.clone()).create(&create, &namespace).await.unwrap();
    Api::<ConfigMap>::namespaced(client.clone(), "spoiled").create(&create, &config_map()).await.unwrap();
    Api::<ConfigMap>::namespaced(client.clone(), "default").create(&create, &config_map()).await.unwrap();
    let account: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(client.clone(), "spoiled");
    await_condition(account, "default", |account: Option<&k8s_openapi::api::core::v1::ServiceAccount>| {
        account.is_some_and(|account| account.secrets.is_some())
    })
    .await
    .unwrap();
    let pod = object(json!({
        "metadata": {"name": "stuck"},
        "spec": {"containers": [{"name": "main", "image": "kubesphere/no-such-program:v1"}]},
    }));
    Api::<Pod>::namespaced(client.clone(), "spoiled").create(&create, &pod).await.unwrap();
    let kind = object(json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster",
            "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    }));
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    kinds.create(&create, &kind).await.unwrap();
    await_condition(kinds, "things.example.com", conditions::is_crd_established()).await.unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Thing"));
    let things: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let thing = object(json!({
        "apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "held", "finalizers": ["example.com/held"]},
    }));
    things.create(&create, &thing).await.unwrap();
    let label = Patch::Merge(json!({"metadata": {"labels": {"spoiled": "yes"}}}));
    Api::<Namespace>::all(client.clone()).patch("default", &PatchParams::default(), &label).await.unwrap();
    let webhook = object(json!({
        "metadata": {"name": "in-the-way"},
        "webhooks": [{
            "name": "in-the-way.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail", "timeoutSeconds": 1,
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"], "scope": "*",
            }],
        }],
    }));
    Api::<ValidatingWebhookConfiguration>::all(client).create(&create, &webhook).await.unwrap();
}

async fn listens_no_more(pair: Pair) -> Option<Pair> {
    let clients: Vec<_> = pair.clusters().map(|cluster| cluster.client()).collect();
    pair.destroy().await.unwrap();
    for client in clients {
        assert!(client.apiserver_version().await.is_err());
    }
    None
}

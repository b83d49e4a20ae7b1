//! A cluster to test on: an API server with nodes and controllers around it.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

pub mod real;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use apiserver::{ApiServer, DialFailure, Dialer, Options};
use async_trait::async_trait;
use futures::StreamExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt as _};
use nodes::clock::{Clock, VirtualClock};
use nodes::network::Network;
use nodes::network::connector::dial;
use nodes::network::simulated::{ClusterNetwork, ClusterPlan, SimulatedNetwork};
use nodes::program::Programs;
use nodes::{NodeSpec, Nodes, NodesConfig};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long anything may take in real time before a test fails.
const BUDGET: Duration = Duration::from_mins(1);

/// Kinds of the whole cluster.
const CLUSTERWIDE: [&str; 7] = [
    "Namespace",
    "Node",
    "StorageClass",
    "PersistentVolume",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
];

/// Which API server to test on.
pub enum Kind {
    /// Our own.
    Embedded,
    /// A real one, which others use as well.
    Real(real::Files),
}

/// An API server for a test.
struct Server {
    client: kube::Client,
    address: SocketAddr,
    ca_pem: String,
    key_pem: String,
    service: SocketAddr,
    /// The server itself, where it is this test's own.
    keep: Option<ApiServer>,
}

/// Reaches kubelets and pods over the simulated network.
struct OverNetwork(Arc<dyn Network>, Clock);

#[async_trait]
impl Dialer for OverNetwork {
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn apiserver::Stream>, DialFailure> {
        match dial(self.0.as_ref(), &self.1, host, port).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(DialFailure::Other(error.to_string())),
        }
    }
}

impl Server {
    async fn real(files: real::Files) -> Self {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&files.kubeconfig).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        let address = config.cluster_url.authority().unwrap().as_str().parse().unwrap();
        Self {
            client: kube::Client::try_from(config).unwrap(),
            address,
            ca_pem: files.ca_pem,
            key_pem: files.service_account_key_pem,
            service: real::SERVICE.parse().unwrap(),
            keep: None,
        }
    }

    async fn embedded(network: Arc<dyn Network>, clock: Clock) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let options = Options {
            service_account_public_keys_pem: vec![key.public_key_pem()],
            dialer: Arc::new(OverNetwork(network, clock)),
            ..Options::default()
        };
        let server = ApiServer::start(options).await.unwrap();
        let kubeconfig = server.admin_kubeconfig(&format!("https://{}", server.address()), "test").unwrap();
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&kubeconfig).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        Self {
            client: kube::Client::try_from(config).unwrap(),
            address: server.address(),
            ca_pem: server.ca_pem().to_owned(),
            key_pem: key.serialize_pem(),
            service: "10.96.0.1:443".parse().unwrap(),
            keep: Some(server),
        }
    }
}

/// A running cluster.
pub struct TestCluster {
    pub client: kube::Client,
    pub clock: Clock,
    pub time: Arc<VirtualClock>,
    pub world: SimulatedNetwork,
    pub network: ClusterNetwork,
    pub nodes: Nodes,
    pub namespace: String,
    _drive: DropGuard,
    server: Server,
}

impl TestCluster {
    pub async fn start(kind: Kind, programs: Programs) -> Self {
        let time = VirtualClock::new();
        let drive = CancellationToken::new();
        tokio::spawn(time.clone().drive(drive.clone()));
        let clock = Clock::virtual_from(time.clone());
        let world = SimulatedNetwork::new(clock.clone());
        let control_plane: IpAddr = "172.16.0.11".parse().unwrap();
        let network = world.cluster(ClusterPlan::new("host", control_plane));
        let server = match kind {
            Kind::Embedded => Server::embedded(network.for_control_plane(), clock.clone()).await,
            Kind::Real(files) => Server::real(files).await,
        };
        world.add_endpoint(SocketAddr::new(control_plane, 6443), server.address);
        network.add_service_endpoint(server.service, server.address);
        let node = |name: &str, ip: &str, roles: &[&str]| NodeSpec {
            name: name.to_owned(),
            ip: ip.parse().unwrap(),
            machine_id: format!("machine-of-{name}"),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        let nodes = Nodes::start(NodesConfig {
            cluster: "host".to_owned(),
            components: nodes::Components::alike(&server.client),
            nodes: vec![
                node("node1", "172.16.0.11", &["control-plane", "master"]),
                node("node2", "172.16.0.12", &["worker"]),
            ],
            programs,
            network: Arc::new(network.clone()),
            clock: clock.clone(),
            ca_pem: server.ca_pem.clone(),
            service_account_key_pem: server.key_pem.clone(),
            in_cluster_server: format!("https://{}", server.service),
            in_process: None,
            seed: 7,
            restore: None,
            kubernetes_version: "v1.20.2".to_owned(),
        })
        .await
        .unwrap();
        let namespace = format!("test-{}", uuid::Uuid::new_v4().simple());
        let cluster = Self {
            client: server.client.clone(),
            clock,
            time,
            world,
            network,
            nodes,
            namespace,
            _drive: drive.drop_guard(),
            server,
        };
        cluster.create("v1", "Namespace", json!({"metadata": {"name": cluster.namespace}})).await;
        cluster
    }

    /// Ends the cluster, and takes away what the test made on a server that others use.
    pub async fn end(self) {
        if self.server.keep.is_none() {
            let _progress = self.clock.wants_progress();
            let namespaces = self.api("v1", "Namespace");
            let _gone_already = namespaces.delete(&self.namespace, &DeleteParams::default()).await;
            let name = self.namespace.clone();
            self.until("v1", "Namespace", |all| !all.iter().any(|one| one["metadata"]["name"] == name.as_str())).await;
        }
        self.nodes.stop().await;
    }

    pub fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if CLUSTERWIDE.contains(&kind) {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        }
    }

    /// Objects of a namespace that is not the test's.
    pub fn in_namespace(&self, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    /// Waits until there is an object of that name, and returns it.
    pub async fn until_there(&self, api: &Api<DynamicObject>, name: &str) -> Value {
        let wait =
            kube::runtime::wait::await_condition(api.clone(), name, |object: Option<&DynamicObject>| object.is_some());
        let found = tokio::time::timeout(BUDGET, wait).await.unwrap().unwrap();
        serde_json::to_value(found).unwrap()
    }

    /// Creates an object of a kind that the server is about to serve: a real one takes a moment after it says that a
    /// definition is established.
    pub async fn create_soon(&self, api_version: &str, kind: &str, object: Value) -> Value {
        let api = self.api(api_version, kind);
        let begin = std::time::Instant::now();
        while let Err(error) = api.list(&kube::api::ListParams::default()).await {
            assert!(begin.elapsed() < BUDGET, "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.create(api_version, kind, object).await
    }

    pub async fn create(&self, api_version: &str, kind: &str, object: Value) -> Value {
        let mut object = object;
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let created = self.api(api_version, kind).create(&PostParams::default(), &object).await;
        serde_json::to_value(created.unwrap()).unwrap()
    }

    pub async fn patch(&self, api_version: &str, kind: &str, name: &str, patch: Value) {
        let api = self.api(api_version, kind);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Waits until the objects of the kind satisfy `condition`, and returns them.
    pub async fn until(&self, api_version: &str, kind: &str, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut events = watcher(self.api(api_version, kind), watcher::Config::default()).boxed();
        let mut objects = std::collections::BTreeMap::new();
        let mut listed = false;
        let wait = async {
            while let Some(event) = events.next().await {
                match event.unwrap() {
                    watcher::Event::Init => objects.clear(),
                    watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                        objects.insert(object.name_any(), serde_json::to_value(object).unwrap());
                    }
                    watcher::Event::Delete(object) => {
                        objects.remove(&object.name_any());
                    }
                    watcher::Event::InitDone => listed = true,
                }
                let now: Vec<_> = objects.values().cloned().collect();
                if listed && condition(&now) {
                    return now;
                }
            }
            panic!("the watch ended")
        };
        let outcome = tokio::time::timeout(BUDGET, wait).await;
        outcome.unwrap_or_else(|_| {
            panic!(
                "{kind} objects not as wanted: {:#?}\nfailures: {:#?}\npending: {:?}",
                objects,
                self.nodes.failures(),
                self.time.pending()
            )
        })
    }

    /// Waits until one object satisfies `condition`, and returns it.
    pub async fn until_one(&self, api_version: &str, kind: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let found = self.until(api_version, kind, |objects| objects.iter().any(&condition)).await;
        found.into_iter().find(condition).unwrap()
    }

    /// Creates a Deployment of one container with `image`.
    pub async fn deploy(&self, name: &str, image: &str, spec: Value) {
        let mut pod = json!({"containers": [{"name": "main", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]});
        json_merge(&mut pod, spec);
        self.create(
            "apps/v1",
            "Deployment",
            json!({
                "metadata": {"name": name},
                "spec": {
                    "replicas": 1, "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
                },
            }),
        )
        .await;
    }
}

fn json_merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                json_merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            for (at, value) in from.into_iter().enumerate() {
                if at < into.len() { json_merge(&mut into[at], value) } else { into.push(value) }
            }
        }
        (into, from) => *into = from,
    }
}

/// A client certificate that no cluster knows.
pub fn identity() -> nodes::network::tls::ClientIdentity {
    let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
    nodes::network::tls::ClientIdentity {
        certificate_pem: made.cert.pem().into_bytes(),
        key_pem: made.signing_key.serialize_pem().into_bytes(),
    }
}

//! A host with a host's KubeSphere, a member with a member's and a bare cluster, all simulated, with the real programs.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use apiserver::{ApiServer, DialFailure, Dialer, Options};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kubesphere::{Feature, Release};
use nodes::clock::{Clock, ProgressGuard, VirtualClock};
use nodes::network::client::{Endpoint, client};
use nodes::network::simulated::{ClusterPlan, Fault, FaultId, SimulatedNetwork, Unreachable};
use nodes::network::tls::TlsSettings;
use nodes::network::{NetError, Network};
use nodes::program::Programs;
use nodes::{NodeSpec, Nodes, NodesConfig};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use stub::Behaviour;
use stub::manifests::webhook::ServingCertificate;
use tokio_util::sync::CancellationToken;

use crate::records::Got;

pub const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub const PASSWORD: &str = "P@88w0rd";
pub const HOST_CONFIG: &str = include_str!("../data/kubesphere-host.yaml");
pub const MEMBER_CONFIG: &str = include_str!("../data/kubesphere-member.yaml");
/// Only a hang takes so long, also on a machine that does other things.
const BUDGET: Duration = Duration::from_mins(4);

/// Three clusters in one world.
pub struct World {
    pub release: &'static Release,
    pub host: Cluster,
    pub member: Cluster,
    pub bare: Cluster,
    pub network: SimulatedNetwork,
    pub clock: Arc<VirtualClock>,
    stop: CancellationToken,
}

/// One cluster.
pub struct Cluster {
    pub name: &'static str,
    pub address: IpAddr,
    pub api: ApiServer,
    pub client: kube::Client,
    nodes: Nodes,
    ks_apiserver: kube::Client,
    clock: Clock,
}

struct Bridge(Arc<dyn Network>);

#[async_trait::async_trait]
impl Dialer for Bridge {
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn apiserver::Stream>, DialFailure> {
        let refused = |error: NetError| match error {
            NetError::Refused { .. } => DialFailure::Refused,
            NetError::NoRoute { .. } => DialFailure::NoRoute,
            NetError::TimedOut { .. } => DialFailure::TimedOut,
            NetError::NoSuchHost { .. } => DialFailure::NoSuchHost,
            other => DialFailure::Other(other.to_string()),
        };
        let address = self.0.resolve(host).await.map_err(refused)?[0];
        let stream = self.0.connect(SocketAddr::new(address, port)).await.map_err(refused)?;
        Ok(Box::new(stream))
    }
}

/// What a world begins with.
pub struct Plan {
    release: &'static Release,
    member_config: String,
    member_clock: i64,
    held: Vec<&'static str>,
    behaviour: Behaviour,
}

impl Plan {
    /// Clusters with KubeSphere `version`, as `v3.3.2`, configured as its installer would.
    pub fn new(version: &str) -> Self {
        let release = Release::find(version).unwrap();
        Self {
            release,
            member_config: member_config(release),
            member_clock: 0,
            held: Vec::new(),
            behaviour: Behaviour::default(),
        }
    }

    /// The member with another configuration, made of its usual one.
    pub fn member(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.member_config = change(&self.member_config);
        self
    }

    /// The clocks of the member's machines set wrong by `seconds`.
    pub fn member_clock(mut self, seconds: i64) -> Self {
        self.member_clock = seconds;
        self
    }

    /// Without an end of the delay `name`.
    pub fn hold(mut self, name: &'static str) -> Self {
        self.held.push(name);
        self
    }

    /// With programs that behave so.
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    pub async fn start(self) -> World {
        let programs = || stub::programs_with(self.behaviour);
        let clock = VirtualClock::new();
        self.held.iter().for_each(|name| clock.hold(name));
        let stop = CancellationToken::new();
        tokio::spawn(clock.clone().drive(stop.clone()));
        let time = Clock::virtual_from(clock.clone());
        let network = SimulatedNetwork::new(time.clone());
        let host = Cluster::start(&network, time.clone(), "host", Ipv4Addr::new(192, 0, 2, 10), 1, programs()).await;
        let wrong = time.clone().with_offset(self.member_clock);
        let member = Cluster::start(&network, wrong, "member", Ipv4Addr::new(192, 0, 2, 20), 2, programs()).await;
        let bare = Cluster::start(&network, time, "bare", Ipv4Addr::new(192, 0, 2, 30), 1, programs()).await;
        network.add_name("member-alias", vec![member.address]);
        network.blackhole(SocketAddr::new(member.address, 6998));
        host.install(&host_config(self.release), self.release).await;
        member.install(&self.member_config, self.release).await;
        World { release: self.release, host, member, bare, network, clock, stop }
    }
}

/// What the installer of `release` renders for a host.
pub fn host_config(release: &Release) -> String {
    if release.has(Feature::MulticlusterBlockAlways) {
        HOST_CONFIG.to_owned()
    } else {
        HOST_CONFIG.replace("  clusterRole: host\n", "")
    }
}

/// What the installer of `release` renders for a member.
pub fn member_config(release: &Release) -> String {
    if release.has(Feature::MulticlusterBlockAlways) {
        MEMBER_CONFIG.to_owned()
    } else {
        MEMBER_CONFIG.replace("multicluster:\n  clusterRole: member\n  enable: false\n", "")
    }
}

impl World {
    /// Clusters with KubeSphere `version`, as `v3.3.2`.
    pub async fn start(version: &str) -> Self {
        Plan::new(version).start().await
    }

    /// Lets virtual time pass while it lives.
    pub fn progress(&self) -> ProgressGuard {
        self.clock.wants_progress()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        for cluster in [self.host, self.member, self.bare] {
            cluster.nodes.stop().await;
            cluster.api.stop().await;
        }
    }
}

/// One cluster without KubeSphere, in a world of its own.
pub struct Alone {
    pub cluster: Cluster,
    clock: Arc<VirtualClock>,
    stop: CancellationToken,
}

impl Alone {
    /// A cluster with one node, whose pods run `programs`.
    pub async fn start(programs: Programs) -> Self {
        let clock = VirtualClock::new();
        let stop = CancellationToken::new();
        tokio::spawn(clock.clone().drive(stop.clone()));
        let network = SimulatedNetwork::new(Clock::virtual_from(clock.clone()));
        let time = Clock::virtual_from(clock.clone());
        let cluster = Cluster::start(&network, time, "host", Ipv4Addr::new(192, 0, 2, 10), 1, programs).await;
        Self { cluster, clock, stop }
    }

    /// Lets virtual time pass while it lives.
    pub fn progress(&self) -> ProgressGuard {
        self.clock.wants_progress()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.cluster.nodes.stop().await;
        self.cluster.api.stop().await;
    }
}

impl Cluster {
    async fn start(
        network: &SimulatedNetwork,
        clock: Clock,
        name: &'static str,
        address: Ipv4Addr,
        nodes: u8,
        programs: Programs,
    ) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut plan = ClusterPlan::new(name, address.into());
        "127.0.0.1:53".clone_into(&mut plan.dns_server);
        let cluster_network = network.cluster(plan);
        let api = ApiServer::start(Options {
            server_names: vec![address.to_string()],
            service_account_public_keys_pem: vec![key.public_key_pem()],
            advertise: address.into(),
            dialer: Arc::new(Bridge(cluster_network.for_control_plane())),
            ..Options::default()
        })
        .await
        .unwrap();
        let at = SocketAddr::new(address.into(), 6443);
        network.add_endpoint(at, api.address());
        cluster_network.add_service_endpoint(SocketAddr::from(([10, 96, 0, 1], 443)), api.address());
        let kubeconfig = api.admin_kubeconfig(&format!("https://{}", api.address()), name).unwrap();
        let client = admin_client(&kubeconfig);
        let nodes = Nodes::start(NodesConfig {
            cluster: name.to_owned(),
            client: client.clone(),
            nodes: (1..=nodes)
                .map(|number| NodeSpec {
                    name: format!("{name}-node{number}"),
                    ip: Ipv4Addr::from(u32::from(address) + u32::from(number)).into(),
                    machine_id: format!("{name}-machine-{number}"),
                    roles: vec!["master".to_owned()],
                })
                .collect(),
            programs,
            network: Arc::new(cluster_network.clone()),
            clock: clock.clone(),
            ca_pem: api.ca_pem().to_owned(),
            service_account_key_pem: key.serialize_pem(),
            in_cluster_server: "https://10.96.0.1:443".to_owned(),
            seed: 1,
            kubernetes_version: "v1.20.2".to_owned(),
        })
        .await
        .unwrap();
        let inside = cluster_network.for_pod(Ipv4Addr::new(10, 233, 127, 250).into());
        let endpoint = Endpoint {
            server: "http://ks-apiserver.kubesphere-system.svc".parse().unwrap(),
            tls: TlsSettings::default(),
            authorization: None,
        };
        let ks_apiserver = nodes_client(inside, &clock, &endpoint);
        Self { name, address: address.into(), api, client, nodes, ks_apiserver, clock }
    }

    /// What the installer leaves behind.
    async fn install(&self, config: &str, release: &Release) {
        for name in ["kubesphere-system", "kubesphere-controls-system"] {
            self.create(&namespace(name)).await;
        }
        let mut crds = stub::manifests::crds::core();
        if config.contains("enable: true") {
            crds.extend(stub::manifests::crds::federation());
            self.create(&namespace("kube-federation-system")).await;
        }
        for crd in crds {
            self.create(&crd).await;
        }
        self.create(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kubesphere-config", "namespace": "kubesphere-system"},
            "data": {"kubesphere.yaml": config},
        }))
        .await;
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        for object in stub::manifests::core::admin(&hash) {
            self.create(&object).await;
        }
        let serving = release.has(Feature::ClusterWebhook).then(|| ServingCertificate::generate().unwrap());
        for object in stub::manifests::core::objects(release, 1, serving.as_ref()) {
            self.create(&object).await;
        }
        self.until_ks_apiserver_listens(true).await;
    }

    /// A user without a role.
    pub async fn create_bob(&self) {
        self.create_user("bob").await;
    }

    /// A user `name` without a role.
    pub async fn create_user(&self, name: &str) {
        let [mut user, _] = stub::manifests::core::admin(&bcrypt::hash(PASSWORD, 4).unwrap());
        user["metadata"] = json!({ "name": name });
        user["spec"]["email"] = format!("{name}@example.com").into();
        self.create(&user).await;
    }

    pub async fn create(&self, object: &Value) {
        let path = collection(object);
        let (code, body) = self.call(Method::POST, &path, Some(object)).await;
        assert!((200..300).contains(&code), "{}: POST {path}: {code} {body}", self.name);
    }

    /// Asks the kube-apiserver as an administrator.
    pub async fn call(&self, method: Method, path: &str, object: Option<&Value>) -> (u16, Value) {
        let body = object.map_or_else(Body::empty, |object| Body::from(object.to_string().into_bytes()));
        let request =
            Request::builder().method(method).uri(path).header("content-type", "application/json").body(body).unwrap();
        let answer = self.client.send(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await.1
    }

    pub async fn patch(&self, path: &str, change: &Value) {
        let (code, answer) = self.try_patch(path, change).await;
        assert!((200..300).contains(&code), "PATCH {path}: {code} {answer}");
    }

    /// The answer to a merge patch.
    pub async fn try_patch(&self, path: &str, change: &Value) -> (u16, Value) {
        let request = Request::patch(path)
            .header("content-type", "application/merge-patch+json")
            .body(Body::from(change.to_string().into_bytes()))
            .unwrap();
        let answer = self.client.send(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// What the kube-apiserver answers as text.
    pub async fn text(&self, path: &str) -> String {
        let answer = self.client.send(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned()
    }

    /// Sends a request to ks-apiserver from inside the cluster.
    pub async fn send(&self, request: Request<Body>) -> http::Response<Body> {
        self.ks_apiserver.send(request).await.unwrap()
    }

    /// Asks ks-apiserver from inside the cluster.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.as_bytes().to_vec())).unwrap();
        let Ok(answer) = self.ks_apiserver.send(request).await else { return Got::closed() };
        let status = answer.status().as_u16();
        let content_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let body: Bytes = answer.into_body().collect().await.unwrap().to_bytes();
        Got { status: Some(status), content_type, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Asks for tokens with the fields of `form`, already encoded.
    pub async fn grant(&self, form: &str) -> Got {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.ask(
            Method::POST,
            "/oauth/token",
            &headers,
            &format!("{form}&client_id=kubesphere&client_secret=kubesphere"),
        )
        .await
    }

    /// Leaves the Endpoints of ks-apiserver as they are, whatever becomes of its pod. The records' were written by hand,
    /// so they stayed when the process ended.
    pub async fn keep_endpoints(&self) {
        let path = "/api/v1/namespaces/kubesphere-system/services/ks-apiserver";
        self.patch(path, &json!({"spec": {"selector": null}})).await;
    }

    /// Waits until ks-apiserver listens, or does not.
    pub async fn until_ks_apiserver_listens(&self, listens: bool) {
        self.until(&format!("ks-apiserver listens: {listens}"), async || {
            let got = self.ask(Method::GET, "/kapis/version", &[], "").await;
            (got.status == Some(200)) == listens
        })
        .await;
    }

    /// A token of `user`.
    pub async fn token(&self, user: &str) -> String {
        let got = self.grant(&format!("grant_type=password&username={user}&password=P%4088w0rd")).await;
        let body: Value = serde_json::from_str(&got.body).unwrap_or_else(|_| panic!("no token of {user}: {got:?}"));
        body["access_token"].as_str().unwrap_or_else(|| panic!("no token of {user}: {got:?}")).to_owned()
    }

    /// Waits until `holds`, while virtual time may pass.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let _progress = self.clock.wants_progress();
        let waited = tokio::time::timeout(BUDGET, async {
            let mut looks = 0;
            while !holds().await {
                // Looking keeps the clock from moving while other tests keep the process at work, so it gets rarer.
                looks += 1;
                let pause = if looks < 400 { Duration::from_millis(5) } else { Duration::from_secs(3) };
                tokio::time::sleep(pause).await;
            }
        });
        if waited.await.is_err() {
            let pods = self.get("/api/v1/pods").await;
            let logs = self.logs().await;
            panic!("{}: never: {what}\nlogs: {logs}\npods: {}", self.name, serde_json::to_string(&pods).unwrap());
        }
    }

    /// What the programs wrote.
    pub async fn logs(&self) -> String {
        let pods = self.get("/api/v1/namespaces/kubesphere-system/pods").await;
        let mut all = String::new();
        for pod in pods["items"].as_array().into_iter().flatten() {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let text = self.text(&format!("/api/v1/namespaces/kubesphere-system/pods/{name}/log")).await;
            writeln!(all, "--- {name}\n{text}").unwrap();
        }
        all
    }

    pub async fn condition(&self, cluster: &str, kind: &str) -> Option<Value> {
        let object = self.get(&format!("/apis/cluster.kubesphere.io/v1alpha1/clusters/{cluster}")).await;
        object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind).cloned()
    }

    /// Waits until the Cluster is Ready (or is not, with `status` False).
    pub async fn until_ready(&self, cluster: &str, status: &str) {
        self.until(&format!("Cluster {cluster} Ready={status}"), async || {
            self.condition(cluster, "Ready").await.is_some_and(|condition| condition["status"] == status)
        })
        .await;
    }
}

/// Makes a port of `address` refuse.
pub fn refuse(world: &World, address: IpAddr, port: u16) -> FaultId {
    // Pod addresses of the clusters are the same, so a pod is refused to the member's API server alone.
    let from = (port != 6443).then_some(world.member.address);
    world.network.set_fault(Fault::Unreachable { from, to: address, port: Some(port), how: Unreachable::Refused })
}

/// The records' endpoint stayed when the process was stopped; here its port is made to refuse.
pub async fn refuse_ks_apiserver(world: &World) -> FaultId {
    let endpoints = world.member.get("/api/v1/namespaces/kubesphere-system/endpoints/ks-apiserver").await;
    let address = endpoints.pointer("/subsets/0/addresses/0/ip").and_then(Value::as_str).unwrap();
    refuse(world, address.parse().unwrap(), 9090)
}

fn nodes_client(network: Arc<dyn Network>, clock: &Clock, endpoint: &Endpoint) -> kube::Client {
    client(network, clock, endpoint).unwrap()
}

fn admin_client(kubeconfig: &str) -> kube::Client {
    let config: Value = serde_yaml::from_str(kubeconfig).unwrap();
    let data = |value: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
    };
    let cluster = &config["clusters"][0]["cluster"];
    let user = &config["users"][0]["user"];
    let endpoint = Endpoint {
        server: cluster["server"].as_str().unwrap().parse().unwrap(),
        tls: TlsSettings {
            authorities_pem: data(&cluster["certificate-authority-data"]),
            insecure: false,
            server_name: None,
            identity: Some(nodes::network::tls::ClientIdentity {
                certificate_pem: data(&user["client-certificate-data"]),
                key_pem: data(&user["client-key-data"]),
            }),
        },
        authorization: None,
    };
    client(Arc::new(Loopback), &Clock::real(), &endpoint).unwrap()
}

/// This machine's loopback, for the tests' own requests.
struct Loopback;

#[async_trait::async_trait]
impl Network for Loopback {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        Ok(vec![host.parse().unwrap()])
    }

    async fn connect(&self, to: SocketAddr) -> Result<nodes::network::BoxStream, NetError> {
        let stream = tokio::net::TcpStream::connect(to).await.map_err(|_| NetError::Refused { to })?;
        stream.set_nodelay(true).unwrap();
        Ok(Box::new(stream))
    }

    async fn listen(&self, _: u16) -> Result<Box<dyn nodes::network::Listener>, NetError> {
        Err(NetError::Closed)
    }
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn collection(object: &Value) -> String {
    let api = object["apiVersion"].as_str().unwrap();
    let prefix = if api.contains('/') { format!("/apis/{api}") } else { format!("/api/{api}") };
    let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{prefix}/namespaces/{namespace}/{plural}"),
        None => format!("{prefix}/{plural}"),
    }
}

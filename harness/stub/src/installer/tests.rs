//! The installer as a whole, on a cluster that is a map of objects; below, a test for each row of what is known of it.

mod host_cluster_name;
mod jwt_secret;
mod role_changes;
mod role_matrix;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kubesphere::names::{CLUSTER_CONFIGURATION, annotations};
use kubesphere::{ClusterRole, KubesphereConfig};
use nodes::clock::{Clock, ProgressGuard, VirtualClock};
use nodes::logs::{Log, LogWriter};
use nodes::memory::Memory;
use nodes::network::{BoxStream, Listener, NetError, Network};
use nodes::program::{Files, PodIdentity, Random, ServiceAccountMount};
use rstest::rstest;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;
use super::run::secret_text;
use super::*;
use crate::manifests::cluster_configuration_yaml;

const CONFIGURATION: &str =
    "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer";
const SECRET: &str = "/api/v1/namespaces/kubesphere-system/secrets/kubesphere-secret";
const CONFIG_MAP: &str = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";
const BANNER: &str = "Welcome to KubeSphere!";

/// A network in which everything answers.
struct OpenNetwork;

#[async_trait]
impl Network for OpenNetwork {
    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, NetError> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }

    async fn connect(&self, _: SocketAddr) -> Result<BoxStream, NetError> {
        Ok(Box::new(tokio::io::duplex(1).0))
    }

    async fn listen(&self, _: u16) -> Result<Box<dyn Listener>, NetError> {
        Err(NetError::Closed)
    }
}

/// A cluster with a running installer.
struct Installation {
    release: &'static Release,
    fake: Arc<Fake>,
    log: Arc<Log>,
    stop: CancellationToken,
    _progress: Arc<VirtualClock>,
    _wanted: ProgressGuard,
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Installation {
    fn start(fake: &Arc<Fake>, behaviour: Behaviour) -> Self {
        Self::of("3.3.2", fake, behaviour)
    }

    /// The installer of `version`.
    fn of(version: &str, fake: &Arc<Fake>, behaviour: Behaviour) -> Self {
        Self::going_on(version, fake, behaviour, Memory::default())
    }

    fn going_on(version: &str, fake: &Arc<Fake>, behaviour: Behaviour, memory: Memory) -> Self {
        let release = Release::find(version).unwrap();
        let (log, stop) = (Log::new(), CancellationToken::new());
        let virtual_clock = VirtualClock::new();
        tokio::spawn(virtual_clock.clone().drive(stop.clone()));
        let clock = Clock::virtual_from(virtual_clock.clone());
        let ctx = PodContext {
            pod: PodIdentity {
                namespace: namespaces::SYSTEM.into(),
                name: "ks-installer-0".into(),
                image: release.image("ks-installer"),
                ip: Ipv4Addr::LOCALHOST.into(),
                args: Vec::new(),
                env: std::collections::BTreeMap::new(),
            },
            client: fake.client(),
            service_account: ServiceAccountMount {
                server: String::new(),
                ca_pem: bytes::Bytes::new(),
                token: String::new(),
            },
            files: Files::new(watch::channel(Arc::default()).1),
            network: Arc::new(OpenNetwork),
            clock: clock.clone(),
            log: LogWriter::new(log.clone(), clock),
            stop: stop.clone(),
            random: Random::from_seed(7),
            memory,
        };
        tokio::spawn(run(ctx, behaviour));
        let wanted = virtual_clock.wants_progress();
        Self { release, fake: fake.clone(), log, stop, _progress: virtual_clock, _wanted: wanted }
    }

    /// Applies `spec` on top of the shipped one, and waits until `text` is in the log for the `count`th time.
    async fn apply(&self, spec: Value, text: &str, count: usize) {
        let mut object = self.fake.get(CONFIGURATION).unwrap_or_else(|| shipped(self.release));
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        self.fake.put(CONFIGURATION, &object);
        self.sees(text, count).await;
    }

    async fn sees(&self, text: &str, count: usize) {
        let mut progress = self.log.progress();
        let enough = progress.wait_for(|_| self.lines().iter().filter(|line| line.contains(text)).count() >= count);
        let seen = tokio::time::timeout(Duration::from_secs(10), enough).await.map(|seen| seen.is_ok());
        assert!(seen.is_ok(), "no {text:?} in {:#?}", self.lines());
    }

    fn lines(&self) -> Vec<String> {
        self.log.lines_from(0).into_iter().map(|line| line.text.to_string()).collect()
    }

    fn secret(&self) -> Option<String> {
        secret_text(&self.fake.get(SECRET)?, "secret")
    }

    /// Takes `section` out of the spec, or a key below it, and waits as [`Self::apply`] does.
    async fn remove(&self, pointer: &str, text: &str, count: usize) {
        let mut object = self.fake.get(CONFIGURATION).unwrap_or_else(|| shipped(self.release));
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(&format!("/spec{parent}")).unwrap().as_object_mut().unwrap().shift_remove(key).unwrap();
        self.fake.put(CONFIGURATION, &object);
        self.sees(text, count).await;
    }

    fn config(&self) -> KubesphereConfig {
        KubesphereConfig::parse(&self.text()).unwrap()
    }

    /// The text of `kubesphere.yaml`.
    fn text(&self) -> String {
        self.fake.get(CONFIG_MAP).unwrap()["data"]["kubesphere.yaml"].as_str().unwrap().to_owned()
    }
}

fn shipped(release: &Release) -> Value {
    serde_yaml::from_str(&cluster_configuration_yaml(release)).unwrap()
}

fn role(role: &str) -> Value {
    json!({"multicluster": {"clusterRole": role}})
}

async fn installed() -> Installation {
    installed_of("3.3.2").await
}

/// An installation that has run once with what the release ships.
async fn installed_of(version: &str) -> Installation {
    let installation = Installation::of(version, &Fake::new(), Behaviour::default());
    installation.apply(json!({}), BANNER, 1).await;
    installation
}

#[tokio::test]
async fn carries_out_what_was_ordered_while_it_was_away() {
    let before = installed().await;
    before.stop.cancel();
    let mut orders = before.fake.get(CONFIGURATION).unwrap();
    let known = Memory::going_on_from(orders["spec"].clone());
    orders["spec"]["multicluster"]["clusterRole"] = json!("member");
    before.fake.put(CONFIGURATION, &orders);
    let after = Installation::going_on("3.3.2", &before.fake, Behaviour::default(), known);
    after.sees(BANNER, 1).await;
    assert_eq!(after.config().cluster_role(), Some(&ClusterRole::Member));
    assert!(!after.lines().iter().any(|line| line.contains("shell-operator")), "it has begun before");
}

#[test]
fn obeys_the_kind_that_the_manifest_defines() {
    assert_eq!(ORDERS.api_version, CLUSTER_CONFIGURATION.api_version());
    assert_eq!(ORDERS.kind, CLUSTER_CONFIGURATION.kind);
}

#[tokio::test]
async fn prints_the_parts_of_a_run_in_order() {
    let lines = installed().await.lines();
    let parts = [
        "MAIN: run main loop",
        "PLAY [localhost] ***",
        "TASK [preinstall : ",
        "PLAY RECAP ***",
        "TASK [common : ",
        "TASK [ks-core/init-token : ",
        "Start installing monitoring",
        "Start installing multicluster",
        "Start installing openpitrix",
        "Start installing network",
        "**************************************************",
        "Waiting for all tasks to be completed ...",
        "task monitoring status is successful  (1/4)",
        "task multicluster status is successful  (2/4)",
        "task openpitrix status is successful  (3/4)",
        "task network status is successful  (4/4)",
        "**************************************************",
        "Collecting installation results ...",
        BANNER,
        "Console: http://192.0.2.2:30880",
        "Account: admin",
        "Password: P@88w0rd",
    ];
    let mut rest = lines.iter();
    for part in parts {
        assert!(rest.any(|line| line.contains(part)), "{part:?} is not where it belongs in {lines:#?}");
    }
}

#[tokio::test]
async fn notes_its_state_and_leaves_the_spec_alone() {
    let installation = installed().await;
    installation.apply(role("member"), BANNER, 2).await;
    let object = installation.fake.get(CONFIGURATION).unwrap();
    assert_eq!(object["status"]["core"]["status"], "enabled");
    assert_eq!(object["status"]["core"]["version"], "v3.3.2");
    assert_eq!(object["status"]["monitoring"]["status"], "enabled");
    assert_eq!(object["status"]["multicluster"], Value::Null);
    assert_eq!(object["spec"]["authentication"], json!({"jwtSecret": ""}));
}

#[tokio::test]
async fn runs_again_for_the_spec_alone() {
    let installation = installed().await;
    let mut object = installation.fake.get(CONFIGURATION).unwrap();
    object["metadata"]["labels"]["mine"] = "1".into();
    object["status"]["mine"] = "1".into();
    installation.fake.put(CONFIGURATION, &object);
    installation.apply(role("member"), BANNER, 2).await;
    assert_eq!(installation.lines().iter().filter(|line| line.contains("Start installing monitoring")).count(), 2);
}

#[tokio::test]
async fn runs_once_more_when_its_pod_starts_again() {
    let installation = installed().await;
    let secret = installation.secret();
    let again = Installation::start(&installation.fake, Behaviour::default());
    again.sees(BANNER, 1).await;
    assert_eq!(again.secret(), secret);
}

#[rstest]
#[case(role("none"), ClusterRole::None, false)]
#[case(role("host"), ClusterRole::Host, true)]
#[case(role("member"), ClusterRole::Member, false)]
#[case(role("hsot"), ClusterRole::Other("hsot".into()), false)]
#[tokio::test]
async fn writes_the_role_into_the_config_map(#[case] spec: Value, #[case] role: ClusterRole, #[case] enabled: bool) {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    installation.apply(spec, BANNER, 1).await;
    let config = installation.config();
    assert_eq!(config.cluster_role(), Some(&role));
    assert_eq!(config.multicluster_enabled(), enabled);
    assert_eq!(config.jwt_secret().map(|secret| secret.expose().to_owned()), installation.secret());
    let object = installation.fake.get(CONFIG_MAP).unwrap();
    assert!(object["metadata"]["annotations"][annotations::LAST_APPLIED].as_str().unwrap().contains("\"apiVersion\""));
}

#[tokio::test]
async fn adds_federation_for_a_host() {
    let installation = installed().await;
    assert_eq!(installation.fake.get("/api/v1/namespaces/kube-federation-system"), None);
    installation.apply(role("host"), BANNER, 2).await;
    for path in [
        "/api/v1/namespaces/kube-federation-system",
        "/apis/apps/v1/namespaces/kubesphere-system/deployments/tower",
        "/apis/apps/v1/namespaces/kube-federation-system/deployments/kubefed-controller-manager",
        "/apis/apps/v1/namespaces/kube-federation-system/deployments/kubefed-admission-webhook",
        "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedconfigs/kubefed",
    ] {
        assert!(installation.fake.get(path).is_some(), "{path}");
    }
    assert_eq!(installation.fake.get(CONFIGURATION).unwrap()["status"]["multicluster"]["status"], "enabled");
}

#[tokio::test]
async fn keeps_a_generated_secret_and_replaces_it_on_demand() {
    let installation = installed().await;
    let generated = installation.secret().unwrap();
    assert_eq!(generated.len(), 32);
    let secret = |value: Value| json!({"authentication": {"jwtSecret": value}});

    installation.apply(role("host"), BANNER, 2).await;
    assert_eq!(installation.secret().unwrap(), generated);
    installation.apply(secret("abc".into()), BANNER, 3).await;
    assert_eq!(installation.secret().unwrap(), "abc");
    installation.apply(secret("".into()), BANNER, 4).await;
    assert_eq!(installation.secret().unwrap(), "abc");
    installation.apply(secret(12_345_678.into()), BANNER, 5).await;
    assert_eq!(installation.secret().unwrap(), "12345678");
    installation.apply(secret(Value::Null), BANNER, 6).await;
    assert_eq!(installation.secret().unwrap(), "");
    assert!(installation.config().jwt_secret().unwrap().is_empty());
}

#[tokio::test]
async fn stops_after_deleting_the_secret_that_the_shell_splits() {
    let installation = installed().await;
    installation
        .apply(json!({"authentication": {"jwtSecret": "a b$c"}}), "exactly one NAME is required, got 2", 1)
        .await;
    installation.sees("failed=1", 1).await;
    assert_eq!(installation.secret(), None);
    installation.apply(json!({"authentication": {"jwtSecret": "abc"}}), BANNER, 2).await;
}

#[tokio::test]
async fn stops_without_the_key_and_keeps_the_secret() {
    let installation = installed().await;
    let secret = installation.secret();
    installation.apply(json!({"authentication": {}}), "'dict object' has no attribute 'jwtSecret'", 1).await;
    installation.apply(json!({"authentication": {"jwtSecret": ""}}), BANNER, 2).await;
    assert_eq!(installation.secret(), secret);
}

#[tokio::test]
async fn ends_without_a_banner_when_the_config_cannot_be_rendered() {
    let installation = installed().await;
    installation.apply(json!({"multicluster": {}}), "Failed to ansible-playbook ks-config.yaml", 1).await;
    assert_eq!(installation.config().cluster_role(), Some(&ClusterRole::None));
    installation.apply(role("member"), BANNER, 2).await;
}

#[tokio::test]
async fn stops_before_anything_is_made_without_a_storage_class() {
    let fake = Fake::new();
    fake.remove("/apis/storage.k8s.io/v1/storageclasses/local");
    let installation = Installation::start(&fake, Behaviour::default());
    installation.apply(json!({}), "Default StorageClass was not found !", 1).await;
    installation.sees("failed=1", 1).await;
    assert_eq!(fake.get("/api/v1/namespaces/kubesphere-controls-system"), None);
}

#[tokio::test]
async fn replaces_a_minimal_configuration_before_it_installs() {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    let minimal = json!({"metadata": {"name": "ks-installer"}, "spec": role("member")});
    installation.fake.put(CONFIGURATION, &minimal);
    installation.sees(BANNER, 1).await;
    let lines = installation.lines();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("Delete old cluster configuration successfully") < at("Create cluster configuration successfully"));
    assert!(at("Create cluster configuration successfully") < at("PLAY [localhost]"));
    let object = installation.fake.get(CONFIGURATION).unwrap();
    assert_eq!(object["spec"]["multicluster"], json!({"clusterRole": "member"}));
    assert_eq!(object["metadata"]["labels"], json!({"version": "v3.3.2"}));
}

#[rstest]
#[case(http::Method::GET, CONFIGURATION)]
#[case(http::Method::DELETE, CONFIGURATION)]
#[case(http::Method::POST, CONFIGURATION.rsplit_once('/').unwrap().0)]
#[tokio::test]
async fn loses_no_order_to_a_request_that_fails_once(#[case] method: http::Method, #[case] path: &str) {
    let fake = Fake::new();
    fake.fail_once(method, path, http::StatusCode::SERVICE_UNAVAILABLE);
    fake.put(CONFIGURATION, &json!({"metadata": {"name": "ks-installer"}, "spec": role("member")}));
    let installation = Installation::start(&fake, Behaviour::default());
    installation.sees(BANNER, 1).await;
    assert_eq!(fake.get(CONFIGURATION).unwrap()["spec"]["multicluster"], json!({"clusterRole": "member"}));
    assert!(installation.lines().iter().any(|line| line.contains("refused")), "{:#?}", installation.lines());
}

#[tokio::test]
async fn ends_naming_the_kind_that_is_not_served() {
    let fake = Fake::new();
    fake.never_serve("users.iam.kubesphere.io");
    let installation = Installation::start(&fake, Behaviour::default());
    installation
        .apply(json!({}), "condition Established of customresourcedefinitions users.iam.kubesphere.io\"", 1)
        .await;
    installation.sees("failed=1", 1).await;
}

#[rstest]
#[case(json!("Chosen123"), Some("Chosen123"))]
#[case(json!(""), None)]
#[tokio::test]
async fn tells_the_first_password(#[case] chosen: Value, #[case] expected: Option<&str>) {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    installation.apply(json!({"authentication": {"jwtSecret": "", "adminPassword": chosen}}), BANNER, 1).await;
    installation.sees("Password: ", 1).await;
    let kept = secret_text(&installation.fake.get(SECRET).unwrap(), "initAdminPassword").unwrap();
    assert!(installation.lines().contains(&format!("Password: {kept}")));
    assert_eq!(kept, expected.unwrap_or(&kept));
    let user = installation.fake.get("/apis/iam.kubesphere.io/v1alpha2/users/admin").unwrap();
    assert!(bcrypt::verify(&kept, user["spec"]["password"].as_str().unwrap()).unwrap());
}

#[tokio::test]
async fn ignores_the_role_when_told_to() {
    let installation = Installation::start(&Fake::new(), crate::Deviation::RoleIgnored.into());
    installation.apply(role("member"), BANNER, 1).await;
    assert_eq!(installation.config().cluster_role(), Some(&ClusterRole::None));
}

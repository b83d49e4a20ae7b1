//! One run of the installer, from the orders to the banner (ks-installer v3.3.2, `controller/installRunner.py`).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::tz::TimeZone;
use kubesphere::names::{DEFAULT_ADMIN_PASSWORD, namespaces, objects};
use kubesphere::{Feature, JwtSecret, Release};
use nodes::program::PodContext;
use rand::RngExt;
use serde_json::{Value, json};

use super::ansible::{Failed, Playbook};
use super::apply::Owner;
use super::banner::Banner;
use super::kubectl::{Kubectl, KubectlError, Target};
use super::render::{Settings, kubesphere_yaml};
use super::secret::{self, Wanted};
use super::spec::{Spec, at, truth};
use super::{ORDERS, component, core, migration, preinstall, wait};
use crate::{Behaviour, Deviation, StubImage, delays};

/// What every part of a run works with.
pub struct Run<'a> {
    /// The pod.
    pub ctx: &'a PodContext,
    /// The cluster.
    pub kubectl: Kubectl,
    /// The release being installed.
    pub release: &'static Release,
    behaviour: Behaviour,
}

/// What a run read of its cluster at the beginning.
pub struct Facts {
    /// `spec` of the `ClusterConfiguration`.
    pub spec: Spec,
    /// `status` of the `ClusterConfiguration`.
    pub status: Value,
    /// The nodes.
    pub nodes: Vec<Value>,
    /// Version of Kubernetes as (major, minor).
    pub kubernetes: (u32, u32),
}

/// What became of reading the orders.
enum Gathered {
    /// There are none.
    Nothing,
    /// They had an older form and wait to be replaced.
    Old,
    /// They can be carried out.
    Facts(Facts),
}

/// The run ended early, and the log says why.
struct Ended;

impl From<Failed> for Ended {
    fn from(_: Failed) -> Self {
        Self
    }
}

/// A Secret as the installer reads it.
pub const KEPT_SECRET: Target<'static> = Target::new("v1", "Secret", namespaces::SYSTEM, objects::SECRET);

impl<'a> Run<'a> {
    /// A run in the pod `ctx`.
    pub fn new(ctx: &'a PodContext, release: &'static Release, behaviour: Behaviour) -> Self {
        let kubectl = Kubectl::new(ctx.client.clone()).with_image(StubImage::of_pod(&ctx.pod.env));
        Self { ctx, kubectl, release, behaviour }
    }

    /// Runs to its end, whatever that is; the log tells. Nothing else would bring back orders that could not be read
    /// or replaced, so that is tried until it works.
    pub async fn execute(&self) {
        let (mut replacement, mut complaint) = (None, String::new());
        let facts = loop {
            let gathered = match self.replace(&mut replacement).await {
                Ok(true) => return,
                Ok(false) => self.gather(&mut replacement).await,
                Err(error) => Err(error),
            };
            match gathered {
                Ok(Gathered::Facts(facts)) => break facts,
                Ok(Gathered::Nothing) => return,
                Ok(Gathered::Old) => {}
                Err(error) => {
                    let text = error.to_string();
                    if text != complaint {
                        self.line(&text);
                        complaint = text;
                    }
                    self.ctx.clock.sleep(delays::WATCH_PAUSE).await;
                }
            }
        };
        let _ended = self.install(&facts).await;
    }

    /// Puts `replacement`, if there is one, in place of the orders, which triggers a run. It is kept until it is there:
    /// once the orders are deleted, they are nowhere else.
    async fn replace(&self, replacement: &mut Option<Value>) -> Result<bool, KubectlError> {
        let Some(orders) = replacement else { return Ok(false) };
        match self.kubectl.create(orders).await {
            // Somebody ordered anew meanwhile, which triggers a run, too.
            Err(error) if error.has_code(409) => {}
            created => {
                created?;
                self.line("Create cluster configuration successfully");
            }
        }
        *replacement = None;
        Ok(true)
    }

    /// Reads the orders. Those of an older form are deleted, and `replacement` is what to create in their place.
    async fn gather(&self, replacement: &mut Option<Value>) -> Result<Gathered, KubectlError> {
        let Some(orders) = self.kubectl.get(ORDERS).await? else { return Ok(Gathered::Nothing) };
        if let Some(migrated) = migration::replacement(&orders, self.release) {
            self.kubectl.delete(ORDERS).await?;
            self.line("Delete old cluster configuration successfully");
            *replacement = Some(migrated);
            return Ok(Gathered::Old);
        }
        let nodes = self.kubectl.list(Target::new("v1", "Node", "", ""), "").await?;
        let kubernetes = preinstall::kubernetes_version(&self.ctx.client).await;
        Ok(Gathered::Facts(Facts {
            spec: orders.get("spec").and_then(Value::as_object).cloned().unwrap_or_default(),
            status: orders.get("status").cloned().unwrap_or_default(),
            nodes,
            kubernetes,
        }))
    }

    async fn install(&self, facts: &Facts) -> Result<(), Ended> {
        let log = &self.ctx.log;
        let mut playbook = Playbook::begin(log);
        let result = preinstall::check(self, facts, &mut playbook).await;
        playbook.end(result)?;
        if at(&facts.spec, "metrics_server.enabled").is_some_and(truth) {
            let mut playbook = Playbook::begin(log);
            playbook.task("metrics-server", "Metrics-Server | Install");
            let noted = self.note_enabled(facts, "metricsServer").await;
            playbook.changed();
            playbook.end(noted.map_err(Failed::from))?;
        }
        let mut playbook = Playbook::begin(log);
        let result = preinstall::namespaces(self, facts, &mut playbook).await;
        playbook.end(result)?;
        let mut playbook = Playbook::begin(log);
        let result = core::install(self, facts, &mut playbook).await;
        playbook.end(result)?;

        let all_successful = component::install_all(self, facts).await;
        if self.deviates(Deviation::BannerEarly) {
            self.line(&self.banner(facts).await);
            self.ctx.clock.sleep(delays::BANNER_AHEAD).await;
        }
        if self.configure(facts).await.is_err() {
            self.line("Failed to ansible-playbook ks-config.yaml");
            return Err(Ended);
        }
        self.restart_components().await;
        if self.finish(facts).await.is_err() {
            self.line("Failed to ansible-playbook result-info.yaml");
            return Err(Ended);
        }
        if all_successful && !self.deviates(Deviation::BannerEarly) {
            let banner = self.banner(facts).await;
            self.line(&banner);
        }
        // A failed call home is ignored.
        let _ignored = self.count(facts).await;
        Ok(())
    }

    /// Playbook `ks-config`: the ConfigMap that all components read.
    async fn configure(&self, facts: &Facts) -> Result<(), Failed> {
        let config = Target::new("v1", "ConfigMap", namespaces::SYSTEM, objects::CONFIG);
        if self.deviates(Deviation::ConfigNeverRewritten) && self.kubectl.get(config).await?.is_some() {
            return Ok(());
        }
        let kept = self.kubectl.get(KEPT_SECRET).await?;
        let kept = kept.ok_or_else(|| Failed(json!({"msg": "secrets \"kubesphere-secret\" not found"})))?;
        let jwt_secret = match secret::wanted(&facts.spec)? {
            Wanted::Replace(secret) if self.deviates(Deviation::KeptSecretStale) => secret,
            _ => JwtSecret::new(secret_text(&kept, "secret").unwrap_or_default()),
        };
        let text = kubesphere_yaml(&Settings {
            release: self.release,
            kubernetes_minor: facts.kubernetes.1,
            spec: &facts.spec,
            jwt_secret: &jwt_secret,
            behaviour: self.behaviour,
        })?;
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": objects::CONFIG, "namespace": namespaces::SYSTEM},
            "data": {objects::CONFIG_KEY: text},
        });
        if self.deviates(Deviation::SecretLineTwice) {
            object["data"]["kubesphere.yaml.bak"] = object["data"][objects::CONFIG_KEY].clone();
        }
        Ok(self.kubectl.apply(&object, Owner::Kubectl).await?)
    }

    /// Restarts the processes of a release that does not look for a changed configuration by itself. How that ends is
    /// ignored (ks-installer v3.2.1, `roles/ks-core/config/tasks/ks-restart.yaml`).
    async fn restart_components(&self) {
        if self.release.has(Feature::HotReload) {
            return;
        }
        let at = self.ctx.clock.wall().to_string();
        let annotations = json!({"kubectl.kubernetes.io/restartedAt": at});
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        for name in [objects::APISERVER, objects::CONTROLLER_MANAGER] {
            let deployment = Target::new("apps/v1", "Deployment", namespaces::SYSTEM, name);
            let _ignored = self.kubectl.merge(deployment, &patch).await;
        }
    }

    /// Playbook `result-info`: waits for the pods that a person needs and notes the version.
    async fn finish(&self, facts: &Facts) -> Result<(), Failed> {
        self.configure(facts).await?;
        for app in [objects::CONSOLE, objects::APISERVER] {
            let query = format!("labelSelector=app%3D{app}");
            let pods = Target::new("v1", "Pod", namespaces::SYSTEM, "");
            let running = |pods: &[&Value]| {
                pods.iter().any(|pod| pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running"))
            };
            let limit = delays::INSTALLER_PODS_LIMIT;
            if !wait::until(&self.kubectl, &self.ctx.clock, (pods, &query), limit, running).await? {
                return Err(Failed(json!({"attempts": 30, "changed": false, "msg": format!("{app} is not running")})));
            }
        }
        self.note(&json!({"core": {"version": self.release.tag()}})).await?;
        Ok(())
    }

    async fn banner(&self, facts: &Facts) -> String {
        let service = Target::new("v1", "Service", namespaces::SYSTEM, objects::CONSOLE);
        let service = self.kubectl.get(service).await.ok().flatten().unwrap_or_default();
        let node_port = service.pointer("/spec/ports/0/nodePort").and_then(Value::as_u64);
        let kept = self.kubectl.get(KEPT_SECRET).await.ok().flatten();
        let password = kept.and_then(|kept| secret_text(&kept, "initAdminPassword"));
        let banner = Banner {
            node_address: facts.nodes.first().and_then(internal_ip).unwrap_or_default(),
            node_port: node_port.and_then(|port| u16::try_from(port).ok()).unwrap_or(30880),
            password: password.as_deref().unwrap_or(DEFAULT_ADMIN_PASSWORD),
            at: self.ctx.clock.wall(),
        };
        let text = banner.text();
        if self.deviates(Deviation::BannerWithoutAccount) { text.replace("Account: admin\n", "") } else { text }
    }

    /// Playbook `telemetry`: gives the cluster an identity once.
    async fn count(&self, facts: &Facts) -> Result<(), KubectlError> {
        if facts.status.get("clusterId").is_some() {
            return Ok(());
        }
        let id = uuid::Builder::from_random_bytes(self.ctx.random.with(RngExt::random)).into_uuid();
        self.note(&json!({"clusterId": format!("{id}-{}", self.ctx.clock.wall().as_second())})).await
    }

    /// Merges `status` into the `ClusterConfiguration`'s.
    pub async fn note(&self, status: &Value) -> Result<(), KubectlError> {
        self.kubectl.merge(ORDERS, &json!({"status": status})).await.map(|_| ())
    }

    /// Notes that the component `name` is installed, unless that is noted already.
    pub async fn note_enabled(&self, facts: &Facts, name: &str) -> Result<(), KubectlError> {
        if is_enabled(facts, name) {
            return Ok(());
        }
        let at = self.ctx.clock.wall().to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SUTC").to_string();
        self.note(&json!({name: {"status": "enabled", "enabledTime": at}})).await
    }

    /// Whether the installer has `deviation`.
    pub fn deviates(&self, deviation: Deviation) -> bool {
        self.behaviour.deviates(deviation)
    }

    /// Prints a line.
    pub fn line(&self, text: &str) {
        self.ctx.log.line(text);
    }
}

/// Whether `status` says that the component `name` is installed.
pub fn is_enabled(facts: &Facts, name: &str) -> bool {
    facts.status.get(name).and_then(|component| component.get("status")).and_then(Value::as_str) == Some("enabled")
}

/// The text under `key` of a Secret.
pub fn secret_text(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret.get("data")?.get(key)?.as_str()?;
    String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()
}

/// `text` as a Secret keeps it.
pub fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn internal_ip(node: &Value) -> Option<&str> {
    let addresses = node.pointer("/status/addresses")?.as_array()?;
    let internal =
        addresses.iter().find(|address| address.get("type").and_then(Value::as_str) == Some("InternalIP"))?;
    internal.get("address")?.as_str()
}

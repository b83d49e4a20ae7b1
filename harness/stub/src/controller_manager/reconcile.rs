//! One look at one Cluster, step by step; everything it finds is stored in a single update
//! (kubesphere v3.3.2, `syncCluster`).

use jiff::Timestamp;
use kubesphere::Feature;
use kubesphere::names::{CLUSTER_FINALIZER, labels, namespaces, objects};
use serde_json::Value;
use x509_parser::pem::parse_x509_pem;

use super::conditions::Condition;
use super::config_rewrite;
use super::controller::Controller;
use super::join::{Join, unjoin};
use crate::apiserver::settings::text_of;
use crate::delays::ENDPOINT_LIMIT;
use crate::member::go_base64::decode_base64;
use crate::member::{ApiClient, RestConfig, Target, kubeconfig};

/// How often leaving the federation is tried before the Cluster goes anyway.
const UNJOIN_TRIES: u32 = 6;

impl Controller {
    /// Brings the Cluster `name` up to date.
    ///
    /// # Errors
    /// The text of a failure that is worth another try. A failed join is not one: it is stored, and looked at again at
    /// the next resync.
    pub(super) async fn sync(&self, name: &str) -> Result<(), String> {
        let found = self.host.find(&Target::clusters().named(name)).await.map_err(|error| error.to_string())?;
        let Some(mut cluster) = found else { return Ok(()) };
        let finalizers = cluster["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        let is_ours = |finalizer: &Value| finalizer == CLUSTER_FINALIZER;
        if !cluster["metadata"]["deletionTimestamp"].is_null() {
            return if finalizers.iter().any(is_ours) { self.unbind(name, cluster).await } else { Ok(()) };
        }
        if !finalizers.iter().any(is_ours) {
            let all: Vec<Value> = finalizers.into_iter().chain([CLUSTER_FINALIZER.into()]).collect();
            cluster["metadata"]["finalizers"] = all.into();
            cluster = self.update(name, &cluster).await?;
        }
        let connection = &cluster["spec"]["connection"];
        let kubeconfig = connection["kubeconfig"].as_str().unwrap_or_default();
        if cluster["spec"]["joinFederation"] != true || connection["type"] != "direct" || kubeconfig.is_empty() {
            return Ok(());
        }
        let kubeconfig = decode_base64(kubeconfig.as_bytes()).map_err(|error| error.to_string())?;
        let config = kubeconfig::load(&kubeconfig)
            .map_err(|error| format!("failed to create cluster config for {name}: {error}"))?;
        let member = config
            .connect(&self.ctx.network, &self.ctx.clock, None)
            .map_err(|error| format!("failed to create cluster client for {name}: {error}"))?;
        let join = Join {
            cluster: name,
            labels: &cluster["metadata"]["labels"].clone(),
            host: &self.host,
            member: &member,
            config: &config,
            clock: &self.ctx.clock,
        };
        if let Err(error) = join.run().await {
            return self.store_failure(name, cluster, &error.to_string()).await;
        }
        self.log('I', 439, &format!("successfully joined federation for cluster {name}"));
        self.store_success(name, cluster, &member, &config).await?;
        self.name_in_configuration(name, &member).await
    }

    async fn update(&self, name: &str, cluster: &Value) -> Result<Value, String> {
        let mut cluster = cluster.clone();
        drop_empty_fields(&mut cluster);
        let cluster = &cluster;
        self.host.update(&Target::clusters().named(name), cluster).await.map_err(|error| error.to_string())
    }

    async fn unbind(&self, name: &str, mut cluster: Value) -> Result<(), String> {
        for _ in 0..UNJOIN_TRIES {
            match unjoin(&self.host, name).await {
                Ok(()) => break,
                Err(error) => {
                    self.log('E', 355, &format!("Failed to unjoin federation for cluster {name}, error {error}"));
                }
            }
        }
        if let Some(finalizers) = cluster["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|finalizer| finalizer != CLUSTER_FINALIZER);
        }
        self.update(name, &cluster).await.map(drop)
    }

    async fn store_failure(&self, name: &str, mut cluster: Value, error: &str) -> Result<(), String> {
        self.log('E', 410, &format!("Failed to join federation for cluster {name}, error {error}"));
        let now = self.ctx.clock.wall();
        Condition::not_federated(error).put(&mut cluster, now);
        Condition::not_ready().put(&mut cluster, now);
        match self.update(name, &cluster).await {
            Ok(_) => Ok(()),
            Err(error) => {
                self.log('E', 433, &format!("Failed to update cluster status, {error}"));
                Err(error)
            }
        }
    }

    /// Nothing is stored when a step fails, except that ks-apiserver of the member need not answer.
    async fn store_success(
        &self,
        name: &str,
        mut cluster: Value,
        member: &ApiClient,
        config: &RestConfig,
    ) -> Result<(), String> {
        let now = self.ctx.clock.wall();
        Condition::federated().put(&mut cluster, now);
        let endpoint = &mut cluster["spec"]["connection"]["kubernetesAPIEndpoint"];
        if endpoint.as_str().unwrap_or_default().is_empty() {
            *endpoint = config.server().into();
        }
        let version = member.get(&Target::path("/version")).await.map_err(|error| error.to_string())?;
        cluster["status"]["kubernetesVersion"] = version["gitVersion"].clone();
        let nodes = member.get(&Target::core("nodes")).await.map_err(|error| error.to_string())?;
        cluster["status"]["nodeCount"] = nodes["items"].as_array().map_or(0, Vec::len).into();
        match ask(member, "/kapis/config.kubesphere.io/v1alpha2/configs/configz").await {
            Ok(configz) => cluster["status"]["configz"] = configz,
            Err(error) => {
                self.log('W', 477, &format!("failed to fetch kubesphere components status in cluster {name}: {error}"));
            }
        }
        match ask(member, "/kapis/version").await {
            Ok(version) => {
                cluster["status"]["kubeSphereVersion"] = match text_of(&version["gitVersion"]).as_str() {
                    "" => "unknown".into(),
                    "v0.0.0" => "v3.0.0".into(),
                    version => version.into(),
                };
            }
            Err(error) => {
                self.log(
                    'E',
                    485,
                    &format!("failed to get KubeSphere version, err: &errors.errorString{{s:{error:?}}}"),
                );
            }
        }
        let system =
            member.get(&Target::core("namespaces").named("kube-system")).await.map_err(|error| error.to_string())?;
        cluster["status"]["uid"] = system["metadata"]["uid"].clone();
        if cluster["status"]["configz"]["multicluster"] == true && self.is_the_host_itself(&nodes).await? {
            cluster["metadata"]["labels"][labels::HOST_CLUSTER] = "".into();
        }
        Condition::ready().put(&mut cluster, now);
        if cluster["metadata"]["labels"].get(labels::HOST_CLUSTER).is_none() {
            self.certificate_condition(name, config, now)?.put(&mut cluster, now);
        }
        self.update(name, &cluster).await.map(drop).inspect_err(|error| {
            self.log('E', 523, &format!("Failed to update cluster status, {error}"));
        })
    }

    /// A kubeconfig without a client certificate is a dead end before v3.4.0: nothing is stored, ever.
    fn certificate_condition(&self, name: &str, config: &RestConfig, now: Timestamp) -> Result<Condition, String> {
        match certificate_end(config.client_certificate()) {
            Ok(end) => Ok(Condition::certificate(Some(end), now)),
            Err(_) if self.has(Feature::TokenKubeconfig) => Ok(Condition::certificate(None, now)),
            Err(reason) => {
                let error = format!("parseKubeConfigExpirationDate for cluster {name} failed: {reason}");
                self.log('E', 516, &format!("sync KubeConfig expiration date for cluster {name} failed: {error}"));
                Err(error)
            }
        }
    }

    /// Two clusters are taken for one when they have as many nodes and the first ones share a machine ID.
    async fn is_the_host_itself(&self, nodes: &Value) -> Result<bool, String> {
        let own = self.host.get(&Target::core("nodes")).await.map_err(|error| error.to_string())?;
        let count = |list: &Value| list["items"].as_array().map_or(0, Vec::len);
        let machine = |list: &Value| list.pointer("/items/0/status/nodeInfo/machineID").cloned();
        Ok(count(&own) == count(nodes) && machine(&own) == machine(nodes))
    }

    /// Writes the Cluster's name into the cluster's own configuration, which makes its programs reload.
    async fn name_in_configuration(&self, name: &str, member: &ApiClient) -> Result<(), String> {
        let target = Target::core("configmaps").within(namespaces::SYSTEM).named(objects::CONFIG);
        let mut config_map = member.get(&target).await.map_err(|error| error.to_string())?;
        let text = config_map["data"][objects::CONFIG_KEY].as_str().unwrap_or_default();
        let rewritten = config_rewrite::with_cluster_name(text, name)
            .map_err(|error| format!("failed to unmarshal value from configmap. err: {error}"))?;
        let Some(rewritten) = rewritten else { return Ok(()) };
        config_map["data"][objects::CONFIG_KEY] = rewritten.into();
        member.update(&target, &config_map).await.map(drop).map_err(|error| error.to_string())
    }
}

/// The real controller's update goes through a typed structure that leaves out empty fields.
fn drop_empty_fields(cluster: &mut Value) {
    for (holder, fields) in [("/spec", ["provider", "enable"]), ("/metadata", ["labels", "annotations"])] {
        let Some(holder) = cluster.pointer_mut(holder).and_then(Value::as_object_mut) else { continue };
        for field in fields {
            let is_empty = |value: &Value| match value {
                Value::Object(entries) => entries.is_empty(),
                Value::Null => true,
                other => *other == "" || *other == false,
            };
            if holder.get(field).is_some_and(is_empty) {
                holder.shift_remove(field);
            }
        }
    }
}

/// Asks ks-apiserver of the member through the member's service proxy.
async fn ask(member: &ApiClient, path: &str) -> Result<Value, String> {
    let path = format!("/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:80/proxy{path}");
    let (code, body) = member.fetch(&path, ENDPOINT_LIMIT).await.map_err(|error| error.to_string())?;
    if code != 200 {
        return Err(format!("response code {code}"));
    }
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

/// When the first certificate in `pem` ends.
fn certificate_end(pem: &[u8]) -> Result<Timestamp, String> {
    if pem.is_empty() {
        return Err("empty CertData".to_owned());
    }
    let (_, block) = parse_x509_pem(pem).map_err(|error| error.to_string())?;
    let certificate = block.parse_x509().map_err(|error| error.to_string())?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).map_err(|error| error.to_string())
}

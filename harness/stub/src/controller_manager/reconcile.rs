//! One look at one Cluster, step by step (kubesphere v3.3.2, `syncCluster`). Everything it finds is stored in a single
//! update, which `status` does.

use kubesphere::Feature;
use kubesphere::names::{CLUSTER_FINALIZER, namespaces, objects};
use serde_json::Value;

use super::conditions::Condition;
use super::config_rewrite;
use super::controller::Controller;
use super::join::{Join, unjoin};
use super::places::Place;
use crate::delays::PROBE_LIMIT;
use crate::member::go_base64::decode_base64;
use crate::member::{ApiClient, CallError, RestConfig, Target, kubeconfig};
use crate::{Behaviour, Deviation};

/// How often leaving the federation is tried before the Cluster goes anyway.
const UNJOIN_TRIES: u32 = 6;

/// Why a Cluster is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It changed, or an earlier look failed.
    Change,
    /// It is time to look at all of them.
    Resync,
}

impl Controller {
    /// Brings the Cluster `name` up to date.
    ///
    /// # Errors
    /// The text of a failure that is worth another try. A failed join is not one: it is stored, and looked at again at
    /// the next resync.
    pub(super) async fn sync(&self, name: &str, occasion: Occasion) -> Result<(), String> {
        let found = self.host.find(&Target::clusters().named(name)).await.map_err(|error| error.to_string())?;
        let Some(mut cluster) = found else { return Ok(()) };
        let finalizers = cluster["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        let is_ours = |finalizer: &Value| finalizer == CLUSTER_FINALIZER;
        if !cluster["metadata"]["deletionTimestamp"].is_null() {
            return if finalizers.iter().any(is_ours) { self.unbind(name, cluster).await } else { Ok(()) };
        }
        if !finalizers.iter().any(is_ours) && !self.deviates(Deviation::FinalizerMissing) {
            let all: Vec<Value> = finalizers.into_iter().chain([CLUSTER_FINALIZER.into()]).collect();
            cluster["metadata"]["finalizers"] = all.into();
            cluster = self.update(name, &cluster).await.map_err(|error| error.to_string())?;
        }
        let Some((config, member)) = self.member(name, &cluster)? else { return Ok(()) };
        if occasion == Occasion::Resync && self.has(Feature::ReadyProbe) && !self.answers(&config).await {
            Condition::unavailable().put(&mut cluster, self.ctx.clock.wall());
            return self.update(name, &cluster).await.map(drop).map_err(|error| error.to_string());
        }
        let join = Join {
            cluster: name,
            labels: &cluster["metadata"]["labels"].clone(),
            host: &self.host,
            member: &member,
            config: &config,
            clock: &self.ctx.clock,
            behaviour: self.behaviour,
        };
        match join.run().await {
            Ok(()) => {}
            Err(error) if error.is_stale() && self.has(Feature::JoinConflictRetried) => return Err(error.to_string()),
            Err(error) => return self.store_failure(name, cluster, &error.to_string()).await,
        }
        self.log(Place::Joined, &format!("successfully joined federation for cluster {name}"));
        self.store_success(name, cluster, &member, &config).await?;
        if self.has(Feature::ClusterNameWritten) && !self.deviates(Deviation::NameUnwritten) {
            name_in_configuration(name, &member, self.behaviour).await?;
        }
        self.note_grants(name, &member).await.map_err(|error| error.to_string())
    }

    /// How the member is reached; `None` when the Cluster does not want to join or says nothing of it.
    fn member(&self, name: &str, cluster: &Value) -> Result<Option<(RestConfig, ApiClient)>, String> {
        let connection = &cluster["spec"]["connection"];
        let kubeconfig = connection["kubeconfig"].as_str().unwrap_or_default();
        if cluster["spec"]["joinFederation"] != true || connection["type"] != "direct" || kubeconfig.is_empty() {
            return Ok(None);
        }
        let kubeconfig = decode_base64(kubeconfig.as_bytes()).map_err(|error| error.to_string())?;
        let config = kubeconfig::load(&kubeconfig)
            .map_err(|error| format!("failed to create cluster config for {name}: {error}"))?;
        let member = config
            .connect(&self.ctx, None)
            .map_err(|error| format!("failed to create cluster client for {name}: {error}"))?;
        Ok(Some((config, member)))
    }

    /// Whether the member tells its version in time.
    async fn answers(&self, config: &RestConfig) -> bool {
        let Ok(member) = config.connect(&self.ctx, Some(PROBE_LIMIT)) else { return false };
        member.get(&Target::path("/version")).await.is_ok()
    }

    pub(super) async fn update(&self, name: &str, cluster: &Value) -> Result<Value, CallError> {
        let mut cluster = cluster.clone();
        drop_empty_fields(&mut cluster);
        self.host.update(&Target::clusters().named(name), &cluster).await
    }

    async fn unbind(&self, name: &str, mut cluster: Value) -> Result<(), String> {
        for _ in 0..UNJOIN_TRIES {
            match unjoin(&self.host, name, self.behaviour).await {
                Ok(()) => break,
                Err(error) => {
                    self.log(Place::Unjoin, &format!("Failed to unjoin federation for cluster {name}, error {error}"));
                }
            }
        }
        self.forget_grants(name).await.map_err(|error| error.to_string())?;
        if let Some(finalizers) = cluster["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|finalizer| finalizer != CLUSTER_FINALIZER);
        }
        self.update(name, &cluster).await.map(drop).map_err(|error| error.to_string())
    }

    async fn store_failure(&self, name: &str, mut cluster: Value, error: &str) -> Result<(), String> {
        self.log(Place::JoinFailed, &format!("Failed to join federation for cluster {name}, error {error}"));
        let now = self.ctx.clock.wall();
        Condition::not_federated(error).put(&mut cluster, now);
        Condition::not_ready().put(&mut cluster, now);
        self.update(name, &cluster).await.map(drop).map_err(|error| {
            self.log(Place::FailureNotStored, &format!("Failed to update cluster status, {}", error.go_syntax()));
            error.to_string()
        })
    }
}

/// Writes the Cluster's name into the cluster's own configuration, which makes its programs reload.
async fn name_in_configuration(name: &str, member: &ApiClient, behaviour: Behaviour) -> Result<(), String> {
    let target = Target::core("configmaps").within(namespaces::SYSTEM).named(objects::CONFIG);
    let mut config_map = member.get(&target).await.map_err(|error| error.to_string())?;
    let text = config_map["data"][objects::CONFIG_KEY].as_str().unwrap_or_default();
    let rewritten = config_rewrite::with_cluster_name(text, name)
        .map_err(|error| format!("failed to unmarshal value from configmap. err: {error}"))?;
    let Some(mut rewritten) = rewritten else { return Ok(()) };
    if behaviour.deviates(Deviation::ConfigOnOneLine) {
        rewritten.push_str("  \n");
    }
    config_map["data"][objects::CONFIG_KEY] = rewritten.into();
    member.update(&target, &config_map).await.map(drop).map_err(|error| error.to_string())
}

/// The real controller knows a Cluster as a typed structure, which leaves out empty fields.
pub(super) fn drop_empty_fields(cluster: &mut Value) {
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

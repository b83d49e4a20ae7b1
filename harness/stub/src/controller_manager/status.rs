//! What a joined Cluster's status tells of it, stored in a single update (kubesphere v3.3.2, `syncCluster`).

use jiff::Timestamp;
use kubesphere::Feature;
use kubesphere::names::labels;
use serde_json::Value;
use x509_parser::pem::parse_x509_pem;

use super::conditions::Condition;
use super::controller::Controller;
use super::places::Place;
use super::variations;
use crate::Deviation;
use crate::apiserver::settings::text_of;
use crate::delays::ENDPOINT_LIMIT;
use crate::member::{ApiClient, RestConfig, Target};

impl Controller {
    /// Nothing is stored when a step fails, except that ks-apiserver of the member need not answer.
    pub(super) async fn store_success(
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
            let of_host = self.deviates(Deviation::EndpointOfHost);
            *endpoint = if of_host { self.ctx.service_account.server.as_str() } else { config.server() }.into();
        }
        let version = member.get(&Target::path("/version")).await.map_err(|error| error.to_string())?;
        cluster["status"]["kubernetesVersion"] = version["gitVersion"].clone();
        let nodes = member.get(&Target::core("nodes")).await.map_err(|error| error.to_string())?;
        cluster["status"]["nodeCount"] = nodes["items"].as_array().map_or(0, Vec::len).into();
        match ask(member, "/kapis/config.kubesphere.io/v1alpha2/configs/configz").await {
            Ok(configz) => cluster["status"]["configz"] = configz,
            Err(error) => {
                self.log(
                    Place::NoConfigz,
                    &format!("failed to fetch kubesphere components status in cluster {name}: {error}"),
                );
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
                let text = format!("failed to get KubeSphere version, err: &errors.errorString{{s:{error:?}}}");
                self.log(Place::NoVersion, &text);
            }
        }
        if self.has(Feature::ClusterUid) {
            let system = Target::core("namespaces").named("kube-system");
            let system = member.get(&system).await.map_err(|error| error.to_string())?;
            cluster["status"]["uid"] = system["metadata"]["uid"].clone();
        }
        let labels_host = !self.deviates(Deviation::HostClusterUnlabelled);
        if labels_host
            && cluster["status"]["configz"]["multicluster"] == true
            && self.is_the_host_itself(&nodes).await?
        {
            cluster["metadata"]["labels"][labels::HOST_CLUSTER] = "".into();
        }
        Condition::ready().put(&mut cluster, now);
        if self.has(Feature::ClusterUid) && cluster["metadata"]["labels"].get(labels::HOST_CLUSTER).is_none() {
            self.certificate_condition(name, config, now)?.put(&mut cluster, now);
        }
        variations::of_status(&mut cluster, self.behaviour);
        self.update(name, &cluster).await.map(drop).map_err(|error| {
            self.log(Place::StatusNotStored, &format!("Failed to update cluster status, {}", error.go_syntax()));
            error.to_string()
        })
    }

    /// A kubeconfig without a client certificate is a dead end before v3.4.0: nothing is stored, ever.
    fn certificate_condition(&self, name: &str, config: &RestConfig, now: Timestamp) -> Result<Condition, String> {
        match certificate_end(config.client_certificate()) {
            Ok(end) => Ok(Condition::certificate(Some(end), now)),
            Err(_) if self.has(Feature::TokenKubeconfig) => Ok(Condition::certificate(None, now)),
            Err(reason) => {
                let error = format!("parseKubeConfigExpirationDate for cluster {name} failed: {reason}");
                self.log(
                    Place::NoCertificateEnd,
                    &format!("sync KubeConfig expiration date for cluster {name} failed: {error}"),
                );
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

//! One kind cluster as others see it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use checks::view::{ClusterView, Layer as ProbeLayer, Probe, ViewError};
use http::{Request, Response};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use scenario::model::On;

use super::NAME;
use super::node::Node;
use crate::cluster::Cluster;
use crate::image::{Layer, Reference, Settings, is_ours};
use crate::probe;
use crate::provider::ProviderError;

pub(super) struct KindCluster {
    pub(super) on: On,
    pub(super) client: kube::Client,
    pub(super) nodes: Vec<Node>,
    pub(super) admin: String,
    pub(super) pasteable: String,
    pub(super) name: String,
    pub(super) layer: Arc<Layer>,
    pub(super) settings: Settings,
    /// Whether what runs here is KubeSphere itself.
    pub(super) real: bool,
}

#[async_trait]
impl ClusterView for KindCluster {
    fn on(&self) -> On {
        self.on
    }

    fn client(&self) -> kube::Client {
        self.client.clone()
    }

    fn nodes(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    async fn probe(&self, node: &str, kubeconfig: &str) -> Probe {
        let stopped = |detail: String| Probe::Stopped { layer: ProbeLayer::Tcp, detail };
        let Some(node) = self.nodes.iter().find(|one| one.name == node) else {
            return stopped(format!("the {} cluster has no node {node}", self.on));
        };
        node.probe(kubeconfig).await.unwrap_or_else(|error| stopped(error.to_string()))
    }

    async fn ks_apiserver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ViewError> {
        probe::through_service_proxy(self.on, &self.client, request).await
    }
}

#[async_trait]
impl Cluster for KindCluster {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn admin_kubeconfig(&self) -> &str {
        &self.admin
    }

    fn pasteable_kubeconfig(&self) -> &str {
        &self.pasteable
    }

    fn server_name(&self) -> &str {
        &self.name
    }

    async fn images_are_ours(&self) -> Result<(), ProviderError> {
        if self.real {
            return Ok(());
        }
        let operation = format!("tell which images run on the {} cluster", self.on);
        let pods: Api<Pod> = Api::all(self.client.clone());
        let pods = pods.list(&ListParams::default()).await;
        let pods = pods.map_err(|error| ProviderError::new(NAME, operation.clone(), error))?;
        let stub = stub::programs();
        let repositories: BTreeSet<&str> = stub.repositories().collect();
        for pod in pods {
            let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
            for status in statuses.into_iter().filter(|status| !status.image_id.is_empty()) {
                // The status may name an image by any of its names, or by none.
                let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
                let wanted = containers.find(|container| container.name == status.name);
                let Some(image) = wanted.and_then(|container| container.image.as_deref()) else { continue };
                let Some(reference) = Reference::parse(image) else { continue };
                let ours = is_ours(&status.image_id, &self.layer, &self.settings, image);
                if repositories.contains(reference.repository.as_str()) && !ours {
                    let pod = pod.metadata.name.clone().unwrap_or_default();
                    let found = format!("Pod {pod} runs {}, which is not the stub's image of {image}", status.image_id);
                    return Err(ProviderError::new(NAME, operation, found));
                }
            }
        }
        Ok(())
    }

    fn view(&self) -> &dyn ClusterView {
        self
    }
}

//! One of somebody's clusters as others see it.

use async_trait::async_trait;
use bytes::Bytes;
use checks::view::{ClusterView, Probe, ViewError};
use http::{Request, Response};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use scenario::model::On;
use stub::StubImage;

use super::survey::Found;
use super::{NAME, prober};
use crate::cluster::Cluster;
use crate::image::Reference;
use crate::inventory::Standing;
use crate::probe;
use crate::provider::ProviderError;

pub(super) struct TheirCluster {
    pub(super) found: Found,
    pub(super) stub_image: StubImage,
    pub(super) server_name: String,
    pub(super) real: bool,
}

#[async_trait]
impl ClusterView for TheirCluster {
    fn on(&self) -> On {
        self.found.on
    }

    fn client(&self) -> kube::Client {
        self.found.client.clone()
    }

    fn nodes(&self) -> Vec<String> {
        self.found.nodes.clone()
    }

    async fn probe(&self, node: &str, kubeconfig: &str) -> Probe {
        prober::probe(&self.found.client, self.stub_image.name(), node, kubeconfig).await
    }

    async fn ks_apiserver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ViewError> {
        probe::through_service_proxy(self.found.on, &self.found.client, request).await
    }
}

#[async_trait]
impl Cluster for TheirCluster {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn admin_kubeconfig(&self) -> &str {
        &self.found.chosen.kubeconfig
    }

    fn pasteable_kubeconfig(&self) -> &str {
        &self.found.pasteable
    }

    fn server_name(&self) -> &str {
        &self.server_name
    }

    fn stub_image(&self) -> Option<&StubImage> {
        (!self.real && !self.has_kubesphere()).then_some(&self.stub_image)
    }

    fn has_kubesphere(&self) -> bool {
        self.found.standing == Standing::Installed
    }

    /// Where the stand-in was installed, no pod may run an image under one of the originals' names.
    async fn images_are_ours(&self) -> Result<(), ProviderError> {
        if self.real || self.has_kubesphere() {
            return Ok(());
        }
        let operation = format!("tell which images run on the {} cluster", self.found.on);
        let pods: Api<Pod> = Api::all(self.found.client.clone());
        let pods = pods.list(&ListParams::default()).await;
        let pods = pods.map_err(|error| ProviderError::new(NAME, operation.clone(), error))?;
        let stub = stub::programs();
        for pod in pods {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let images = containers.filter_map(|container| Reference::parse(container.image.as_deref()?));
            let mut originals = images.filter(|image| stub.repositories().any(|one| one == image.repository));
            if let Some(image) = originals.next() {
                let pod = pod.metadata.name.unwrap_or_default();
                let found = format!("Pod {pod} runs {image}, and not {}", self.stub_image.name());
                return Err(ProviderError::new(NAME, operation, found));
            }
        }
        Ok(())
    }

    fn view(&self) -> &dyn ClusterView {
        self
    }
}

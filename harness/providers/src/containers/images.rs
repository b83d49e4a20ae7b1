//! The images of the control plane.

use crate::container_engine::{About, ContainerEngine, ENGINE_VARIABLE, EngineName};
use crate::provider::Missing;

/// Image of kube-apiserver where nothing else is said: the last of Kubernetes 1.20, inside every release's range.
const DEFAULT_APISERVER_IMAGE: &str = "registry.k8s.io/kube-apiserver:v1.20.15";
/// Image of etcd where nothing else is said: the one that kubeadm 1.20 takes (kubernetes v1.20,
/// `cmd/kubeadm/app/constants`).
const DEFAULT_ETCD_IMAGE: &str = "registry.k8s.io/etcd:3.4.13-0";

/// Which images the control plane comes from.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Of kube-apiserver; `registry.k8s.io/kube-apiserver:v1.20.15` if not given.
    pub apiserver: Option<String>,
    /// Of etcd; `registry.k8s.io/etcd:3.4.13-0` if not given.
    pub etcd: Option<String>,
}

/// Names the image of kube-apiserver.
const APISERVER_IMAGE_VARIABLE: &str = "KS_E2E_APISERVER_IMAGE";
/// Names the image of etcd.
const ETCD_IMAGE_VARIABLE: &str = "KS_E2E_ETCD_IMAGE";

impl Images {
    /// Those that this process's environment names.
    #[must_use]
    pub fn of_environment() -> Self {
        let set = |name| std::env::var(name).ok().filter(|image| !image.is_empty());
        Self { apiserver: set(APISERVER_IMAGE_VARIABLE), etcd: set(ETCD_IMAGE_VARIABLE) }
    }

    /// The image of kube-apiserver.
    pub(super) fn apiserver(&self) -> &str {
        self.apiserver.as_deref().unwrap_or(DEFAULT_APISERVER_IMAGE)
    }

    /// The image of etcd.
    pub(super) fn etcd(&self) -> &str {
        self.etcd.as_deref().unwrap_or(DEFAULT_ETCD_IMAGE)
    }

    /// Sees that both are in the engine: nothing is pulled.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub(super) async fn find(&self) -> Result<(), Missing> {
        let engine = engine()?;
        let has = |image| {
            let engine = engine.clone();
            async move { engine.answer(&["image", "inspect", "--format", "{{.Id}}", image]).await }
        };
        let (up, apiserver, etcd) = tokio::join!(engine.tell(About::Version), has(self.apiserver()), has(self.etcd()));
        up?;
        for (found, image, option) in
            [(apiserver, self.apiserver(), "--apiserver-image"), (etcd, self.etcd(), "--etcd-image")]
        {
            found.map_err(|reason| {
                Missing::new(
                    format!("docker does not find the image {image}: {reason}"),
                    format!("`docker pull {image}`, or name another one with {option}"),
                )
            })?;
        }
        Ok(())
    }
}

/// The engine: Docker, whose API testcontainers speaks.
pub(super) fn engine() -> Result<ContainerEngine, Missing> {
    let engine = ContainerEngine::find()?;
    match engine.name {
        EngineName::Docker => Ok(engine),
        EngineName::Podman => Err(Missing::new(
            "the provider containers speaks to Docker, and there is only Podman",
            format!(
                "install Docker, or set {ENGINE_VARIABLE}=docker where both are; Podman is good for --provider kind"
            ),
        )),
    }
}

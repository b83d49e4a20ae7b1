//! The parts of Kubernetes around an API server, each of which writes in its own name (`metadata.managedFields`).

/// A client for each of them.
pub struct Components {
    /// kube-controller-manager's.
    pub controller_manager: kube::Client,
    /// kube-scheduler's.
    pub scheduler: kube::Client,
    /// The kubelets'.
    pub kubelet: kube::Client,
}

impl Components {
    /// A client for each, as `make` makes it for a `User-Agent`, of Kubernetes `version`, as `v1.20.2`.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn each<E>(version: &str, make: impl Fn(&str) -> Result<kube::Client, E>) -> Result<Self, E> {
        let named = |component: &str| make(&format!("{component}/{version} (linux/amd64) kubernetes/ks-e2e"));
        Ok(Self {
            controller_manager: named("kube-controller-manager")?,
            scheduler: named("kube-scheduler")?,
            kubelet: named("kubelet")?,
        })
    }

    /// One client for all, which tell nothing of themselves then.
    #[must_use]
    pub fn alike(client: &kube::Client) -> Self {
        Self { controller_manager: client.clone(), scheduler: client.clone(), kubelet: client.clone() }
    }
}

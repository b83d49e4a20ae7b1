//! A client of the administrator, for those who use kube-rs (feature `client`).

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::ApiServer;

/// No client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig could not be made.
    #[error(transparent)]
    Kubeconfig(#[from] crate::KubeconfigError),
    /// kube-rs does not take it.
    #[error("read the kubeconfig of the API server")]
    Config(#[from] KubeconfigError),
    /// kube-rs cannot make a client of it.
    #[error("make a client of the API server")]
    Client(#[from] kube::Error),
}

impl ApiServer {
    /// A client of the administrator, a user in the group `system:masters`, with the default namespace `default`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn client(&self) -> Result<kube::Client, ClientError> {
        let kubeconfig = self.admin_kubeconfig(&format!("https://{}", self.address()), "kubernetes")?;
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(kube::Client::try_from(config)?)
    }
}

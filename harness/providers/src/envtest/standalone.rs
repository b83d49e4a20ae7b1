//! A real API server by itself, without nodes and controllers: for comparing the embedded one with it.

use apiserver::pki::Authority;
use scenario::model::On;

use super::assets::Surroundings;
use super::{NAME, start};
use crate::leases::Lease;
use crate::provider::{Missing, ProviderError};
use crate::real_server::{RealServer, built_in};

/// A kube-apiserver and its etcd, owned by a lease.
pub struct Standalone {
    server: RealServer,
}

impl Standalone {
    /// Whether there are programs to start, and their version.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub async fn probe() -> Result<String, Missing> {
        Surroundings::of_this_process().find()?.version().await
    }

    /// Starts a server in the lease's directory and waits until everything is there that it makes by itself.
    ///
    /// # Errors
    /// [`ProviderError`], with the end of the log of a program that ended.
    pub async fn start(lease: &Lease) -> Result<Self, ProviderError> {
        let assets = Surroundings::of_this_process()
            .find()
            .map_err(|missing| ProviderError::new(NAME, "find its programs", missing))?;
        let server = start::start(lease, &assets, On::Host, lease.directory().join("standalone")).await?;
        built_in(NAME, &server.client).await?;
        Ok(Self { server })
    }

    /// A kubeconfig of its administrator, with everything inline.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> &str {
        &self.server.seen.admin
    }

    /// The authority that its clients' certificates come from.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.server.authority
    }

    /// The key (P-256, PKCS #8 PEM) that its `ServiceAccount` tokens are signed with.
    #[must_use]
    pub fn service_account_key_pem(&self) -> &str {
        &self.server.seen.service_account_key_pem
    }

    /// Ends both processes.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub async fn stop(self) -> Result<(), ProviderError> {
        self.server.stop().await.map_err(|error| ProviderError::new(NAME, "stop the API server", error))
    }
}

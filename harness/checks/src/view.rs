//! A cluster as a check sees it.

use async_trait::async_trait;
use bytes::Bytes;
use scenario::model::On;
use serde::{Deserialize, Serialize};

/// What a check may look at, on any provider. Nothing here is private to the stub.
#[async_trait]
pub trait ClusterView: Send + Sync {
    /// Which of the two clusters this is.
    fn on(&self) -> On;

    /// A client with an administrator's rights.
    fn client(&self) -> kube::Client;

    /// Names of the nodes.
    fn nodes(&self) -> Vec<String>;

    /// Asks, from `node`, for `GET /version` with `kubeconfig` (YAML text), layer by layer.
    async fn probe(&self, node: &str, kubeconfig: &str) -> Probe;

    /// Sends a request to this cluster's ks-apiserver through the API server's service proxy. The path begins with
    /// `/kapis`, `/apis`, `/api` or `/oauth`; a token travels as `X-KubeSphere-Authorization: Bearer …`, since the
    /// API server removes `Authorization` (kubernetes v1.20, `filters/authentication.go`).
    ///
    /// # Errors
    /// When no answer came.
    async fn ks_apiserver(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, ViewError>;
}

/// A question to a cluster that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{cluster} cluster: {operation}: {reason}")]
pub struct ViewError {
    /// Which cluster.
    pub cluster: On,
    /// What was asked, as `GET /kapis/version`.
    pub operation: String,
    /// Why there is no answer.
    pub reason: String,
}

/// How far a probe came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// `GET /version` answered 200.
    Reached {
        /// Kubernetes version of the server.
        git_version: String,
    },
    /// It ended at a layer.
    Stopped {
        /// The layer.
        layer: Layer,
        /// What happened there.
        detail: String,
    },
}

/// The layers of reaching a Kubernetes API server, from the ground up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// The kubeconfig itself.
    Kubeconfig,
    /// Name resolution.
    Dns,
    /// The connection.
    Tcp,
    /// The server's certificate.
    Tls,
    /// The API server's answer: who you are and what you may.
    Http,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kubeconfig => "kubeconfig",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
        })
    }
}

//! A namespace of a session's own on one server: made before, with what controllers put into it, and emptied after.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;

use crate::servers::{Server, Side};
use crate::transcript::Entry;

/// Longest that controllers may take.
const LIMIT: Duration = Duration::from_mins(1);

/// A session's place on one server.
pub struct Stage<'a> {
    /// The server.
    pub server: &'a Server,
    /// The namespace.
    pub namespace: String,
}

/// A namespace that did not get ready.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The server refused.
    #[error("{side} server: make namespace {namespace}: {source}")]
    Refused {
        /// Which server.
        side: Side,
        /// The namespace.
        namespace: String,
        /// Its answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The controllers did not fill it.
    #[error("{side} server: namespace {namespace} has no default ServiceAccount, token and root authority within {} s", LIMIT.as_secs())]
    Late {
        /// Which server.
        side: Side,
        /// The namespace.
        namespace: String,
    },
}

impl<'a> Stage<'a> {
    /// Makes the namespace and waits until controllers have filled it, so that no session sees how fast they are.
    pub async fn open(server: &'a Server, namespace: &str) -> Result<Self, StageError> {
        let (side, name) = (server.side, namespace.to_owned());
        let refused = |source| StageError::Refused { side, namespace: name.clone(), source };
        let object: Namespace =
            serde_json::from_value(json!({"metadata": {"name": namespace}})).map_err(|error| refused(error.into()))?;
        let namespaces: Api<Namespace> = Api::all(server.client.clone());
        namespaces.create(&PostParams::default(), &object).await.map_err(|error| refused(error.into()))?;
        let filled = async {
            let accounts: Api<ServiceAccount> = Api::namespaced(server.client.clone(), namespace);
            await_condition(accounts, "default", |account: Option<&ServiceAccount>| {
                account.and_then(|account| account.secrets.as_ref()).is_some_and(|secrets| !secrets.is_empty())
            })
            .await?;
            let maps: Api<ConfigMap> = Api::namespaced(server.client.clone(), namespace);
            await_condition(maps, "kube-root-ca.crt", |map: Option<&ConfigMap>| map.is_some()).await?;
            Ok::<_, kube::runtime::wait::Error>(())
        };
        let filled = tokio::time::timeout(LIMIT, filled).await;
        let late = StageError::Late { side, namespace: namespace.to_owned() };
        filled.map_err(|_| late)?.map_err(|error| refused(error.into()))?;
        Ok(Self { server, namespace: namespace.to_owned() })
    }

    /// Deletes the namespace and says whether controllers emptied it.
    pub async fn close(self) -> Entry {
        Entry { title: "the namespace goes".to_owned(), shown: self.gone().await, known: None }
    }

    async fn gone(&self) -> String {
        let namespaces: Api<Namespace> = Api::all(self.server.client.clone());
        let uid = match namespaces.delete(&self.namespace, &DeleteParams::default()).await {
            Ok(either) => either.map_left(|namespace| namespace.metadata.uid).left().flatten(),
            Err(kube::Error::Api(status)) => return format!("refused: {}", status.message),
            Err(error) => return format!("failed: {error}"),
        };
        let uid = uid.unwrap_or_default();
        let gone = conditions::is_deleted(&uid);
        match tokio::time::timeout(LIMIT, await_condition(namespaces, &self.namespace, gone)).await {
            Ok(Ok(_)) => "gone".to_owned(),
            Ok(Err(error)) => format!("failed: {error}"),
            Err(_) => format!("still there after {} s", LIMIT.as_secs()),
        }
    }
}

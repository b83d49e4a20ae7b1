//! What a cluster holds, and how it is brought back to what it held before.

mod object;
mod restore;
mod shared;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::discovery::{Discovery, verbs};

pub(crate) use self::object::{Key, Object};
pub(crate) use self::shared::{SharedInventory, Standing};

/// Lists asked for at a time.
const AT_A_TIME: usize = 8;

/// How often and in which intervals the kinds are asked for while groups go away.
const DISCOVERY_LOOKS: usize = 50;
const DISCOVERY_LOOK: Duration = Duration::from_millis(200);

/// Everything that can be listed in a cluster, at one moment.
pub(crate) struct Inventory {
    pub(crate) objects: BTreeMap<Key, Object>,
}

/// Who else writes in the cluster while it is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// Nobody: no controller runs, so namespaces are finalized and children removed here.
    Nobody,
    /// kube-controller-manager and kubelets, which also make things of their own.
    Controllers,
}

/// A cluster that could not be looked at or restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    /// The API server refused or did not answer.
    #[error("{operation}: {source}")]
    Api {
        /// What was asked.
        operation: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// Something stays, is gone or changed although everything was done about it.
    #[error("the cluster stays different from what it was: {0}")]
    Dirty(String),
}

impl InventoryError {
    fn api(operation: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Api { operation, source: Box::new(source) }
    }
}

impl Inventory {
    /// Lists everything behind `client`.
    pub(crate) async fn take(client: &kube::Client) -> Result<Self, InventoryError> {
        let lists: Vec<_> = stream::iter(kinds(client).await?)
            .map(|resource| list(client, resource))
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        let objects = lists.into_iter().flatten().map(|object| (object.key(), object)).collect();
        Ok(Self { objects })
    }
}

/// The kinds of everything that may be too much in a cluster.
async fn kinds(client: &kube::Client) -> Result<Vec<ApiResource>, InventoryError> {
    let discovery = discover(client).await?;
    let kinds = discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
    let listed = kinds.filter(|(resource, capabilities)| {
        capabilities.supports_operation(verbs::LIST)
            && capabilities.supports_operation(verbs::DELETE)
            && !object::is_a_second_view(resource)
    });
    Ok(listed.map(|(resource, _)| resource).collect())
}

/// All kinds that are served. A group that goes between being named and being looked at is a "not found"; then all is asked
/// again.
async fn discover(client: &kube::Client) -> Result<Discovery, InventoryError> {
    let mut looks = tokio::time::interval(DISCOVERY_LOOK);
    for _ in 1..DISCOVERY_LOOKS {
        looks.tick().await;
        match Discovery::new(client.clone()).run().await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            found => return found.map_err(InventoryError::api("list the kinds")),
        }
    }
    Discovery::new(client.clone()).run().await.map_err(InventoryError::api("list the kinds"))
}

async fn list(client: &kube::Client, resource: ApiResource) -> Result<Vec<Object>, InventoryError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items.into_iter().map(|object| Object::new(resource.clone(), object)).collect()),
        // The kind went between the two questions.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(InventoryError::api(format!("list {}", resource.plural))(error)),
    }
}

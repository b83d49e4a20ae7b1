//! Reading: which objects are meant, lists and watches.

mod list;
mod pages;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::parameters::{ListOptions, Revision};
use crate::registry::Resource;
use crate::request::Query;
use crate::selector::{FieldSelector, LabelSelector};
use crate::state::State;
use crate::status::Failure;
use crate::store::Stored;

pub use list::list;
pub use watch::{Watch, answer as watch_answer};

/// How long the original's cache is waited for (`blockTimeout` of `watch_cache.go`, Kubernetes 1.20).
const FRESHNESS_WAIT: Duration = Duration::from_secs(3);

/// Which objects are meant.
#[derive(Clone)]
pub struct Selection {
    namespace: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
    /// One object by its key, as the original reads it.
    one: bool,
}

impl Selection {
    /// What `options` select in `namespace`; `name` is the path's, which the deprecated paths of watches have.
    ///
    /// # Errors
    /// 400, in the original's words.
    pub fn new(resource: &Resource, namespace: &str, name: &str, options: &ListOptions<'_>) -> Result<Self, Failure> {
        let mut fields = options.fields.clone().of(resource).map_err(Failure::bad_request)?;
        if !name.is_empty() {
            if fields.is_empty() {
                fields = FieldSelector::named(name);
            } else if fields.name() != Some(name) {
                let text = "fieldSelector metadata.name doesn't match requested name";
                return Err(Failure::bad_request(text));
            }
        }
        let namespace = Some(namespace.to_owned()).filter(|name| resource.namespaced && !name.is_empty());
        let one = fields.name().is_some() && (namespace.is_some() || !resource.namespaced);
        Ok(Self { namespace, labels: options.labels.clone(), fields, one })
    }

    /// The only namespace, if it is one.
    fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    fn matches(&self, object: &Value) -> bool {
        // Asked of every event and every listed object: a JSON pointer would be parsed anew each time.
        let namespace = || object.get("metadata")?.get("namespace")?.as_str();
        self.namespace.as_deref().is_none_or(|wanted| namespace() == Some(wanted))
            && self.labels.matches(object)
            && self.fields.matches(object)
    }

    fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    fn is_one(&self) -> bool {
        self.one
    }

    /// The objects meant, and the revision at which they are so.
    pub fn list(&self, state: &State, resource: &Resource) -> (Vec<Arc<Stored>>, u64) {
        let snapshot = state.store.list(&resource.full_name, self.namespace());
        let objects = snapshot.objects.into_iter().map(|(_, stored)| stored);
        (objects.filter(|stored| self.matches(&stored.value)).collect(), snapshot.revision)
    }
}

/// Whether the original keeps a cache of the resource: of events it does not (`DefaultWatchCacheSizes`).
fn is_cached(resource: &Resource) -> bool {
    resource.plural != "events"
}

/// Waits, as long as the original does, until `resource` has come to the revision that a read names.
pub async fn fresh(state: &State, resource: &Resource, query: &Query) {
    let Some(wanted) = Revision::of(query).cached().ok().filter(|_| is_cached(resource)) else { return };
    let position = state.store.position(&resource.full_name);
    if wanted <= position {
        return;
    }
    let mut follower = state.store.watch(&resource.full_name, position);
    let arrival = async {
        while state.store.position(&resource.full_name) < wanted {
            if follower.next().await.is_err() {
                return;
            }
        }
    };
    // Whether it came is seen by the read itself.
    let _late = tokio::time::timeout(FRESHNESS_WAIT, arrival).await;
}

/// Checks that a read of one object that names a revision is fresh enough.
///
/// # Errors
/// 500 and 504, in the original's words.
pub fn check_fresh(state: &State, resource: &Resource, query: &Query) -> Result<(), Failure> {
    if !is_cached(resource) {
        let (wanted, newest) = (Revision::of(query).stored()?, state.store.revision());
        return if wanted > newest { Err(Failure::too_large_revision(wanted, newest, 0)) } else { Ok(()) };
    }
    let wanted = Revision::of(query).cached()?;
    let position = state.store.position(&resource.full_name);
    if wanted > position { Err(Failure::too_large_revision(wanted, position, 1)) } else { Ok(()) }
}

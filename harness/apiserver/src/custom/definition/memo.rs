//! Definitions as they were read: whenever one changes, all are looked at again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::model::Definition;
use super::resources;
use crate::registry::Resource;
use crate::store::{Key, Store, Stored};
use crate::webhooks::Reach;

/// A definition that was read, and what it makes served.
pub struct Known {
    /// Its name.
    pub key: Key,
    /// The object.
    pub stored: Arc<Stored>,
    /// The same, read.
    pub definition: Definition,
    resources: OnceLock<Vec<Arc<Resource>>>,
}

impl Known {
    /// The resources that it makes served, one a served version.
    pub fn resources(&self, reach: &Reach) -> &[Arc<Resource>] {
        self.resources.get_or_init(|| resources::of(&self.definition, reach))
    }
}

/// What is known of the definitions of a store, by the revision of their objects: a revision says it all.
#[derive(Default)]
pub struct Memo(Mutex<HashMap<u64, Arc<Known>>>);

impl Memo {
    /// The definitions in `store`, by name. What cannot be read is none.
    pub fn all(&self, store: &Store) -> Vec<Arc<Known>> {
        let objects = store.list(&super::table(), None).objects;
        let mut memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |(key, stored): (Key, Arc<Stored>)| {
            memo.get(&stored.revision).cloned().or_else(|| {
                let definition = Definition::read(&stored.value).ok()?;
                Some(Arc::new(Known { key, stored, definition, resources: OnceLock::new() }))
            })
        };
        let known: Vec<_> = objects.into_iter().filter_map(read).collect();
        *memo = known.iter().map(|known| (known.stored.revision, Arc::clone(known))).collect();
        known
    }
}

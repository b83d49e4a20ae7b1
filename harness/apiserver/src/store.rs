//! Storage: objects by resource, one revision for all, and the changes that watchers follow.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

/// Changes that are remembered per resource; a watcher that falls further behind starts anew.
const REMEMBERED: usize = 1024;

/// Where an object is within its resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Namespace; empty for cluster-wide objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of `namespace` and `name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// An object as it is stored: never changed, only replaced.
#[derive(Debug)]
pub struct Stored {
    /// The object, its `resourceVersion` included.
    pub value: Value,
    /// The revision at which it came to be so.
    pub revision: u64,
    json: OnceLock<Bytes>,
}

impl Stored {
    fn new(mut value: Value, revision: u64) -> Arc<Self> {
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            metadata.insert("resourceVersion".to_owned(), Value::from(revision.to_string()));
        }
        Arc::new(Self { value, revision, json: OnceLock::new() })
    }

    /// An object that is shown but not stored, as a dry run's answer.
    #[must_use]
    pub fn detached(value: Value) -> Arc<Self> {
        Arc::new(Self { value, revision: 0, json: OnceLock::new() })
    }

    /// The object as JSON, written once however many ask.
    pub fn json(&self) -> Bytes {
        self.json.get_or_init(|| Bytes::from(serde_json::to_vec(&self.value).unwrap_or_default())).clone()
    }
}

/// What happened to an object.
#[derive(Debug)]
pub struct Change {
    /// The revision of the change.
    pub revision: u64,
    /// What it was before; `None` when it was created.
    pub before: Option<Arc<Stored>>,
    /// What it is now; for a deleted object its last state.
    pub object: Arc<Stored>,
    /// Whether it is gone now.
    pub deleted: bool,
}

/// Why a write did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is such an object already.
    Exists,
    /// The object is gone.
    Gone,
    /// The object is not what it was when the caller read it.
    Changed,
}

struct Table {
    objects: BTreeMap<Key, Arc<Stored>>,
    changes: VecDeque<Arc<Change>>,
    /// The newest revision whose change is forgotten.
    forgotten: u64,
    newest: watch::Sender<u64>,
}

impl Table {
    fn new() -> Self {
        let newest = watch::Sender::new(0);
        Self { objects: BTreeMap::new(), changes: VecDeque::new(), forgotten: 0, newest }
    }

    fn record(&mut self, change: Change) {
        let revision = change.revision;
        self.changes.push_back(Arc::new(change));
        if self.changes.len() > REMEMBERED
            && let Some(oldest) = self.changes.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        self.newest.send_replace(revision);
    }
}

struct Inner {
    revision: u64,
    tables: HashMap<Arc<str>, Table>,
}

impl Inner {
    fn table(&mut self, name: &Arc<str>) -> &mut Table {
        self.tables.entry(Arc::clone(name)).or_insert_with(Table::new)
    }
}

/// The objects of one API server.
pub struct Store {
    inner: Mutex<Inner>,
}

/// Objects of a moment, and its revision.
pub struct Snapshot {
    /// The objects, ordered by namespace and name.
    pub objects: Vec<(Key, Arc<Stored>)>,
    /// The revision of the moment.
    pub revision: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Mutex::new(Inner { revision: 1, tables: HashMap::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock; if one ever does, the data is still whole after each step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object at `key`.
    pub fn get(&self, table: &Arc<str>, key: &Key) -> Option<Arc<Stored>> {
        self.lock().tables.get(table)?.objects.get(key).cloned()
    }

    /// Whether a resource has no objects.
    pub fn is_empty(&self, table: &Arc<str>) -> bool {
        self.lock().tables.get(table).is_none_or(|table| table.objects.is_empty())
    }

    /// All objects of a resource, or those of one namespace.
    pub fn list(&self, table: &Arc<str>, namespace: Option<&str>) -> Snapshot {
        let inner = self.lock();
        let revision = inner.revision;
        let mut objects = Vec::new();
        if let Some(table) = inner.tables.get(table) {
            let start = Key::new(namespace.unwrap_or_default(), "");
            let entries = table.objects.range((Bound::Included(start), Bound::Unbounded));
            objects.extend(
                entries
                    .take_while(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
                    .map(|(key, stored)| (key.clone(), Arc::clone(stored))),
            );
        }
        Snapshot { objects, revision }
    }

    /// Stores a new object.
    ///
    /// # Errors
    /// [`Refusal::Exists`] when the key is taken.
    pub fn create(&self, table: &Arc<str>, key: Key, value: Value) -> Result<Arc<Stored>, Refusal> {
        let mut inner = self.lock();
        if inner.tables.get(table).is_some_and(|table| table.objects.contains_key(&key)) {
            return Err(Refusal::Exists);
        }
        inner.revision += 1;
        let revision = inner.revision;
        let object = Stored::new(value, revision);
        let table = inner.table(table);
        table.objects.insert(key, Arc::clone(&object));
        table.record(Change { revision, before: None, object: Arc::clone(&object), deleted: false });
        Ok(object)
    }

    /// Replaces the object that the caller has read as `before`.
    ///
    /// # Errors
    /// When the object is gone or someone else replaced it.
    pub fn replace(
        &self,
        table: &Arc<str>,
        key: &Key,
        before: &Arc<Stored>,
        value: Value,
    ) -> Result<Arc<Stored>, Refusal> {
        let mut inner = self.lock();
        let revision = inner.revision + 1;
        let found = inner.table(table);
        let slot = found.objects.get_mut(key).ok_or(Refusal::Gone)?;
        if slot.revision != before.revision {
            return Err(Refusal::Changed);
        }
        let object = Stored::new(value, revision);
        let before = std::mem::replace(slot, Arc::clone(&object));
        found.record(Change { revision, before: Some(before), object: Arc::clone(&object), deleted: false });
        inner.revision = revision;
        Ok(object)
    }

    /// Removes the object that the caller has read as `before`; `last` is what watchers are told it was.
    ///
    /// # Errors
    /// When the object is gone or someone else replaced it.
    pub fn remove(
        &self,
        table: &Arc<str>,
        key: &Key,
        before: &Arc<Stored>,
        last: Option<Value>,
    ) -> Result<Arc<Stored>, Refusal> {
        let mut inner = self.lock();
        let revision = inner.revision + 1;
        let found = inner.table(table);
        match found.objects.get(key) {
            None => return Err(Refusal::Gone),
            Some(current) if current.revision != before.revision => return Err(Refusal::Changed),
            Some(_) => {}
        }
        found.objects.remove(key);
        let object = Stored::new(last.unwrap_or_else(|| before.value.clone()), revision);
        let before = Some(Arc::clone(before));
        found.record(Change { revision, before, object: Arc::clone(&object), deleted: true });
        inner.revision = revision;
        Ok(object)
    }

    /// Follows the changes of a resource after `revision`.
    pub fn watch(self: &Arc<Self>, table: &Arc<str>, revision: u64) -> Follower {
        let newest = self.lock().table(table).newest.subscribe();
        Follower { store: Arc::clone(self), table: Arc::clone(table), seen: revision, newest }
    }
}

/// The changes asked for are no longer remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// The revision asked for.
    pub asked: u64,
    /// The oldest revision from which one can follow.
    pub oldest: u64,
}

/// Follows the changes of one resource: a cursor into the shared changes, not a copy of them.
pub struct Follower {
    store: Arc<Store>,
    table: Arc<str>,
    seen: u64,
    newest: watch::Receiver<u64>,
}

impl Follower {
    /// The changes not yet seen, as soon as there are any.
    ///
    /// # Errors
    /// [`Forgotten`] when this follower was too slow or started too far back.
    pub async fn next(&mut self) -> Result<Vec<Arc<Change>>, Forgotten> {
        loop {
            let changes = self.ready()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            if self.newest.changed().await.is_err() {
                // The store lives as long as this follower, and the sender with it.
                return Ok(Vec::new());
            }
        }
    }

    /// The revision up to which everything was seen: the store's newest one when nothing is waiting.
    pub fn position(&mut self) -> u64 {
        let inner = self.store.lock();
        let waiting = inner.tables.get(&self.table).and_then(|table| table.changes.back()).map_or(0, |c| c.revision);
        if waiting <= self.seen {
            self.seen = self.seen.max(inner.revision);
        }
        self.seen
    }

    fn ready(&mut self) -> Result<Vec<Arc<Change>>, Forgotten> {
        self.newest.borrow_and_update();
        let inner = self.store.lock();
        let Some(table) = inner.tables.get(&self.table) else { return Ok(Vec::new()) };
        if self.seen < table.forgotten {
            return Err(Forgotten { asked: self.seen, oldest: table.forgotten });
        }
        let start = table.changes.partition_point(|change| change.revision <= self.seen);
        let changes: Vec<_> = table.changes.range(start..).cloned().collect();
        if let Some(last) = changes.last() {
            self.seen = last.revision;
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use serde_json::json;

    fn table() -> Arc<str> {
        Arc::from("configmaps")
    }

    fn object(name: &str) -> Value {
        json!({"metadata": {"name": name}})
    }

    #[tokio::test]
    async fn follows_changes_after_a_revision() {
        let store = Arc::new(Store::new());
        let first = store.create(&table(), Key::new("a", "x"), object("x")).unwrap();
        let mut follower = store.watch(&table(), first.revision);
        let second = store.replace(&table(), &Key::new("a", "x"), &first, object("x")).unwrap();
        store.remove(&table(), &Key::new("a", "x"), &second, None).unwrap();
        let changes = follower.next().await.unwrap();
        assert_eq!(changes.len(), 2);
        assert!(changes[1].deleted);
        assert_eq!(changes[1].object.value["metadata"]["resourceVersion"], "4");
    }

    #[tokio::test]
    async fn forgets_old_changes() {
        let store = Arc::new(Store::new());
        for index in 0..=REMEMBERED {
            store.create(&table(), Key::new("a", index.to_string()), object("x")).unwrap();
        }
        assert!(store.watch(&table(), 1).next().await.is_err());
    }

    #[test]
    fn refuses_to_replace_what_changed_meanwhile() {
        let store = Store::new();
        let key = Key::new("a", "x");
        let first = store.create(&table(), key.clone(), object("x")).unwrap();
        store.replace(&table(), &key, &first, object("x")).unwrap();
        assert_eq!(store.replace(&table(), &key, &first, object("x")).unwrap_err(), Refusal::Changed);
    }

    #[test]
    fn lists_one_namespace_only() {
        let store = Store::new();
        for (namespace, name) in [("a", "x"), ("ab", "y"), ("b", "z")] {
            store.create(&table(), Key::new(namespace, name), object(name)).unwrap();
        }
        assert_eq!(store.list(&table(), Some("a")).objects.len(), 1);
        assert_eq!(store.list(&table(), None).objects.len(), 3);
    }
}

//! Storage: objects by resource, one revision for all, and the changes that watchers follow.

mod history;
mod key;
#[cfg(test)]
mod laws;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use serde_json::Value;

pub use history::{Change, Follower, Form, Lost};
pub use key::Key;

use crate::unmanaged::Unmanaged;
use history::Table;

/// An object as it is stored: never changed, only replaced.
#[derive(Debug)]
pub struct Stored {
    /// The object, its `resourceVersion` included.
    pub value: Value,
    /// The revision at which it came to be so.
    pub revision: u64,
    json: OnceLock<Bytes>,
    unmanaged: OnceLock<Bytes>,
}

impl Stored {
    /// `value` at `revision`.
    fn at(mut value: Value, revision: u64) -> Arc<Self> {
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            let revision = Value::from(revision.to_string());
            if let Some(known) = metadata.get_mut("resourceVersion") {
                *known = revision;
            } else {
                // Where the original writes it: behind these, before all others.
                const BEFORE: [&str; 5] = ["name", "generateName", "namespace", "selfLink", "uid"];
                let place = metadata.keys().take_while(|key| BEFORE.contains(&key.as_str())).count();
                metadata.shift_insert(place, "resourceVersion".to_owned(), revision);
            }
        }
        Arc::new(Self { value, revision, json: OnceLock::new(), unmanaged: OnceLock::new() })
    }

    /// An object that is shown but not stored, as a dry run's answer.
    #[must_use]
    pub fn detached(value: Value) -> Arc<Self> {
        Arc::new(Self { value, revision: 0, json: OnceLock::new(), unmanaged: OnceLock::new() })
    }

    /// The object as JSON, written once however many ask.
    pub fn json(&self) -> Bytes {
        self.json.get_or_init(|| Bytes::from(serde_json::to_vec(&self.value).unwrap_or_default())).clone()
    }

    /// The same without `metadata.managedFields`.
    pub fn json_unmanaged(&self) -> Bytes {
        let write = || Bytes::from(serde_json::to_vec(&Unmanaged(&self.value)).unwrap_or_default());
        self.unmanaged.get_or_init(write).clone()
    }
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

/// The revision of an empty store, from which the caches of the original begin.
const FIRST: u64 = 1;

struct Inner {
    revision: u64,
    tables: HashMap<Arc<str>, Table>,
}

impl Inner {
    fn table(&mut self, name: &Arc<str>) -> &mut Table {
        self.tables.entry(Arc::clone(name)).or_insert_with(|| Table::new(0))
    }
}

/// The objects of one API server.
pub struct Store {
    inner: Mutex<Inner>,
}

/// All objects of a moment, with its revision, for another store to begin with.
pub struct Image {
    revision: u64,
    tables: Vec<TableImage>,
}

struct TableImage {
    name: Arc<str>,
    objects: Objects,
    /// The revision of the newest change.
    position: u64,
}

/// The objects of a resource.
type Objects = BTreeMap<Key, Arc<Stored>>;

/// Objects of a moment, and its revision.
pub struct Snapshot {
    /// The objects, in the order of their keys.
    pub objects: Vec<(Key, Arc<Stored>)>,
    /// The revision of the moment.
    pub revision: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

fn within<'a>(
    table: &'a Table,
    namespace: Option<&'a str>,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Stored>)> + use<'a> {
    let start = Bound::Included(Key::new(namespace.unwrap_or_default(), ""));
    let start = if namespace.is_some() { start } else { Bound::Unbounded };
    let entries = table.objects.range((start, Bound::Unbounded));
    entries.take_while(move |(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Mutex::new(Inner { revision: FIRST, tables: HashMap::new() }) }
    }

    /// A store that begins with the objects of `image`. What they were before cannot be followed: who has seen the newest
    /// change of a resource can go on from there.
    #[must_use]
    pub fn from_image(image: &Image) -> Self {
        let table = |of: &TableImage| (Arc::clone(&of.name), Table::holding(of.objects.clone(), of.position));
        let tables = image.tables.iter().map(table).collect();
        Self { inner: Mutex::new(Inner { revision: image.revision, tables }) }
    }

    /// The objects of now.
    pub fn image(&self) -> Image {
        let inner = self.lock();
        let open = inner.tables.iter().filter(|(_, table)| !table.is_closed());
        let image = |(name, table): (&Arc<str>, &Table)| TableImage {
            name: Arc::clone(name),
            objects: table.objects.clone(),
            position: table.position(),
        };
        Image { revision: inner.revision, tables: open.map(image).collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock; if one ever does, the data is still whole after each step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a table now: what was before cannot be followed. Nothing where there is one.
    pub fn open(&self, table: &Arc<str>) {
        let mut inner = self.lock();
        if inner.tables.get(table).is_none_or(Table::is_closed) {
            let begun = Table::new(inner.revision);
            inner.tables.insert(Arc::clone(table), begun);
        }
    }

    /// Ends a table: its followers end once they have seen what is left.
    pub fn close(&self, table: &Arc<str>) {
        if let Some(table) = self.lock().tables.get_mut(table) {
            table.close();
        }
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
        let objects = inner
            .tables
            .get(table)
            .map(|table| within(table, namespace).map(|(key, stored)| (key.clone(), Arc::clone(stored))).collect());
        Snapshot { objects: objects.unwrap_or_default(), revision }
    }

    /// The same without their keys and the revision.
    pub fn objects(&self, table: &Arc<str>, namespace: Option<&str>) -> Vec<Arc<Stored>> {
        let inner = self.lock();
        let found = inner.tables.get(table).map(|table| within(table, namespace).map(|(_, stored)| stored.clone()));
        found.into_iter().flatten().collect()
    }

    /// All objects of a resource, or those of one namespace, as they were at `revision`.
    ///
    /// # Errors
    /// When changes since then are forgotten.
    pub fn list_at(&self, table: &Arc<str>, namespace: Option<&str>, revision: u64) -> Result<Snapshot, Lost> {
        let inner = self.lock();
        let mut objects = Objects::new();
        if let Some(table) = inner.tables.get(table) {
            objects.extend(within(table, namespace).map(|(key, stored)| (key.clone(), Arc::clone(stored))));
            table.undo(&mut objects, revision)?;
            if let Some(namespace) = namespace {
                objects.retain(|key, _| key.namespace == namespace);
            }
        }
        Ok(Snapshot { objects: objects.into_iter().collect(), revision })
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// The revision of a resource's newest change.
    pub fn latest(&self, table: &Arc<str>) -> Option<u64> {
        self.lock().tables.get(table).and_then(Table::latest)
    }

    /// The revision that the original's cache of a resource has: that of its newest change, or of its beginning.
    pub fn position(&self, table: &Arc<str>) -> u64 {
        self.lock().table(table).position()
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
        let object = Stored::at(value, inner.revision);
        let table = inner.table(table);
        table.objects.insert(key.clone(), Arc::clone(&object));
        table.record(Change::new(key, None, Arc::clone(&object), false));
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
        let object = Stored::at(value, revision);
        let before = std::mem::replace(slot, Arc::clone(&object));
        found.record(Change::new(key.clone(), Some(before), Arc::clone(&object), false));
        inner.revision = revision;
        Ok(object)
    }

    /// Removes the object that the caller has read as `before`: those who watch are told of it as it was.
    ///
    /// # Errors
    /// When the object is gone or someone else replaced it.
    pub fn remove(&self, table: &Arc<str>, key: &Key, before: &Arc<Stored>) -> Result<Arc<Stored>, Refusal> {
        let mut inner = self.lock();
        let revision = inner.revision + 1;
        let found = inner.table(table);
        match found.objects.get(key) {
            None => return Err(Refusal::Gone),
            Some(current) if current.revision != before.revision => return Err(Refusal::Changed),
            Some(_) => {}
        }
        found.objects.remove(key);
        let object = Stored::at(before.value.clone(), revision);
        found.record(Change::new(key.clone(), Some(Arc::clone(before)), Arc::clone(&object), true));
        inner.revision = revision;
        Ok(object)
    }

    /// Follows the changes of a resource after `revision`.
    pub fn watch(self: &Arc<Self>, table: &Arc<str>, revision: u64) -> Follower {
        let newest = self.lock().table(table).subscribe();
        Follower::new(Arc::clone(self), Arc::clone(table), revision, newest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use history::REMEMBERED;
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
        store.remove(&table(), &Key::new("a", "x"), &second).unwrap();
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
        assert!(matches!(store.watch(&table(), 1).next().await, Err(Lost::Forgotten { asked: 1, .. })));
        assert!(store.list_at(&table(), None, 1).is_err());
    }

    #[tokio::test]
    async fn ends_followers_of_a_closed_table() {
        let store = Arc::new(Store::new());
        store.open(&table());
        let mut follower = store.watch(&table(), 1);
        store.close(&table());
        assert_eq!(follower.next().await.unwrap_err(), Lost::Closed);
    }

    #[test]
    fn lists_what_was_at_a_revision() {
        let store = Store::new();
        let x = store.create(&table(), Key::new("a", "x"), object("x")).unwrap();
        let y = store.create(&table(), Key::new("a", "y"), object("y")).unwrap();
        let x = store.replace(&table(), &Key::new("a", "x"), &x, object("x")).unwrap();
        store.remove(&table(), &Key::new("a", "x"), &x).unwrap();
        let names = |revision| -> Vec<(String, u64)> {
            let snapshot = store.list_at(&table(), Some("a"), revision).unwrap();
            snapshot.objects.into_iter().map(|(key, stored)| (key.name, stored.revision)).collect()
        };
        assert_eq!(names(y.revision), [("x".to_owned(), 2), ("y".to_owned(), 3)]);
        assert_eq!(names(4), [("x".to_owned(), 4), ("y".to_owned(), 3)]);
        assert_eq!(names(5), [("y".to_owned(), 3)]);
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
        for (namespace, name) in [("a", "x"), ("ab", "y"), ("a-b", "v"), ("b", "z")] {
            store.create(&table(), Key::new(namespace, name), object(name)).unwrap();
        }
        assert_eq!(store.list(&table(), Some("a")).objects.len(), 1);
        assert_eq!(store.list(&table(), None).objects.len(), 4);
    }
}

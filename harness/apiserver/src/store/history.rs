//! The changes of one resource: how they are remembered, undone and followed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::{FIRST, Key, Store, Stored};

/// Changes that are remembered per resource; a watcher that falls further behind starts anew. The original keeps 100
/// at least, and more when they come quickly (`watch_cache.go` of Kubernetes 1.20).
pub const REMEMBERED: usize = 1024;
/// The newest changes, whose encoded form is kept for further watchers.
const SHARED: usize = 64;
/// The most changes that a follower is given at once.
const BATCH: usize = 64;

/// In what form a change is written; equal for watchers that can share its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Media type and shape.
    pub shape: crate::negotiate::Form,
    /// `group/version` of the objects.
    pub version: Arc<str>,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub kind: &'static str,
}

/// What happened to an object.
#[derive(Debug)]
pub struct Change {
    /// The revision of the change.
    pub revision: u64,
    /// Where.
    pub key: Key,
    /// What it was before; `None` when it was created.
    pub before: Option<Arc<Stored>>,
    /// What it is now; for a deleted object its last state.
    pub object: Arc<Stored>,
    /// Whether it is gone now.
    pub deleted: bool,
    departed: OnceLock<Option<Arc<Stored>>>,
    /// Encoded forms, while the change is new.
    encoded: Mutex<Option<Vec<(Form, Bytes)>>>,
}

impl Change {
    pub(super) fn new(key: Key, before: Option<Arc<Stored>>, object: Arc<Stored>, deleted: bool) -> Self {
        let revision = object.revision;
        let encoded = Mutex::new(Some(Vec::new()));
        Self { revision, key, before, object, deleted, departed: OnceLock::new(), encoded }
    }

    /// What someone is told who sees the object no more: what it was, at the revision of the change.
    pub fn departed(&self) -> Option<Arc<Stored>> {
        if self.deleted {
            return Some(Arc::clone(&self.object));
        }
        let made = || self.before.as_ref().map(|before| Stored::at(before.value.clone(), self.revision));
        self.departed.get_or_init(made).clone()
    }

    /// The change in `form`, encoded once for all who ask while it is new.
    pub fn encoded(&self, form: Form, encode: impl FnOnce() -> Bytes) -> Bytes {
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = encoded.as_mut() else { return encode() };
        if let Some((_, bytes)) = known.iter().find(|(known, _)| *known == form) {
            return bytes.clone();
        }
        let bytes = encode();
        known.push((form, bytes.clone()));
        bytes
    }

    fn grow_old(&self) {
        *self.encoded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The objects of one resource and their latest changes.
pub(super) struct Table {
    pub objects: BTreeMap<Key, Arc<Stored>>,
    changes: VecDeque<Arc<Change>>,
    /// From here on every change is remembered.
    forgotten: u64,
    newest: watch::Sender<u64>,
    closed: bool,
}

impl Table {
    /// A table that begins at `revision`.
    pub fn new(revision: u64) -> Self {
        let newest = watch::Sender::new(0);
        Self { objects: BTreeMap::new(), changes: VecDeque::new(), forgotten: revision, newest, closed: false }
    }

    /// A table that begins at `revision` with `objects`.
    pub fn holding(objects: BTreeMap<Key, Arc<Stored>>, revision: u64) -> Self {
        Self { objects, ..Self::new(revision) }
    }

    pub fn record(&mut self, change: Change) {
        let revision = change.revision;
        self.changes.push_back(Arc::new(change));
        if self.changes.len() > REMEMBERED
            && let Some(oldest) = self.changes.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        if let Some(old) = self.changes.len().checked_sub(SHARED + 1).and_then(|at| self.changes.get(at)) {
            old.grow_old();
        }
        self.newest.send_replace(revision);
    }

    /// The revision of the newest change.
    pub fn latest(&self) -> Option<u64> {
        self.changes.back().map(|change| change.revision)
    }

    /// What a reader of this resource alone takes for the newest revision.
    pub fn position(&self) -> u64 {
        self.latest().unwrap_or(self.forgotten.max(FIRST))
    }

    /// Ends: who follows sees what is left, and the end.
    pub fn close(&mut self) {
        self.closed = true;
        self.newest.send_modify(|_| {});
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Turns `objects`, which are those of now, into those of `revision`.
    pub fn undo(&self, objects: &mut BTreeMap<Key, Arc<Stored>>, revision: u64) -> Result<(), Lost> {
        if revision < self.forgotten {
            return Err(Lost::Forgotten { asked: revision, oldest: self.forgotten });
        }
        for change in self.changes.iter().rev().take_while(|change| change.revision > revision) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(())
    }

    fn after(&self, revision: u64) -> Result<Vec<Arc<Change>>, Lost> {
        if revision < self.forgotten {
            return Err(Lost::Forgotten { asked: revision, oldest: self.forgotten });
        }
        let start = self.changes.partition_point(|change| change.revision <= revision);
        Ok(self.changes.range(start..).take(BATCH).cloned().collect())
    }
}

/// Why changes cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// They are no longer remembered.
    Forgotten {
        /// The revision asked for.
        asked: u64,
        /// The oldest revision from which one can follow.
        oldest: u64,
    },
    /// The resource is no longer served.
    Closed,
}

/// Follows the changes of one resource: a cursor into the shared changes, not a copy of them.
pub struct Follower {
    store: Arc<Store>,
    table: Arc<str>,
    seen: u64,
    newest: watch::Receiver<u64>,
}

impl Follower {
    pub(super) fn new(store: Arc<Store>, table: Arc<str>, seen: u64, newest: watch::Receiver<u64>) -> Self {
        Self { store, table, seen, newest }
    }

    /// The changes not yet seen, as soon as there are any.
    ///
    /// # Errors
    /// [`Lost`] when this follower was too slow or started too far back, or when there is nothing more to follow.
    pub async fn next(&mut self) -> Result<Vec<Arc<Change>>, Lost> {
        loop {
            let (changes, closed) = self.ready()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            if closed {
                return Err(Lost::Closed);
            }
            self.newest.changed().await.map_err(|_| Lost::Closed)?;
        }
    }

    /// The revision up to which everything was seen: that of the resource's newest change when none is waiting.
    /// Nothing as long as the resource has seen no change, as in the original.
    pub fn position(&self) -> Option<u64> {
        let latest = self.store.latest(&self.table)?;
        Some(if latest <= self.seen { latest } else { self.seen }).filter(|position| *position > 0)
    }

    /// What is waiting, and whether nothing will come after it.
    fn ready(&mut self) -> Result<(Vec<Arc<Change>>, bool), Lost> {
        self.newest.borrow_and_update();
        let inner = self.store.lock();
        let table = inner.tables.get(&self.table).ok_or(Lost::Closed)?;
        let changes = table.after(self.seen)?;
        if let Some(last) = changes.last() {
            self.seen = last.revision;
        }
        Ok((changes, table.is_closed()))
    }
}

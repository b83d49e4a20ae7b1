//! Lists: pages, and lists as of a revision, where the original reads them from its storage or from its cache
//! (`cacher.go` and `etcd3/store.go` of apiserver, Kubernetes 1.20).

use std::sync::Arc;

use serde_json::json;

use super::Selection;
use super::pages::{AsOf, Position};
use crate::parameters::{ListOptions, Match};
use crate::registry::Resource;
use crate::show::Next;
use crate::state::State;
use crate::status::Failure;
use crate::store::{Key, Lost, Snapshot, Stored};

/// A list, or a page of one.
pub struct List {
    /// The objects.
    pub objects: Vec<Arc<Stored>>,
    /// As of when.
    pub revision: u64,
    /// How it goes on.
    pub next: Option<Next>,
}

/// What `selection` and `options` mean now.
///
/// # Errors
/// 400, 410, 500 and 504, in the original's words.
pub fn list(
    state: &State,
    resource: &Resource,
    selection: &Selection,
    options: &ListOptions<'_>,
) -> Result<List, Failure> {
    let reader = Reader { state, resource, selection };
    let continued = !options.continued.is_empty();
    let paged = options.limit > 0 && !options.revision.is_any();
    let exact = options.revision_match == Match::Exact;
    if options.revision.is_unset() || continued || paged || exact || !super::is_cached(resource) {
        reader.from_storage(options)
    } else {
        reader.from_cache(options)
    }
}

struct Reader<'a> {
    state: &'a State,
    resource: &'a Resource,
    selection: &'a Selection,
}

impl Reader<'_> {
    fn now(&self) -> Snapshot {
        self.state.store.list(&self.resource.full_name, self.selection.namespace())
    }

    /// The cache knows only its own resource's revisions, pages nothing, and is waited for.
    fn from_cache(&self, options: &ListOptions<'_>) -> Result<List, Failure> {
        let wanted = options.revision.cached()?;
        let revision = self.state.store.position(&self.resource.full_name);
        if wanted > revision {
            return Err(Failure::too_large_revision(wanted, revision, 1));
        }
        Ok(List { objects: self.matching(self.now().objects), revision, next: None })
    }

    fn matching(&self, objects: Vec<(Key, Arc<Stored>)>) -> Vec<Arc<Stored>> {
        let objects = objects.into_iter().map(|(_, stored)| stored);
        objects.filter(|stored| self.selection.matches(&stored.value)).collect()
    }

    fn from_storage(&self, options: &ListOptions<'_>) -> Result<List, Failure> {
        let asked = options.revision.stored()?;
        if options.continued.is_empty() && self.selection.is_one() {
            return self.one(options, asked);
        }
        let (as_of, start) = if options.continued.is_empty() {
            let exact = match options.revision_match {
                Match::Exact => true,
                Match::NotOlderThan => false,
                Match::Unset => options.limit > 0 && asked > 0,
            };
            (if exact { AsOf::Revision(asked) } else { AsOf::Now }, String::new())
        } else {
            let position = Position::read(options.continued)?;
            if !options.revision.is_unset() && !options.revision.is_any() {
                let text = "specifying resource version is not allowed when using continue";
                return Err(Failure::bad_request(text));
            }
            (position.as_of, position.start)
        };
        let snapshot = match as_of {
            AsOf::Now => self.now(),
            AsOf::Revision(revision) => self.as_of(revision, &start)?,
        };
        let newest = self.state.store.revision();
        if asked > newest {
            return Err(Failure::too_large_revision(asked, newest, 0));
        }
        Ok(self.page(snapshot, &start, usize::try_from(options.limit).ok().filter(|limit| *limit > 0)))
    }

    /// One object by its name: the original reads its key, and tells the revision of now whatever was asked for.
    fn one(&self, options: &ListOptions<'_>, asked: u64) -> Result<List, Failure> {
        let objects = match options.revision_match {
            Match::Exact => self.as_of(asked, "")?.objects,
            _ => self.now().objects,
        };
        let revision = self.state.store.revision();
        if asked > revision {
            return Err(Failure::too_large_revision(asked, revision, 0));
        }
        Ok(List { objects: self.matching(objects), revision, next: None })
    }

    fn as_of(&self, revision: u64, start: &str) -> Result<Snapshot, Failure> {
        if revision > self.state.store.revision() {
            return Err(Failure::internal("etcdserver: mvcc: required revision is a future revision"));
        }
        let listed = self.state.store.list_at(&self.resource.full_name, self.selection.namespace(), revision);
        listed.map_err(|lost| match lost {
            Lost::Forgotten { .. } if start.is_empty() => Failure::list_expired(),
            Lost::Forgotten { .. } => {
                let position = Position { as_of: AsOf::Now, start: start.to_owned() };
                Failure::continue_expired(&json!({"continue": position.token()}))
            }
            Lost::Closed => Failure::unknown_resource(),
        })
    }

    fn page(&self, snapshot: Snapshot, start: &str, limit: Option<usize>) -> List {
        let revision = snapshot.revision;
        let Some(limit) = limit else {
            let within = |key: &Key| start.is_empty() || *self.path(key) >= *start;
            let objects = snapshot.objects.into_iter().filter(|(key, _)| within(key)).collect();
            return List { objects: self.matching(objects), revision, next: None };
        };
        let mut objects = Vec::new();
        let mut last = None;
        let mut rest = snapshot.objects.into_iter().skip_while(|(key, _)| *self.path(key) < *start);
        for (key, stored) in rest.by_ref() {
            if self.selection.matches(&stored.value) {
                objects.push(stored);
            }
            last = Some(key);
            if objects.len() >= limit {
                break;
            }
        }
        let remaining = rest.count();
        let next = last.filter(|_| remaining > 0).map(|key| Next {
            token: Position::after(&self.path(&key), revision).token(),
            remaining: self.selection.is_everything().then_some(remaining),
        });
        List { objects, revision, next }
    }

    fn path(&self, key: &Key) -> String {
        key.path(self.selection.namespace().is_some())
    }
}

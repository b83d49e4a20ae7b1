//! Watches the metadata of kinds that have no cache: all that have a list, a watch and a deletion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{ListParams, ObjectMeta, WatchParams};
use kube::core::{DynamicObject, PartialObjectMeta, WatchEvent};
use tokio::sync::watch;

use super::Garbage;
use super::collect::place_of;
use super::graph::{Place, Uid};
use crate::clock::Delay;
use crate::cluster::{During as _, Failure};
use crate::controllers::resources::{Deletable, deletable, deletable_in};
use crate::queue::{Queue, work};

/// How long after a change of the definitions discovery is read again. The original takes up to 30 seconds (kubernetes
/// v1.20, `cmd/kube-controller-manager/app/core.go`).
const SYNC: Delay = Delay::new("garbage-sync", Duration::from_millis(100));

/// How long until a watch that failed is begun anew.
const AGAIN: Delay = Delay::new("garbage-watch-again", Duration::from_secs(1));

/// What nobody owns anything by, and what comes and goes all the time (kubernetes v1.20, `DefaultIgnoredResources`).
const IGNORED: &str = "events";

const DEFINITIONS: &str = "customresourcedefinitions";

/// Begins to watch what can be watched, now and after every change of the definitions.
pub(super) struct Monitor {
    garbage: Arc<Garbage>,
    /// The first kind that has no cache.
    first: Place,
    watches: watch::Sender<BTreeMap<Place, Version>>,
    /// Whose discovery is to be read.
    due: Arc<Queue<Extent>>,
    /// Whose discovery will be: definitions of a group come many at once, and each changes several times.
    soon: Mutex<BTreeSet<Extent>>,
    /// Whose discovery has not been read since a definition changed, with how often one did.
    unread: watch::Sender<BTreeMap<Extent, u64>>,
}

/// Up to where the changes of a kind were seen; nothing before its first list.
type Version = Option<String>;

/// How far the monitor has come.
pub(super) struct Watches {
    versions: BTreeMap<Place, Version>,
    unread: BTreeSet<Extent>,
}

/// How much of discovery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    Everything,
    /// A group.
    Group(String),
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everything => f.write_str("all groups"),
            Self::Group(name) => f.write_str(name),
        }
    }
}

impl Monitor {
    /// A monitor of the kinds from `first` on, which goes on from where another one was.
    pub(super) fn new(garbage: &Arc<Garbage>, first: Place, before: Option<&Watches>) -> Arc<Self> {
        let unread = before.map_or_else(|| [Extent::Everything].into(), |before| before.unread.clone());
        Arc::new(Self {
            garbage: garbage.clone(),
            first,
            watches: watch::Sender::new(before.map(|before| before.versions.clone()).unwrap_or_default()),
            due: Queue::new(garbage.cluster.clock.clone()),
            soon: Mutex::default(),
            unread: watch::Sender::new(unread.into_iter().map(|extent| (extent, 0)).collect()),
        })
    }

    pub(super) fn start(self: &Arc<Self>) {
        let watches = self.watches.borrow().clone();
        for (place, version) in watches {
            if let Some(resource) = self.garbage.resource(place) {
                self.spawn(place, resource, version);
            }
        }
        // Not at once: who has just started a cluster waits for other things.
        for extent in self.unread() {
            self.sync_soon(extent);
        }
        let monitor = self.clone();
        work(&self.garbage.cluster, "garbage-monitor", self.due.clone(), move |extent| {
            let monitor = monitor.clone();
            async move { monitor.sync(extent).await }
        });
    }

    /// Reads and lists what is still to be, without further delay.
    pub(super) async fn catch_up(&self) {
        self.soon().clear();
        for extent in self.unread() {
            self.due.push(extent);
        }
        let (mut unread, mut watches) = (self.unread.subscribe(), self.watches.subscribe());
        // The senders live as long as `self`, so errors cannot come.
        let _read = unread.wait_for(BTreeMap::is_empty).await.is_ok();
        let _listed = watches.wait_for(|all| all.values().all(Option::is_some)).await.is_ok();
    }

    /// How far it has come.
    pub(super) fn known(&self) -> Watches {
        // In this order: what is read in between is read again.
        let unread = self.unread();
        Watches { versions: self.watches.borrow().clone(), unread }
    }

    /// Watches what is not watched yet.
    async fn sync(self: &Arc<Self>, extent: Extent) -> Result<(), Failure> {
        let cluster = &self.garbage.cluster;
        let changes = self.unread.borrow().get(&extent).copied();
        let found = match &extent {
            Extent::Everything => deletable(cluster).await?,
            Extent::Group(wanted) => deletable_in(cluster, |name| name == wanted).await?,
        };
        for resource in found {
            if !resource.watchable || resource.resource.plural == IGNORED {
                continue;
            }
            let place = place_of(&self.garbage.resources(), &resource.resource);
            let place = place.unwrap_or_else(|| self.garbage.add(resource.clone()));
            if place >= self.first && !self.watches.borrow().contains_key(&place) {
                self.has_seen(place, None);
                self.spawn(place, resource, None);
            }
        }
        // What changed while it was read is still to be read.
        self.unread
            .send_if_modified(|unread| unread.get(&extent).copied() == changes && unread.remove(&extent).is_some());
        Ok(())
    }

    fn spawn(self: &Arc<Self>, place: Place, resource: Deletable, version: Version) {
        let monitor = self.clone();
        self.garbage.cluster.spawn(async move { monitor.follow(place, resource, version).await });
    }

    /// Follows a kind until it is gone.
    async fn follow(self: Arc<Self>, place: Place, resource: Deletable, known: Version) {
        if let Some(version) = known {
            self.watch(place, &resource, version).await;
        }
        loop {
            match self.list(place, &resource).await {
                Ok(None) => break,
                Ok(Some(version)) => self.watch(place, &resource, version).await,
                Err(failure) => self.garbage.cluster.note(format!("garbage-collector: {failure}")),
            }
            self.garbage.cluster.clock.sleep_by_wall(AGAIN).await;
        }
        self.watches.send_modify(|watches| drop(watches.remove(&place)));
        self.keep_only(place, &BTreeSet::new());
    }

    /// Takes in all objects of a kind; the version of the list, or none when there is no such kind any more.
    async fn list(self: &Arc<Self>, place: Place, resource: &Deletable) -> Result<Option<String>, Failure> {
        let cluster = &self.garbage.cluster;
        let _busy = cluster.clock.busy();
        let listed = resource.everywhere(cluster).list_metadata(&ListParams::default()).await;
        let Some(listed) = listed.unless_gone(&format!("list {}", resource.resource.plural))? else { return Ok(None) };
        let present: BTreeSet<Uid> = listed.items.iter().filter_map(|one| one.metadata.uid.clone()).collect();
        self.keep_only(place, &present);
        for object in &listed.items {
            self.garbage.saw(place, &object.metadata);
        }
        if resource.resource.plural == DEFINITIONS {
            listed.items.iter().for_each(|definition| self.defined(&definition.metadata));
        }
        Ok(Some(listed.metadata.resource_version.unwrap_or_default()))
    }

    /// Takes in that no other objects of a kind are there than those `present`.
    fn keep_only(&self, place: Place, present: &BTreeSet<Uid>) {
        let gone = self.garbage.graph().missing(place, present);
        for uid in gone {
            self.garbage.is_gone(&uid);
        }
    }

    /// Takes in changes until the watch ends.
    async fn watch(self: &Arc<Self>, place: Place, resource: &Deletable, version: String) {
        let cluster = &self.garbage.cluster;
        let mut version = version;
        loop {
            self.has_seen(place, Some(version.clone()));
            let events = resource.everywhere(cluster).watch_metadata(&WatchParams::default(), &version).await;
            let Ok(events) = events else { return };
            let mut events = std::pin::pin!(events);
            let mut seen = false;
            while let Some(event) = events.next().await {
                let _busy = cluster.clock.busy();
                let Ok(event) = event else { return };
                let Some(newer) = self.take_in(place, resource, &event) else { return };
                version.clone_from(&newer);
                self.has_seen(place, Some(newer));
                seen = true;
            }
            // Servers end watches after a while; one that ended without a word is begun with a new list.
            if !seen {
                return;
            }
        }
    }

    /// Takes in one change; its version, or none when the watch is of no use any more.
    fn take_in(
        self: &Arc<Self>,
        place: Place,
        resource: &Deletable,
        event: &WatchEvent<PartialObjectMeta<DynamicObject>>,
    ) -> Option<String> {
        let meta = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.garbage.saw(place, &object.metadata);
                &object.metadata
            }
            WatchEvent::Deleted(object) => {
                self.garbage.is_gone(object.metadata.uid.as_deref().unwrap_or_default());
                &object.metadata
            }
            WatchEvent::Bookmark(bookmark) => return Some(bookmark.metadata.resource_version.clone()),
            WatchEvent::Error(_) => return None,
        };
        if resource.resource.plural == DEFINITIONS {
            self.defined(meta);
        }
        meta.resource_version.clone()
    }

    /// Reads the discovery of a definition's group, unless what it defines is watched already.
    fn defined(self: &Arc<Self>, definition: &ObjectMeta) {
        let Some((plural, group)) = definition.name.as_deref().and_then(|name| name.split_once('.')) else { return };
        let is_it = |one: &Deletable| one.resource.plural == plural && one.resource.group == group;
        let place = self.garbage.resources().iter().position(is_it);
        if place.is_none_or(|place| !self.watches.borrow().contains_key(&place)) {
            self.sync_soon(Extent::Group(group.to_owned()));
        }
    }

    /// Reads discovery again when the definitions have come to rest.
    fn sync_soon(self: &Arc<Self>, extent: Extent) {
        self.unread.send_modify(|unread| *unread.entry(extent.clone()).or_default() += 1);
        if !self.soon().insert(extent.clone()) {
            return;
        }
        let (monitor, clock) = (Arc::downgrade(self), self.garbage.cluster.clock.clone());
        self.garbage.cluster.spawn(async move {
            clock.sleep_by_wall(SYNC).await;
            if let Some(monitor) = monitor.upgrade() {
                // In this order: what changes from now on is for the next time.
                let is_due = monitor.soon().remove(&extent);
                if is_due {
                    monitor.due.push(extent);
                }
            }
        });
    }

    fn unread(&self) -> BTreeSet<Extent> {
        self.unread.borrow().keys().cloned().collect()
    }

    fn has_seen(&self, place: Place, version: Version) {
        self.watches.send_modify(|watches| drop(watches.insert(place, version)));
    }

    fn soon(&self) -> MutexGuard<'_, BTreeSet<Extent>> {
        self.soon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Watches the metadata of kinds that have no cache: all that have a list, a watch and a deletion.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{ListParams, ObjectMeta, WatchParams};
use kube::core::{DynamicObject, PartialObjectMeta, WatchEvent};

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
    watched: Mutex<BTreeSet<Place>>,
    /// Whose discovery is to be read.
    due: Arc<Queue<Extent>>,
    /// Whose discovery will be: definitions of a group come many at once, and each changes several times.
    soon: Mutex<BTreeSet<Extent>>,
}

/// How much of discovery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
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
    pub(super) fn start(garbage: &Arc<Garbage>) {
        let due = Queue::new(garbage.cluster.clock.clone());
        let with_caches = garbage.resources().len();
        let watched = Mutex::new((0..with_caches).collect());
        let monitor = Arc::new(Self { garbage: garbage.clone(), watched, due: due.clone(), soon: Mutex::default() });
        // Not at once: who has just started a cluster waits for other things.
        monitor.sync_soon(Extent::Everything);
        work(&garbage.cluster, "garbage-monitor", due, move |extent| {
            let monitor = monitor.clone();
            async move { monitor.sync(extent).await }
        });
    }

    /// Watches what is not watched yet.
    async fn sync(self: &Arc<Self>, extent: Extent) -> Result<(), Failure> {
        let cluster = &self.garbage.cluster;
        let found = match extent {
            Extent::Everything => deletable(cluster).await?,
            Extent::Group(wanted) => deletable_in(cluster, |name| name == wanted).await?,
        };
        for resource in found {
            if !resource.watchable || resource.resource.plural == IGNORED {
                continue;
            }
            let place = place_of(&self.garbage.resources(), &resource.resource);
            let place = place.unwrap_or_else(|| self.garbage.add(resource.clone()));
            if self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
                let monitor = self.clone();
                self.garbage.cluster.spawn(async move { monitor.follow(place, resource).await });
            }
        }
        Ok(())
    }

    /// Follows a kind until it is gone.
    async fn follow(self: Arc<Self>, place: Place, resource: Deletable) {
        // A watch from no version begins with what is there; only after that there can be something that is gone.
        self.watch(place, &resource, String::new()).await;
        loop {
            match self.list(place, &resource).await {
                Ok(None) => break,
                Ok(Some(version)) => self.watch(place, &resource, version).await,
                Err(failure) => self.garbage.cluster.note(format!("garbage-collector: {failure}")),
            }
            self.garbage.cluster.clock.sleep_by_wall(AGAIN).await;
        }
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
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
            let events = resource.everywhere(cluster).watch_metadata(&WatchParams::default(), &version).await;
            let Ok(events) = events else { return };
            let mut events = std::pin::pin!(events);
            let mut seen = false;
            while let Some(event) = events.next().await {
                let _busy = cluster.clock.busy();
                let Ok(event) = event else { return };
                let Some(newer) = self.take_in(place, resource, &event) else { return };
                version = newer;
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
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none_or(|place| !watched.contains(&place)) {
            self.sync_soon(Extent::Group(group.to_owned()));
        }
    }

    /// Reads discovery again when the definitions have come to rest.
    fn sync_soon(self: &Arc<Self>, extent: Extent) {
        if !self.soon().insert(extent.clone()) {
            return;
        }
        let (monitor, clock) = (Arc::downgrade(self), self.garbage.cluster.clock.clone());
        self.garbage.cluster.spawn(async move {
            clock.sleep_by_wall(SYNC).await;
            if let Some(monitor) = monitor.upgrade() {
                // In this order: what changes from now on is for the next time.
                monitor.soon().remove(&extent);
                monitor.due.push(extent);
            }
        });
    }

    fn soon(&self) -> MutexGuard<'_, BTreeSet<Extent>> {
        self.soon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The objects of one kind as a watch keeps them, for readers that need them at once.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use kube::api::{WatchEvent, WatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::clock::Clock;

/// A kind whose type says all about it.
pub(crate) trait Kind:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static
{
}
impl<K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static> Kind for K {}

/// Namespace (empty where there is none) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    pub(crate) fn of<K: Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// What happened to an object; at least one side is there.
pub(crate) struct Change<'a, K> {
    pub(crate) old: Option<&'a Arc<K>>,
    pub(crate) new: Option<&'a Arc<K>>,
}

impl<K> Change<'_, K> {
    /// The object as it is or, if it is gone, as it was.
    pub(crate) fn any(&self) -> Option<&Arc<K>> {
        self.new.or(self.old)
    }

    /// Both sides that are there.
    pub(crate) fn both(&self) -> impl Iterator<Item = &Arc<K>> {
        self.old.into_iter().chain(self.new)
    }
}

type Handler<K> = Box<dyn Fn(&Change<'_, K>) + Send + Sync>;

pub(crate) struct Cache<K> {
    /// Held from storing a change until every handler has heard of it, so that all hear of changes in their order.
    order: Mutex<()>,
    objects: Mutex<State<K>>,
    handlers: Mutex<Vec<Arc<Handler<K>>>>,
    version: watch::Sender<u64>,
    ready: watch::Sender<bool>,
}

/// What a cache knows, for another one to begin with.
#[derive(Clone)]
pub(crate) struct State<K> {
    objects: BTreeMap<Key, Arc<K>>,
    /// The newest version that the watch has shown. Own writes do not count: the watch may still be behind them.
    seen: u64,
}

impl<K: Kind> Cache<K> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            order: Mutex::default(),
            objects: Mutex::new(State { objects: BTreeMap::new(), seen: 0 }),
            handlers: Mutex::default(),
            version: watch::Sender::new(0),
            ready: watch::Sender::new(false),
        })
    }

    /// Calls `handler` on every change from now on, one change at a time. It must be quick and change no cache itself;
    /// usually it fills a queue.
    pub(crate) fn on_change(&self, handler: impl Fn(&Change<'_, K>) + Send + Sync + 'static) {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(Box::new(handler)));
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.state().objects.get(key).cloned()
    }

    /// The objects of `namespace`, by name.
    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let state = self.state();
        let from_here = state.objects.range(Key::new(namespace, "")..);
        from_here.take_while(|(key, _)| key.namespace == namespace).map(|(_, object)| object.clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        self.state().objects.values().cloned().collect()
    }

    /// Counts changes, so that somebody can wait for the next one.
    pub(crate) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until the first list is here.
    pub(crate) async fn ready(&self) {
        // The sender lives as long as `self`, so an error cannot come.
        let mut ready = self.ready.subscribe();
        let _ready = ready.wait_for(|ready| *ready).await;
    }

    /// Says that nothing of the kind is ever here: the server does not have it.
    pub(crate) fn stays_empty(&self) {
        self.ready.send_replace(true);
    }

    /// Takes in an object that a request of ours returned, ahead of the watch: who reads the cache next sees it.
    pub(crate) fn wrote(&self, object: K) {
        let _order = self.order();
        let known = {
            let state = self.state();
            state.objects.contains_key(&Key::of(&object)) || version_of(&object) > state.seen
        };
        // An object that the watch has passed and that is not here has been deleted since.
        if known {
            self.store(object);
        }
    }

    /// What is here now, and how far the watch has come.
    pub(crate) fn known(&self) -> State<K> {
        self.state().clone()
    }

    /// Keeps the cache up to date until the task is dropped, from what was `known` where anything was.
    pub(crate) async fn keep(self: Arc<Self>, api: Api<K>, clock: Clock, known: Option<State<K>>) {
        if let Some(known) = known {
            self.go_on(&api, &clock, known).await;
        }
        let mut listed = Vec::new();
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            let _busy = clock.busy();
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => listed.push(object),
                Ok(watcher::Event::InitDone) => self.replace(std::mem::take(&mut listed)),
                Ok(watcher::Event::Apply(object)) => self.watched(object),
                Ok(watcher::Event::Delete(object)) => self.deleted(&object),
                // The watcher lists or watches anew, with its own backoff.
                Err(_) => {}
            }
        }
    }

    /// Follows what happens to what is `known`, until the watch ends. One that cannot go on from there ends at once.
    async fn go_on(&self, api: &Api<K>, clock: &Clock, known: State<K>) {
        let version = known.seen.to_string();
        self.begin_with(known);
        let Ok(events) = api.watch(&WatchParams::default(), &version).await else { return };
        let mut events = std::pin::pin!(events);
        while let Some(Ok(event)) = events.next().await {
            let _busy = clock.busy();
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => self.watched(object),
                WatchEvent::Deleted(object) => self.deleted(&object),
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(_) => return,
            }
        }
    }

    fn begin_with(&self, known: State<K>) {
        let order = self.order();
        let objects: Vec<_> = known.objects.values().cloned().collect();
        *self.state() = known;
        for object in &objects {
            self.tell(&Change { old: None, new: Some(object) });
        }
        drop(order);
        self.ready.send_replace(true);
    }

    /// Takes in a whole list.
    fn replace(&self, listed: Vec<K>) {
        let order = self.order();
        let keys: std::collections::BTreeSet<_> = listed.iter().map(Key::of).collect();
        let gone: Vec<_> =
            self.state().objects.iter().filter(|(key, _)| !keys.contains(key)).map(|(_, o)| o.clone()).collect();
        for object in listed {
            self.see(&object);
            self.store(object);
        }
        for object in gone {
            self.see(object.as_ref());
            self.drop_up_to(object.as_ref());
        }
        drop(order);
        self.ready.send_replace(true);
    }

    /// Takes in an object as the watch shows it.
    fn watched(&self, object: K) {
        let _order = self.order();
        self.see(&object);
        self.store(object);
    }

    /// Takes in that the watch shows `object` deleted.
    fn deleted(&self, object: &K) {
        let _order = self.order();
        self.see(object);
        self.drop_up_to(object);
    }

    fn see(&self, object: &K) {
        let mut state = self.state();
        state.seen = state.seen.max(version_of(object));
    }

    /// Stores `object` unless a newer one is here. The caller holds `order`.
    fn store(&self, mut object: K) {
        // Nobody here reads them, and they are the larger part of many objects.
        object.meta_mut().managed_fields = None;
        let (key, version) = (Key::of(&object), version_of(&object));
        let object = Arc::new(object);
        let old = {
            let mut state = self.state();
            if state.objects.get(&key).is_some_and(|old| version_of(old.as_ref()) >= version) {
                return;
            }
            state.objects.insert(key, object.clone())
        };
        self.tell(&Change { old: old.as_ref(), new: Some(&object) });
    }

    /// Drops what is here under the key of `object`, unless it is newer: then it has been created anew, and a write of
    /// ours brought it ahead of the watch. The caller holds `order`.
    fn drop_up_to(&self, object: &K) {
        let key = Key::of(object);
        let old = {
            let mut state = self.state();
            if state.objects.get(&key).is_some_and(|old| version_of(old.as_ref()) > version_of(object)) {
                return;
            }
            state.objects.remove(&key)
        };
        if let Some(old) = old {
            self.tell(&Change { old: Some(&old), new: None });
        }
    }

    fn tell(&self, change: &Change<'_, K>) {
        let handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for handler in handlers {
            handler(change);
        }
        self.version.send_modify(|version| *version += 1);
    }

    fn order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resource versions of one server are numbers that grow (etcd revisions).
fn version_of<K: Resource>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn at(version: u64) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.name = Some("map".to_owned());
        map.metadata.namespace = Some("ns".to_owned());
        map.metadata.resource_version = Some(version.to_string());
        map
    }

    fn version_in(cache: &Cache<ConfigMap>) -> Option<u64> {
        cache.get(&Key::new("ns", "map")).map(|map| version_of(map.as_ref()))
    }

    #[test]
    fn keeps_the_newest_of_what_was_watched_and_written() {
        let cache = Cache::new();
        cache.watched(at(5));
        cache.wrote(at(7));
        cache.watched(at(6));
        assert_eq!(version_in(&cache), Some(7));
    }

    #[test]
    fn does_not_bring_back_what_was_deleted_meanwhile() {
        let cache = Cache::new();
        cache.watched(at(5));
        cache.deleted(&at(8));
        cache.wrote(at(7));
        assert_eq!(version_in(&cache), None);
    }

    #[test]
    fn keeps_an_older_write_than_another_write_ahead_of_the_watch() {
        let cache = Cache::new();
        let mut other = at(10);
        other.metadata.name = Some("other".to_owned());
        cache.wrote(other);
        cache.wrote(at(9));
        assert_eq!(version_in(&cache), Some(9));
    }

    #[test]
    fn keeps_what_was_created_anew_when_the_watch_shows_the_former_one_deleted() {
        let cache = Cache::new();
        cache.watched(at(5));
        cache.wrote(at(9));
        cache.deleted(&at(7));
        assert_eq!(version_in(&cache), Some(9));
    }

    #[test]
    fn tells_of_changes_in_their_order() {
        let cache = Cache::<ConfigMap>::new();
        let told = Arc::new(Mutex::new(Vec::new()));
        let (list, (entered, first_heard)) = (told.clone(), std::sync::mpsc::channel());
        cache.on_change(move |change| {
            let version = change.new.map(|new| version_of(new.as_ref()));
            if version == Some(5) {
                entered.send(()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            list.lock().unwrap().push(version);
        });
        std::thread::scope(|threads| {
            threads.spawn(|| cache.wrote(at(5)));
            first_heard.recv().unwrap();
            cache.deleted(&at(6));
        });
        assert_eq!(*told.lock().unwrap(), [Some(5), None]);
    }

    #[test]
    fn tells_of_objects_that_a_new_list_misses() {
        let cache = Cache::new();
        cache.watched(at(5));
        let told = Arc::new(Mutex::new(0));
        let count = told.clone();
        cache.on_change(move |change| *count.lock().unwrap() += usize::from(change.new.is_none()));
        cache.replace(Vec::new());
        assert_eq!(*told.lock().unwrap(), 1);
    }

    #[test]
    fn lists_one_namespace_only() {
        let cache = Cache::new();
        cache.watched(at(5));
        let mut other = at(6);
        other.metadata.namespace = Some("ns2".to_owned());
        cache.watched(other);
        assert_eq!(cache.in_namespace("ns").len(), 1);
        assert_eq!(cache.all().len(), 2);
    }
}

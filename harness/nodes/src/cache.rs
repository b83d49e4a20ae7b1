//! The objects of one kind as a watch keeps them, for readers that need them at once.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
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
    objects: Mutex<State<K>>,
    handlers: Mutex<Vec<Arc<Handler<K>>>>,
    version: watch::Sender<u64>,
    ready: watch::Sender<bool>,
}

struct State<K> {
    objects: BTreeMap<Key, Arc<K>>,
    /// The newest version that the watch has shown.
    seen: u64,
}

impl<K: Kind> Cache<K> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            objects: Mutex::new(State { objects: BTreeMap::new(), seen: 0 }),
            handlers: Mutex::default(),
            version: watch::Sender::new(0),
            ready: watch::Sender::new(false),
        })
    }

    /// Calls `handler` on every change from now on. It must be quick; usually it fills a queue.
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

    /// Takes in an object that a request of ours returned, ahead of the watch: who reads the cache next sees it.
    pub(crate) fn wrote(&self, object: K) {
        let version = version_of(&object);
        let known = { self.state().objects.contains_key(&Key::of(&object)) || version > self.state().seen };
        // An object that the watch has passed and that is not here has been deleted since.
        if known {
            self.put(object);
        }
    }

    /// Keeps the cache up to date until the task is dropped.
    pub(crate) async fn keep(self: Arc<Self>, api: Api<K>, clock: Clock) {
        let mut listed = Vec::new();
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            let _busy = clock.busy();
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => listed.push(object),
                Ok(watcher::Event::InitDone) => self.replace(std::mem::take(&mut listed)),
                Ok(watcher::Event::Apply(object)) => self.put(object),
                Ok(watcher::Event::Delete(object)) => self.remove(&object),
                // The watcher lists or watches anew, with its own backoff.
                Err(_) => {}
            }
        }
    }

    fn replace(&self, listed: Vec<K>) {
        let keys: std::collections::BTreeSet<_> = listed.iter().map(Key::of).collect();
        let gone: Vec<_> =
            self.state().objects.iter().filter(|(key, _)| !keys.contains(key)).map(|(_, o)| o.clone()).collect();
        for object in listed {
            self.put(object);
        }
        for object in gone {
            self.remove(&object);
        }
        self.ready.send_replace(true);
    }

    fn put(&self, mut object: K) {
        // Nobody here reads them, and they are the larger part of many objects.
        object.meta_mut().managed_fields = None;
        let (key, version) = (Key::of(&object), version_of(&object));
        let object = Arc::new(object);
        let old = {
            let mut state = self.state();
            if state.objects.get(&key).is_some_and(|old| version_of(old.as_ref()) >= version) {
                return;
            }
            state.seen = state.seen.max(version);
            state.objects.insert(key, object.clone())
        };
        self.tell(&Change { old: old.as_ref(), new: Some(&object) });
    }

    fn remove(&self, object: &K) {
        let old = {
            let mut state = self.state();
            state.seen = state.seen.max(version_of(object));
            state.objects.remove(&Key::of(object))
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
        cache.put(at(5));
        cache.wrote(at(7));
        cache.put(at(6));
        assert_eq!(version_in(&cache), Some(7));
    }

    #[test]
    fn does_not_bring_back_what_was_deleted_meanwhile() {
        let cache = Cache::new();
        cache.put(at(5));
        cache.remove(&at(8));
        cache.wrote(at(7));
        assert_eq!(version_in(&cache), None);
    }

    #[test]
    fn tells_of_objects_that_a_new_list_misses() {
        let cache = Cache::new();
        cache.put(at(5));
        let told = Arc::new(Mutex::new(0));
        let count = told.clone();
        cache.on_change(move |change| *count.lock().unwrap() += usize::from(change.new.is_none()));
        cache.replace(Vec::new());
        assert_eq!(*told.lock().unwrap(), 1);
    }

    #[test]
    fn lists_one_namespace_only() {
        let cache = Cache::new();
        cache.put(at(5));
        let mut other = at(6);
        other.metadata.namespace = Some("ns2".to_owned());
        cache.put(other);
        assert_eq!(cache.in_namespace("ns").len(), 1);
        assert_eq!(cache.all().len(), 2);
    }
}

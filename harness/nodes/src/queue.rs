//! Work that waits for a controller: each key once, in order, and the clock stands while there is any.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{BusyGuard, Clock, Delay};
use crate::cluster::{Cluster, Failure};

/// How long a controller waits before it tries a key again: 5 ms, doubled each time (client-go, default rate limiter).
const RETRY: Delay = Delay::new("controller-retry", Duration::from_millis(5));

/// The most that [`RETRY`] is doubled: to about 20 s.
const MOST_DOUBLED: u32 = 12;

/// How many conflicts in a row a key may meet before it waits like after any other failure.
const CONFLICTS_AT_ONCE: u32 = 50;

pub(crate) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    more: Notify,
    clock: Clock,
}

struct Waiting<T> {
    order: VecDeque<(T, Option<BusyGuard>)>,
    keys: BTreeSet<T>,
}

impl<T: Ord + Clone> Queue<T> {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let waiting = Waiting { order: VecDeque::new(), keys: BTreeSet::new() };
        Arc::new(Self { waiting: Mutex::new(waiting), more: Notify::new(), clock })
    }

    /// Adds `key`, unless it waits already.
    pub(crate) fn push(&self, key: T) {
        let mut waiting = self.waiting();
        if waiting.keys.insert(key.clone()) {
            waiting.order.push_back((key, self.clock.busy()));
            drop(waiting);
            self.more.notify_one();
        }
    }

    /// The next key, and the guard that keeps the clock while it is worked on.
    pub(crate) async fn next(&self) -> (T, Option<BusyGuard>) {
        loop {
            {
                let mut waiting = self.waiting();
                if let Some((key, busy)) = waiting.order.pop_front() {
                    waiting.keys.remove(&key);
                    return (key, busy);
                }
            }
            self.more.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works through `queue` with `reconcile` until the cluster stops. A key that failed comes again after a delay.
pub(crate) fn work<T, F, R>(cluster: &Arc<Cluster>, controller: &'static str, queue: Arc<Queue<T>>, reconcile: F)
where
    T: Ord + Clone + std::fmt::Display + Send + 'static,
    F: Fn(T) -> R + Send + 'static,
    R: Future<Output = Result<(), Failure>> + Send,
{
    let home = cluster.clone();
    cluster.spawn(async move {
        home.synced().await;
        let mut failures: BTreeMap<T, u32> = BTreeMap::new();
        loop {
            let (key, busy) = queue.next().await;
            match reconcile(key.clone()).await {
                Ok(()) => {
                    failures.remove(&key);
                }
                Err(failure) => {
                    let count = failures.entry(key.clone()).or_default();
                    *count += 1;
                    // A conflict says that a watch is about to bring news; waiting would need somebody to move the clock.
                    if failure.is_conflict() && *count <= CONFLICTS_AT_ONCE {
                        queue.push(key);
                        continue;
                    }
                    let delay = RETRY.lasting(RETRY.duration * 2_u32.pow((*count - 1).min(MOST_DOUBLED)));
                    home.note(format!("{controller}: {key}: {failure}"));
                    let (queue, clock) = (queue.clone(), home.clock.clone());
                    home.spawn(async move {
                        clock.sleep(delay).await;
                        queue.push(key);
                    });
                }
            }
            drop(busy);
        }
    });
}

//! Work that waits for a controller: each key once, in order, and the clock stands while there is any.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
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

/// Works through `queue` with `reconcile` until the cluster stops. A key that failed, or at which
/// the controller panicked, comes again after a delay.
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
            match attempt(reconcile(key.clone())).await {
                Ok(()) => {
                    failures.remove(&key);
                }
                Err(failure) => {
                    let count = failures.entry(key.clone()).or_default();
                    *count += 1;
                    // A conflict says that a watch is about to bring news; waiting would need somebody to move the clock.
                    if matches!(&failure, Stopped::Failed(failure) if failure.is_conflict())
                        && *count <= CONFLICTS_AT_ONCE
                    {
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

/// Why a controller is not done with a key.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("the controller panicked: {0}")]
    Panicked(String),
}

/// Runs one reconciliation. A controller that panics must not end silently, with every other key left waiting.
async fn attempt(reconcile: impl Future<Output = Result<(), Failure>>) -> Result<(), Stopped> {
    // What a panic leaves behind is read from the caches anew; locks are taken even when poisoned.
    match AssertUnwindSafe(reconcile).catch_unwind().await {
        Ok(result) => Ok(result?),
        Err(payload) => Err(Stopped::Panicked(message(payload.as_ref()))),
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::client;

    #[tokio::test]
    async fn goes_on_after_a_panic() {
        let cluster = Cluster::new(client(), Clock::real());
        let queue = Queue::new(cluster.clock.clone());
        let (done, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let seen = Mutex::new(BTreeSet::new());
        work(&cluster, "test", queue.clone(), move |key: &'static str| {
            let (done, first) = (done.clone(), seen.lock().unwrap().insert(key));
            async move {
                assert!(key != "bad" || !first, "at the first try");
                done.send(key).unwrap();
                Ok(())
            }
        });
        cluster.watch().await;
        queue.push("bad");
        queue.push("good");
        assert_eq!(reports.recv().await, Some("good"));
        assert_eq!(reports.recv().await, Some("bad"));
        assert_eq!(cluster.failures(), ["test: bad: the controller panicked: at the first try"]);
        cluster.shut_down().await;
    }
}

//! Work that waits for a controller: each key once, in order, and the clock stands while there is any.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

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
    /// What comes later by itself, with the time it is due.
    later: Mutex<BTreeMap<T, (Duration, CancellationToken)>>,
}

struct Waiting<T> {
    order: VecDeque<(T, Option<BusyGuard>)>,
    keys: BTreeSet<T>,
    /// Nobody takes anything any more.
    closed: bool,
}

impl<T: Ord + Clone> Queue<T> {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let waiting = Waiting { order: VecDeque::new(), keys: BTreeSet::new(), closed: false };
        Arc::new(Self { waiting: Mutex::new(waiting), more: Notify::new(), clock, later: Mutex::default() })
    }

    /// Adds `key`, unless it waits already.
    pub(crate) fn push(&self, key: T) {
        let mut waiting = self.waiting();
        if !waiting.closed && waiting.keys.insert(key.clone()) {
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

    /// Nobody will take anything from now on, so that nothing that is added keeps the clock: whoever adds it may know
    /// later than whoever took it that there is no work.
    pub(crate) fn close(&self) {
        let left = {
            let mut waiting = self.waiting();
            waiting.closed = true;
            waiting.keys.clear();
            std::mem::take(&mut waiting.order)
        };
        drop(left);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn later(&self) -> MutexGuard<'_, BTreeMap<T, (Duration, CancellationToken)>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what [`Queue::push_after`] would bring: nobody waits for it any more.
    pub(crate) fn forget_later(&self, key: &T) {
        if let Some((_, cancel)) = self.later().remove(key) {
            cancel.cancel();
        }
    }
}

impl<T: Ord + Clone + Send + 'static> Queue<T> {
    /// Adds `key` after `delay`. Of several delays of a key the one that ends first counts.
    pub(crate) fn push_after(self: &Arc<Self>, cluster: &Cluster, key: T, delay: Delay) {
        let due = self.clock.now() + delay.duration;
        let cancel = CancellationToken::new();
        {
            let mut later = self.later();
            if later.get(&key).is_some_and(|(known, _)| *known <= due) {
                return;
            }
            if let Some((_, former)) = later.insert(key.clone(), (due, cancel.clone())) {
                former.cancel();
            }
        }
        let (queue, clock) = (Arc::downgrade(self), self.clock.clone());
        cluster.spawn(async move {
            if cancel.run_until_cancelled(clock.sleep(delay)).await.is_none() {
                return;
            }
            let Some(queue) = queue.upgrade() else { return };
            // In this order, so that whoever is asked meanwhile finds the key in one of the two.
            queue.push(key.clone());
            let mut later = queue.later();
            if later.get(&key).is_some_and(|(known, _)| *known == due) {
                later.remove(&key);
            }
        });
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
    use crate::served::Served;
    use crate::testing::client;

    #[tokio::test]
    async fn goes_on_after_a_panic() {
        let cluster = Cluster::new(crate::Components::alike(&client()), Clock::real());
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
        cluster.watch(&Served::default(), None).await;
        queue.push("bad");
        queue.push("good");
        assert_eq!(reports.recv().await, Some("good"));
        assert_eq!(reports.recv().await, Some("bad"));
        assert_eq!(cluster.failures(), ["test: bad: the controller panicked: at the first try"]);
        cluster.shut_down().await;
    }

    #[tokio::test]
    async fn keeps_no_clock_for_what_nobody_takes_any_more() {
        const BLINK: Delay = Delay::new("blink", Duration::from_secs(1));
        let (time, stop) = (crate::clock::VirtualClock::new(), CancellationToken::new());
        tokio::spawn(time.clone().drive(stop.clone()));
        let queue = Queue::new(Clock::virtual_from(time.clone()));
        queue.push("before");
        queue.close();
        queue.push("after");
        let _progress = time.wants_progress();
        tokio::time::timeout(Duration::from_mins(1), time.sleep(BLINK)).await.expect("the clock stands");
        stop.cancel();
    }

    #[tokio::test]
    async fn brings_a_key_after_the_shortest_of_its_delays() {
        let time = crate::clock::VirtualClock::new();
        let cluster = Cluster::new(crate::Components::alike(&client()), Clock::virtual_from(time.clone()));
        tokio::spawn(time.clone().drive(cluster.stop.clone()));
        let queue = Queue::new(cluster.clock.clone());
        let delay = |seconds| Delay::new("test", Duration::from_secs(seconds));
        queue.push_after(&cluster, "a", delay(30));
        queue.push_after(&cluster, "a", delay(10));
        queue.push_after(&cluster, "a", delay(20));
        queue.push_after(&cluster, "b", delay(5));
        queue.forget_later(&"b");
        let progress = time.wants_progress();
        let (key, busy) = queue.next().await;
        assert_eq!((key, time.now()), ("a", Duration::from_secs(10)));
        drop((busy, progress));
        assert!(queue.later().is_empty());
        cluster.shut_down().await;
    }
}

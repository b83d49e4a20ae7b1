//! A clock that jumps when nothing happens any more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::RuntimeFlavor;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::Delay;
use crate::quiescence;

/// Something that is on its way without anybody's further doing: bytes in flight, an answer of the API server. A virtual
/// clock does not jump before it arrived or its limit of *real* time passed; the limit is for what never arrives.
pub struct Expectation(Option<(Arc<VirtualClock>, u64)>);

impl Expectation {
    /// A slot that no clock looks at.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Expects an arrival within `limit`, in place of what was expected before.
    pub fn expect(&self, limit: Duration) {
        if let Some((clock, id)) = &self.0 {
            clock.expected().insert(*id, Instant::now() + limit);
            clock.touch();
        }
    }

    /// It arrived.
    pub fn met(&self) {
        if let Some((clock, id)) = &self.0 {
            clock.expected().remove(id);
            clock.touch();
        }
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        self.met();
    }
}

/// The virtual clock of one pair of clusters.
#[derive(Default)]
pub struct VirtualClock {
    state: Mutex<State>,
    busy: AtomicUsize,
    wanted: AtomicUsize,
    /// Processes among those who want progress.
    processes: AtomicUsize,
    touched: AtomicU64,
    changed: Notify,
    /// A delay was begun or released, for [`VirtualClock::flow`].
    began: Notify,
    expected: Mutex<BTreeMap<u64, Instant>>,
    next_expectation: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Where the clock was last set.
    set: Duration,
    /// Since when it has gone on from there by itself, if it does.
    flowing_since: Option<Instant>,
    next_sequence: u64,
    timers: BTreeMap<(Duration, u64), Timer>,
    held: Vec<String>,
}

impl State {
    fn now(&self) -> Duration {
        self.set + self.flowing_since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Never back.
    fn set_to(&mut self, time: Duration) {
        self.set = self.now().max(time);
        self.flowing_since = self.flowing_since.map(|_| Instant::now());
    }

    /// The earliest delay that is not held.
    fn next(&self) -> Option<(Duration, u64)> {
        let is_held = |timer: &Timer| self.held.iter().any(|held| held == timer.name);
        self.timers.iter().find(|(_, timer)| !is_held(timer)).map(|(key, _)| *key)
    }
}

struct Timer {
    name: &'static str,
    fire: oneshot::Sender<()>,
}

/// How long nothing may happen before the clock jumps. Long enough for a task that was just woken to show its next
/// action, short enough that twenty jumps cost less than one kubectl process.
const QUIET: Duration = Duration::from_millis(2);

/// How many quiet periods in a row, a second at the least, are enough although some thread is never seen at rest: others
/// may share the runtime and keep its threads at work for long. A task of this cell that computes for longer
/// than that, and holds no [`BusyGuard`], does not keep the clock from jumping.
const QUIET_ENOUGH: u32 = 500;

impl VirtualClock {
    /// A clock at zero; [`VirtualClock::drive`] must run for it to move.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Virtual time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().now()
    }

    /// The names of the delays that are waited for, earliest first.
    #[must_use]
    pub fn pending(&self) -> Vec<(&'static str, Duration)> {
        self.state().timers.iter().map(|((at, _), timer)| (timer.name, *at)).collect()
    }

    /// Keeps every delay named `name` from ending until [`VirtualClock::release`].
    pub fn hold(&self, name: &str) {
        self.state().held.push(name.to_owned());
    }

    /// Ends one [`VirtualClock::hold`] of `name`.
    pub fn release(&self, name: &str) {
        let mut state = self.state();
        if let Some(at) = state.held.iter().position(|held| held == name) {
            state.held.remove(at);
        }
        drop(state);
        self.touch();
        self.began.notify_one();
    }

    /// See [`Clock::busy`](super::Clock::busy).
    #[must_use]
    pub fn busy(self: &Arc<Self>) -> BusyGuard {
        self.busy.fetch_add(1, Ordering::SeqCst);
        self.touch();
        BusyGuard(self.clone())
    }

    /// See [`Clock::wants_progress`](super::Clock::wants_progress).
    #[must_use]
    pub fn wants_progress(self: &Arc<Self>) -> ProgressGuard {
        self.wanted.fetch_add(1, Ordering::SeqCst);
        self.touch();
        ProgressGuard { clock: self.clone(), is_process: false }
    }

    /// See [`Clock::process_wants_progress`](super::Clock::process_wants_progress).
    #[must_use]
    pub fn process_wants_progress(self: &Arc<Self>) -> ProgressGuard {
        self.processes.fetch_add(1, Ordering::SeqCst);
        self.wanted.fetch_add(1, Ordering::SeqCst);
        self.touch();
        ProgressGuard { clock: self.clone(), is_process: true }
    }

    /// See [`Clock::expectation`](super::Clock::expectation).
    #[must_use]
    pub fn expectation(self: &Arc<Self>) -> Expectation {
        Expectation(Some((self.clone(), self.next_expectation.fetch_add(1, Ordering::Relaxed))))
    }

    /// See [`Clock::touch`](super::Clock::touch).
    pub fn touch(&self) {
        self.touched.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Waits for `delay` of virtual time.
    pub async fn sleep(&self, delay: Delay) {
        let (fire, fired) = oneshot::channel();
        let key = {
            let mut state = self.state();
            let key = (state.now() + delay.duration, state.next_sequence);
            state.next_sequence += 1;
            state.timers.insert(key, Timer { name: delay.name, fire });
            key
        };
        self.touch();
        self.began.notify_one();
        let _forget = Forget { clock: self, key };
        // The sender lives in the map until it fires or this future is dropped, so an error cannot come first.
        let _fired = fired.await;
    }

    /// Moves the clock until `stop`.
    pub async fn drive(self: Arc<Self>, stop: CancellationToken) {
        while let Some(()) = stop.run_until_cancelled(self.step()).await {}
    }

    /// Lets virtual time pass as real time does, for as long as this is polled: delays end after their real durations,
    /// also while nobody wants progress. One caller at a time.
    pub async fn flow(&self) {
        self.state().flowing_since = Some(Instant::now());
        let _stands = Stand(self);
        loop {
            let due = {
                let state = self.state();
                state.next().map(|(at, _)| at.saturating_sub(state.now()))
            };
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.jump(),
                // It may end before what was waited for.
                () = self.began.notified() => {}
            }
        }
    }

    async fn step(&self) {
        let changed = self.changed.notified();
        if self.wanted.load(Ordering::SeqCst) == 0 || self.busy.load(Ordering::SeqCst) > 0 || !self.can_jump() {
            changed.await;
            return;
        }
        let before = self.touched.load(Ordering::SeqCst);
        let mut rounds = 0;
        loop {
            if rounds == 0 && self.is_alone() {
                quiescence::let_the_others_run().await;
            } else {
                // Real time on purpose: the only way to know that other tasks have nothing to do is to let them run. The
                // timer fires in the same turn of the runtime's driver that wakes the tasks whose sockets became ready.
                tokio::time::sleep(QUIET).await;
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            }
            rounds += 1;
            if self.touched.load(Ordering::SeqCst) != before || self.busy.load(Ordering::SeqCst) > 0 {
                return;
            }
            if !self.expects() && (rounds >= QUIET_ENOUGH || quiescence::others_rest()) {
                self.jump();
                return;
            }
        }
    }

    /// Whether all that could still happen happens on this thread.
    fn is_alone(&self) -> bool {
        let runtime = tokio::runtime::Handle::current();
        self.processes.load(Ordering::SeqCst) == 0 && runtime.runtime_flavor() == RuntimeFlavor::CurrentThread
    }

    /// Whether something that was expected can still arrive.
    fn expects(&self) -> bool {
        let mut expected = self.expected();
        if expected.is_empty() {
            return false;
        }
        let now = Instant::now();
        expected.retain(|_, until| *until > now);
        !expected.is_empty()
    }

    fn expected(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn can_jump(&self) -> bool {
        self.state().next().is_some()
    }

    fn jump(&self) {
        let mut state = self.state();
        let Some(key) = state.next() else { return };
        if let Some(timer) = state.timers.remove(&key) {
            state.set_to(key.0);
            drop(state);
            let _gone = timer.fire.send(());
            self.touch();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flow.
struct Stand<'a>(&'a VirtualClock);

impl Drop for Stand<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.set = state.now();
        state.flowing_since = None;
    }
}

struct Forget<'a> {
    clock: &'a VirtualClock,
    key: (Duration, u64),
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.clock.state().timers.remove(&self.key);
    }
}

/// See [`Clock::busy`](super::Clock::busy).
pub struct BusyGuard(Arc<VirtualClock>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        self.0.touch();
    }
}

/// See [`Clock::wants_progress`](super::Clock::wants_progress).
pub struct ProgressGuard {
    clock: Arc<VirtualClock>,
    is_process: bool,
}

impl Drop for ProgressGuard {
    fn drop(&mut self) {
        self.clock.processes.fetch_sub(usize::from(self.is_process), Ordering::SeqCst);
        self.clock.wanted.fetch_sub(1, Ordering::SeqCst);
        self.clock.touch();
    }
}

#[cfg(test)]
mod tests;

//! Time as programs see it: named delays on a clock that may be virtual.
//!
//! Delays keep their real durations. On a [`virtual clock`](VirtualClock) nothing sleeps for real: when everything is
//! quiet and somebody waits for progress, the clock jumps to the earliest deadline, one timer at a time, ties by the
//! order in which the timers were set.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// A delay with a name, so that a scenario can hold or inspect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// Name, as in `config-mount`.
    pub name: &'static str,
    /// How long it takes in real life.
    pub duration: Duration,
}

impl Delay {
    /// A named delay.
    #[must_use]
    pub const fn new(name: &'static str, duration: Duration) -> Self {
        Self { name, duration }
    }

    /// The same name with another duration.
    #[must_use]
    pub const fn lasting(self, duration: Duration) -> Self {
        Self { name: self.name, duration }
    }
}

/// A wait that reached its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no end within {} s ({})", .0.duration.as_secs(), .0.name)]
pub struct Elapsed(pub Delay);

/// A clock: real or virtual. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    /// Added to wall time, in seconds.
    offset_seconds: i64,
}

#[derive(Clone)]
enum Source {
    Real(std::time::Instant),
    Virtual(Arc<VirtualClock>),
}

impl Clock {
    /// A clock that really waits.
    #[must_use]
    pub fn real() -> Self {
        Self { source: Source::Real(std::time::Instant::now()), offset_seconds: 0 }
    }

    /// A clock that `virtual_clock` drives.
    #[must_use]
    pub fn virtual_from(virtual_clock: Arc<VirtualClock>) -> Self {
        Self { source: Source::Virtual(virtual_clock), offset_seconds: 0 }
    }

    /// The same clock with wall time shifted by `seconds`.
    #[must_use]
    pub fn with_offset(mut self, seconds: i64) -> Self {
        self.offset_seconds = seconds;
        self
    }

    /// Time since the clock's start.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.source {
            Source::Real(start) => start.elapsed(),
            Source::Virtual(clock) => clock.now(),
        }
    }

    /// Wall time for certificates, tokens and object timestamps: real time plus the cluster's offset.
    #[must_use]
    pub fn wall(&self) -> jiff::Timestamp {
        let now = jiff::Timestamp::now();
        now.checked_add(jiff::SignedDuration::from_secs(self.offset_seconds)).unwrap_or(now)
    }

    /// Waits for `delay`.
    pub async fn sleep(&self, delay: Delay) {
        match &self.source {
            Source::Real(_) => tokio::time::sleep(delay.duration).await,
            Source::Virtual(clock) => clock.sleep(delay).await,
        }
    }

    /// `future`, unless `limit` passes first.
    ///
    /// # Errors
    /// [`Elapsed`] when the limit passed.
    pub async fn within<F: Future>(&self, limit: Delay, future: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep(limit) => Err(Elapsed(limit)),
        }
    }

    /// Says that something is being worked on: while the guard lives, a virtual clock does not jump.
    #[must_use]
    pub fn busy(&self) -> Option<BusyGuard> {
        match &self.source {
            Source::Real(_) => None,
            Source::Virtual(clock) => Some(clock.busy()),
        }
    }

    /// Says that somebody waits for progress: a virtual clock jumps only while such a guard lives.
    #[must_use]
    pub fn wants_progress(&self) -> Option<ProgressGuard> {
        match &self.source {
            Source::Real(_) => None,
            Source::Virtual(clock) => Some(clock.wants_progress()),
        }
    }

    /// Notes that something happened just now, which starts a new quiet period.
    pub fn touch(&self) {
        if let Source::Virtual(clock) = &self.source {
            clock.touch();
        }
    }

    /// A slot in which one party says that it expects something to happen by itself soon, see [`Expectation`].
    #[must_use]
    pub fn expectation(&self) -> Expectation {
        Expectation(match &self.source {
            Source::Real(_) => None,
            Source::Virtual(clock) => Some((clock.clone(), clock.next_expectation.fetch_add(1, Ordering::Relaxed))),
        })
    }
}

/// Something that is on its way without anybody's further doing: bytes in flight, an answer of the API server. A virtual
/// clock does not jump before it arrived or its limit of *real* time passed; the limit is for what never arrives.
pub struct Expectation(Option<(Arc<VirtualClock>, u64)>);

impl Expectation {
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
    touched: AtomicU64,
    changed: Notify,
    expected: Mutex<BTreeMap<u64, Instant>>,
    next_expectation: AtomicU64,
}

#[derive(Default)]
struct State {
    now: Duration,
    next_sequence: u64,
    timers: BTreeMap<(Duration, u64), Timer>,
    held: Vec<String>,
}

struct Timer {
    name: &'static str,
    fire: oneshot::Sender<()>,
}

/// How long nothing may happen before the clock jumps. Long enough for a task that was just woken to show its next
/// action, short enough that twenty jumps cost less than one kubectl process.
const QUIET: Duration = Duration::from_millis(2);

/// How many quiet periods in a row are enough although some worker thread is never seen at rest: other cells share the
/// threads and may keep them at work for long.
const QUIET_ENOUGH: u32 = 20;

impl VirtualClock {
    /// A clock at zero; [`VirtualClock::drive`] must run for it to move.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Virtual time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().now
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
    }

    /// See [`Clock::busy`].
    #[must_use]
    pub fn busy(self: &Arc<Self>) -> BusyGuard {
        self.busy.fetch_add(1, Ordering::SeqCst);
        self.touch();
        BusyGuard(self.clone())
    }

    /// See [`Clock::wants_progress`].
    #[must_use]
    pub fn wants_progress(self: &Arc<Self>) -> ProgressGuard {
        self.wanted.fetch_add(1, Ordering::SeqCst);
        self.touch();
        ProgressGuard(self.clone())
    }

    /// See [`Clock::touch`].
    pub fn touch(&self) {
        self.touched.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Waits for `delay` of virtual time.
    pub async fn sleep(&self, delay: Delay) {
        let (fire, fired) = oneshot::channel();
        let key = {
            let mut state = self.state();
            let key = (state.now + delay.duration, state.next_sequence);
            state.next_sequence += 1;
            state.timers.insert(key, Timer { name: delay.name, fire });
            key
        };
        self.touch();
        let _forget = Forget { clock: self, key };
        // The sender lives in the map until it fires or this future is dropped, so an error cannot come first.
        let _fired = fired.await;
    }

    /// Moves the clock until `stop`.
    pub async fn drive(self: Arc<Self>, stop: CancellationToken) {
        while let Some(()) = stop.run_until_cancelled(self.step()).await {}
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
            // Real time on purpose: the only way to know that other tasks have nothing to do is to let them run. The
            // timer fires in the same turn of the runtime's driver that wakes the tasks whose sockets became ready.
            tokio::time::sleep(QUIET).await;
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            rounds += 1;
            if self.touched.load(Ordering::SeqCst) != before || self.busy.load(Ordering::SeqCst) > 0 {
                return;
            }
            if !self.expects() && (rounds >= QUIET_ENOUGH || others_rest()) {
                self.jump();
                return;
            }
        }
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
        let state = self.state();
        state.timers.values().any(|timer| !state.held.iter().any(|held| held == timer.name))
    }

    fn jump(&self) {
        let mut state = self.state();
        let held = &state.held;
        let next = state.timers.iter().find(|(_, timer)| !held.iter().any(|h| h == timer.name)).map(|(key, _)| *key);
        let Some(key) = next else { return };
        if let Some(timer) = state.timers.remove(&key) {
            state.now = state.now.max(key.0);
            drop(state);
            let _gone = timer.fire.send(());
            self.touch();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether every other worker thread of this runtime is parked and no task waits for one. A thread that the machine
/// has preempted amid a task is not parked, so a loaded machine cannot pass for a quiet one.
fn others_rest() -> bool {
    let metrics = tokio::runtime::Handle::current().metrics();
    let workers = metrics.num_workers();
    // The count is odd while a worker is parked (tokio, `RuntimeMetrics::worker_park_unpark_count`).
    let parked = (0..workers).filter(|&worker| metrics.worker_park_unpark_count(worker) % 2 == 1).count();
    metrics.global_queue_depth() == 0 && parked + 1 >= workers
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

/// See [`Clock::busy`].
pub struct BusyGuard(Arc<VirtualClock>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        self.0.touch();
    }
}

/// See [`Clock::wants_progress`].
pub struct ProgressGuard(Arc<VirtualClock>);

impl Drop for ProgressGuard {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, Ordering::SeqCst);
        self.0.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Delay = Delay::new("short", Duration::from_secs(10));
    const LONG: Delay = Delay::new("long", Duration::from_hours(1));

    fn driven() -> (Arc<VirtualClock>, CancellationToken) {
        let clock = VirtualClock::new();
        let stop = CancellationToken::new();
        tokio::spawn(clock.clone().drive(stop.clone()));
        (clock, stop)
    }

    #[tokio::test]
    async fn jumps_to_the_earliest_deadline_first() {
        let (clock, stop) = driven();
        let _progress = clock.wants_progress();
        let (a, b) = (clock.clone(), clock.clone());
        let long = tokio::spawn(async move {
            a.sleep(LONG).await;
            a.now()
        });
        let short = tokio::spawn(async move {
            b.sleep(SHORT).await;
            b.now()
        });
        assert_eq!(short.await.unwrap(), SHORT.duration);
        assert_eq!(long.await.unwrap(), LONG.duration);
        stop.cancel();
    }

    #[tokio::test]
    async fn stands_still_while_nobody_wants_progress() {
        let (clock, stop) = driven();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(SHORT).await }
        });
        tokio::time::sleep(QUIET * 10).await;
        assert!(!sleeper.is_finished());
        let _progress = clock.wants_progress();
        sleeper.await.unwrap();
        stop.cancel();
    }

    #[tokio::test]
    async fn stands_still_while_somebody_is_busy() {
        let (clock, stop) = driven();
        let _progress = clock.wants_progress();
        let busy = clock.busy();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(SHORT).await }
        });
        tokio::time::sleep(QUIET * 10).await;
        assert!(!sleeper.is_finished());
        drop(busy);
        sleeper.await.unwrap();
        stop.cancel();
    }

    #[tokio::test]
    async fn keeps_a_held_delay_until_it_is_released() {
        let (clock, stop) = driven();
        let _progress = clock.wants_progress();
        clock.hold("short");
        let held = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(SHORT).await }
        });
        clock.sleep(LONG).await;
        assert!(!held.is_finished());
        clock.release("short");
        held.await.unwrap();
        stop.cancel();
    }

    #[tokio::test]
    async fn waits_for_what_is_expected_until_it_arrives_or_its_limit_passes() {
        let (clock, stop) = driven();
        let _progress = clock.wants_progress();
        let expectation = Clock::virtual_from(clock.clone()).expectation();
        let begin = Instant::now();
        expectation.expect(QUIET * 20);
        clock.sleep(SHORT).await;
        assert!(begin.elapsed() >= QUIET * 20);
        expectation.expect(Duration::from_hours(1));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(SHORT).await }
        });
        tokio::time::sleep(QUIET * 10).await;
        assert!(!sleeper.is_finished());
        expectation.met();
        sleeper.await.unwrap();
        stop.cancel();
    }

    #[tokio::test]
    async fn forgets_a_sleep_that_was_dropped() {
        let (clock, stop) = driven();
        {
            let sleep = clock.sleep(LONG);
            tokio::select! { () = sleep => unreachable!(), () = tokio::task::yield_now() => {} }
        }
        assert!(clock.pending().is_empty());
        stop.cancel();
    }
}

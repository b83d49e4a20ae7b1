//! Time as programs see it: named delays on a clock that may be virtual.
//!
//! Delays keep their real durations. On a [`virtual clock`](VirtualClock) nothing sleeps for real: when everything is
//! quiet and somebody waits for progress, the clock jumps to the earliest deadline, one timer at a time, ties by the
//! order in which the timers were set.

mod delays;
mod virtual_clock;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use self::delays::{Delays, DelaysError};
pub use self::virtual_clock::{BusyGuard, Expectation, ProgressGuard, VirtualClock};

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
    /// What named delays last in place of their own durations, on a real clock.
    delays: Delays,
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
        Self { source: Source::Real(std::time::Instant::now()), offset_seconds: 0, delays: Delays::default() }
    }

    /// A clock that `virtual_clock` drives.
    #[must_use]
    pub fn virtual_from(virtual_clock: Arc<VirtualClock>) -> Self {
        Self { source: Source::Virtual(virtual_clock), offset_seconds: 0, delays: Delays::default() }
    }

    /// The same clock with wall time shifted by `seconds`: a cluster whose machines' clocks are set wrong, so that the
    /// other cluster takes its certificates and tokens for expired or not valid yet.
    #[must_use]
    pub fn with_offset(mut self, seconds: i64) -> Self {
        self.offset_seconds = seconds;
        self
    }

    /// The same clock with other durations for the delays that `delays` names. A virtual clock keeps the real ones: it
    /// does not wait for them.
    #[must_use]
    pub fn with_delays(mut self, delays: Delays) -> Self {
        self.delays = delays;
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

    /// How far the clock has jumped ahead of wall time: zero for one that really waits.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        match &self.source {
            Source::Real(_) => Duration::ZERO,
            Source::Virtual(clock) => clock.now(),
        }
    }

    /// The virtual clock behind it, on which delays can be held; none behind one that really waits.
    #[must_use]
    pub fn virtual_clock(&self) -> Option<&Arc<VirtualClock>> {
        match &self.source {
            Source::Real(_) => None,
            Source::Virtual(clock) => Some(clock),
        }
    }

    /// Waits for `delay` by wall time, which no clock moves: for what others compare with their own clocks, as the
    /// renewals of a lease. Nothing that anybody waits for may hang on it.
    pub async fn sleep_by_wall(&self, delay: Delay) {
        tokio::time::sleep(self.lasting(delay).duration).await;
    }

    /// Waits for `delay`.
    pub async fn sleep(&self, delay: Delay) {
        let delay = self.lasting(delay);
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
        let limit = self.lasting(limit);
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep(limit) => Err(Elapsed(limit)),
        }
    }

    /// `delay` as long as it is on this clock.
    fn lasting(&self, delay: Delay) -> Delay {
        match &self.source {
            Source::Real(_) => self.delays.get(delay.name).map_or(delay, |duration| delay.lasting(duration)),
            Source::Virtual(_) => delay,
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

    /// The same for a process, which a virtual clock leaves some real time before each jump: nobody here sees what it is
    /// about to do.
    #[must_use]
    pub fn process_wants_progress(&self) -> Option<ProgressGuard> {
        match &self.source {
            Source::Real(_) => None,
            Source::Virtual(clock) => Some(clock.process_wants_progress()),
        }
    }

    /// Lets a virtual clock pass as real time does, for as long as this is polled; a real one does always.
    pub async fn flow(&self) {
        match &self.source {
            Source::Real(_) => std::future::pending().await,
            Source::Virtual(clock) => clock.flow().await,
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
        match &self.source {
            Source::Real(_) => Expectation::none(),
            Source::Virtual(clock) => clock.expectation(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Delay = Delay::new("long", Duration::from_hours(1));

    #[tokio::test]
    async fn waits_as_long_as_its_delays_say() {
        let short = Duration::from_millis(1);
        let clock = Clock::real().with_delays(Delays::default().with("long", short));
        clock.sleep(LONG).await;
        let limited = clock.within(LONG, std::future::pending::<()>()).await;
        assert_eq!(limited, Err(Elapsed(LONG.lasting(short))));
    }

    #[tokio::test]
    async fn keeps_other_delays() {
        let clock = Clock::real().with_delays(Delays::default().with("other", Duration::ZERO));
        let waiting = tokio::time::timeout(Duration::from_millis(20), clock.sleep(LONG)).await;
        assert!(waiting.is_err());
    }

    #[tokio::test]
    async fn keeps_every_duration_on_a_virtual_clock() {
        let time = VirtualClock::new();
        let clock = Clock::virtual_from(time.clone()).with_delays(Delays::default().with("long", Duration::ZERO));
        let _waiting = tokio::time::timeout(Duration::from_millis(20), async {
            tokio::join!(clock.sleep(LONG), async {
                tokio::task::yield_now().await;
                assert_eq!(time.pending(), [("long", LONG.duration)]);
            });
        })
        .await;
    }
}

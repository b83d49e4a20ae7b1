//! Time as programs see it: named delays on a clock that may be virtual.
//!
//! Delays keep their real durations. On a [`virtual clock`](VirtualClock) nothing sleeps for real: when everything is
//! quiet and somebody waits for progress, the clock jumps to the earliest deadline, one timer at a time, ties by the
//! order in which the timers were set.

mod virtual_clock;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

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

    /// The same clock with wall time shifted by `seconds`: a cluster whose machines' clocks are set wrong, so that the
    /// other cluster takes its certificates and tokens for expired or not valid yet.
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
        match &self.source {
            Source::Real(_) => Expectation::none(),
            Source::Virtual(clock) => clock.expectation(),
        }
    }
}

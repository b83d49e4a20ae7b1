//! How long ago something happened of which an object has only the wall time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;

/// The ages of times in objects. Wall time goes on while a virtual clock stands and is not touched when it jumps; an age
/// grows with both.
pub(crate) struct Ages {
    clock: Clock,
    /// By what the time is of: the time, and how far the clock was ahead when it was first seen.
    seen: Mutex<BTreeMap<String, (Timestamp, Duration)>>,
}

impl Ages {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// The age of `since`, a time of `what`.
    pub(crate) fn of(&self, what: &str, since: Timestamp) -> Duration {
        let ahead = self.clock.ahead();
        let first = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            match seen.get(what) {
                Some((known, first)) if *known == since => *first,
                _ => {
                    seen.insert(what.to_owned(), (since, ahead));
                    ahead
                }
            }
        };
        let by_wall = Duration::try_from(self.clock.wall().duration_since(since)).unwrap_or_default();
        by_wall + ahead.saturating_sub(first)
    }

    /// When `what` was first asked for: the time of something that has none of its own.
    pub(crate) fn first_seen(&self, what: &str) -> Timestamp {
        let now = (self.clock.wall(), self.clock.ahead());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(what.to_owned()).or_insert(now).0
    }

    /// What is left until `since`, a time of `what`, is `limit` old; none when it is.
    pub(crate) fn left(&self, what: &str, since: Timestamp, limit: Duration) -> Option<Duration> {
        limit.checked_sub(self.of(what, since)).filter(|left| !left.is_zero())
    }

    /// Forgets the times of `what`, which is gone.
    pub(crate) fn forget(&self, what: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Delay, VirtualClock};

    const HOUR: Delay = Delay::new("hour", Duration::from_hours(1));

    #[tokio::test]
    async fn grows_with_the_jumps_of_the_clock() {
        let time = VirtualClock::new();
        let ages = Ages::new(Clock::virtual_from(time.clone()));
        let since = ages.clock.wall();
        assert!(ages.of("it", since) < HOUR.duration);
        let stop = tokio_util::sync::CancellationToken::new();
        tokio::spawn(time.clone().drive(stop.clone()));
        let _progress = time.wants_progress();
        ages.clock.sleep(HOUR).await;
        assert!(ages.of("it", since) >= HOUR.duration);
        assert_eq!(ages.left("it", since, HOUR.duration), None);
        assert!(ages.of("other", ages.clock.wall()) < HOUR.duration);
        stop.cancel();
    }
}

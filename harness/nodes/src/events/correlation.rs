//! Which events say the same, and how many an object may have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;

/// How many events a source may record about an object at once, and how long each further one takes to be allowed
/// (client-go v0.20, `tools/record/events_cache.go`: 25, and one in five minutes).
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_mins(5);

/// How many different events are remembered; the oldest half is forgotten beyond that, and begins to count anew.
const REMEMBERED: usize = 1024;

/// An event that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posted {
    pub(super) name: String,
    pub(super) count: i32,
}

type Shared = Arc<tokio::sync::Mutex<Option<Posted>>>;

/// What is known of the events so far.
#[derive(Default)]
pub(crate) struct Correlator {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By everything that makes two events the same, with a number that grows.
    posted: BTreeMap<String, (u64, Shared)>,
    next: u64,
    allowances: BTreeMap<String, Allowance>,
    last_name: i128,
}

struct Allowance {
    left: u32,
    since: Duration,
}

/// What tells an object from all others.
pub(super) fn key_of(object: &ObjectReference) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [&object.kind, &object.namespace, &object.name, &object.uid, &object.api_version].map(text).join("/")
}

impl Correlator {
    /// Whether `whose` may record one more event at `now`.
    pub(super) fn may(&self, whose: &str, now: Duration) -> bool {
        let mut state = self.state();
        if state.allowances.len() > REMEMBERED {
            state.allowances.retain(|_, allowance| allowance.left < BURST / 2);
        }
        let allowance = state.allowances.entry(whose.to_owned()).or_insert(Allowance { left: BURST, since: now });
        while allowance.left < BURST && now.saturating_sub(allowance.since) >= REFILL {
            allowance.left += 1;
            allowance.since += REFILL;
        }
        if allowance.left == BURST {
            allowance.since = now;
        }
        let may = allowance.left > 0;
        allowance.left = allowance.left.saturating_sub(1);
        may
    }

    /// A name that no other event has: the object's, and the time in hexadecimal.
    pub(super) fn name(&self, involved: &ObjectReference, now: Timestamp) -> String {
        let mut state = self.state();
        state.last_name = now.as_nanosecond().max(state.last_name + 1);
        format!("{}.{:x}", involved.name.as_deref().unwrap_or_default(), state.last_name)
    }

    /// What the server has of the event `what`.
    pub(super) fn posted(&self, what: &str) -> Shared {
        let mut state = self.state();
        if state.posted.len() > REMEMBERED {
            let oldest = state.next.saturating_sub(REMEMBERED as u64 / 2);
            state.posted.retain(|_, (number, _)| *number >= oldest);
        }
        state.next += 1;
        let number = state.next;
        state.posted.entry(what.to_owned()).or_insert_with(|| (number, Shared::default())).1.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_a_burst_and_then_one_in_five_minutes() {
        let correlator = Correlator::default();
        let mut now = Duration::ZERO;
        assert!((0..BURST).all(|_| correlator.may("a", now)));
        assert!(!correlator.may("a", now));
        assert!(correlator.may("b", now));
        now += REFILL;
        assert!(correlator.may("a", now));
        assert!(!correlator.may("a", now));
    }

    #[test]
    fn never_gives_a_name_twice() {
        let correlator = Correlator::default();
        let involved = ObjectReference { name: Some("web".to_owned()), ..ObjectReference::default() };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(correlator.name(&involved, now), "web.1");
        assert_eq!(correlator.name(&involved, now), "web.2");
    }

    #[test]
    fn remembers_the_latest_only() {
        let correlator = Correlator::default();
        for number in 0..3 * REMEMBERED {
            let _shared = correlator.posted(&number.to_string());
        }
        assert!(correlator.state().posted.len() <= REMEMBERED + 1);
    }
}

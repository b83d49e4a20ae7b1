//! Other durations for named delays, as real nodes need them: nobody waits two real minutes for a resync.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Durations by the name of the [`Delay`](super::Delay) that they replace, written `installer-task=50ms,join-poll=1s`.
/// Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delays(Arc<BTreeMap<String, Duration>>);

/// A part of a text that is no `name=duration`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "delay {part:?}: {reason}; write name=duration with commas between, as in installer-task=50ms,cluster-resync=5s"
)]
pub struct DelaysError {
    /// The part as written.
    pub part: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Units from the longest, with their nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Delays {
    /// Adds that the delay `name` lasts for `duration`.
    #[must_use]
    pub fn with(mut self, name: &str, duration: Duration) -> Self {
        Arc::make_mut(&mut self.0).insert(name.to_owned(), duration);
        self
    }

    /// The duration that replaces the one of the delay `name`, if any.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Duration> {
        self.0.get(name).copied()
    }

    /// Whether every delay keeps its duration.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Delays {
    type Err = DelaysError;

    fn from_str(text: &str) -> Result<Self, DelaysError> {
        let mut delays = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = |reason| DelaysError { part: part.to_owned(), reason };
            let (name, duration) = part.split_once('=').ok_or_else(|| wrong("it has no `=`"))?;
            let name = name.trim();
            if name.is_empty() {
                return Err(wrong("it has no name"));
            }
            let duration = parse(duration.trim()).map_err(wrong)?;
            if delays.insert(name.to_owned(), duration).is_some() {
                return Err(wrong("the name is there twice"));
            }
        }
        Ok(Self(Arc::new(delays)))
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, duration)) in self.0.iter().enumerate() {
            let nanoseconds = duration.as_nanos();
            let fits = UNITS.iter().find(|(_, length)| nanoseconds.is_multiple_of(u128::from(*length)));
            let (unit, length) = fits.unwrap_or(&("ns", 1));
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={}{unit}", nanoseconds / u128::from(*length))?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Duration, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or("its duration has no unit (ms, s, m, h)")?;
    let (number, unit) = text.split_at(digits);
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or("its unit is none of ns, us, ms, s, m, h")?;
    let number: u64 = number.parse().map_err(|_| "its duration is not a whole number with a unit")?;
    number.checked_mul(*length).map(Duration::from_nanos).ok_or("its duration is too long")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "")]
    #[case("installer-task=50ms,cluster-resync=5s", "cluster-resync=5s,installer-task=50ms")]
    #[case(" a=0s , b=90s,", "a=0h,b=90s")]
    #[case("a=120s,b=1500us", "a=2m,b=1500us")]
    fn reads_and_writes(#[case] text: &str, #[case] written: &str) {
        let delays: Delays = text.parse().unwrap();
        assert_eq!(delays.to_string(), written);
        assert_eq!(written.parse(), Ok(delays));
    }

    #[rstest]
    #[case("a=1s,b", "b")]
    #[case("=1s", "=1s")]
    #[case("a=5", "a=5")]
    #[case("a=five s", "a=five s")]
    #[case("a=5d", "a=5d")]
    #[case("a=-1s", "a=-1s")]
    #[case("a=1s,a=2s", "a=2s")]
    #[case("a=99999999999h", "a=99999999999h")]
    fn names_the_wrong_part(#[case] text: &str, #[case] part: &str) {
        let error = text.parse::<Delays>().unwrap_err();
        assert_eq!(error.part, part);
        assert!(error.to_string().contains(part));
    }
}

//! How the stand-in behaves: like the original, but for deliberate deviations.

mod deviation;

pub use deviation::{Deviation, DeviationKind};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A set of deviations; the default has none. As text it is their IDs with commas between, which is how it reaches the
/// programs in real pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Behaviour(u128);

impl Behaviour {
    /// Whether it has `deviation`.
    #[must_use]
    pub fn deviates(self, deviation: Deviation) -> bool {
        self.0 & deviation.bit() != 0
    }

    /// Its deviations, in the order of their table.
    pub fn deviations(self) -> impl Iterator<Item = Deviation> {
        Deviation::ALL.iter().copied().filter(move |deviation| self.deviates(*deviation))
    }
}

impl FromIterator<Deviation> for Behaviour {
    fn from_iter<I: IntoIterator<Item = Deviation>>(deviations: I) -> Self {
        Self(deviations.into_iter().fold(0, |all, deviation| all | deviation.bit()))
    }
}

impl From<Deviation> for Behaviour {
    fn from(deviation: Deviation) -> Self {
        Self(deviation.bit())
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.deviations().map(Deviation::id).collect::<Vec<_>>().join(","))
    }
}

/// A text that names something else than deviations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stand-in has no deviation {0:?}")]
pub struct NoDeviation(String);

impl FromStr for Behaviour {
    type Err = NoDeviation;

    fn from_str(text: &str) -> Result<Self, NoDeviation> {
        let ids = text.split(',').filter(|id| !id.is_empty());
        ids.map(|id| Deviation::of_id(id).ok_or_else(|| NoDeviation(id.to_owned()))).collect()
    }
}

impl TryFrom<String> for Behaviour {
    type Error = NoDeviation;

    fn try_from(text: String) -> Result<Self, NoDeviation> {
        text.parse()
    }
}

impl From<Behaviour> for String {
    fn from(behaviour: Behaviour) -> Self {
        behaviour.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_how_it_behaves() {
        let all: Behaviour = Deviation::ALL.iter().copied().collect();
        let two = [Deviation::ALL[0], Deviation::ALL[1]].into_iter().collect();
        for behaviour in [Behaviour::default(), two, all] {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
    }

    #[test]
    fn keeps_deviations_apart() {
        for deviation in Deviation::ALL {
            assert_eq!(Behaviour::from(*deviation).deviations().collect::<Vec<_>>(), [*deviation]);
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!("role-ignored,none".parse::<Behaviour>(), Err(NoDeviation("none".to_owned())));
    }
}

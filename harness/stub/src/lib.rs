//! The KubeSphere stand-in, as programs: ks-installer, ks-apiserver, ks-controller-manager, ks-console and the small
//! ones that a host needs. [`programs`] says which image contains what.

mod apiserver;
pub mod console;
mod controller_manager;
pub mod delays;
mod installer;
pub mod kk;
pub mod manifests;
mod member;
mod small;

use nodes::program::Programs;
use serde::{Deserialize, Serialize};

/// Deliberate defects of the stand-in, to prove that a check notices them. The default has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Behaviour {
    /// The installer renders `clusterRole: none`, whatever the `ClusterConfiguration` says.
    pub role_ignored: bool,
    /// What goes wrong at the first join of each member.
    pub first_join: FirstJoin,
}

/// How the first join of a member goes. The original races with the member's token controller, and loses now and then
/// (seen on v3.3.2 and v3.4.1); the next resync heals that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstJoin {
    /// It waits for the token controller, and so never loses.
    #[default]
    Waits,
    /// The token controller changes the ServiceAccount between the join's look at it and its update.
    LosesAccount,
    /// The join looks at the Secret before the token controller has filled it.
    LosesToken,
}

/// The defects' names, as on the command line.
const ROLE_IGNORED: &str = "role-ignored";
const JOIN_ACCOUNT_RACE: &str = "first-join-account-race";
const JOIN_TOKEN_RACE: &str = "first-join-token-race";

impl std::fmt::Display for Behaviour {
    /// The defects' names with commas between; nothing for the faithful one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            self.role_ignored.then_some(ROLE_IGNORED),
            (self.first_join == FirstJoin::LosesAccount).then_some(JOIN_ACCOUNT_RACE),
            (self.first_join == FirstJoin::LosesToken).then_some(JOIN_TOKEN_RACE),
        ];
        f.write_str(&names.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

/// A text that names something else than defects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no defect; there are {ROLE_IGNORED}, {JOIN_ACCOUNT_RACE}, {JOIN_TOKEN_RACE}")]
pub struct NoDefect(String);

impl std::str::FromStr for Behaviour {
    type Err = NoDefect;

    fn from_str(text: &str) -> Result<Self, NoDefect> {
        let mut behaviour = Self::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            match name {
                ROLE_IGNORED => behaviour.role_ignored = true,
                JOIN_ACCOUNT_RACE => behaviour.first_join = FirstJoin::LosesAccount,
                JOIN_TOKEN_RACE => behaviour.first_join = FirstJoin::LosesToken,
                other => return Err(NoDefect(other.to_owned())),
            }
        }
        Ok(behaviour)
    }
}

impl TryFrom<String> for Behaviour {
    type Error = NoDefect;

    fn try_from(text: String) -> Result<Self, NoDefect> {
        text.parse()
    }
}

impl From<Behaviour> for String {
    fn from(behaviour: Behaviour) -> Self {
        behaviour.to_string()
    }
}

/// The faithful programs.
#[must_use]
pub fn programs() -> Programs {
    programs_with(Behaviour::default())
}

/// The programs with the defects of `behaviour`.
#[must_use]
pub fn programs_with(behaviour: Behaviour) -> Programs {
    Programs::new()
        .with("kubesphere/ks-installer", move |ctx| installer::run(ctx, behaviour))
        .with("kubesphere/ks-apiserver", apiserver::run)
        .with("kubesphere/ks-controller-manager", move |ctx| controller_manager::run(ctx, behaviour))
        .with("kubesphere/ks-console", console::run)
        .with("kubesphere/tower", small::tower)
        .with("kubesphere/kubefed", small::kubefed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_how_it_behaves() {
        let race = |first_join| Behaviour { role_ignored: true, first_join };
        for behaviour in [Behaviour::default(), race(FirstJoin::LosesAccount), race(FirstJoin::LosesToken)] {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
        assert_eq!("none".parse::<Behaviour>(), Err(NoDefect("none".to_owned())));
    }
}

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

use kubesphere::Release;
use nodes::program::Programs;
use serde::{Deserialize, Serialize};

/// Releases whose control plane is played in full; the other profiles are data only.
const PLAYED: [&str; 1] = ["3.3.2"];

/// The releases that the stand-in plays, oldest first.
pub fn releases() -> impl Iterator<Item = &'static Release> {
    Release::all().iter().filter(|release| PLAYED.contains(&release.version))
}

/// Deliberate defects of the stand-in, to prove that a check notices them. The default has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Behaviour {
    /// The installer renders `clusterRole: none`, whatever the `ClusterConfiguration` says.
    pub role_ignored: bool,
}

/// The defect's name, as on the command line.
const ROLE_IGNORED: &str = "role-ignored";

impl std::fmt::Display for Behaviour {
    /// The defects' names with commas between; nothing for the faithful one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.role_ignored { ROLE_IGNORED } else { "" })
    }
}

/// A text that names something else than defects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no defect; there is {ROLE_IGNORED}")]
pub struct NoDefect(String);

impl std::str::FromStr for Behaviour {
    type Err = NoDefect;

    fn from_str(text: &str) -> Result<Self, NoDefect> {
        let mut behaviour = Self::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            match name {
                ROLE_IGNORED => behaviour.role_ignored = true,
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
        .with("kubesphere/ks-controller-manager", controller_manager::run)
        .with("kubesphere/ks-console", console::run)
        .with("kubesphere/tower", small::tower)
        .with("kubesphere/kubefed", small::kubefed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_how_it_behaves() {
        for behaviour in [Behaviour::default(), Behaviour { role_ignored: true }] {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
        assert_eq!("none".parse::<Behaviour>(), Err(NoDefect("none".to_owned())));
    }
}

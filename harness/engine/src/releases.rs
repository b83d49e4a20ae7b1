//! Which release of KubeSphere is on which cluster.

use kubesphere::Release;
use kubesphere::release::UnknownRelease;
use scenario::model::{GivenCluster, On};
use scenario::plan::Cell;

/// The release of each cluster: the cell's, unless the scenario gives one of them another.
#[derive(Clone, Copy)]
pub(crate) struct Releases {
    pub(crate) host: &'static Release,
    pub(crate) member: &'static Release,
}

impl Releases {
    /// The same on both.
    pub(crate) fn both(release: &'static Release) -> Self {
        Self { host: release, member: release }
    }

    /// What `cell` asks for.
    ///
    /// # Errors
    /// When nothing is known of a release.
    pub(crate) fn of(cell: &Cell) -> Result<Self, UnknownRelease> {
        let given = &cell.scenario.given;
        let find = |given: Option<&GivenCluster>| {
            Release::find(given.and_then(|given| given.release.as_deref()).unwrap_or(&cell.release.name))
        };
        Ok(Self { host: find(Some(&given.host))?, member: find(given.member.as_ref())? })
    }

    pub(crate) fn on(self, on: On) -> &'static Release {
        match on {
            On::Host => self.host,
            On::Member => self.member,
        }
    }
}

//! All that a server keeps, for others to begin with.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::authn::Signer;
use crate::pki::Authority;
use crate::state::State;
use crate::store::{Image, Store};

/// What `etcdctl snapshot save` and `/etc/kubernetes/pki` hold of a real cluster: the objects, the authority and the key
/// that signs requested tokens. A server that is started with it in [`Options::restore`](crate::Options::restore) is the
/// same cluster at another address: whoever had credentials has them still. Cheap to clone, and any number of servers
/// can begin with one: what they write, they write for themselves.
#[derive(Clone)]
pub struct Snapshot(Arc<Kept>);

struct Kept {
    objects: Image,
    authority: Arc<Authority>,
    signer: Arc<Signer>,
    groups: BTreeSet<String>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(crate) fn of(state: &State) -> Self {
        Self(Arc::new(Kept {
            objects: state.store.image(),
            authority: Arc::clone(&state.authority),
            signer: Arc::clone(&state.signer),
            groups: state.remembered_groups(),
        }))
    }

    /// What a state is to be made of.
    pub(crate) fn parts(&self) -> (Arc<Authority>, Arc<Signer>, Store) {
        let Kept { objects, authority, signer, .. } = &*self.0;
        (Arc::clone(authority), Arc::clone(signer), Store::from_image(objects))
    }

    /// Makes `state`, which has the objects, serve what they say.
    pub(crate) fn resume(&self, state: &State) {
        for group in &self.0.groups {
            state.remember_group(group);
        }
        state.reload_definitions();
    }
}

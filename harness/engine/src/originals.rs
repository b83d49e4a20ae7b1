//! Clusters that were made once, of which all cells that presuppose the same get copies: an installation of KubeSphere costs
//! more than everything that most cells do with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use providers::{ClusterSnapshot, Pair, Restore};
use scenario::model::{Given, GivenCluster, GivenKubesphere, GivenSecret, On};

use crate::releases::Releases;
use crate::secrets;

/// What has been made so far, with the faithful stub.
#[derive(Default)]
pub(crate) struct Originals(Mutex<Vec<Entry>>);

struct Entry {
    what: Presupposed,
    snapshot: ClusterSnapshot,
    jwt_secret: String,
}

/// All that makes a difference to a cluster.
#[derive(Clone, PartialEq, Eq)]
struct Presupposed {
    on: On,
    release: &'static str,
    given: GivenCluster,
    /// The secret that it was told, if it was.
    jwt_secret: Option<String>,
}

impl Originals {
    /// What the clusters of a pair that is to be as `given` can begin with.
    pub(crate) fn restore(&self, given: &Given, releases: Releases) -> Restore {
        let host = self.find(|known| known == &Presupposed::of(On::Host, &given.host, releases, None));
        let member = given.member.as_ref().and_then(|wanted| {
            let told = match wanted.jwt_secret {
                GivenSecret::Generated => None,
                GivenSecret::OfHost => Some(host.as_ref()?.1.clone()),
            };
            self.find(|known| known == &Presupposed::of(On::Member, wanted, releases, told.clone()))
        });
        Restore { host: host.map(|(snapshot, _)| snapshot), member: member.map(|(snapshot, _)| snapshot) }
    }

    /// Keeps the clusters of `pair` that were just made as `given` says, and did not begin with `restored`. One that is not
    /// at rest is not kept; the next cell makes its own.
    pub(crate) async fn keep(&self, pair: &Pair, given: &Given, releases: Releases, restored: &Restore) {
        for (on, wanted) in [(On::Host, Some(&given.host)), (On::Member, given.member.as_ref())] {
            let (Some(wanted), Some(cluster)) = (wanted, pair.cluster(on)) else { continue };
            if restored.on(on).is_some() {
                continue;
            }
            let jwt_secret = match wanted.kubesphere {
                GivenKubesphere::Absent => Ok(String::new()),
                GivenKubesphere::Installed => secrets::jwt_secret(&cluster.client()).await,
            };
            let Ok(jwt_secret) = jwt_secret else { continue };
            // One that was told the host's has it now.
            let told = (wanted.jwt_secret == GivenSecret::OfHost).then(|| jwt_secret.clone());
            let what = Presupposed::of(on, wanted, releases, told);
            if self.find(|known| known == &what).is_some() {
                continue;
            }
            if let Some(snapshot) = pair.snapshot(on).await {
                self.lock().push(Entry { what, snapshot, jwt_secret });
            }
        }
    }

    fn find(&self, is_it: impl Fn(&Presupposed) -> bool) -> Option<(ClusterSnapshot, String)> {
        let kept = self.lock();
        let found = kept.iter().find(|entry| is_it(&entry.what))?;
        Some((found.snapshot.clone(), found.jwt_secret.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Presupposed {
    fn of(on: On, given: &GivenCluster, releases: Releases, jwt_secret: Option<String>) -> Self {
        // Which KubeKey there is makes no difference before it runs, and release and secret are said otherwise.
        let given = GivenCluster { kubekey: None, release: None, jwt_secret: GivenSecret::Generated, ..given.clone() };
        let release = match given.kubesphere {
            GivenKubesphere::Absent => "",
            GivenKubesphere::Installed => releases.on(on).version,
        };
        Self { on, release, given, jwt_secret }
    }
}

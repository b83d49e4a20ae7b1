//! What several runs, or the tests of one process, share: the lease over all that is made, and the clusters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use providers::leases::{Lease, LeaseError, state_directory, sweep};
use providers::pool::{Pool, gather};
use providers::{Capabilities, Provider};
use rand::RngExt as _;
use scenario::plan::Cell;

use crate::cell_thread::CellThreads;
use crate::kept::Kept;
use crate::needs::{pair_plan, unsupported};
use crate::originals::Originals;

/// A session: begun before the first cluster, ended after the last one.
pub struct Session {
    pub(crate) lease: Lease,
    pub(crate) pool: Arc<Pool>,
    /// None where each cell installs its own.
    pub(crate) originals: Option<Arc<Originals>>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) shares_pairs: bool,
    pub(crate) jobs: usize,
    pub(crate) kept: Kept,
    /// None where cells need no threads of their own.
    pub(crate) threads: Option<CellThreads>,
}

/// How a session is begun.
pub struct SessionOptions {
    /// Makes the clusters.
    pub provider: Arc<dyn Provider>,
    /// What its probe said.
    pub capabilities: Capabilities,
    /// Give every cell clusters of its own.
    pub isolate: bool,
    /// Cells at a time.
    pub jobs: usize,
    /// Where leases live; see [`state_directory`].
    pub state: PathBuf,
}

impl SessionOptions {
    /// A session with the defaults of the command line.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, capabilities: Capabilities) -> Self {
        Self { provider, jobs: capabilities.jobs, capabilities, isolate: false, state: state_directory() }
    }
}

impl Session {
    /// Begins a session; remains of dead ones are removed first.
    ///
    /// # Errors
    /// When no lease can be written; nothing was made then.
    pub fn begin(options: SessionOptions) -> Result<Self, LeaseError> {
        // The first call decides for the whole process; any later one finds the same provider in place.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // Remains of dead runs are no reason to fail this one; `ks-e2e sweep` reports them.
        let _swept = sweep(&options.state);
        let SessionOptions { provider, capabilities, isolate, jobs, state } = options;
        let run_id = format!("{:08x}", rand::rng().random::<u32>());
        let lease = Lease::begin(&state, &std::env::temp_dir(), &run_id)?;
        let pool = Pool::new(provider.clone(), &capabilities, lease.clone(), isolate, jobs);
        let shares_pairs = capabilities.shares_pairs && !isolate;
        let originals = (!isolate).then(Arc::default);
        // Clusters that are handed on live where they were made.
        let threads = (capabilities.virtual_clock && !shares_pairs).then(CellThreads::default);
        Ok(Self {
            lease,
            pool: Arc::new(pool),
            originals,
            provider,
            shares_pairs,
            jobs,
            kept: Kept::default(),
            threads,
        })
    }

    /// The session's own directory, removed with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.lease.directory()
    }

    /// `cells` in the order in which they need the fewest clusters.
    #[must_use]
    pub fn in_order(&self, cells: Vec<Cell>) -> Vec<Cell> {
        if self.shares_pairs { gather(cells, |cell| pair_plan(cell, 0, stub::Behaviour::default())) } else { cells }
    }

    /// Why `cell` would be skipped: what it asks for and the session's clusters do not have.
    #[must_use]
    pub fn unsupported(&self, cell: &Cell) -> Option<String> {
        unsupported(cell, &self.pool)
    }

    /// Destroys the clusters and removes everything that was made.
    ///
    /// # Errors
    /// When something is left; `ks-e2e sweep` tries again.
    pub async fn end(self) -> Result<(), LeaseError> {
        self.kept.drain().await;
        self.pool.drain().await;
        drop(self.threads);
        self.lease.end().await
    }
}

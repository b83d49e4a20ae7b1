//! Files mounted from ConfigMaps and Secrets, as a program sees them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

/// Mounted files by absolute path, kept up to date with a kubelet's delay.
#[derive(Clone)]
pub struct Files(Source);

#[derive(Clone)]
enum Source {
    /// A simulated kubelet replaces them as a whole.
    Given(watch::Receiver<Arc<BTreeMap<String, Bytes>>>),
    /// A real kubelet changes them below `root`; `changes` counts its changes.
    Disk { root: PathBuf, changes: watch::Receiver<u64> },
}

impl Files {
    /// Files that `updates` replaces as a whole.
    #[must_use]
    pub fn new(updates: watch::Receiver<Arc<BTreeMap<String, Bytes>>>) -> Self {
        Self(Source::Given(updates))
    }

    /// The files of the directory `root`, of whose changes `changes` tells.
    pub(crate) fn on_disk(root: &Path, changes: watch::Receiver<u64>) -> Self {
        Self(Source::Disk { root: root.to_owned(), changes })
    }

    /// The content of `path` now, if it is there.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Bytes> {
        match &self.0 {
            Source::Given(files) => files.borrow().get(path).cloned(),
            Source::Disk { root, .. } => std::fs::read(root.join(path.trim_start_matches('/'))).ok().map(Bytes::from),
        }
    }

    /// Waits until some file changes after the last call; false when the pod is gone.
    pub async fn changed(&mut self) -> bool {
        match &mut self.0 {
            Source::Given(files) => files.changed().await.is_ok(),
            Source::Disk { changes, .. } => changes.changed().await.is_ok(),
        }
    }
}

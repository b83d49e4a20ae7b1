//! Somebody's own clusters while a run works in them: how to get there, and what was there before.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use scenario::model::On;
use serde::{Deserialize, Serialize};

use super::make_private_directories;
use crate::inventory::SharedInventory;
use crate::simulated::admin_client;

/// A cluster that is not the run's, and what it held before. It is kept beside the lease, which outlives the machine's next
/// start, as the cluster does.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ExistingCluster {
    pub(crate) on: On,
    /// The context as its owner calls it.
    pub(crate) context: String,
    /// A kubeconfig with an administrator's rights, everything inside. YAML text.
    pub(crate) kubeconfig: String,
    pub(crate) before: SharedInventory,
}

impl ExistingCluster {
    /// Takes away what the run has made there.
    pub(crate) async fn restore(&self) -> Result<(), String> {
        let client = admin_client(&self.kubeconfig).map_err(|error| error.to_string())?;
        self.before.restore(&client).await.map_err(|error| error.to_string())
    }

    /// The same from a thread that serves nobody else.
    pub(super) fn restore_blocking(&self) -> Result<(), String> {
        let cluster = self.clone();
        let restored = std::thread::spawn(move || {
            // The first call decides for the whole process.
            let _installed = rustls::crypto::ring::default_provider().install_default();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(cluster.restore())
        });
        restored.join().unwrap_or_else(|_| Err("it ended in a panic".to_owned()))
    }

    /// Writes it where only this user reads it; it holds credentials.
    pub(super) fn write(&self, state: &Path, run_id: &str) -> io::Result<PathBuf> {
        let directory = directory(state, run_id);
        make_private_directories(&directory)?;
        let path = directory.join(format!("{}.json", self.on));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        Ok(path)
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

impl std::fmt::Display for ExistingCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "what the run made on the {} cluster, context {}", self.on, self.context)
    }
}

/// Where the clusters of a run are described; a lease can name no other place.
pub(super) fn directory(state: &Path, run_id: &str) -> PathBuf {
    state.join(format!("{run_id}.clusters"))
}

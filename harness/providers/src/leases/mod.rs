//! Write-ahead leases: whatever a run creates outside its own memory is named in a file before it is made.
//!
//! One file a run, locked while the owner lives. A lock that is free means that the owner is dead: [`sweep`] removes
//! exactly what the file names. While the owner lives a [`Supervisor`] kills its process groups the moment it dies.

mod process;
mod supervisor;
mod sweep;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use process::ProcessGroup;
pub use supervisor::Supervisor;
pub use sweep::{Swept, sweep};

/// One line of a lease file: something that is about to exist, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// A directory with everything in it.
    Directory { path: PathBuf },
    /// A process group.
    ProcessGroup(ProcessGroup),
    /// A process group that has ended.
    ProcessGroupEnded { pid: i32 },
}

/// Why a lease could not be written. Nothing is made without one.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}; set XDG_STATE_HOME to a directory that you may write to", .path.display())]
pub struct LeaseError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The lease of one run. Clones share it; the last one to go removes the file if everything in it is gone.
#[derive(Clone)]
pub struct Lease(Arc<Inner>);

struct Inner {
    run_id: String,
    path: PathBuf,
    file: Mutex<File>,
    directory: PathBuf,
    supervisor: Supervisor,
}

impl Lease {
    /// Begins a lease for `run_id` in `state` (see [`state_directory`]) and makes the run's own directory below
    /// `temporary`.
    ///
    /// # Errors
    /// When the lease file or the directory cannot be made.
    pub fn begin(state: &Path, temporary: &Path, run_id: &str) -> Result<Self, LeaseError> {
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| LeaseError { operation, path, source }
        };
        std::fs::create_dir_all(state).map_err(failed("create", state))?;
        let path = state.join(format!("{run_id}.lease"));
        let file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(failed("create", &path))?;
        file.try_lock().map_err(|error| failed("lock", &path)(error.into()))?;
        let directory = temporary.join(format!("ks-e2e-{run_id}"));
        append(&file, &Entry::Directory { path: directory.clone() }).map_err(failed("write", &path))?;
        file.sync_data().map_err(failed("write", &path))?;
        make_private_directory(&directory).map_err(failed("create", &directory))?;
        let supervisor = Supervisor::start().map_err(failed("start the supervisor of", &path))?;
        Ok(Self(Arc::new(Inner { run_id: run_id.to_owned(), path, file: Mutex::new(file), directory, supervisor })))
    }

    /// The run's ID.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.0.run_id
    }

    /// The run's own directory, removed with the lease.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Takes responsibility for the process group led by `pid`, which must not do anything before this returns.
    ///
    /// # Errors
    /// When the lease cannot be written; the group is to be killed then.
    pub async fn own_process_group(&self, pid: i32) -> Result<(), LeaseError> {
        let group = ProcessGroup::of(pid);
        self.write(&Entry::ProcessGroup(group))?;
        self.0.supervisor.watch(pid).await;
        Ok(())
    }

    /// Says that the process group led by `pid` is gone.
    ///
    /// # Errors
    /// When the lease cannot be written.
    pub async fn process_group_ended(&self, pid: i32) -> Result<(), LeaseError> {
        self.0.supervisor.forget(pid).await;
        self.write(&Entry::ProcessGroupEnded { pid })
    }

    /// Ends the lease: removes the run's directory and the lease file.
    ///
    /// # Errors
    /// When something could not be removed; `ks-e2e sweep` will try again.
    pub async fn end(self) -> Result<(), LeaseError> {
        self.0.supervisor.stop().await;
        let removed = std::fs::remove_dir_all(&self.0.directory);
        removed.map_err(|source| LeaseError { operation: "remove", path: self.0.directory.clone(), source })?;
        std::fs::remove_file(&self.0.path).map_err(|source| LeaseError {
            operation: "remove",
            path: self.0.path.clone(),
            source,
        })
    }

    fn write(&self, entry: &Entry) -> Result<(), LeaseError> {
        let file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        append(&file, entry).map_err(|source| LeaseError { operation: "write", path: self.0.path.clone(), source })
    }
}

/// Where leases live: `$XDG_STATE_HOME/ks-e2e/leases`, else `~/.local/state/ks-e2e/leases`, else below the temporary
/// directory (XDG Base Directory Specification 0.8).
#[must_use]
pub fn state_directory() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("ks-e2e/leases")
}

fn append(mut file: &File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn make_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // Kubeconfigs and captured secrets are written below it.
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

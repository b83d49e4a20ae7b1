//! Write-ahead leases: whatever a run creates outside its own memory is named in a file before it is made.
//!
//! One file a run, locked while the owner lives. A lock that is free means that the owner is dead: [`sweep`] removes
//! exactly what the file names. While the owner lives a [`Supervisor`] kills its process groups the moment it dies.

mod engine_objects;
mod existing_clusters;
mod gate;
mod living;
mod process;
mod strays;
mod supervisor;
mod sweep;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub use engine_objects::{EngineObject, EngineObjectKind};
pub(crate) use existing_clusters::{ExistingCluster, NAMESPACE};
pub use gate::gated;
pub use living::{Living, living};
use process::ProcessGroup;
pub(crate) use process::start_time;
use supervisor::Supervisor;
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
    /// Something in a container engine.
    EngineObject(EngineObject),
    /// Something in a container engine that is gone.
    EngineObjectGone { name: String },
    /// A cluster of somebody's, which `path` describes.
    ExistingCluster { path: PathBuf },
    /// It is as it was.
    ExistingClusterRestored { path: PathBuf },
}

/// Why a lease could not be written. Nothing is made without one.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}; {hint}", .path.display())]
pub struct LeaseError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
    hint: &'static str,
}

/// What helps when the lease file is the trouble.
const STATE_HINT: &str = "set XDG_STATE_HOME to a directory that you may write to";
/// What helps when the run's own directory is the trouble.
const DIRECTORY_HINT: &str = "set TMPDIR to a directory that you may write to";
/// What helps when the supervisor is the trouble.
const SUPERVISOR_HINT: &str = "a POSIX shell is needed at /bin/sh";
/// What helps when something is left over.
const SWEEP_HINT: &str = "`ks-e2e sweep` tries again";

/// The lease of one run. Clones share it. [`Lease::end`] removes it with all it names; if that is never called, the
/// lock goes with the process and [`sweep`] does it.
#[derive(Clone)]
pub struct Lease(Arc<Inner>);

struct Inner {
    run_id: String,
    path: PathBuf,
    file: Mutex<File>,
    directory: PathBuf,
    supervisor: Supervisor,
    engine_objects: Mutex<Vec<EngineObject>>,
    existing_clusters: Mutex<Vec<(PathBuf, ExistingCluster)>>,
}

impl Lease {
    /// Begins a lease for `run_id` in `state` (see [`state_directory`]) and makes the run's own directory below
    /// `temporary`.
    ///
    /// # Errors
    /// When the lease file or the directory cannot be made; nothing is left then.
    pub fn begin(state: &Path, temporary: &Path, run_id: &str) -> Result<Self, LeaseError> {
        // Commands run elsewhere, and `sweep` may be called from anywhere.
        let (state, temporary) = (absolute(state), absolute(temporary));
        make_private_directories(&state).map_err(error("create", &state, STATE_HINT))?;
        let path = state.join(format!("{run_id}.lease"));
        let directory = temporary.join(directory_name(run_id));
        // What another run left under this id would be forgotten with its lease.
        if path.exists() {
            return Err(error("write", &path, SWEEP_HINT)(io::ErrorKind::AlreadyExists.into()));
        }
        let file = write_first(&path, &directory).map_err(error("write", &path, STATE_HINT))?;
        let begun = make_private_directory(&directory)
            .map_err(error("create", &directory, DIRECTORY_HINT))
            .and_then(|()| Supervisor::start().map_err(error("start the supervisor of", &path, SUPERVISOR_HINT)));
        match begun {
            Ok(supervisor) => Ok(Self(Arc::new(Inner {
                run_id: run_id.to_owned(),
                path,
                file: Mutex::new(file),
                directory,
                supervisor,
                engine_objects: Mutex::default(),
                existing_clusters: Mutex::default(),
            }))),
            Err(failure) => {
                // Whatever cannot be removed now is named in the lease, for `sweep`.
                let _gone = std::fs::remove_dir(&directory).is_ok() | std::fs::remove_file(&path).is_ok();
                Err(failure)
            }
        }
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.0.run_id
    }

    /// The run's own directory, removed with the lease.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// The run's own name, `ks-e2e-` and the run's id: names of all that it makes outside its directory begin so.
    #[must_use]
    pub fn name(&self) -> String {
        directory_name(&self.0.run_id)
    }

    /// Takes responsibility for `object`, which must not be made before this returns.
    ///
    /// # Errors
    /// When the lease cannot be written.
    pub fn own_engine_object(&self, object: EngineObject) -> Result<(), LeaseError> {
        self.write(&Entry::EngineObject(object.clone()))?;
        // What the engine keeps outlives the machine's next start, so its entry has to, too.
        self.file().sync_data().map_err(error("write", &self.0.path, STATE_HINT))?;
        self.engine_objects().push(object);
        Ok(())
    }

    /// Removes the engine objects that this lease names and `chosen` picks. Blocks.
    ///
    /// # Errors
    /// With everything that stays, in words.
    pub fn remove_engine_objects(&self, chosen: impl Fn(&EngineObject) -> bool) -> Result<(), String> {
        let (going, staying) = std::mem::take(&mut *self.engine_objects()).into_iter().partition(chosen);
        *self.engine_objects() = staying;
        let mut failures = Vec::new();
        for (object, outcome) in engine_objects::remove(going) {
            match outcome {
                // Where this cannot be written, `sweep` finds the object gone.
                Ok(_) => drop(self.write(&Entry::EngineObjectGone { name: object.name })),
                Err(error) => {
                    failures.push(format!("{object}: {error}"));
                    self.engine_objects().push(object);
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
    }

    /// Takes responsibility for what is made on `cluster` from now on.
    ///
    /// # Errors
    /// When that cannot be written down; nothing may be made there then.
    pub(crate) fn own_existing_cluster(&self, cluster: ExistingCluster) -> Result<(), LeaseError> {
        let state = self.0.path.parent().unwrap_or(Path::new("."));
        let failed = error("write", &self.0.path, STATE_HINT);
        let written = cluster.write(state, &self.0.run_id).and_then(|path| {
            append(&self.file(), &Entry::ExistingCluster { path: path.clone() })?;
            self.file().sync_data()?;
            Ok(path)
        });
        self.existing_clusters().push((written.map_err(failed)?, cluster));
        Ok(())
    }

    /// Takes away what was made on the clusters of others so far, and stays responsible for them.
    ///
    /// # Errors
    /// With everything that stays, in words.
    pub(crate) async fn reset_existing_clusters(&self) -> Result<(), String> {
        let clusters: Vec<_> = self.existing_clusters().iter().map(|(_, cluster)| cluster.clone()).collect();
        for cluster in clusters {
            cluster.reset().await.map_err(|error| format!("{cluster}: {error}"))?;
        }
        Ok(())
    }

    /// Takes everything away from the clusters of others that was made there, the host first: its controllers write on the
    /// member.
    ///
    /// # Errors
    /// With everything that stays, in words.
    pub(crate) async fn restore_existing_clusters(&self) -> Result<(), String> {
        let clusters = std::mem::take(&mut *self.existing_clusters());
        let mut failures = Vec::new();
        for (path, cluster) in clusters {
            match cluster.restore().await {
                Ok(()) => {
                    // Where this cannot be written, `sweep` finds nothing to do.
                    let _written = self.write(&Entry::ExistingClusterRestored { path: path.clone() });
                    let _gone = std::fs::remove_file(path);
                }
                Err(error) => {
                    failures.push(format!("{cluster}: {error}"));
                    self.existing_clusters().push((path, cluster));
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
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

    /// Ends the lease: kills what still runs in its name, and removes the run's directory and the lease file.
    ///
    /// # Errors
    /// When something could not be removed; `ks-e2e sweep` will try again.
    pub async fn end(self) -> Result<(), LeaseError> {
        self.0.supervisor.stop().await;
        let lease = self.clone();
        let removed = tokio::task::spawn_blocking(move || {
            strays::kill(&lease.0.directory);
            lease.remove_engine_objects(|_| true)
        })
        .await;
        removed.map_err(io::Error::other).and_then(|removed| removed.map_err(io::Error::other)).map_err(error(
            "remove the containers of",
            &self.0.path,
            SWEEP_HINT,
        ))?;
        let restored = self.restore_existing_clusters().await.map_err(io::Error::other);
        restored.map_err(error("restore the clusters of", &self.0.path, SWEEP_HINT))?;
        let described = existing_clusters::directory(self.0.path.parent().unwrap_or(Path::new(".")), &self.0.run_id);
        if described.exists() {
            std::fs::remove_dir_all(&described).map_err(error("remove", &described, SWEEP_HINT))?;
        }
        std::fs::remove_dir_all(&self.0.directory).map_err(error("remove", &self.0.directory, SWEEP_HINT))?;
        std::fs::remove_file(&self.0.path).map_err(error("remove", &self.0.path, SWEEP_HINT))
    }

    fn write(&self, entry: &Entry) -> Result<(), LeaseError> {
        append(&self.file(), entry).map_err(error("write", &self.0.path, STATE_HINT))
    }
}

impl Lease {
    fn file(&self) -> MutexGuard<'_, File> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn existing_clusters(&self) -> MutexGuard<'_, Vec<(PathBuf, ExistingCluster)>> {
        self.0.existing_clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn engine_objects(&self) -> MutexGuard<'_, Vec<EngineObject>> {
        self.0.engine_objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where leases live: `$XDG_STATE_HOME/ks-e2e/leases`, else `~/.local/state/ks-e2e/leases` (XDG Base Directory
/// Specification 0.8, which has relative paths ignored), else a directory of this user's below the temporary one.
#[must_use]
pub fn state_directory() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| std::env::temp_dir().join(format!("ks-e2e-{}", nix::unistd::getuid())))
        .join("ks-e2e/leases")
}

/// The run's directory bears its name, so that a lease can name no other.
pub(crate) fn directory_name(run_id: &str) -> String {
    format!("ks-e2e-{run_id}")
}

fn error(operation: &'static str, path: &Path, hint: &'static str) -> impl FnOnce(io::Error) -> LeaseError {
    let path = path.to_owned();
    move |source| LeaseError { operation, path, source, hint }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A lease becomes visible under its name only locked and written, so that no sweep can take it for a dead run's.
fn write_first(path: &Path, directory: &Path) -> io::Result<File> {
    let unnamed = path.with_extension("new");
    let file = OpenOptions::new().create_new(true).append(true).open(&unnamed)?;
    file.try_lock().map_err(io::Error::from)?;
    append(&file, &Entry::Directory { path: directory.to_owned() })?;
    file.sync_data()?;
    std::fs::rename(&unnamed, path)?;
    Ok(file)
}

fn append(mut file: &File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn make_private_directory(path: &Path) -> io::Result<()> {
    // Kubeconfigs and captured secrets are written below it.
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

fn make_private_directories(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path)
}

//! Removes what dead runs left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::engine_objects::{self, EngineObject};
use super::existing_clusters::{self, ExistingCluster};
use super::{Entry, ProcessGroup, directory_name, strays};

/// What one dead run had left, and what could not be removed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// The dead run.
    pub run_id: String,
    /// Removed things, in words.
    pub removed: Vec<String>,
    /// Things that could not be removed, with the reason.
    pub failed: Vec<String>,
}

/// Removes everything that leases of dead runs in `state` name. Leases of living runs are left alone.
///
/// # Errors
/// When the directory of leases cannot be read.
pub fn sweep(state: &Path) -> io::Result<Vec<Swept>> {
    let mut swept = Vec::new();
    let entries = match fs::read_dir(state) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(swept),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "lease") {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_err() {
            continue;
        }
        swept.push(sweep_one(&path));
        // For all who have the file open: a process that another thread is starting has it, too, for a moment.
        let _closing_does_it_later = file.unlock();
    }
    Ok(swept)
}

fn sweep_one(lease: &Path) -> Swept {
    let run_id = lease.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut result = Swept { run_id, removed: Vec::new(), failed: Vec::new() };
    let text = fs::read_to_string(lease).unwrap_or_default();
    let StillOwned { groups, directories, engine_objects, existing_clusters } = still_owned(&text);
    // Processes first: they could write into the directories.
    for group in groups.into_values().filter(ProcessGroup::is_ours) {
        match group.kill() {
            Ok(true) => result.removed.push(format!("process group {}", group.pid())),
            Ok(false) => {}
            Err(error) => result.failed.push(format!("process group {}: {error}", group.pid())),
        }
    }
    // A lease names nothing but its run's own; anything else was not written by us.
    let prefix = directory_name(&result.run_id);
    let ours = engine_objects.into_values().filter(|object| object.name.starts_with(&prefix));
    for (object, outcome) in engine_objects::remove(ours.collect()) {
        match outcome {
            Ok(true) => result.removed.push(object.to_string()),
            Ok(false) => {}
            Err(error) => result.failed.push(format!("{object}: {error}")),
        }
    }
    let described = existing_clusters::directory(lease.parent().unwrap_or(Path::new(".")), &result.run_id);
    for path in existing_clusters.iter().filter(|path| path.parent() == Some(&described)) {
        let shown = path.display();
        match ExistingCluster::read(path) {
            // A person has taken it away, as they are told to.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => result.failed.push(format!("what the run made on a cluster: {shown}: {error}")),
            Ok(cluster) => match cluster.restore_blocking() {
                Ok(()) => result.removed.push(cluster.to_string()),
                Err(error) => {
                    result.failed.push(format!("{cluster}: {error}; if that cluster is gone, remove {shown}"));
                }
            },
        }
    }
    if result.failed.is_empty()
        && described.exists()
        && let Err(error) = fs::remove_dir_all(&described)
    {
        result.failed.push(format!("directory {}: {error}", described.display()));
    }
    let own = OsString::from(directory_name(&result.run_id));
    for directory in directories.into_iter().filter(|directory| directory.file_name() == Some(&own)) {
        let strays = strays::kill(&directory);
        if strays > 0 {
            result.removed.push(format!("{strays} processes at home in {}", directory.display()));
        }
        if directory.exists() {
            match fs::remove_dir_all(&directory) {
                Ok(()) => result.removed.push(format!("directory {}", directory.display())),
                Err(error) => result.failed.push(format!("directory {}: {error}", directory.display())),
            }
        }
    }
    if result.failed.is_empty()
        && let Err(error) = fs::remove_file(lease)
    {
        result.failed.push(format!("lease {}: {error}", lease.display()));
    }
    result
}

/// What a lease names and has not declared gone.
#[derive(Default)]
struct StillOwned {
    groups: BTreeMap<i32, ProcessGroup>,
    directories: Vec<PathBuf>,
    engine_objects: BTreeMap<String, EngineObject>,
    existing_clusters: Vec<PathBuf>,
}

/// The last line may be half written; whatever it named was not made yet.
fn still_owned(text: &str) -> StillOwned {
    let mut owned = StillOwned::default();
    for entry in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match entry {
            Entry::Directory { path } => owned.directories.push(path),
            Entry::ProcessGroup(group) => {
                owned.groups.insert(group.pid(), group);
            }
            Entry::ProcessGroupEnded { pid } => {
                owned.groups.remove(&pid);
            }
            Entry::EngineObject(object) => {
                owned.engine_objects.insert(object.name.clone(), object);
            }
            Entry::EngineObjectGone { name } => {
                owned.engine_objects.remove(&name);
            }
            Entry::ExistingCluster { path } => owned.existing_clusters.push(path),
            Entry::ExistingClusterRestored { path } => owned.existing_clusters.retain(|owned| *owned != path),
        }
    }
    owned
}

#[cfg(test)]
mod tests {
    use super::super::Lease;
    use super::*;

    #[tokio::test]
    async fn leaves_a_living_run_alone() {
        let (state, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let lease = Lease::begin(state.path(), temporary.path(), "alive").unwrap();
        assert_eq!(sweep(state.path()).unwrap(), []);
        assert!(lease.directory().exists());
        lease.end().await.unwrap();
    }

    #[tokio::test]
    async fn removes_what_a_dead_run_left() {
        let (state, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut child = tokio::process::Command::new("/bin/sh")
            .args(["-c", "exec sleep 600"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let directory = {
            let lease = Lease::begin(state.path(), temporary.path(), "dead").unwrap();
            lease.write(&Entry::ProcessGroup(ProcessGroup::of(i32::try_from(child.id().unwrap()).unwrap()))).unwrap();
            lease.directory().to_owned()
        };
        // A process that a neighbouring test is just starting holds every open file, and its lock, until it execs.
        let begin = std::time::Instant::now();
        let swept = loop {
            let swept = sweep(state.path()).unwrap();
            if !swept.is_empty() || begin.elapsed().as_secs() >= 10 {
                break swept;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(swept.len(), 1);
        assert_eq!(swept[0].failed, Vec::<String>::new());
        assert_eq!(swept[0].removed.len(), 2);
        assert!(!child.wait().await.unwrap().success());
        assert!(!directory.exists());
        assert_eq!(sweep(state.path()).unwrap(), []);
    }

    #[test]
    fn spares_a_directory_that_is_not_the_runs_own() {
        let (state, somebody) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let entry = serde_json::to_string(&Entry::Directory { path: somebody.path().to_owned() }).unwrap();
        fs::write(state.path().join("forged.lease"), entry).unwrap();
        sweep(state.path()).unwrap();
        assert!(somebody.path().exists());
    }

    #[test]
    fn gives_up_a_cluster_that_a_person_says_is_gone() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("dead.clusters/host.json");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let kubeconfig = "
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
";
        let described = serde_json::json!({
            "on": "host", "run_id": "dead", "context": "prod", "kubeconfig": kubeconfig,
            "before": {"standing": "Absent", "present": [], "namespaces": {}},
        });
        fs::write(&path, described.to_string()).unwrap();
        let entry = serde_json::to_string(&Entry::ExistingCluster { path: path.clone() }).unwrap();
        fs::write(state.path().join("dead.lease"), entry).unwrap();
        let failed = &sweep(state.path()).unwrap()[0].failed;
        let [failure] = &failed[..] else { panic!("{failed:?}") };
        assert!(failure.starts_with("what the run made on the host cluster, context prod: "), "{failure}");
        assert!(failure.ends_with(&format!("if that cluster is gone, remove {}", path.display())), "{failure}");
        fs::remove_file(&path).unwrap();
        assert_eq!(sweep(state.path()).unwrap()[0].failed, Vec::<String>::new());
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
    }

    #[test]
    fn ignores_a_half_written_last_line() {
        let owned = still_owned("{\"kind\":\"directory\",\"path\":\"/a\"}\n{\"kind\":\"direc");
        assert!(owned.groups.is_empty());
        assert_eq!(owned.directories, [PathBuf::from("/a")]);
    }
}

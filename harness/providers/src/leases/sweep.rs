//! Removes what dead runs left.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Entry, ProcessGroup};

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
    }
    Ok(swept)
}

fn sweep_one(lease: &Path) -> Swept {
    let run_id = lease.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut result = Swept { run_id, removed: Vec::new(), failed: Vec::new() };
    let text = fs::read_to_string(lease).unwrap_or_default();
    let (groups, directories) = still_owned(&text);
    // Processes first: they could write into the directories.
    for group in groups.into_values().filter(ProcessGroup::is_ours) {
        note(&mut result, format!("process group {}", group.pid()), group.kill().map_err(Into::into));
    }
    for directory in directories {
        if directory.exists() {
            note(&mut result, format!("directory {}", directory.display()), fs::remove_dir_all(&directory));
        }
    }
    if result.failed.is_empty()
        && let Err(error) = fs::remove_file(lease)
    {
        result.failed.push(format!("lease {}: {error}", lease.display()));
    }
    result
}

/// The last line may be half written; whatever it named was not made yet.
fn still_owned(text: &str) -> (BTreeMap<i32, ProcessGroup>, Vec<PathBuf>) {
    let (mut groups, mut directories) = (BTreeMap::new(), Vec::new());
    for entry in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match entry {
            Entry::Directory { path } => directories.push(path),
            Entry::ProcessGroup(group) => {
                groups.insert(group.pid(), group);
            }
            Entry::ProcessGroupEnded { pid } => {
                groups.remove(&pid);
            }
        }
    }
    (groups, directories)
}

fn note(result: &mut Swept, what: String, outcome: io::Result<()>) {
    match outcome {
        Ok(()) => result.removed.push(what),
        Err(error) => result.failed.push(format!("{what}: {error}")),
    }
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
        let swept = sweep(state.path()).unwrap();
        assert_eq!(swept.len(), 1);
        assert_eq!(swept[0].failed, Vec::<String>::new());
        assert_eq!(swept[0].removed.len(), 2);
        assert!(!child.wait().await.unwrap().success());
        assert!(!directory.exists());
        assert_eq!(sweep(state.path()).unwrap(), []);
    }

    #[test]
    fn ignores_a_half_written_last_line() {
        let (groups, directories) = still_owned("{\"kind\":\"directory\",\"path\":\"/a\"}\n{\"kind\":\"direc");
        assert!(groups.is_empty());
        assert_eq!(directories, [PathBuf::from("/a")]);
    }
}

//! Runs that live.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Entry;

/// A run that lives: it holds the lock of its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// The run.
    pub run_id: String,
    /// Its own directory.
    pub directory: PathBuf,
}

/// The living runs with a lease in `state`, by their ids.
///
/// # Errors
/// When the directory of leases cannot be read.
pub fn living(state: &Path) -> io::Result<Vec<Living>> {
    let entries = match fs::read_dir(state) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut living = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "lease")
            && let Some(run) = of_lease(&path)
        {
            living.push(run);
        }
    }
    living.sort_by(|one, other| one.run_id.cmp(&other.run_id));
    Ok(living)
}

fn of_lease(path: &Path) -> Option<Living> {
    let file = File::open(path).ok()?;
    if file.try_lock().is_ok() {
        // For all who have the file open: a process that another thread is starting has it, too, for a moment.
        let _closing_does_it_later = file.unlock();
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    let run_id = path.file_stem()?.to_string_lossy().into_owned();
    text.lines().find_map(|line| match serde_json::from_str(line) {
        Ok(Entry::Directory { path }) => Some(Living { run_id: run_id.clone(), directory: path }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leases::Lease;

    #[tokio::test]
    async fn knows_a_run_until_it_has_ended() {
        let (state, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(living(&state.path().join("none")).unwrap(), []);
        let lease = Lease::begin(state.path(), temporary.path(), "12345678").unwrap();
        let run = Living { run_id: "12345678".to_owned(), directory: lease.directory().to_owned() };
        assert_eq!(living(state.path()).unwrap(), [run]);
        lease.end().await.unwrap();
        assert_eq!(living(state.path()).unwrap(), []);
    }
}

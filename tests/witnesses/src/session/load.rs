//! Sessions out of files.

use std::path::{Path, PathBuf};

use super::{Session, Step};

/// A file of sessions that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file system refused.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no list of sessions.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_yaml::Error,
    },
    /// Something in it makes no sense.
    #[error("{}: session {session:?}: {wrong}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The session.
        session: String,
        /// What does not fit.
        wrong: String,
    },
}

/// All sessions of `directory`'s files, by the names of the files, then in their order.
///
/// # Errors
/// [`LoadError`].
pub fn load(directory: &Path) -> Result<Vec<Session>, LoadError> {
    let unreadable = |source| LoadError::Read { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        files.push(entry.map_err(unreadable)?.path());
    }
    files.sort();
    let mut sessions: Vec<Session> = Vec::new();
    for path in files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| LoadError::Read { path: path.clone(), source })?;
        let found: Vec<Session> =
            serde_yaml::from_str(&text).map_err(|source| LoadError::Parse { path: path.clone(), source })?;
        for session in found {
            let wrong = |wrong| LoadError::Wrong { path: path.clone(), session: session.name.clone(), wrong };
            if sessions.iter().any(|other| other.name == session.name) {
                return Err(wrong("the name is there twice".to_owned()));
            }
            pairs(&session).map_err(wrong)?;
            sessions.push(session);
        }
    }
    Ok(sessions)
}

/// Whoever begins has an end, and the other way around.
fn pairs(session: &Session) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for step in &session.steps {
        match step {
            Step::Run(_) => {}
            Step::Begin(begin) => open.push(&begin.name),
            Step::End(end) => match open.iter().position(|name| *name == end.name) {
                Some(at) => drop(open.remove(at)),
                None => return Err(format!("{:?} ends without a beginning", end.name)),
            },
        }
    }
    match open.first() {
        Some(name) => Err(format!("{name:?} begins and has no end")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn reads_every_session_of_the_house() {
        let sessions = load(&crate::home().join("sessions")).unwrap();
        assert!(sessions.iter().all(|session| !session.steps.is_empty()));
    }

    #[rstest]
    #[case::no_end("[{begin: a, run: b}]", "begins and has no end")]
    #[case::no_beginning("[{end: a, until: b}]", "ends without a beginning")]
    #[case::typo("[{run: a, untl: b}]", "did not match any variant")]
    fn refuses(#[case] steps: &str, #[case] expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("- session: tries\n  steps: {steps}\n");
        std::fs::write(directory.path().join("a.yaml"), text).unwrap();
        let error = load(directory.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

//! Scripts of the clients in other languages: each prints what it saw, step by step.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::process::{Exit, Process};
use super::sandbox::Sandbox;
use super::{PlayError, Stage};
use crate::clients::Tool;
use crate::normalise::Normaliser;
use crate::transcript::Entry;

/// Longest a whole script may take.
const LIMIT: Duration = Duration::from_mins(2);
/// Begins the line that names a step in a script's output.
const STEP: &str = "== ";

/// A script of a client.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its name, as in tables.
    pub name: String,
    path: PathBuf,
    differs: Vec<Known>,
}

/// A known difference of a script's step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    script: String,
    step: String,
    because: String,
}

/// Scripts that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScriptsError {
    /// The file system refused.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The list of known differences is none.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_yaml::Error,
    },
}

/// The scripts of `directory` with this `extension`, and the differences in its `differs.yaml`. Names that begin with
/// an underscore are what the scripts share.
///
/// # Errors
/// [`ScriptsError`].
pub fn scripts(directory: &Path, extension: &str) -> Result<Vec<Script>, ScriptsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| ScriptsError::Read { path, source }
    };
    let list = directory.join("differs.yaml");
    let text = std::fs::read_to_string(&list).map_err(unreadable(&list))?;
    let known: Vec<Known> = serde_yaml::from_str(&text).map_err(|source| ScriptsError::Parse { path: list, source })?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable(directory))? {
        let path = entry.map_err(unreadable(directory))?.path();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|found| found == extension) && !name.starts_with('_') {
            let differs = known.iter().filter(|known| known.script == name).cloned().collect();
            found.push(Script { name: name.replace('_', " "), path, differs });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

impl Script {
    /// Runs it with `tool`.
    ///
    /// # Errors
    /// [`PlayError`] when this machine is at fault.
    pub async fn play(&self, tool: &Tool, stage: &Stage<'_>, normaliser: &Normaliser) -> Result<Vec<Entry>, PlayError> {
        let failed = |source| PlayError::Io { session: self.name.clone(), source };
        let sandbox = Sandbox::new(&stage.server.access.kubeconfig(&stage.namespace), None).map_err(failed)?;
        let mut command = match tool {
            Tool::Python(python) => sandbox.command(python),
            Tool::Node(modules) => {
                let mut command = sandbox.command(on_path("node"));
                // ES modules are looked for beside the script only.
                command.env("WITNESS_MODULES", modules);
                command
            }
            Tool::Kubectl(_) | Tool::Kube => return Ok(Vec::new()),
        };
        command.arg(&self.path).env("NS", &stage.namespace).env("PYTHONDONTWRITEBYTECODE", "1");
        let ended = Process::start(command, "").map_err(failed)?.end(LIMIT).await.map_err(failed)?;
        let address = stage.server.access.address;
        let shown = normaliser.normalise(&ended.stdout, address);
        let mut entries = self.steps(&shown);
        let exit = match ended.exit {
            Exit::Code(code) => format!("exit code {code}"),
            Exit::Killed => "killed".to_owned(),
            Exit::TimedOut => "did not end".to_owned(),
        };
        let last = format!("{exit}\n{}", normaliser.normalise(&ended.stderr, address));
        entries.push(self.entry("ends", &last));
        Ok(entries)
    }

    fn steps(&self, output: &str) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for line in output.lines() {
            match (line.strip_prefix(STEP), entries.last_mut()) {
                (Some(step), _) => entries.push(self.entry(step, "")),
                (None, Some(entry)) => {
                    entry.shown.push_str(line);
                    entry.shown.push('\n');
                }
                (None, None) => entries.push(self.entry("before the first step", line)),
            }
        }
        entries
    }

    fn entry(&self, step: &str, shown: &str) -> Entry {
        let known = self.differs.iter().find(|known| known.step == step).map(|known| known.because.clone());
        Entry { title: step.to_owned(), shown: shown.to_owned(), known }
    }
}

/// The program as it is found now: the sandbox has a PATH of its own.
fn on_path(program: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|directory| directory.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_the_output_into_steps() {
        let known = Known { script: "reads".to_owned(), step: "list".to_owned(), because: "why".to_owned() };
        let script = Script { name: "reads".to_owned(), path: PathBuf::new(), differs: vec![known] };
        let steps = script.steps("== get\na\nb\n== list\nc\n");
        let seen: Vec<_> = steps.iter().map(|entry| (entry.title.as_str(), entry.shown.as_str())).collect();
        assert_eq!(seen, [("get", "a\nb\n"), ("list", "c\n")]);
        assert_eq!(steps[1].known.as_deref(), Some("why"));
    }
}

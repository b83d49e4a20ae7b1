//! Plays a session of kubectl on one server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use regex::Regex;
use tokio::time::Instant;

use super::process::{Ended, Exit, Process};
use super::sandbox::Sandbox;
use super::{LIMIT, Stage};
use crate::clients::Version;
use crate::difference::Difference;
use crate::normalise::Normaliser;
use crate::session::{Begin, Compare, End, NAMESPACE, Run, Session, Step};
use crate::transcript::Entry;

/// Between two tries of what comes `eventually`.
const PAUSE: Duration = Duration::from_millis(300);

/// A session that could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// A file or process could not be made.
    #[error("session {session:?}: {source}")]
    Io {
        /// The session.
        session: String,
        /// Why.
        source: io::Error,
    },
    /// A pattern is none.
    #[error("session {session:?}: {source}")]
    Pattern {
        /// The session.
        session: String,
        /// Why.
        source: Box<regex::Error>,
    },
}

/// A session at one client and one server.
pub struct Player<'a> {
    /// The session.
    pub session: &'a Session,
    /// Directory of kubectl.
    pub kubectl: &'a Path,
    /// Its version.
    pub version: Version,
    /// Where it is played.
    pub stage: &'a Stage<'a>,
    /// What makes outputs comparable.
    pub normaliser: &'a Normaliser,
}

impl Player<'_> {
    /// Plays all steps, whatever they show, since the last ones clean up.
    ///
    /// # Errors
    /// [`PlayError`] when this machine or the session's file is at fault.
    pub async fn play(&self) -> Result<Vec<Entry>, PlayError> {
        let kubeconfig = self.stage.server.access.kubeconfig(&self.stage.namespace);
        let sandbox = Sandbox::new(&kubeconfig, Some(self.kubectl)).map_err(|error| self.io(error))?;
        for (name, content) in &self.session.files {
            sandbox.write(name, &self.filled(content)).map_err(|error| self.io(error))?;
        }
        let mut begun = BTreeMap::new();
        let mut entries = Vec::new();
        for step in &self.session.steps {
            match step {
                Step::Run(run) => entries.push(self.run(&sandbox, run).await?),
                Step::Begin(start) => {
                    begun.insert(start.name.as_str(), self.begin(&sandbox, start).await?);
                }
                Step::End(end) => {
                    if let Some((command, process)) = begun.remove(end.name.as_str()) {
                        entries.push(self.end(command, process, end).await?);
                    }
                }
            }
        }
        Ok(entries)
    }

    async fn run(&self, sandbox: &Sandbox, run: &Run) -> Result<Entry, PlayError> {
        let editor = run.editor.as_ref().map(|script| sandbox.editor(&self.filled(script))).transpose();
        let editor = editor.map_err(|error| self.io(error))?;
        let stdin = self.filled(&run.stdin);
        let awaited = run.eventually.as_deref().map(|pattern| self.pattern(pattern)).transpose()?;
        let deadline = Instant::now() + LIMIT;
        loop {
            let process = self.start(sandbox, &run.command, editor.as_deref(), &stdin)?;
            let ended = process.end(LIMIT).await.map_err(|error| self.io(error))?;
            let there = awaited.as_ref().is_none_or(|awaited| awaited.is_match(&ended.stdout));
            if there || Instant::now() > deadline {
                return Ok(self.entry(&run.command, &ended, run.compare, &run.differs));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn begin<'s>(&self, sandbox: &Sandbox, begin: &'s Begin) -> Result<(&'s str, Process), PlayError> {
        let mut process = self.start(sandbox, &begin.command, None, "")?;
        if let Some(until) = &begin.until {
            // What it shows is compared when it ends.
            let _ = process.shows(&self.pattern(until)?, LIMIT).await;
        }
        Ok((&begin.command, process))
    }

    async fn end(&self, command: &str, mut process: Process, end: &End) -> Result<Entry, PlayError> {
        let shown = process.shows(&self.pattern(&end.until)?, LIMIT).await;
        // One that ends by itself after what was awaited may do so before or after it is looked at.
        let ended = process.stop().await.map_err(|error| self.io(error))?;
        let exit = if shown { Exit::Killed } else { ended.exit };
        Ok(self.entry(command, &Ended { exit, ..ended }, end.compare, &end.differs))
    }

    fn start(
        &self,
        sandbox: &Sandbox,
        command_line: &str,
        editor: Option<&str>,
        stdin: &str,
    ) -> Result<Process, PlayError> {
        let mut command = sandbox.command("/bin/sh");
        command.args(["-c", &self.filled(command_line)]);
        // Without an editor a person would sit before a screen that stays.
        command.env("KUBE_EDITOR", editor.unwrap_or("false"));
        Process::start(command, stdin).map_err(|error| self.io(error))
    }

    fn entry(&self, command: &str, ended: &Ended, compare: Compare, differs: &[Difference]) -> Entry {
        let mut shown = match ended.exit {
            Exit::Code(code) => format!("exit code {code}\n"),
            Exit::Killed => "showed what was awaited\n".to_owned(),
            Exit::TimedOut => "did not end\n".to_owned(),
        };
        for (name, output) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
            let output = compare.of(&self.normaliser.normalise(output, self.stage.server.access.address));
            if !output.is_empty() {
                // Writing to a text does not fail.
                let _ = write!(shown, "--- {name}\n{output}");
            }
        }
        let known = Difference::known(differs, self.version).map(str::to_owned);
        Entry { title: command.to_owned(), shown, known }
    }

    fn filled(&self, text: &str) -> String {
        text.replace(NAMESPACE, &self.stage.namespace)
    }

    fn pattern(&self, pattern: &str) -> Result<Regex, PlayError> {
        Regex::new(&self.filled(pattern))
            .map_err(|error| PlayError::Pattern { session: self.session.name.clone(), source: Box::new(error) })
    }

    fn io(&self, source: io::Error) -> PlayError {
        PlayError::Io { session: self.session.name.clone(), source }
    }
}

//! A program of the control plane: owned by the lease, its log in a file, its early end noticed at once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

use super::assets::ASSETS_VARIABLE;
use crate::leases::{Lease, gated};
use crate::program;

/// Lines of a log that an error shows.
const SHOWN_LINES: usize = 12;

pub(super) struct Process {
    name: &'static str,
    program: PathBuf,
    child: Child,
    group: i32,
    log: PathBuf,
    lease: Lease,
}

impl Process {
    /// Starts `program` in `directory`, where its log is `name.log`.
    pub(super) async fn start(
        lease: &Lease,
        name: &'static str,
        program: &Path,
        arguments: &[String],
        directory: &Path,
    ) -> io::Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let (out, err) = (File::create(&log)?, File::options().append(true).open(&log)?);
        let mut command = gated(program, arguments);
        // The home marks it as the run's, as it does with the steps' processes.
        command.env_clear().env("HOME", directory).current_dir(directory).stdout(out).stderr(err);
        let mut child = program::start(&mut command)?;
        let group = lease.own(&mut child).await.map_err(io::Error::other)?;
        Ok(Self { name, program: program.to_owned(), child, group, log, lease: lease.clone() })
    }

    /// Waits for its end, which is an error with the last lines of its log.
    pub(super) async fn early_end(&mut self) -> io::Error {
        let status = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => return error,
        };
        let lines = last_lines(&std::fs::read_to_string(&self.log).unwrap_or_default());
        let (name, program) = (self.name, self.program.display());
        io::Error::other(format!(
            "{name} ended early ({status}); see what its log says and whether {program} is for this machine, or set \
             {ASSETS_VARIABLE} to a directory with others; the end of its log:\n{lines}"
        ))
    }

    /// Kills it and waits until it is gone. What it stores is thrown away with it, so there is nothing to be polite for.
    pub(super) async fn stop(mut self) -> io::Result<()> {
        let _gone = killpg(Pid::from_raw(self.group), Signal::SIGKILL);
        self.child.wait().await?;
        self.lease.process_group_ended(self.group).await.map_err(io::Error::other)
    }

    /// Its log file.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_of_an_early_end_with_the_last_lines() {
        let (state, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let lease = Lease::begin(state.path(), temporary.path(), "early").unwrap();
        let script = "echo first; echo 'flag provided but not defined' >&2; exit 2".to_owned();
        let arguments = ["-c".to_owned(), script];
        let directory = lease.directory().to_owned();
        let mut process = Process::start(&lease, "etcd", Path::new("/bin/sh"), &arguments, &directory).await.unwrap();
        let error = process.early_end().await.to_string();
        assert!(error.contains("exit status: 2") && error.ends_with("flag provided but not defined"), "{error}");
        process.stop().await.unwrap();
        lease.end().await.unwrap();
    }
}

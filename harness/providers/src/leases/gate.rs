//! Processes that do nothing before the lease names them.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::{Lease, LeaseError};

/// Waits for its go, then becomes the program.
const GATE: &str = r#"IFS= read -r go || exit 125; exec "$0" "$@" </dev/null"#;

/// A command that runs `program` in a process group of its own, and does nothing before [`Lease::own`] was told of it.
/// Its standard input is the gate's; the program's is empty.
#[must_use]
pub fn gated<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut line: Vec<OsString> = vec!["-c".into(), GATE.into(), program.into()];
    line.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
    let mut command = Command::new("/bin/sh");
    command.args(line).stdin(Stdio::piped()).process_group(0);
    command
}

impl Lease {
    /// Takes responsibility for `child`, started from a [`gated`] command, lets it begin and returns its process group.
    ///
    /// # Errors
    /// When the lease cannot be written; the child has been killed then.
    pub async fn own(&self, child: &mut Child) -> Result<i32, LeaseError> {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        if let Err(error) = self.own_process_group(pid).await {
            // It has done nothing yet, so there is nothing to be polite about.
            let _killed = child.kill().await;
            return Err(error);
        }
        if let Some(mut gate) = child.stdin.take() {
            // A shell that is gone already shows as its exit code.
            let _said = gate.write_all(b"go\n").await;
        }
        Ok(pid)
    }
}

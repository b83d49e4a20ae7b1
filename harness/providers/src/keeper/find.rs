//! Finding the keeper of a run, and starting it where there is none.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::keep::READY;
use super::wire::{self, Greeting, Incoming, Outgoing};
use super::{Address, KEEP_ARGUMENT};
use crate::process::Process;
use crate::program;
use crate::provider::Capabilities;

/// How long a keeper may take to be ready, another one of its id before it included. It makes no cluster before that.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Longest path of a Unix socket (unix(7): 108 bytes with the zero at its end).
const LONGEST_SOCKET: usize = 107;

impl Address {
    /// What the kept provider can do, if there is a keeper.
    pub(super) async fn ask_keeper(&self) -> Option<Capabilities> {
        self.greeted().await.ok().flatten().map(|(greeting, ..)| greeting.capabilities)
    }

    /// A connection to the keeper, for one loan.
    ///
    /// # Errors
    /// In words, when there is none and none can be started.
    pub(super) async fn find_or_start(&self, provider: &str) -> Result<(Incoming, Outgoing), String> {
        let length = self.socket.as_os_str().as_bytes().len();
        if length > LONGEST_SOCKET {
            let socket = self.socket.display();
            return Err(format!(
                "the socket {socket} has a path of {length} bytes, and {LONGEST_SOCKET} is the most; set TMPDIR to a shorter directory"
            ));
        }
        // Held to the end of this function, so that two that find nobody do not start two.
        let _alone = self.lock().await?;
        if let Some((_, incoming, outgoing)) = self.greeted().await? {
            return Ok((incoming, outgoing));
        }
        self.start(provider).await?;
        let greeted = self.greeted().await?;
        let (_, incoming, outgoing) =
            greeted.ok_or_else(|| format!("the keeper at {} has ended at once", self.socket.display()))?;
        Ok((incoming, outgoing))
    }

    /// Once a keeper has greeted, it waits for this loan before it ends.
    async fn greeted(&self) -> Result<Option<(Greeting, Incoming, Outgoing)>, String> {
        let stream = match UnixStream::connect(&self.socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(format!("cannot connect to the keeper at {}: {error}", self.socket.display())),
        };
        let (mut incoming, outgoing) = wire::over(stream);
        // One that is just ending closes without a greeting.
        let greeting = incoming.next::<Greeting>().await.ok().flatten();
        Ok(greeting.map(|greeting| (greeting, incoming, outgoing)))
    }

    /// The directory of leases itself is locked: a file for it would be left behind.
    async fn lock(&self) -> Result<File, String> {
        let state = self.state.clone();
        let locked = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&state)?;
            let directory = File::open(&state)?;
            directory.lock()?;
            Ok::<_, io::Error>(directory)
        });
        let failed = |error: io::Error| {
            let state = self.state.display();
            format!("cannot lock {state}: {error}; set XDG_STATE_HOME to a directory on a disk of this machine")
        };
        locked.await.map_err(|error| failed(error.into()))?.map_err(failed)
    }

    async fn start(&self, provider: &str) -> Result<(), String> {
        let failed = |reason: &dyn std::fmt::Display| format!("cannot start the keeper of {provider}: {reason}");
        let runner = Process::parent().ok_or_else(|| failed(&"the process that runs the tests has ended"))?;
        let executable = std::env::current_exe().map_err(|error| failed(&error))?;
        // Neither a signal to this test's process group nor the wait for the end of its output reaches the keeper.
        let mut keeper = Command::new(executable);
        keeper
            .args([KEEP_ARGUMENT, provider, &self.id, &runner.pid.to_string(), &runner.started.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut keeper = program::start(&mut keeper).map_err(|error| failed(&error))?;
        let said = keeper.stdout.take().ok_or_else(|| failed(&"it has no standard output"))?;
        let said = tokio::time::timeout(START_LIMIT, BufReader::new(said).lines().next_line()).await;
        match said {
            Ok(Ok(Some(said))) if said == READY => Ok(()),
            Ok(Ok(Some(reason))) => Err(failed(&reason)),
            Ok(Ok(None)) => Err(failed(&"it ended without a word")),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => {
                // It has made nothing yet that its lease does not name.
                let _killed = keeper.kill().await;
                Err(failed(&format!("it is not ready after {} s", START_LIMIT.as_secs())))
            }
        }
    }
}

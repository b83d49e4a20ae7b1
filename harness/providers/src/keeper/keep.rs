//! The keeper's process: begins a lease, says that it is ready, lends until the tests are over.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use super::lend::Lender;
use super::{KEEP_ARGUMENT, socket_in};
use crate::Options;
use crate::leases::{Lease, state_directory, sweep};
use crate::process::{Process, Watched};

/// What the keeper says on its standard output once it lends; in its place it says why it cannot.
pub(super) const READY: &str = "ready";

/// How long a keeper of the same id may take to end.
const PREDECESSOR_LIMIT: Duration = Duration::from_mins(1);

/// Keeps clusters as `arguments` (after [`KEEP_ARGUMENT`]) say.
///
/// # Errors
/// In words, when it could not begin or has left something.
pub(crate) async fn keep(arguments: Vec<String>) -> Result<ExitCode, String> {
    let begun = begin(arguments).await;
    let said = begun.as_ref().map_or_else(|reason| reason.replace('\n', " "), |_| READY.to_owned());
    // Whoever started it may be gone; others come.
    let _heard = writeln!(io::stdout(), "{said}");
    let Keeper { lender, lease, listener, runner } = begun?;
    lender.lend(listener, over(runner)).await;
    lease.end().await.map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

struct Keeper {
    lender: Lender,
    lease: Lease,
    listener: UnixListener,
    runner: Watched,
}

async fn begin(arguments: Vec<String>) -> Result<Keeper, String> {
    // The first call decides for the whole process; there is no other before it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let [provider, id, pid, started] = <[String; 4]>::try_from(arguments)
        .map_err(|_| format!("{KEEP_ARGUMENT}: takes a provider, an id, a pid and a start time"))?;
    let number = |error| format!("{KEEP_ARGUMENT}: {error}");
    let runner = Process { pid: pid.parse().map_err(number)?, started: started.parse().map_err(number)? };
    let runner = runner.watch().map_err(|error| {
        format!("cannot watch the process that runs the tests: {error}; `cargo test` needs no keeper")
    })?;
    let mut all = crate::all(Options::of_environment()).into_iter();
    let kept = all.find(|kept| kept.name() == provider).ok_or_else(|| format!("there is no provider {provider}"))?;
    let capabilities = kept.probe().await.map_err(|missing| missing.to_string())?;
    let state = state_directory();
    succeed(&state, &id).await?;
    let lease = Lease::begin(&state, &std::env::temp_dir(), &id).map_err(|error| error.to_string())?;
    let socket = socket_in(lease.directory());
    match UnixListener::bind(&socket).and_then(|listener| write_log(lease.directory()).map(|()| listener)) {
        Ok(listener) => Ok(Keeper { lender: Lender::new(kept, capabilities, lease.clone()), lease, listener, runner }),
        Err(error) => {
            // What cannot be removed is named in the lease, for `sweep`.
            let _left = lease.end().await;
            Err(format!(
                "cannot listen at {}: {error}; set TMPDIR to a directory that you may write to",
                socket.display()
            ))
        }
    }
}

/// Waits until another keeper of the same id has ended, and removes what it left if it was killed.
async fn succeed(state: &Path, id: &str) -> Result<(), String> {
    if let Ok(lease) = File::open(state.join(format!("{id}.lease"))) {
        let ended = tokio::task::spawn_blocking(move || lease.lock());
        if !tokio::time::timeout(PREDECESSOR_LIMIT, ended).await.is_ok_and(|ended| matches!(ended, Ok(Ok(())))) {
            return Err(format!("the keeper {id} is ending for more than {} s", PREDECESSOR_LIMIT.as_secs()));
        }
    }
    // Whatever stays keeps its lease, without which there is no new one.
    sweep(state).map(drop).map_err(|error| format!("cannot read the leases in {}: {error}", state.display()))
}

/// From here on standard error is a file of the lease's directory.
fn write_log(directory: &Path) -> io::Result<()> {
    let log = File::create(directory.join("keeper.log"))?;
    nix::unistd::dup2_stderr(&log).map_err(io::Error::from)
}

/// The process that runs the tests has ended, or somebody asks the keeper to.
async fn over(runner: Watched) {
    let asked = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = runner.ended() => {}
        () = asked(SignalKind::terminate()) => {}
        () = asked(SignalKind::interrupt()) => {}
        () = asked(SignalKind::hangup()) => {}
    }
}

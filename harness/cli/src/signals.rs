//! Ctrl-C, SIGTERM and SIGHUP: the first asks the run to stop and clean up, the second does not wait for it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{exit, output};

/// A token that the first signal cancels.
pub fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hang_up: if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
    };
    let cancelled = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        // Before anything is said: the standard error may be gone together with the terminal.
        cancelled.cancel();
        output::say("interrupted: cleaning up (again to leave at once; `ks-e2e sweep` cleans up later)");
        signals.next().await;
        std::process::exit(exit::INTERRUPTED.into());
    });
    Ok(stop)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// Whether the process was started to outlive its terminal (`nohup`); listening would undo that. Where there is no
/// `/proc` (proc(5), `SigIgn`), it is taken not to be.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is 1, the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

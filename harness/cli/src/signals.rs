//! Ctrl-C and SIGTERM: the first asks the run to stop and clean up, the second does not wait for it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit;

/// A token that the first signal cancels.
pub fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancelled = stop.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        eprintln!("interrupted: cleaning up (again to leave at once; `ks-e2e sweep` cleans up later)");
        cancelled.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(exit::INTERRUPTED.into());
    });
    Ok(stop)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

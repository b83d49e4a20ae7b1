//! Pairs of clusters shared by processes: a *keeper* makes them and lends them over a Unix socket, one connection a loan.
//!
//! nextest runs every test in a process of its own. The first one that needs a pair starts the keeper of the run, which is
//! this same executable; all others find its socket by the run's id. A connection that closes, for whatever reason, gives
//! the pair back. The keeper owns what it makes by a lease as everybody does, and ends with the process that runs the
//! tests.

mod borrow;
mod cluster;
mod find;
mod keep;
mod lend;
#[cfg(test)]
mod tests;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use self::borrow::Borrower;
pub(crate) use self::keep::keep;
use crate::leases::state_directory;
use crate::provider::{Capabilities, Missing, Provider};

/// First argument of a keeper; the provider's name, the keeper's id, and the pid and start time of the process that runs
/// the tests follow.
pub(crate) const KEEP_ARGUMENT: &str = "__keep";

/// Set by nextest, to another value for each run.
const RUN_VARIABLE: &str = "NEXTEST_RUN_ID";

/// What this process makes clusters with, after its probe: `provider` itself, or, where nextest runs this process and
/// pairs take long to make, one that borrows them from the run's keeper.
///
/// # Errors
/// [`Missing`] says what `provider` lacks.
pub async fn for_this_process(provider: Arc<dyn Provider>) -> Result<(Arc<dyn Provider>, Capabilities), Missing> {
    let Ok(run) = std::env::var(RUN_VARIABLE) else {
        let capabilities = provider.probe().await?;
        return Ok((provider, capabilities));
    };
    let address = Address::new(&run, provider.name(), state_directory(), &std::env::temp_dir());
    // Once its clusters stand, there need not be room for others: a running keeper's word counts.
    let capabilities = match address.ask_keeper().await {
        Some(capabilities) => capabilities,
        None => provider.probe().await?,
    };
    if !capabilities.shares_pairs {
        return Ok((provider, capabilities));
    }
    let borrower = Borrower::new(provider.name(), address, capabilities);
    let capabilities = borrower.capabilities();
    Ok((Arc::new(borrower), capabilities))
}

/// Where the keeper of a run is found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    /// Run id of its lease.
    id: String,
    /// Where leases live.
    state: PathBuf,
    /// Its socket.
    socket: PathBuf,
}

impl Address {
    fn new(run: &str, provider: &str, state: PathBuf, temporary: &Path) -> Self {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(format!("{run} {provider}")));
        let id = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
        let socket = socket_in(&temporary.join(crate::leases::directory_name(&id)));
        Self { id, state, socket }
    }
}

/// The socket of the keeper whose lease has `directory`.
fn socket_in(directory: &Path) -> PathBuf {
    directory.join("keeper")
}

//! Sessions on one server.

mod process;
mod sandbox;
mod scripts;
mod sessions;
mod stage;

use std::time::Duration;

pub use self::scripts::{Script, scripts};
pub use self::sessions::{PlayError, Player};
pub use self::stage::Stage;

/// Longest a command may take before it counts as hanging: the slowest waits for pods on two busy cores.
const LIMIT: Duration = Duration::from_mins(1);

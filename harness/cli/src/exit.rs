//! Exit codes.

use std::io;
use std::process::ExitCode;

use crate::output;

/// Everything asked for was done and holds.
pub const SUCCESS: u8 = 0;
/// A check or step failed.
pub const FAILED: u8 = 1;
/// Bad usage or an invalid file.
pub const USAGE: u8 = 2;
/// The environment lacks something.
pub const ENVIRONMENT: u8 = 3;
/// Interrupted by a signal.
pub const INTERRUPTED: u8 = 130;

/// Says what is wrong with the input.
pub fn usage(message: &str) -> ExitCode {
    output::say(message);
    ExitCode::from(USAGE)
}

/// Says what the environment lacks.
pub fn environment(message: &str) -> ExitCode {
    output::say(&format!("error: {message}"));
    ExitCode::from(ENVIRONMENT)
}

/// Success if `printed` is, for a command whose output is all it does.
pub fn after_printing(printed: io::Result<()>) -> ExitCode {
    printed.map_or_else(|error| environment(&unprinted(&error)), |()| ExitCode::SUCCESS)
}

/// Why the standard output lacks something.
pub fn unprinted(error: &io::Error) -> String {
    format!("cannot write to the standard output: {error}; send it to where there is room")
}

/// Prints what clap has to say: help and version are asked for, anything else is bad usage.
pub fn clap(error: &clap::Error) -> ExitCode {
    let printed = output::unless_unread(error.print());
    if error.use_stderr() { ExitCode::from(USAGE) } else { after_printing(printed) }
}

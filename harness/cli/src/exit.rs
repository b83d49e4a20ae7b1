//! Exit codes.

use std::process::ExitCode;

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
    eprintln!("{message}");
    ExitCode::from(USAGE)
}

/// Says what the environment lacks.
pub fn environment(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(ENVIRONMENT)
}

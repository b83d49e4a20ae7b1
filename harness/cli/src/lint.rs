//! `ks-e2e lint`

use std::process::ExitCode;

use engine::library;

use crate::arguments::LintArguments;
use crate::{exit, output};

pub fn lint(arguments: &LintArguments) -> ExitCode {
    let loaded = if arguments.paths.is_empty() { library::built_in() } else { library::from_paths(&arguments.paths) };
    match loaded {
        Ok(scenarios) => {
            let plural = if scenarios.len() == 1 { "" } else { "s" };
            exit::after_printing(output::print(&format!("{} scenario{plural}, no problem\n", scenarios.len())))
        }
        Err(error) => exit::usage(&error.to_string()),
    }
}

//! `ks-e2e lint`

use std::process::ExitCode;

use engine::library;

use crate::arguments::LintArguments;
use crate::exit;

pub fn lint(arguments: &LintArguments) -> ExitCode {
    let loaded = if arguments.paths.is_empty() { library::built_in() } else { library::from_paths(&arguments.paths) };
    match loaded {
        Ok(scenarios) => {
            println!("{} scenarios, no problem", scenarios.len());
            ExitCode::SUCCESS
        }
        Err(error) => exit::usage(&error.to_string()),
    }
}

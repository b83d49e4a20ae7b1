//! `ks-e2e lint`

use std::collections::BTreeSet;
use std::process::ExitCode;

use engine::library;

use crate::arguments::LintArguments;
use crate::{exit, output};

pub fn lint(arguments: &LintArguments) -> ExitCode {
    let loaded = if arguments.paths.is_empty() { library::built_in() } else { library::from_paths(&arguments.paths) };
    match loaded {
        Ok(scenarios) => {
            // Each variant of a matrix is a scenario of its own.
            let files: BTreeSet<&str> = scenarios.iter().map(|scenario| scenario.location.file.as_str()).collect();
            let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let (scenarios, files) = (counted(scenarios.len(), "scenario"), counted(files.len(), "file"));
            exit::after_printing(output::print(&format!("{scenarios} in {files}, no problem\n")))
        }
        Err(error) => exit::usage(&error.to_string()),
    }
}

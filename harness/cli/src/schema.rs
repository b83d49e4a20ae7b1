//! `ks-e2e schema`

use std::process::ExitCode;

use engine::library;

use crate::{exit, output};

pub fn schema() -> ExitCode {
    match serde_json::to_string_pretty(&library::schema()) {
        Ok(text) => exit::after_printing(output::print(&(text + "\n"))),
        Err(error) => exit::environment(&error.to_string()),
    }
}

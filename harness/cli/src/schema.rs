//! `ks-e2e schema`

use std::process::ExitCode;

use engine::library;

use crate::arguments::{SchemaArguments, SchemaOutput};
use crate::{exit, output};

pub fn schema(arguments: &SchemaArguments) -> ExitCode {
    let text = match arguments.output {
        SchemaOutput::Json => serde_json::to_string_pretty(&library::schema()).map(|text| text + "\n"),
        SchemaOutput::Markdown => Ok(library::reference()),
    };
    match text {
        Ok(text) => exit::after_printing(output::print(&text)),
        Err(error) => exit::environment(&error.to_string()),
    }
}

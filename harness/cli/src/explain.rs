//! `ks-e2e explain`

use std::process::ExitCode;

use engine::explain::Explanation;
use scenario::plan::Cell;

use crate::arguments::{ExplainArguments, ExplainOutput};
use crate::{exit, output, scenarios};

pub fn explain(arguments: &ExplainArguments) -> ExitCode {
    let cells = match scenarios::cells(&arguments.chosen()) {
        Ok(cells) => cells,
        Err(message) => return exit::usage(&message),
    };
    let Some(cell) = newest(&cells) else {
        let names: Vec<&str> = names(&cells);
        return exit::usage(&format!("error: {} scenarios match; choose one of {}", names.len(), names.join(", ")));
    };
    let explanation = Explanation::of(cell);
    let text = match arguments.output {
        ExplainOutput::Text => explanation.text(),
        ExplainOutput::Sh => explanation.script(),
        ExplainOutput::Json => match serde_json::to_string_pretty(&explanation) {
            Ok(text) => text + "\n",
            Err(error) => return exit::environment(&error.to_string()),
        },
    };
    exit::after_printing(output::print(&text))
}

/// The last cell, which is on the newest release, of a scenario that is the only one.
fn newest(cells: &[Cell]) -> Option<&Cell> {
    cells.last().filter(|_| names(cells).len() == 1)
}

fn names(cells: &[Cell]) -> Vec<&str> {
    let mut names: Vec<&str> = cells.iter().map(|cell| cell.scenario.name.as_str()).collect();
    names.dedup();
    names
}

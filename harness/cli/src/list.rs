//! `ks-e2e list`

use std::process::ExitCode;

use scenario::event::CellInfo;
use scenario::plan::Cell;

use crate::arguments::{ListArguments, ListOutput};
use crate::{exit, output, scenarios};

pub fn list(arguments: &ListArguments) -> ExitCode {
    let cells = match scenarios::cells(&arguments.chosen) {
        Ok(cells) => cells,
        Err(message) => return exit::usage(&message),
    };
    let infos: Vec<CellInfo> = cells.iter().map(Cell::info).collect();
    let text = match arguments.output {
        ListOutput::Table => report::list_table(&infos),
        ListOutput::Name => infos.iter().map(|info| info.id.to_string()).collect::<Vec<_>>().join("\n") + "\n",
        ListOutput::Json => match serde_json::to_string_pretty(&infos) {
            Ok(text) => format!("{text}\n"),
            Err(error) => return exit::environment(&error.to_string()),
        },
    };
    exit::after_printing(output::print(&text))
}

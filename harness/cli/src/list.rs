//! `ks-e2e list`

use std::process::ExitCode;

use scenario::event::CellInfo;
use scenario::plan::Cell;

use crate::arguments::{ListArguments, ListOutput};
use crate::{exit, scenarios};

pub fn list(arguments: &ListArguments) -> ExitCode {
    let cells = match scenarios::cells(&arguments.chosen) {
        Ok(cells) => cells,
        Err(message) => return exit::usage(&message),
    };
    let infos: Vec<CellInfo> = cells.iter().map(Cell::info).collect();
    match arguments.output {
        ListOutput::Table => print!("{}", report::list_table(&infos)),
        ListOutput::Name => infos.iter().for_each(|info| println!("{}", info.id)),
        ListOutput::Json => match serde_json::to_string_pretty(&infos) {
            Ok(text) => println!("{text}"),
            Err(error) => return exit::environment(&error.to_string()),
        },
    }
    ExitCode::SUCCESS
}

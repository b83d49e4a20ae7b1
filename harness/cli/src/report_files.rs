//! `ks-e2e report`, and reports that other runs have written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::library;
use scenario::Report;
use scenario::event::CellId;
use scenario::plan;
use scenario::select::Selection;

use crate::arguments::{MergeArguments, ReportArguments, ReportCommand};
use crate::{exit, output};

pub fn report(arguments: &ReportArguments) -> ExitCode {
    match &arguments.command {
        ReportCommand::Merge(arguments) => merge(arguments),
    }
}

fn merge(arguments: &MergeArguments) -> ExitCode {
    let parts = match read_all(&arguments.reports) {
        Ok(parts) => parts,
        Err(message) => return exit::usage(&message),
    };
    let order = match order() {
        Ok(order) => order,
        Err(message) => return exit::environment(&message),
    };
    let merged = match report::merge(&parts, |id| order.get(id).copied()) {
        Ok(merged) => merged,
        Err(error) => {
            let files = arguments.reports.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            return exit::usage(&format!("error: cannot merge {files}: {error}"));
        }
    };
    if let Err(error) = report::write(&arguments.report, &merged) {
        return exit::environment(&error.to_string());
    }
    let printed = output::print(&format!("{}\n", merged.summary));
    if merged.summary.failed > 0 { ExitCode::from(exit::FAILED) } else { exit::after_printing(printed) }
}

/// The place of every built-in cell in a run of all of them.
fn order() -> Result<HashMap<CellId, usize>, String> {
    let releases = library::releases(&[]).map_err(|error| error.to_string())?;
    let of = |scenarios: Vec<_>| plan::plan(&scenarios, &releases, &Selection::all());
    let mut cells = of(library::suite().map_err(|error| error.to_string())?);
    cells.extend(of(library::pairing_matrix().map_err(|error| error.to_string())?));
    let mut order = HashMap::new();
    for (place, cell) in cells.into_iter().enumerate() {
        order.entry(cell.id).or_insert(place);
    }
    Ok(order)
}

/// The reports at `paths`, or what is wrong with one of them.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Report>, String> {
    paths.iter().map(|path| read(path)).collect()
}

/// `report.json` itself, or of the directory that holds it.
fn read(path: &Path) -> Result<Report, String> {
    let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
    let shown = file.display();
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("error: cannot read {shown}: {error}; name what `run --report DIR` has written"))?;
    serde_json::from_str(&text)
        .map_err(|error| format!("{shown}:{}:{}: error: not a report: {error}", error.line(), error.column()))
}

//! The end of a run: a table of all cells, what failed and why, the totals.

use std::collections::HashMap;
use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use owo_colors::Style;
use scenario::Report;
use scenario::event::{CellId, CellInfo, Outcome};
use scenario::report::CellReport;

use super::{TerminalOptions, paint, style};
use crate::failure;
use crate::text::{result, seconds};

/// A terminal narrower than this breaks the table's lines itself.
const NARROWEST: u16 = 60;

pub fn render(
    report: &Report,
    cells: &HashMap<CellId, CellInfo>,
    options: TerminalOptions,
    interrupted: bool,
) -> String {
    let mut text = String::new();
    if !report.scenarios.is_empty() {
        text.push('\n');
        text.push_str(&table(report, cells, options));
    }
    for cell in report
        .scenarios
        .iter()
        .filter(|cell| cell.result == Outcome::Failed)
    {
        let heading = paint(
            &format!("FAILED {}", cell.id),
            style(Outcome::Failed),
            options.colour,
        );
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{heading}\n{}", failure::body(cell));
    }
    text.push('\n');
    text.push_str(&totals(report, options, interrupted));
    text
}

fn table(report: &Report, cells: &HashMap<CellId, CellInfo>, options: TerminalOptions) -> String {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(["scenario", "release", "result", "steps", "checks", "time"]);
    if let Some(width) = options.width.filter(|width| *width >= NARROWEST) {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    for cell in &report.scenarios {
        let planned = cells.get(&cell.id);
        table.add_row([
            name(cell),
            cell.release.clone(),
            result(cell.result).to_owned(),
            share(
                cell.steps.iter().map(|step| step.result),
                planned.map(|cell| cell.steps),
            ),
            share(
                cell.checks.iter().map(|check| check.result),
                planned.map(|cell| cell.checks),
            ),
            seconds(cell.duration_ms),
        ]);
    }
    for index in 3..6 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    let mut results = report.scenarios.iter().map(|cell| cell.result);
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        // A row that was wrapped goes on in lines that begin with no release; the first line carries the colour.
        let painted = if index == 0 {
            paint(line, Style::new().bold(), options.colour)
        } else {
            match results.next() {
                Some(Outcome::Passed) | None => line.to_owned(),
                Some(result) => paint(line, style(result), options.colour),
            }
        };
        let _ = writeln!(text, "{painted}");
    }
    text
}

/// The scenario's name, with the cell's parameters.
fn name(cell: &CellReport) -> String {
    let params = cell
        .id
        .0
        .split_once('[')
        .map(|(_, params)| format!(" [{params}"))
        .unwrap_or_default();
    format!("{}{params}", cell.name)
}

/// `2/3`: how many held, of how many there are.
fn share(results: impl Iterator<Item = Outcome> + Clone, planned: Option<usize>) -> String {
    let all = results.clone().count().max(planned.unwrap_or_default());
    format!(
        "{}/{all}",
        results.filter(|result| *result == Outcome::Passed).count()
    )
}

fn totals(report: &Report, options: TerminalOptions, interrupted: bool) -> String {
    let skips: Vec<String> = report
        .skips()
        .into_iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let skips = if skips.is_empty() {
        String::new()
    } else {
        format!(" ({})", skips.join(", "))
    };
    let interrupted = if interrupted { "interrupted: " } else { "" };
    let line = format!(
        "{interrupted}{}{skips} in {}",
        report.summary,
        seconds(report.duration_ms)
    );
    let worst = if report.summary.failed > 0 {
        Outcome::Failed
    } else if interrupted.is_empty() {
        Outcome::Passed
    } else {
        Outcome::KnownIssue
    };
    format!("{}\n", paint(&line, style(worst), options.colour))
}

//! The end of a run: a table of all cells, if asked for, what failed and why, the totals.

use std::collections::HashMap;
use std::fmt::Write;

use owo_colors::Style;
use scenario::Report;
use scenario::event::{CellId, CellInfo, Outcome};

use super::{TerminalOptions, paint, style};
use crate::failure;
use crate::table::{Rows, name};
use crate::text::{result, seconds};

pub fn render(
    report: &Report,
    planned: Option<&HashMap<CellId, CellInfo>>,
    options: TerminalOptions,
    interrupted: bool,
) -> String {
    let mut text = String::new();
    if let Some(cells) = planned.filter(|_| !report.scenarios.is_empty()) {
        text.push('\n');
        text.push_str(&table(report, cells, options));
    }
    for cell in report.scenarios.iter().filter(|cell| cell.result == Outcome::Failed) {
        let heading = paint(&format!("FAILED {}", cell.id), style(Outcome::Failed), options.colour);
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{heading}\n{}", failure::body(cell));
    }
    if planned.is_some() || !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&totals(report, options, interrupted));
    text
}

fn table(report: &Report, cells: &HashMap<CellId, CellInfo>, options: TerminalOptions) -> String {
    let mut rows = Rows::new(["scenario", "release", "result", "steps", "checks", "time"]);
    for cell in &report.scenarios {
        let planned = cells.get(&cell.id);
        rows.push([
            name(&cell.name, &cell.id),
            cell.release.clone(),
            result(cell.result).to_owned(),
            share(cell.steps.iter().map(|step| step.result), planned.map(|cell| cell.steps)),
            share(cell.checks.iter().map(|check| check.result), planned.map(|cell| cell.checks)),
            seconds(cell.duration_ms),
        ]);
    }
    rows.align_right(3..6);
    let lines = rows.lines(options.width);
    // Colour goes over whole lines, so it needs one line for each cell.
    let wrapped = lines.len() != report.scenarios.len() + 1;
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let cell = index.checked_sub(1).and_then(|index| report.scenarios.get(index));
        let painted = match cell.map(|cell| cell.result) {
            None if index == 0 => paint(line, Style::new().bold(), options.colour),
            Some(result) if !wrapped && result != Outcome::Passed => paint(line, style(result), options.colour),
            _ => line.clone(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{painted}");
    }
    text
}

/// `2/3`: how many held, of how many there are.
fn share(results: impl Iterator<Item = Outcome> + Clone, planned: Option<usize>) -> String {
    let all = results.clone().count().max(planned.unwrap_or_default());
    format!("{}/{all}", results.filter(|result| *result == Outcome::Passed).count())
}

fn totals(report: &Report, options: TerminalOptions, interrupted: bool) -> String {
    let skips: Vec<String> = report.skips().into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let skips = if skips.is_empty() { String::new() } else { format!(" ({})", skips.join(", ")) };
    let interrupted = if interrupted { "interrupted: " } else { "" };
    let (summary, time, provider) = (report.summary, seconds(report.duration_ms), &report.provider);
    let line = format!("{interrupted}{summary}{skips} in {time} on {provider}");
    let worst = if report.summary.failed > 0 {
        Outcome::Failed
    } else if interrupted.is_empty() {
        Outcome::Passed
    } else {
        Outcome::KnownIssue
    };
    format!("{}\n", paint(&line, style(worst), options.colour))
}

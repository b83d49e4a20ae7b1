//! A run on the terminal: progress while it goes on, then a table, what failed, and the totals.

mod live;
mod summary;

use std::collections::HashMap;
use std::io::{self, Write};

use owo_colors::{OwoColorize, Style};
use scenario::Report;
use scenario::event::{CellId, CellInfo, Event, Outcome};

use crate::failure;
use crate::text::{plain, seconds};
use live::Live;

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Colours. The caller knows of `NO_COLOR` and of what the output is.
    pub colour: bool,
    /// Whether the standard error is a terminal, on which progress can be drawn. Then only cells that did not pass get a
    /// line while the run goes on.
    pub live: bool,
    /// Columns of the terminal; none when unknown.
    pub width: Option<u16>,
}

/// Writes a run as it happens.
pub struct Terminal<W: Write> {
    options: TerminalOptions,
    out: W,
    live: Option<Live>,
    brief: bool,
    cells: HashMap<CellId, CellInfo>,
    /// All of them: the end is the report's own view of the run.
    events: Vec<Event>,
}

impl<W: Write> Terminal<W> {
    /// Writes to `out`; progress, if `options` ask for it, is drawn on the standard error.
    pub fn new(options: TerminalOptions, out: W) -> Self {
        Self { options, out, live: None, brief: false, cells: HashMap::new(), events: Vec::new() }
    }

    /// Says nothing of cells that pass but their number, for runs that come again and again.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.brief = true;
        self
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When the output cannot be written. The terminal stays usable: what comes next may be written again.
    pub fn on_event(&mut self, event: &Event) -> io::Result<()> {
        self.events.push(event.clone());
        match event {
            Event::RunStarted { cells, .. } => {
                self.cells = cells.iter().map(|cell| (cell.id.clone(), cell.clone())).collect();
                self.live = self.options.live.then(|| Live::new(cells.len()));
            }
            Event::CellStarted { cell } => {
                if let Some(live) = &mut self.live {
                    live.started(cell);
                }
            }
            Event::CellFinished { cell, result, reason, duration_ms, .. } => {
                if let Some(live) = &mut self.live {
                    live.finished(cell, *result);
                }
                if (self.live.is_none() && !self.brief) || *result != Outcome::Passed {
                    let reason = reason.clone().or_else(|| self.first_failure(cell));
                    let line = self.cell_line(cell, *result, reason.as_deref(), *duration_ms);
                    return self.print(&line);
                }
            }
            Event::RunFinished { interrupted, .. } => {
                self.live = None;
                let report = Report::from_events(&self.events);
                let planned = (!self.brief).then_some(&self.cells);
                let summary = summary::render(&report, planned, self.options, *interrupted);
                return self.print(&summary);
            }
            Event::CellProvisioned { cell, replaced: Some(why), .. } => {
                return self
                    .print(&format!("note: {cell} got new clusters, for those before it stayed dirty: {why}\n"));
            }
            Event::CellProvisioned { replaced: None, .. }
            | Event::StepStarted { .. }
            | Event::StepFinished { .. }
            | Event::CheckFinished { .. } => {}
        }
        Ok(())
    }

    /// The output, as it stands.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// What failed first in a cell that gives no reason.
    fn first_failure(&self, id: &CellId) -> Option<String> {
        self.events.iter().find_map(|event| match event {
            Event::StepFinished { cell, step } if cell == id && step.result == Outcome::Failed => {
                Some(failure::step(step))
            }
            Event::CheckFinished { cell, check } if cell == id && check.result == Outcome::Failed => {
                Some(failure::check(check))
            }
            _ => None,
        })
    }

    fn cell_line(&self, cell: &CellId, result: Outcome, reason: Option<&str>, duration_ms: u64) -> String {
        let word = match result {
            Outcome::Passed => "PASS ",
            Outcome::Failed => "FAIL ",
            Outcome::KnownIssue => "KNOWN",
            Outcome::Skipped => "SKIP ",
        };
        let word = paint(word, style(result), self.options.colour);
        let reason =
            reason.map(|reason| format!("  {}", plain(reason).lines().next().unwrap_or_default())).unwrap_or_default();
        let repetition = self.cells.get(cell).and_then(|cell| cell.repetition);
        let seed = repetition.map(|repetition| format!("  --seed {}", repetition.seed)).unwrap_or_default();
        format!("{word} {:>7}  {cell}{seed}{reason}\n", seconds(duration_ms))
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        let out = &mut self.out;
        let mut write = || out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match &self.live {
            Some(live) => live.beside(write),
            None => write(),
        }
    }
}

/// The colour of a result.
fn style(result: Outcome) -> Style {
    match result {
        Outcome::Passed => Style::new().green(),
        Outcome::Failed => Style::new().red().bold(),
        Outcome::KnownIssue => Style::new().yellow(),
        Outcome::Skipped => Style::new().dimmed(),
    }
}

fn paint(text: &str, style: Style, colour: bool) -> String {
    if colour { text.style(style).to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests;

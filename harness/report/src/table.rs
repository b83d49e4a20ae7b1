//! Columns without lines.

use std::ops::Range;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use scenario::event::CellId;

/// A terminal narrower than this breaks the table's lines itself.
const NARROWEST: u16 = 60;

/// A heading and rows below it.
pub struct Rows(Table);

impl Rows {
    pub fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self::of(heading.into_iter().map(str::to_owned))
    }

    pub fn of(heading: impl IntoIterator<Item = String>) -> Self {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_header(heading.into_iter().collect::<Vec<_>>());
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        Self(table)
    }

    pub fn push<const N: usize>(&mut self, row: [String; N]) {
        self.add(row);
    }

    pub fn add(&mut self, row: impl IntoIterator<Item = String>) {
        self.0.add_row(row.into_iter().collect::<Vec<_>>());
    }

    /// For numbers. To be called when all rows are there.
    pub fn align_right(&mut self, columns: Range<usize>) {
        for index in columns {
            if let Some(column) = self.0.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }

    /// The lines, the heading first; wrapped where a row is wider than `width`.
    pub fn lines(&mut self, width: Option<u16>) -> Vec<String> {
        if let Some(width) = width.filter(|width| *width >= NARROWEST) {
            self.0.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        self.0.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

/// The scenario's name, with the cell's parameters and which time it is.
pub fn name(scenario: &str, id: &CellId) -> String {
    let behind = id.0.find(['[', '#']).map(|at| format!(" {}", &id.0[at..])).unwrap_or_default();
    format!("{scenario}{behind}")
}

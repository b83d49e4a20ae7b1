//! `ks-e2e list`: the cells of a run that has not begun.

use scenario::event::{Basis, CellInfo};

use crate::table::Rows;

/// A table of cells.
#[must_use]
pub fn list_table(cells: &[CellInfo]) -> String {
    let mut rows = Rows::new(["scenario", "release", "basis", "steps", "checks", "labels"]);
    for cell in cells {
        let basis = match cell.basis {
            Basis::Observed => "observed",
            Basis::Source => "source",
        };
        let labels: Vec<String> = cell.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        rows.push([
            crate::table::name(&cell.name, &cell.id),
            cell.release.clone(),
            basis.to_owned(),
            cell.steps.to_string(),
            cell.checks.to_string(),
            labels.join(","),
        ]);
    }
    rows.align_right(3..5);
    rows.lines(None).into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use scenario::event::Event;

    use super::*;

    #[test]
    fn lists_cells_in_columns() {
        let events = crate::fixture::events();
        let Some(Event::RunStarted { cells, .. }) = events.first() else { panic!("a run") };
        insta::assert_snapshot!(list_table(&cells[..2]));
    }
}

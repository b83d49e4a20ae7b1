//! `summary.md`: what a pull request shows (GitHub appends it to the file that `GITHUB_STEP_SUMMARY` names).

use std::fmt::Write;

use scenario::Report;
use scenario::event::Outcome;
use scenario::report::CellReport;

use crate::failure;
use crate::text::{plain, result, seconds};

/// The report as GitHub's Markdown: the totals, all that did not pass with its failure folded, then the cells that passed.
#[must_use]
pub fn to_markdown(report: &Report) -> String {
    let mut text = format!(
        "## {} on {}\n\n{} in {}\n",
        report.tool.name,
        report.provider,
        report.summary,
        seconds(report.duration_ms)
    );
    for (reason, count) in report.skips() {
        append(&mut text, &format!("\n- {count} skipped: {reason}"));
    }
    let (passed, others): (Vec<&CellReport>, Vec<&CellReport>) =
        report.scenarios.iter().partition(|cell| cell.result == Outcome::Passed);
    if !others.is_empty() {
        append(&mut text, "\n| cell | result | why | time |\n|---|---|---|---|");
    }
    for cell in &others {
        let why = if cell.result == Outcome::Failed {
            failure::headline(cell)
        } else {
            cell.reason.clone().unwrap_or_default()
        };
        let row = format!(
            "| {} | {} | {} | {} |",
            code(&cell.id.0),
            result(cell.result),
            table_text(&why),
            seconds(cell.duration_ms)
        );
        append(&mut text, &row);
    }
    for cell in others.iter().filter(|cell| cell.result == Outcome::Failed) {
        let body = failure::body(cell);
        let fence = fence(&body);
        append(
            &mut text,
            &format!("\n<details><summary>{}</summary>\n\n{fence}\n{body}{fence}\n\n</details>", cell.id),
        );
    }
    if !passed.is_empty() {
        append(
            &mut text,
            &format!("\n<details><summary>{} passed</summary>\n\n| cell | time |\n|---|---|", passed.len()),
        );
        for cell in passed {
            append(&mut text, &format!("| {} | {} |", code(&cell.id.0), seconds(cell.duration_ms)));
        }
        append(&mut text, "\n</details>");
    }
    text
}

fn append(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// One line in which nothing is Markdown or HTML.
fn table_text(text: &str) -> String {
    let mut escaped = String::new();
    for character in plain(text).lines().next().unwrap_or_default().chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => escaped.extend(['\\', character]),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A fence longer than any run of backquotes inside.
fn fence(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_summary() {
        insta::assert_snapshot!(to_markdown(&crate::fixture::report()));
    }

    #[test]
    fn keeps_text_from_being_markdown() {
        assert_eq!(table_text("a|b <img> `c`\nmore"), r"a\|b &lt;img> \`c\`");
        assert_eq!(fence("a ```` b"), "`````");
    }
}

//! What a person needs to see of a cell that failed: the terminal and JUnit show the same.

use std::fmt::Write;

use scenario::event::{CheckReport, Outcome, StepReport};
use scenario::report::CellReport;

use crate::text::{plain, tail};

/// One line: the step or check that failed first, and how; else the cell's own reason.
pub fn headline(cell: &CellReport) -> String {
    let first_step = cell.steps.iter().find(|step| step.result == Outcome::Failed).map(step);
    let first_check = || cell.checks.iter().find(|check| check.result == Outcome::Failed).map(check);
    let line = first_step
        .or_else(first_check)
        .or_else(|| cell.reason.clone())
        .unwrap_or_else(|| "it failed without a reason".to_owned());
    plain(&line).lines().next().unwrap_or_default().to_owned()
}

/// That a step failed, in a line.
pub fn step(step: &StepReport) -> String {
    format!("step \"{}\" failed", step.name)
}

/// That a check failed, and how.
pub fn check(check: &CheckReport) -> String {
    match &check.message {
        Some(message) => format!("check {}: {message}", check.name),
        None => format!("check {} failed", check.name),
    }
}

/// Every step and check that failed, the cell's reason, and the evidence.
pub fn body(cell: &CellReport) -> String {
    let mut body = Body::default();
    if let Some(reason) = cell.reason.as_ref().filter(|reason| !is_told_below(cell, reason)) {
        body.text(1, reason);
    }
    for step in cell.steps.iter().filter(|step| step.result == Outcome::Failed) {
        body.step(step);
    }
    for check in cell.checks.iter().filter(|check| check.result == Outcome::Failed) {
        body.check(check);
    }
    for evidence in cell.evidence.iter().filter(|evidence| !evidence.whole) {
        body.line(1, &format!("evidence: {}", plain(&evidence.title)));
        body.text(2, &tail(&evidence.text));
    }
    match cell.evidence.iter().filter(|evidence| evidence.whole).count() {
        0 => {}
        whole => body.line(1, &format!("evidence: {whole} whole objects, in report.json of --report DIR")),
    }
    body.0
}

/// Whether the reason is that of a step or check which is told of in full.
fn is_told_below(cell: &CellReport, reason: &str) -> bool {
    let steps = cell.steps.iter().filter(|step| step.result == Outcome::Failed).map(|step| &step.actual);
    let checks = cell.checks.iter().filter(|check| check.result == Outcome::Failed).map(|check| &check.message);
    steps.chain(checks).flatten().any(|told| reason.ends_with(told.as_str()))
}

#[derive(Default)]
struct Body(String);

impl Body {
    fn line(&mut self, level: usize, line: &str) {
        let indented = if line.is_empty() { String::new() } else { format!("{}{line}", "  ".repeat(level)) };
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{indented}");
    }

    fn text(&mut self, level: usize, text: &str) {
        for line in plain(text).trim_end().lines() {
            self.line(level, line.trim_end());
        }
    }

    /// `label: text` on one line, or the text below the label.
    fn field(&mut self, label: &str, text: Option<&str>) {
        let Some(text) = text.map(plain).filter(|text| !text.trim().is_empty()) else {
            return;
        };
        let text = tail(&text);
        if text.contains('\n') || matches!(label, "stdout" | "stderr") {
            self.line(2, &format!("{label}:"));
            self.text(3, &text);
        } else {
            self.line(2, &format!("{:<10}{text}", format!("{label}:")));
        }
    }

    fn step(&mut self, step: &StepReport) {
        let location = step.location.as_ref().map(|location| format!(" ({location})")).unwrap_or_default();
        self.line(1, &format!("step \"{}\" on {}{location}", plain(&step.name), step.on));
        if let Some(command) = &step.command {
            self.text(2, &format!("$ {command}"));
        }
        self.field("executed", step.executed.as_deref());
        self.field("expected", step.expected.as_deref());
        self.field("actual", step.actual.as_deref());
        if step.actual.is_none()
            && let Some(code) = step.exit_code
        {
            self.field("exit code", Some(&code.to_string()));
        }
        // The console has one answer for both.
        self.field("stdout", step.stdout.as_deref().filter(|said| step.actual.as_deref() != Some(said)));
        self.field("stderr", step.stderr.as_deref());
    }

    fn check(&mut self, check: &CheckReport) {
        let on = check.on.map(|on| format!(" on {on}")).unwrap_or_default();
        let location = check.location.as_ref().map(|location| format!(" ({location})")).unwrap_or_default();
        self.line(1, &format!("check {}{on}{location}", check.name));
        if let Some(message) = &check.message {
            self.text(2, message);
        }
        self.field("expected", check.expected.as_deref());
        self.field("actual", check.actual.as_deref());
    }
}

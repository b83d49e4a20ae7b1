//! The report of a run: a pure fold over its events, and the shape of `report.json`.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::event::{Basis, CellId, CellInfo, CheckReport, Event, Evidence, Outcome, ProcessUsage, StepReport};
use crate::plan::Shard;
use crate::repeat::Repetition;
use crate::skip::SkipReason;

/// Version of the report's shape; it grows when a reader of the old shape would misread the new one.
pub const SCHEMA_VERSION: u32 = 1;

/// What `report.json` holds (**fixed** names).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this shape.
    pub schema_version: u32,
    /// The tool that wrote it.
    pub tool: Tool,
    /// Provider of the clusters.
    pub provider: String,
    /// Start of the run, RFC 3339.
    pub started_at: String,
    /// How long the run took.
    pub duration_ms: u64,
    /// Seed of the run's randomness.
    pub seed: u64,
    /// Which part of a run it reports, as `2/5`; absent where it is a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Cells by result.
    pub summary: Summary,
    /// The kubectl that steps used.
    pub kubectl: Kubectl,
    /// Cells, in the order they were planned in.
    pub scenarios: Vec<CellReport>,
}

/// The tool that wrote a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `ks-e2e`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Cells by result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Held.
    pub passed: usize,
    /// Did not hold.
    pub failed: usize,
    /// Failed exactly as the scenario says, with a reference.
    pub known_issue: usize,
    /// Were not tried.
    pub skipped: usize,
}

impl Summary {
    /// Counts one more cell.
    pub fn count(&mut self, result: Outcome) {
        match result {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::KnownIssue => self.known_issue += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }
}

/// `1 passed, 0 failed, 2 known issues, 3 skipped`.
impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = if self.known_issue == 1 { "known issue" } else { "known issues" };
        write!(
            f,
            "{} passed, {} failed, {} {known}, {} skipped",
            self.passed, self.failed, self.known_issue, self.skipped
        )
    }
}

/// The kubectl that steps used, and what the processes of steps cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kubectl {
    /// Its version; null where there is none.
    pub version: Option<String>,
    /// Processes that steps started.
    pub processes: u64,
    /// Their CPU time, milliseconds.
    pub cpu_ms: u64,
}

/// A cell in the report (**fixed** names).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CellReport {
    /// Identity: `name@release[params]`.
    pub id: CellId,
    /// The scenario's name.
    pub name: String,
    /// KubeSphere release.
    pub release: String,
    /// Parameters.
    pub params: BTreeMap<String, String>,
    /// Whether the release was observed running or is known from sources.
    pub basis: Basis,
    /// Provider of the clusters.
    pub provider: String,
    /// The scenario's labels.
    pub labels: BTreeMap<String, String>,
    /// Which time it was, where cells were repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition: Option<Repetition>,
    /// Verdict.
    pub result: Outcome,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it took, provisioning included.
    pub duration_ms: u64,
    /// Steps that began, in order.
    pub steps: Vec<StepReport>,
    /// Checks that ended, in order.
    pub checks: Vec<CheckReport>,
    /// State of the clusters that helps to explain a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

impl Report {
    /// The report of the run that these events tell of. The run need not have ended: a cell without an end is reported
    /// as skipped, since it gave no verdict.
    #[must_use]
    pub fn from_events(events: &[Event]) -> Self {
        let mut fold = Fold::default();
        for event in events {
            fold.take(event);
        }
        fold.finish()
    }

    /// How many cells were skipped for which reason. A reason outside the list counts as it stands.
    #[must_use]
    pub fn skips(&self) -> BTreeMap<String, usize> {
        let mut skips = BTreeMap::new();
        for cell in self.scenarios.iter().filter(|cell| cell.result == Outcome::Skipped) {
            let reason = cell.reason.as_deref().unwrap_or_default();
            let word = reason.parse::<SkipReason>().map_or_else(|_| reason.to_owned(), |reason| reason.to_string());
            *skips.entry(word).or_default() += 1;
        }
        skips
    }
}

/// What is known so far.
#[derive(Default)]
struct Fold {
    report: Option<Report>,
    position: HashMap<CellId, usize>,
    ended: Vec<bool>,
    /// Steps that began and have not ended, by cell.
    open: HashMap<CellId, StepReport>,
}

impl Fold {
    fn take(&mut self, event: &Event) {
        match event {
            Event::RunStarted { version, provider, seed, started_at, kubectl, shard, cells } => {
                self.position = cells.iter().enumerate().map(|(position, cell)| (cell.id.clone(), position)).collect();
                self.ended = vec![false; cells.len()];
                self.report = Some(Report {
                    schema_version: SCHEMA_VERSION,
                    tool: Tool { name: "ks-e2e".to_owned(), version: version.clone() },
                    provider: provider.clone(),
                    started_at: started_at.clone(),
                    duration_ms: 0,
                    seed: *seed,
                    shard: *shard,
                    summary: Summary::default(),
                    kubectl: Kubectl { version: kubectl.clone(), processes: 0, cpu_ms: 0 },
                    scenarios: cells.iter().map(|cell| unfinished(cell, provider)).collect(),
                });
            }
            Event::CellStarted { .. } => {}
            Event::CellProvisioned { cell, duration_ms, .. } => {
                if let Some(cell) = self.cell(cell) {
                    cell.duration_ms += duration_ms;
                }
            }
            Event::StepStarted { cell, name, on, command, .. } => {
                self.open.insert(
                    cell.clone(),
                    StepReport {
                        name: name.clone(),
                        on: *on,
                        command: command.clone(),
                        executed: None,
                        exit_code: None,
                        stdout: None,
                        stderr: None,
                        duration_ms: 0,
                        result: Outcome::Skipped,
                        expected: None,
                        actual: None,
                        location: None,
                    },
                );
            }
            Event::StepFinished { cell, step } => {
                self.open.remove(cell);
                if let Some(cell) = self.cell(cell) {
                    let mut step = step.clone();
                    // The contract: `executed` only where it differs from `command`.
                    step.executed = step.executed.take().filter(|executed| step.command.as_ref() != Some(executed));
                    cell.duration_ms += step.duration_ms;
                    cell.steps.push(step);
                }
            }
            Event::CheckFinished { cell, check } => {
                if let Some(cell) = self.cell(cell) {
                    cell.duration_ms += check.duration_ms;
                    cell.checks.push(check.clone());
                }
            }
            Event::CellFinished { cell: id, result, reason, evidence, duration_ms } => {
                self.close_step(id);
                let position = self.position.get(id).copied();
                if let Some(ended) = position.and_then(|position| self.ended.get_mut(position)) {
                    *ended = true;
                }
                if let Some(cell) = self.cell(id) {
                    cell.result = *result;
                    cell.reason.clone_from(reason);
                    cell.evidence.clone_from(evidence);
                    cell.duration_ms = *duration_ms;
                }
            }
            Event::RunFinished { duration_ms, kubectl: ProcessUsage { processes, cpu_ms }, .. } => {
                if let Some(report) = &mut self.report {
                    report.duration_ms = *duration_ms;
                    report.kubectl.processes = *processes;
                    report.kubectl.cpu_ms = *cpu_ms;
                }
            }
        }
    }

    fn cell(&mut self, id: &CellId) -> Option<&mut CellReport> {
        let position = *self.position.get(id)?;
        self.report.as_mut()?.scenarios.get_mut(position)
    }

    fn close_step(&mut self, id: &CellId) {
        if let Some(step) = self.open.remove(id)
            && let Some(cell) = self.cell(id)
        {
            cell.steps.push(step);
        }
    }

    fn finish(mut self) -> Report {
        let open: Vec<CellId> = self.open.keys().cloned().collect();
        for id in open {
            self.close_step(&id);
        }
        let mut report = self.report.unwrap_or_else(nothing_ran);
        for (cell, ended) in report.scenarios.iter_mut().zip(self.ended) {
            if !ended {
                cell.result = Outcome::Skipped;
                let detail = if cell.steps.is_empty() { "it had not begun" } else { "it had not ended" };
                cell.reason = Some(SkipReason::Interrupted.with(detail));
            }
            report.summary.count(cell.result);
        }
        report
    }
}

fn unfinished(cell: &CellInfo, provider: &str) -> CellReport {
    CellReport {
        id: cell.id.clone(),
        name: cell.name.clone(),
        release: cell.release.clone(),
        params: cell.params.clone(),
        basis: cell.basis,
        provider: provider.to_owned(),
        labels: cell.labels.clone(),
        repetition: cell.repetition,
        result: Outcome::Skipped,
        reason: None,
        duration_ms: 0,
        steps: Vec::with_capacity(cell.steps),
        checks: Vec::with_capacity(cell.checks),
        evidence: Vec::new(),
    }
}

/// The report of a run that did not even begin.
fn nothing_ran() -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        tool: Tool { name: "ks-e2e".to_owned(), version: String::new() },
        provider: String::new(),
        started_at: String::new(),
        duration_ms: 0,
        seed: 0,
        shard: None,
        summary: Summary::default(),
        kubectl: Kubectl { version: None, processes: 0, cpu_ms: 0 },
        scenarios: Vec::new(),
    }
}

#[cfg(test)]
mod tests;

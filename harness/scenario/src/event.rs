//! What happens during a run, in order. Everything a user sees (terminal, report, JUnit) is derived from these.
//!
//! Texts in events are masked already: the recorder is the only way in, and it masks.

use serde::{Deserialize, Serialize};

use crate::model::On;
use crate::plan::Shard;
use crate::repeat::Repetition;

/// The identity of a cell: `name@release[params]`, with `#2` and so on behind it for the same once more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(pub String);

impl std::fmt::Display for CellId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a cell before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CellInfo {
    /// Identity.
    pub id: CellId,
    /// The scenario's name.
    pub name: String,
    /// KubeSphere release, as `3.3.2`.
    pub release: String,
    /// Parameters, in order.
    pub params: std::collections::BTreeMap<String, String>,
    /// Whether this release's behaviour was observed running or is known from sources.
    pub basis: Basis,
    /// The scenario's labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Which time it is, where cells are repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition: Option<Repetition>,
    /// Number of steps, `finally` included.
    pub steps: usize,
    /// Number of checks.
    pub checks: usize,
}

/// What a release profile rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The control plane was observed running.
    Observed,
    /// The sources were read.
    Source,
}

/// One thing that happened. Durations are milliseconds of real time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// The run begins with these cells.
    RunStarted {
        /// Version of this tool.
        version: String,
        /// Provider of the clusters.
        provider: String,
        /// Seed of the run's randomness.
        seed: u64,
        /// Start, RFC 3339.
        started_at: String,
        /// Version of kubectl, if one was found.
        kubectl: Option<String>,
        /// Which part of a run it is; none where it is a whole one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shard: Option<Shard>,
        /// The cells, in the order they are reported in.
        cells: Vec<CellInfo>,
    },
    /// A cell begins to get its clusters.
    CellStarted {
        /// Cell.
        cell: CellId,
    },
    /// A cell's clusters stand and hold what the scenario's `given` asks for.
    CellProvisioned {
        /// Cell.
        cell: CellId,
        /// How long it took.
        duration_ms: u64,
        /// Why clusters that were to be used again were replaced by new ones, if they were.
        replaced: Option<String>,
    },
    /// A step begins.
    StepStarted {
        /// Cell.
        cell: CellId,
        /// Position among the cell's steps, from 0.
        index: usize,
        /// Name.
        name: String,
        /// Cluster it acts on.
        on: On,
        /// The command as the page has it, or what the console is asked.
        command: Option<String>,
    },
    /// A step ended.
    StepFinished {
        /// Cell.
        cell: CellId,
        /// The step's outcome.
        step: StepReport,
    },
    /// A check ended.
    CheckFinished {
        /// Cell.
        cell: CellId,
        /// The check's outcome.
        check: CheckReport,
    },
    /// A cell ended and its clusters are gone.
    CellFinished {
        /// Cell.
        cell: CellId,
        /// Verdict.
        result: Outcome,
        /// Why it failed or was skipped.
        reason: Option<String>,
        /// State of both clusters that helps to explain a failure.
        evidence: Vec<Evidence>,
        /// From `CellStarted`.
        duration_ms: u64,
    },
    /// The run ended.
    RunFinished {
        /// How long it took.
        duration_ms: u64,
        /// Processes that steps started and what they cost.
        kubectl: ProcessUsage,
        /// The run was interrupted.
        interrupted: bool,
    },
}

/// Processes started by steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessUsage {
    /// How many.
    pub processes: u64,
    /// Their CPU time, milliseconds.
    pub cpu_ms: u64,
}

/// A titled text that helps to explain a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Title, as `member: ConfigMap kubesphere-system/kubesphere-config`.
    pub title: String,
    /// Text.
    pub text: String,
    /// A whole object, which is kept in the report and takes too much room on a terminal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

/// A verdict on a cell or a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Holds.
    Passed,
    /// Does not hold.
    Failed,
    /// Does not hold, as the scenario says with a reference.
    KnownIssue,
    /// Was not tried.
    Skipped,
}

/// A step in the report (**fixed** names).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// Name.
    pub name: String,
    /// Cluster it acted on.
    pub on: On,
    /// The command as the page has it, or what the console was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What was executed, only where it differs from `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executed: Option<String>,
    /// Exit code, if a process ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// Standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// Verdict.
    pub result: Outcome,
    /// What was expected, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// Where in the scenario file the step stands, as `member.yaml:17:5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// A check in the report (**fixed** names).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Name, as `jwt-secret-equal`.
    pub name: String,
    /// Cluster it looked at, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
    /// Verdict.
    pub result: Outcome,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// In a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// Where in the scenario file the check stands, as `member.yaml:30:7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

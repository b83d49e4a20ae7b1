//! Verdicts of the same cells on several providers, side by side.

use std::collections::{HashMap, HashSet};

use scenario::event::{CellId, Outcome};
use scenario::report::{CellReport, Report};
use scenario::skip::SkipReason;
use serde::Serialize;

use crate::table::Rows;
use crate::text::result;

/// Verdicts side by side, those that differ first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parity {
    /// The providers, in the order of the verdicts.
    pub providers: Vec<String>,
    /// The cells.
    pub cells: Vec<Side>,
}

/// One cell's verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The cell.
    pub id: CellId,
    /// Its verdict on each provider; none where it was not planned.
    pub verdicts: Vec<Option<Verdict>>,
    /// How they differ, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// What came of a cell on one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The result.
    pub result: Outcome,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Names of the steps and checks that did not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fails: Vec<String>,
}

/// How verdicts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// As Kubernetes has it, for a reason that is known.
    Typed(Reason),
    /// For no reason that is known: one of the providers is wrong.
    Untyped,
}

/// Why verdicts may differ: a closed list, each with what Kubernetes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The scenario keeps a delay from ending, which only a virtual clock can do.
    HeldDelay,
}

impl Reason {
    /// What Kubernetes does, and where that is written.
    #[must_use]
    pub fn because(self) -> &'static str {
        match self {
            Self::HeldDelay => {
                "a kubelet brings a changed ConfigMap to its pods by its own sync loop, which nobody can hold \
                 (kubernetes v1.20, pkg/kubelet/util/manager/cache_based_manager.go)"
            }
        }
    }
}

impl Parity {
    /// Compares `reports`, one of each provider.
    #[must_use]
    pub fn of(reports: &[Report]) -> Self {
        let providers = reports.iter().map(|report| report.provider.clone()).collect();
        let found: Vec<HashMap<&CellId, &CellReport>> =
            reports.iter().map(|report| report.scenarios.iter().map(|cell| (&cell.id, cell)).collect()).collect();
        let mut known = HashSet::new();
        let ids = reports.iter().flat_map(|report| &report.scenarios).map(|cell| &cell.id);
        let sides =
            ids.filter(|id| known.insert(*id)).map(|id| Side::of(id, found.iter().map(|cells| cells.get(id).copied())));
        let (mut cells, equal): (Vec<Side>, Vec<Side>) = sides.partition(|side| side.difference.is_some());
        cells.sort_by_key(|side| side.difference != Some(Difference::Untyped));
        cells.extend(equal);
        Self { providers, cells }
    }

    /// How many cells differ for no known reason.
    #[must_use]
    pub fn untyped(&self) -> usize {
        self.cells.iter().filter(|side| side.difference == Some(Difference::Untyped)).count()
    }

    /// A table, what the reasons are, and the totals.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = Rows::of(
            ["cell".to_owned()].into_iter().chain(self.providers.iter().cloned()).chain(["difference".to_owned()]),
        );
        for side in &self.cells {
            let verdicts = side.verdicts.iter().map(|verdict| verdict.as_ref().map_or_else(not_planned, Verdict::told));
            let difference = side.difference.map(Difference::told).unwrap_or_default();
            rows.add([side.id.to_string()].into_iter().chain(verdicts).chain([difference]));
        }
        let mut text: String = rows.lines(None).into_iter().map(|line| line + "\n").collect();
        let reasons = self.cells.iter().filter_map(|side| match side.difference? {
            Difference::Typed(reason) => Some(reason),
            Difference::Untyped => None,
        });
        let mut known = Vec::new();
        for reason in reasons {
            if !known.contains(&reason) {
                known.push(reason);
            }
        }
        text.extend(known.iter().map(|reason| format!("\n{}: {}\n", reason.name(), reason.because())));
        text + "\n" + &self.totals() + "\n"
    }

    fn totals(&self) -> String {
        let (all, untyped) = (self.cells.len(), self.untyped());
        let equal = self.cells.iter().filter(|side| side.difference.is_none()).count();
        let (typed, providers) = (all - equal - untyped, self.providers.join(", "));
        format!("{all} cells on {providers}: {equal} alike, {typed} different for a known reason, {untyped} for none")
    }
}

fn not_planned() -> String {
    "not run".to_owned()
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::HeldDelay => "held-delay",
        }
    }
}

impl Difference {
    fn told(self) -> String {
        match self {
            Self::Typed(reason) => reason.name().to_owned(),
            Self::Untyped => "no known reason".to_owned(),
        }
    }
}

impl Verdict {
    fn of(cell: &CellReport) -> Self {
        let steps = cell.steps.iter().filter(|step| step.result == Outcome::Failed).map(|step| step.name.clone());
        let checks = cell.checks.iter().filter(|check| matches!(check.result, Outcome::Failed | Outcome::KnownIssue));
        let fails = steps.chain(checks.map(|check| check.name.clone())).collect();
        Self { result: cell.result, reason: cell.reason.clone(), fails }
    }

    fn told(&self) -> String {
        match (self.result, &self.reason) {
            (Outcome::Failed, _) if !self.fails.is_empty() => format!("failed: {}", self.fails.join(", ")),
            (Outcome::Skipped, Some(reason)) => {
                let word = reason.parse::<SkipReason>().map(SkipReason::as_str);
                format!("skipped: {}", word.unwrap_or("for no reason of the list"))
            }
            (other, _) => result(other).to_owned(),
        }
    }

    /// Whether nothing tells it from `other`. Reasons are in words, which may name addresses and times.
    fn is_as(&self, other: &Self) -> bool {
        self.result == other.result && self.fails == other.fails
    }

    /// The reason for which it was not tried here, if there is a good one.
    fn exception(&self) -> Option<Reason> {
        let reason = self.reason.as_deref().filter(|_| self.result == Outcome::Skipped)?;
        (reason.parse() == Ok(SkipReason::Unsupported)).then_some(Reason::HeldDelay)
    }
}

impl Side {
    fn of<'r>(id: &CellId, cells: impl Iterator<Item = Option<&'r CellReport>>) -> Self {
        let verdicts: Vec<Option<Verdict>> = cells.map(|cell| cell.map(Verdict::of)).collect();
        let difference = difference(&verdicts);
        Self { id: id.clone(), verdicts, difference }
    }
}

/// Verdicts that have a reason to differ do not count; the others have to be alike. Where a cell was not tried for any
/// other reason nobody knows whether it is.
fn difference(verdicts: &[Option<Verdict>]) -> Option<Difference> {
    let (mut first, mut exception) = (None, None);
    for verdict in verdicts {
        let Some(verdict) = verdict else { return Some(Difference::Untyped) };
        match verdict.exception() {
            Some(reason) => exception = Some(reason),
            None if verdict.result == Outcome::Skipped => return Some(Difference::Untyped),
            None if first.is_some_and(|first: &Verdict| !first.is_as(verdict)) => return Some(Difference::Untyped),
            None => first = Some(verdict),
        }
    }
    exception.map(Difference::Typed)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::fixture;

    const HELD: &str = "unsupported: only a virtual clock, as embedded clusters have, can hold a delay";

    /// The fixture's report without the cell that was skipped.
    fn tried() -> Report {
        let mut report = fixture::report();
        report.scenarios.retain(|cell| cell.result != Outcome::Skipped);
        report
    }

    /// That report on `provider`, with another verdict on one of its cells.
    fn report(provider: &str, id: &str, verdict: Outcome, reason: Option<&str>) -> Report {
        let mut report = tried();
        provider.clone_into(&mut report.provider);
        for cell in report.scenarios.iter_mut().filter(|cell| cell.id.0 == id) {
            (cell.result, cell.reason) = (verdict, reason.map(str::to_owned));
        }
        report
    }

    #[rstest]
    #[case::alike(Outcome::Passed, None, None)]
    #[case::held(Outcome::Skipped, Some(HELD), Some(Difference::Typed(Reason::HeldDelay)))]
    #[case::failed(Outcome::Failed, None, Some(Difference::Untyped))]
    #[case::not_provided(Outcome::Skipped, Some("provider-failed: no room"), Some(Difference::Untyped))]
    fn tells_what_differs(
        #[case] verdict: Outcome,
        #[case] reason: Option<&str>,
        #[case] difference: Option<Difference>,
    ) {
        let id = "member-kubectl@3.3.2";
        let parity = Parity::of(&[tried(), report("kind", id, verdict, reason)]);
        let side = parity.cells.iter().find(|side| side.id.0 == id).unwrap();
        assert_eq!(side.difference, difference);
        assert_eq!(parity.untyped(), usize::from(difference == Some(Difference::Untyped)));
    }

    #[test]
    fn takes_a_cell_that_is_missing_for_a_difference() {
        let mut other = tried();
        other.scenarios.remove(0);
        assert_eq!(Parity::of(&[tried(), other]).untyped(), 1);
    }

    #[test]
    fn takes_a_cell_that_nobody_tried_for_a_difference() {
        assert_eq!(Parity::of(&[fixture::report(), fixture::report()]).untyped(), 1);
    }

    #[test]
    fn takes_other_failures_for_a_difference() {
        let mut other = tried();
        let failed = other.scenarios.iter_mut().find(|cell| cell.result == Outcome::Failed).unwrap();
        failed.steps.clear();
        failed.checks.clear();
        assert_eq!(Parity::of(&[tried(), other]).untyped(), 1);
    }

    #[test]
    fn lays_them_side_by_side_with_differences_first() {
        let kind = report("kind", "member-kubectl@3.3.2", Outcome::Skipped, Some(HELD));
        let envtest = report("envtest", "import-twice@3.2.1", Outcome::Passed, None);
        insta::assert_snapshot!(Parity::of(&[fixture::report(), envtest, kind]).table());
    }
}

//! One report of several, as shards of a run write them.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use scenario::event::CellId;
use scenario::plan::Shard;
use scenario::report::{Report, Summary};

/// Reports that are not parts of one run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("there is no report to merge")]
    Nothing,
    /// They differ in what the parts of a run have in common.
    #[error("they are not of one run: {what} is {one} in the first and {other} in number {number}")]
    Different {
        /// What differs.
        what: &'static str,
        /// What the first one has.
        one: String,
        /// What the other one has.
        other: String,
        /// Which one, counted from 1.
        number: usize,
    },
    /// A shard is there less often than others of its run.
    #[error("shard {missing} is in {there} of them, and others of its run in {runs}: name the reports of all shards")]
    Missing {
        /// The shard.
        missing: Shard,
        /// How many reports of it there are.
        there: usize,
        /// How many there should be.
        runs: usize,
    },
    /// A cell is in two of them.
    #[error("{cell} is in two of them, numbers {one} and {other}: are they shards of the same K/N?")]
    Twice {
        /// The cell.
        cell: CellId,
        /// Where it was found first, counted from 1.
        one: usize,
        /// Where it was found again.
        other: usize,
    },
}

/// One report of all `parts`: every cell once, in the order in which `before` puts them, where it knows. The run begins
/// with the first part and ends with the last; what processes cost is added up.
///
/// # Errors
/// [`MergeError`] when they are not parts of one run.
pub fn merge(parts: &[Report], before: impl Fn(&CellId) -> Option<usize>) -> Result<Report, MergeError> {
    let (first, others) = parts.split_first().ok_or(MergeError::Nothing)?;
    complete(parts)?;
    let mut merged = Report { shard: None, ..first.clone() };
    let mut found: HashMap<CellId, usize> = first.scenarios.iter().map(|cell| (cell.id.clone(), 1)).collect();
    for (number, part) in (2..).zip(others) {
        alike(first, part, number)?;
        for cell in &part.scenarios {
            if let Some(one) = found.insert(cell.id.clone(), number) {
                return Err(MergeError::Twice { cell: cell.id.clone(), one, other: number });
            }
        }
        merged.scenarios.extend(part.scenarios.iter().cloned());
        merged.kubectl.processes += part.kubectl.processes;
        merged.kubectl.cpu_ms += part.kubectl.cpu_ms;
    }
    // Cells that nobody knows keep their order, behind the others.
    merged.scenarios.sort_by_key(|cell| before(&cell.id).unwrap_or(usize::MAX));
    merged.summary = Summary::default();
    for cell in &merged.scenarios {
        merged.summary.count(cell.result);
    }
    (merged.started_at, merged.duration_ms) = span(parts).unwrap_or((first.started_at.clone(), first.duration_ms));
    Ok(merged)
}

/// Of runs in N shards each shard is there, and as often as any other: one that is missing would go unnoticed otherwise,
/// its failures with it.
fn complete(parts: &[Report]) -> Result<(), MergeError> {
    let mut divisions: BTreeMap<u64, BTreeMap<Shard, usize>> = BTreeMap::new();
    for shard in parts.iter().filter_map(|part| part.shard) {
        *divisions.entry(shard.of()).or_default().entry(shard).or_default() += 1;
    }
    for times in divisions.values() {
        let runs = times.values().copied().max().unwrap_or_default();
        let there = |shard: Shard| times.get(&shard).copied().unwrap_or_default();
        // Ends soon, whatever N is: what is not there is missing.
        let missing = times.keys().next().and_then(|shard| shard.siblings().find(|shard| there(*shard) < runs));
        if let Some(missing) = missing {
            return Err(MergeError::Missing { missing, there: there(missing), runs });
        }
    }
    Ok(())
}

fn alike(first: &Report, part: &Report, number: usize) -> Result<(), MergeError> {
    let common = [
        ("the version of ks-e2e", first.tool.version.clone(), part.tool.version.clone()),
        ("the report's schemaVersion", first.schema_version.to_string(), part.schema_version.to_string()),
        ("the provider", first.provider.clone(), part.provider.clone()),
    ];
    let different = common.into_iter().find(|(_, one, other)| one != other);
    different.map_or(Ok(()), |(what, one, other)| Err(MergeError::Different { what, one, other, number }))
}

/// From the first start to the last end; nothing where a time is none.
fn span(parts: &[Report]) -> Option<(String, u64)> {
    let begins = parts.iter().map(|part| Some((part.started_at.parse::<Timestamp>().ok()?, part)));
    let begins: Vec<(Timestamp, &Report)> = begins.collect::<Option<_>>()?;
    let (begin, first) = begins.iter().min_by_key(|(begin, _)| *begin)?;
    let end = |begin: &Timestamp, part: &Report| {
        begin.checked_add(SignedDuration::from_millis(part.duration_ms.try_into().ok()?)).ok()
    };
    let last = begins.iter().filter_map(|(begin, part)| end(begin, part)).max()?;
    Some((first.started_at.clone(), u64::try_from(last.duration_since(*begin).as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

    use std::collections::BTreeMap;

    use rstest::rstest;
    use scenario::event::{Basis, Outcome};
    use scenario::report::{CellReport, Kubectl, SCHEMA_VERSION, Tool};

    use super::*;

    fn cell(id: &str, result: Outcome) -> CellReport {
        let (name, release) = id.split_once('@').unwrap();
        CellReport {
            id: CellId(id.to_owned()),
            name: name.to_owned(),
            release: release.to_owned(),
            params: BTreeMap::new(),
            basis: Basis::Observed,
            provider: "embedded".to_owned(),
            labels: BTreeMap::new(),
            repetition: None,
            result,
            reason: None,
            duration_ms: 10,
            steps: Vec::new(),
            checks: Vec::new(),
            evidence: Vec::new(),
        }
    }

    fn part(started_at: &str, duration_ms: u64, cells: &[(&str, Outcome)]) -> Report {
        let mut report = Report {
            schema_version: SCHEMA_VERSION,
            tool: Tool { name: "ks-e2e".to_owned(), version: "1.0.0".to_owned() },
            provider: "embedded".to_owned(),
            started_at: started_at.to_owned(),
            duration_ms,
            seed: 1,
            shard: None,
            summary: Summary::default(),
            kubectl: Kubectl { version: Some("v1.20.2".to_owned()), processes: 2, cpu_ms: 100 },
            scenarios: cells.iter().map(|(id, result)| cell(id, *result)).collect(),
        };
        for cell in &report.scenarios {
            report.summary.count(cell.result);
        }
        report
    }

    fn parts() -> Vec<Report> {
        vec![
            part("2026-01-01T10:00:05Z", 20_000, &[("c@3.4.1", Outcome::Failed), ("own@3.4.1", Outcome::Passed)]),
            part("2026-01-01T10:00:00Z", 15_000, &[("a@3.4.1", Outcome::Passed), ("b@3.4.1", Outcome::Skipped)]),
        ]
    }

    fn alphabetically(id: &CellId) -> Option<usize> {
        ["a@3.4.1", "b@3.4.1", "c@3.4.1"].iter().position(|known| *known == id.0)
    }

    #[test]
    fn puts_cells_into_the_order_of_a_single_run() {
        let merged = merge(&parts(), alphabetically).unwrap();
        let ids: Vec<&str> = merged.scenarios.iter().map(|cell| cell.id.0.as_str()).collect();
        assert_eq!(ids, ["a@3.4.1", "b@3.4.1", "c@3.4.1", "own@3.4.1"]);
    }

    #[test]
    fn adds_up_what_can_be_added_up() {
        let merged = merge(&parts(), alphabetically).unwrap();
        assert_eq!(merged.summary.to_string(), "2 passed, 1 failed, 0 known issues, 1 skipped");
        assert_eq!((merged.kubectl.processes, merged.kubectl.cpu_ms), (4, 200));
    }

    #[test]
    fn lasts_from_the_first_start_to_the_last_end() {
        let merged = merge(&parts(), alphabetically).unwrap();
        assert_eq!((merged.started_at.as_str(), merged.duration_ms), ("2026-01-01T10:00:00Z", 25_000));
    }

    #[test]
    fn keeps_a_report_that_is_alone() {
        let alone = part("2026-01-01T10:00:00Z", 5, &[("a@3.4.1", Outcome::Passed)]);
        assert_eq!(merge(std::slice::from_ref(&alone), alphabetically), Ok(alone));
    }

    #[rstest]
    #[case::provider(|part: &mut Report| "kind".clone_into(&mut part.provider), "the provider is embedded in the first and kind in number 2")]
    #[case::version(|part: &mut Report| "2.0.0".clone_into(&mut part.tool.version), "the version of ks-e2e is 1.0.0 in the first and 2.0.0 in number 2")]
    #[case::cell(|part: &mut Report| part.scenarios.push(cell("c@3.4.1", Outcome::Passed)), "c@3.4.1 is in two of them, numbers 1 and 2")]
    fn refuses_what_is_not_of_one_run(#[case] change: fn(&mut Report), #[case] message: &str) {
        let mut parts = parts();
        change(&mut parts[1]);
        let error = merge(&parts, alphabetically).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[rstest]
    #[case::all(&["2/2", "1/2"], None)]
    #[case::of_two_runs(&["1/2", "2/2", "1/2", "2/2"], None)]
    #[case::of_runs_in_different_numbers(&["1/1", "1/2", "2/2"], None)]
    #[case::one(&["1/2"], Some("shard 2/2 is in 0 of them, and others of its run in 1"))]
    #[case::one_of_a_great_many(&["1/18446744073709551615"], Some("shard 2/18446744073709551615 is in 0 of them"))]
    #[case::one_of_two_runs(&["1/2", "2/2", "2/2"], Some("shard 1/2 is in 1 of them, and others of its run in 2"))]
    fn notices_a_shard_that_is_missing(#[case] shards: &[&str], #[case] expected: Option<&str>) {
        let parts: Vec<Report> = shards
            .iter()
            .map(|shard| Report { shard: Some(shard.parse().unwrap()), ..part("2026-01-01T10:00:00Z", 5, &[]) })
            .collect();
        match (merge(&parts, alphabetically), expected) {
            (Ok(merged), None) => assert_eq!(merged.shard, None),
            (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (merged, _) => panic!("{merged:?}"),
        }
    }

    #[test]
    fn refuses_nothing() {
        assert_eq!(merge(&[], alphabetically), Err(MergeError::Nothing));
    }
}

use super::*;
use crate::model::On;

fn info(id: &str) -> CellInfo {
    let (name, release) = id.split_once('@').unwrap();
    CellInfo {
        id: CellId(id.to_owned()),
        name: name.to_owned(),
        release: release.to_owned(),
        params: BTreeMap::new(),
        basis: Basis::Observed,
        labels: [("part".to_owned(), "member".to_owned())].into(),
        repetition: None,
        steps: 1,
        checks: 1,
    }
}

fn started(ids: &[&str]) -> Event {
    Event::RunStarted {
        version: "0.1.0".to_owned(),
        provider: "embedded".to_owned(),
        seed: 7,
        started_at: "2026-11-22T15:00:00Z".to_owned(),
        kubectl: Some("v1.20.2".to_owned()),
        shard: Some("2/5".parse().unwrap()),
        cells: ids.iter().map(|id| info(id)).collect(),
    }
}

fn cell(id: &str) -> CellId {
    CellId(id.to_owned())
}

fn step(executed: Option<&str>) -> StepReport {
    StepReport {
        name: "read the secret".to_owned(),
        on: On::Host,
        command: Some("kubectl get cm".to_owned()),
        executed: executed.map(str::to_owned),
        exit_code: Some(0),
        stdout: Some("x\n".to_owned()),
        stderr: Some(String::new()),
        duration_ms: 20,
        result: Outcome::Passed,
        expected: None,
        actual: None,
        location: Some("a.yaml:9:7".to_owned()),
    }
}

fn check(result: Outcome) -> CheckReport {
    CheckReport {
        name: "jwt-secret-equal".to_owned(),
        on: None,
        result,
        expected: Some("sha256:0000aaaa".to_owned()),
        actual: Some("sha256:0000bbbb".to_owned()),
        message: Some("the secrets differ".to_owned()),
        duration_ms: 5,
        location: Some("a.yaml:20:7".to_owned()),
    }
}

fn finished(id: &str, result: Outcome, reason: Option<&str>) -> Event {
    Event::CellFinished {
        cell: cell(id),
        result,
        reason: reason.map(str::to_owned),
        evidence: Vec::new(),
        duration_ms: 420,
    }
}

fn whole_run() -> Vec<Event> {
    vec![
        started(&["a@3.3.2"]),
        Event::CellStarted { cell: cell("a@3.3.2") },
        Event::CellProvisioned { cell: cell("a@3.3.2"), duration_ms: 100, replaced: None },
        Event::StepStarted {
            cell: cell("a@3.3.2"),
            index: 0,
            name: "read the secret".to_owned(),
            on: On::Host,
            command: Some("kubectl get cm".to_owned()),
        },
        Event::StepFinished { cell: cell("a@3.3.2"), step: step(Some("kubectl get cm")) },
        Event::CheckFinished { cell: cell("a@3.3.2"), check: check(Outcome::Failed) },
        finished("a@3.3.2", Outcome::Failed, Some("the check jwt-secret-equal failed")),
        Event::RunFinished { duration_ms: 500, kubectl: ProcessUsage { processes: 3, cpu_ms: 90 }, interrupted: false },
    ]
}

#[test]
fn reports_a_whole_run_in_the_fixed_shape() {
    let report = Report::from_events(&whole_run());
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn reads_its_own_json_back() {
    let report = Report::from_events(&whole_run());
    assert_eq!(serde_json::from_str::<Report>(&serde_json::to_string(&report).unwrap()).unwrap(), report);
}

#[test]
fn names_what_was_executed_only_where_it_differs() {
    let mut events = whole_run();
    assert_eq!(Report::from_events(&events).scenarios[0].steps[0].executed, None);
    events[4] = Event::StepFinished { cell: cell("a@3.3.2"), step: step(Some("sh -c kubectl get cm")) };
    assert_eq!(Report::from_events(&events).scenarios[0].steps[0].executed.as_deref(), Some("sh -c kubectl get cm"));
}

#[test]
fn counts_cells_by_result() {
    let events = [
        started(&["a@1.0.0", "b@1.0.0", "c@1.0.0", "d@1.0.0"]),
        finished("a@1.0.0", Outcome::Passed, None),
        finished("b@1.0.0", Outcome::Failed, Some("x")),
        finished("c@1.0.0", Outcome::KnownIssue, Some("y")),
        finished("d@1.0.0", Outcome::Skipped, Some("tool-missing: no kubectl")),
    ];
    let report = Report::from_events(&events);
    assert_eq!(report.summary, Summary { passed: 1, failed: 1, known_issue: 1, skipped: 1 });
    assert_eq!(report.summary.to_string(), "1 passed, 1 failed, 1 known issue, 1 skipped");
    assert_eq!(report.skips(), [("tool-missing".to_owned(), 1)].into());
}

/// A run may be interrupted after any event: no prefix loses a cell or gives one a verdict it did not reach.
#[test]
fn reports_every_prefix_of_a_run() {
    let events = whole_run();
    for length in 1..events.len() {
        let report = Report::from_events(&events[..length]);
        let [reported] = report.scenarios.as_slice() else { panic!("one cell after {length} events") };
        let ended = length > 6;
        assert_eq!(reported.result, if ended { Outcome::Failed } else { Outcome::Skipped }, "after {length} events");
        if !ended {
            assert_eq!(reported.reason.as_deref().unwrap().parse(), Ok(SkipReason::Interrupted));
        }
    }
}

#[test]
fn keeps_the_step_that_an_interruption_cut_off() {
    let report = Report::from_events(&whole_run()[..4]);
    let [step] = report.scenarios[0].steps.as_slice() else { panic!("one step") };
    assert_eq!((step.name.as_str(), step.result, step.exit_code), ("read the secret", Outcome::Skipped, None));
}

#[test]
fn reports_a_run_that_did_not_begin() {
    let report = Report::from_events(&[]);
    assert_eq!((report.scenarios.len(), report.summary), (0, Summary::default()));
}

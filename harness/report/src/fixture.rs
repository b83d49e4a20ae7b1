//! A run to render in tests: one cell of every result.
use scenario::event::{Basis, CellId, CellInfo, CheckReport, Event, Evidence, Outcome, ProcessUsage, StepReport};
use scenario::model::On;
use scenario::report::Report;

fn info(id: &str) -> CellInfo {
    let (name, release) = id.split_once('@').unwrap();
    let part = name.split_once('-').unwrap().0;
    CellInfo {
        id: CellId(id.to_owned()),
        name: name.to_owned(),
        release: release.to_owned(),
        params: std::collections::BTreeMap::new(),
        basis: Basis::Observed,
        labels: [("part".to_owned(), part.to_owned())].into(),
        repetition: None,
        steps: 2,
        checks: 1,
    }
}

fn cell(id: &str) -> CellId {
    CellId(id.to_owned())
}

fn step(name: &str, result: Outcome) -> StepReport {
    StepReport {
        name: name.to_owned(),
        on: On::Member,
        command: Some("kubectl logs -n kubesphere-system \\\n  deploy/ks-installer -f".to_owned()),
        executed: None,
        exit_code: Some(0),
        stdout: Some("\u{1b}[32mStart installing\u{1b}[0m\n".to_owned()),
        stderr: None,
        duration_ms: 20,
        result,
        expected: None,
        actual: None,
        location: Some("member.yaml:21:7".to_owned()),
    }
}

fn check(result: Outcome) -> CheckReport {
    CheckReport {
        name: "jwt-secret-equal".to_owned(),
        on: Some(On::Member),
        result,
        expected: Some("sha256:0000aaaa".to_owned()),
        actual: Some("sha256:0000bbbb".to_owned()),
        message: Some("host and member have different secrets".to_owned()),
        duration_ms: 5,
        location: Some("member.yaml:30:7".to_owned()),
    }
}

fn finished(id: &str, result: Outcome, reason: Option<&str>, duration_ms: u64) -> Event {
    let evidence = if result == Outcome::Failed {
        let titled = |title: &str, whole| Evidence { title: title.to_owned(), text: "a: 1\nb: 2\n".to_owned(), whole };
        vec![
            titled("member: what is set, and who wrote it last", false),
            titled("member: ConfigMap kubesphere-config", true),
        ]
    } else {
        Vec::new()
    };
    Event::CellFinished { cell: cell(id), result, reason: reason.map(str::to_owned), evidence, duration_ms }
}

/// A cell that passed, two that failed, one known issue, one skipped.
pub fn events() -> Vec<Event> {
    let ids =
        ["member-kubectl@3.3.2", "member-console@3.4.1", "import-form@3.4.1", "import-twice@3.2.1", "host-linux@3.3.2"];
    let failed_step = StepReport {
        exit_code: Some(1),
        stderr: Some("error: array index out of bounds: index 0, length 0\n".to_owned()),
        expected: Some("exit code 0".to_owned()),
        actual: Some("exit code 1".to_owned()),
        ..step("watch the installer", Outcome::Failed)
    };
    let mut events = vec![Event::RunStarted {
        version: "0.1.0".to_owned(),
        provider: "embedded".to_owned(),
        seed: 7,
        started_at: "2026-11-22T15:00:00Z".to_owned(),
        kubectl: Some("v1.20.2".to_owned()),
        shard: None,
        cells: ids.iter().map(|id| info(id)).collect(),
    }];
    events.extend(ids[..4].iter().map(|id| Event::CellStarted { cell: cell(id) }));
    events.extend([
        Event::StepFinished { cell: cell(ids[0]), step: step("set the role", Outcome::Passed) },
        Event::StepFinished { cell: cell(ids[0]), step: step("watch the installer", Outcome::Passed) },
        Event::CheckFinished {
            cell: cell(ids[0]),
            check: CheckReport { expected: None, actual: None, message: None, ..check(Outcome::Passed) },
        },
        finished(ids[0], Outcome::Passed, None, 420),
        Event::StepFinished { cell: cell(ids[1]), step: step("set the role", Outcome::Passed) },
        Event::StepFinished { cell: cell(ids[1]), step: failed_step },
        finished(ids[1], Outcome::Failed, Some("the step \"watch the installer\" failed"), 1_230),
        Event::StepFinished { cell: cell(ids[2]), step: step("set the role", Outcome::Passed) },
        Event::StepFinished { cell: cell(ids[2]), step: step("watch the installer", Outcome::Passed) },
        Event::CheckFinished { cell: cell(ids[2]), check: check(Outcome::Failed) },
        finished(ids[2], Outcome::Failed, None, 980),
        Event::CheckFinished { cell: cell(ids[3]), check: check(Outcome::KnownIssue) },
        finished(ids[3], Outcome::KnownIssue, Some("jwt-secret-equal fails: https://example.org/issues/1"), 800),
        finished(ids[4], Outcome::Skipped, Some("tool-missing: there is no kubectl on the PATH"), 0),
        Event::RunFinished {
            duration_ms: 3_450,
            kubectl: ProcessUsage { processes: 9, cpu_ms: 700 },
            interrupted: false,
        },
    ]);
    events
}

/// The report of [`events`].
pub fn report() -> Report {
    Report::from_events(&events())
}

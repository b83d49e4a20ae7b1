//! `junit.xml`: a suite for each part, a test case for each cell.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use scenario::Report;
use scenario::event::Outcome;
use scenario::report::CellReport;

use crate::failure;
use crate::text::plain;

/// The report has no JUnit form.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The report as JUnit XML. A known issue is a test case that passed and says so: nothing has to be done about it.
///
/// # Errors
/// When serialization fails, which no field of a report can cause.
pub fn to_junit(report: &Report) -> Result<String, JunitError> {
    let mut xml = quick_junit::Report::new(report.tool.name.as_str());
    xml.set_time(Duration::from_millis(report.duration_ms));
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for cell in &report.scenarios {
        let part = cell.labels.get("part").map_or("scenarios", String::as_str);
        suites.entry(part).or_insert_with(|| TestSuite::new(part)).add_test_case(test_case(cell));
    }
    xml.add_test_suites(suites.into_values());
    Ok(xml.to_string()?)
}

fn test_case(cell: &CellReport) -> TestCase {
    let reason = cell.reason.as_deref().map(plain);
    let status = match cell.result {
        Outcome::Passed | Outcome::KnownIssue => TestCaseStatus::success(),
        Outcome::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(failure::headline(cell)).set_description(failure::body(cell));
            status
        }
        Outcome::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.clone().unwrap_or_default());
            status
        }
    };
    let mut case = TestCase::new(cell.id.0.as_str(), status);
    case.set_classname(cell.name.as_str()).set_time(Duration::from_millis(cell.duration_ms));
    if cell.result == Outcome::KnownIssue {
        case.set_system_out(format!("known issue: {}", reason.unwrap_or_default()));
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_suite_for_each_part() {
        insta::assert_snapshot!(to_junit(&crate::fixture::report()).unwrap());
    }

    #[test]
    fn leaves_out_what_xml_cannot_hold() {
        let mut report = crate::fixture::report();
        report.scenarios[1].steps[1].stdout = Some("\u{1b}[0;31mred\u{1b}[0m \u{0}\u{8}\u{fffe}<&>]]> end".to_owned());
        report.scenarios[4].reason = Some("unsupported: \u{1b}[1m\"quoted\" & \u{1}more".to_owned());
        let xml = to_junit(&report).unwrap();
        let forbidden = |character: char| matches!(character, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        assert!(!xml.contains(forbidden));
        assert!(xml.contains("red &lt;&amp;&gt;]]&gt; end"), "{xml}");
    }
}

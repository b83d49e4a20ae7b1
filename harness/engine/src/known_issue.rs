//! The one step or check that a scenario expects to fail.

use scenario::event::Outcome;
use scenario::model::{KnownIssue, Scenario};

/// What `scenario` expects to fail on `release`.
pub fn issue_on<'a>(scenario: &'a Scenario, release: &str) -> Option<&'a KnownIssue> {
    scenario.known_issue.as_ref().filter(|issue| issue.releases.matches_name(release))
}

/// What a scenario expects to fail on a release, and whether it did.
pub struct Expectation<'a> {
    issue: Option<&'a KnownIssue>,
    occurred: bool,
}

impl<'a> Expectation<'a> {
    /// The expectation of `scenario` on `release`.
    #[must_use]
    pub fn of(scenario: &'a Scenario, release: &str) -> Self {
        Self { issue: issue_on(scenario, release), occurred: false }
    }

    /// The outcome of a failure of the step or check `name` with these texts: the known issue or a real failure.
    pub fn judge(&mut self, name: &str, texts: &[&str]) -> Outcome {
        let known =
            self.issue.filter(|issue| issue.fails == name && texts.iter().any(|text| issue.text.is_match(text)));
        if known.is_some() {
            self.occurred = true;
            Outcome::KnownIssue
        } else {
            Outcome::Failed
        }
    }

    /// The cell's verdict: a known issue that does not occur any more is a failure too, so that it is noticed.
    #[must_use]
    pub fn verdict(&self, failure: Option<String>) -> (Outcome, Option<String>) {
        match (failure, self.issue) {
            (Some(failure), _) => (Outcome::Failed, Some(failure)),
            (None, Some(issue)) if self.occurred => (Outcome::KnownIssue, Some(issue.reference.clone())),
            (None, Some(issue)) => {
                let reason = format!(
                    "\"{}\" passed, although {} says that it fails; remove knownIssue",
                    issue.fails, issue.reference
                );
                (Outcome::Failed, Some(reason))
            }
            (None, None) => (Outcome::Passed, None),
        }
    }
}

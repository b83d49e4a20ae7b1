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
            (Some(failure), Some(issue)) if self.occurred => {
                let known = format!("{failure}; that \"{}\" fails is known ({})", issue.fails, issue.reference);
                (Outcome::Failed, Some(known))
            }
            (Some(failure), _) => (Outcome::Failed, Some(failure)),
            (None, Some(issue)) if self.occurred => (Outcome::KnownIssue, Some(issue.reference.clone())),
            (None, Some(issue)) => {
                let reason = format!(
                    "\"{}\" passed, although {} says that it fails; take this release out of knownIssue's releases, or \
                     remove knownIssue",
                    issue.fails, issue.reference
                );
                (Outcome::Failed, Some(reason))
            }
            (None, None) => (Outcome::Passed, None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use rstest::rstest;

    use super::*;
    use crate::library;

    const SCENARIO: &str = "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata: {name: a}
spec:
  given: {host: {kubesphere: installed}}
  steps:
    - {name: fail, on: host, run: 'false'}
    - {name: say, on: host, run: echo}
  knownIssue: {fails: fail, releases: 3.4.1, reference: R, text: broken}
";

    #[rstest]
    #[case::as_known(&["broken"], None, (Outcome::KnownIssue, Some("R")))]
    #[case::otherwise(&["other"], Some("F"), (Outcome::Failed, Some("F")))]
    #[case::not_alone(&["broken"], Some("F"), (Outcome::Failed, Some("F; that \"fail\" fails is known (R)")))]
    #[case::gone(
        &[],
        None,
        (
            Outcome::Failed,
            Some(
                "\"fail\" passed, although R says that it fails; take this release out of knownIssue's releases, or \
                 remove knownIssue",
            ),
        )
    )]
    fn tells_what_is_known_from_what_is_not(
        #[case] texts: &[&str],
        #[case] failure: Option<&str>,
        #[case] (outcome, reason): (Outcome, Option<&str>),
    ) {
        let scenario = library::from_text("a.yaml", SCENARIO).unwrap().remove(0);
        let mut expectation = Expectation::of(&scenario, "3.4.1");
        if !texts.is_empty() {
            expectation.judge("fail", texts);
        }
        let verdict = expectation.verdict(failure.map(str::to_owned));
        assert_eq!((verdict.0, verdict.1.as_deref()), (outcome, reason));
    }
}

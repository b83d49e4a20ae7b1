//! What came out: each request's verdict, and the counts by category.

use std::collections::BTreeMap;
use std::fmt;

use crate::compare::Difference;

/// What a comparison says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answers are equal.
    Equal,
    /// They differ, as the corpus says, for the reason it gives.
    Expected {
        /// The reason.
        reason: String,
    },
    /// They differ.
    Differs(Vec<Difference>),
    /// They are equal, but the corpus says that they differ.
    NoLongerDiffers {
        /// The reason that no longer holds.
        reason: String,
    },
}

impl Verdict {
    /// The verdict on the differences `found` where the corpus gives `reason`.
    #[must_use]
    pub fn of(found: Vec<Difference>, reason: Option<String>) -> Self {
        match (found.is_empty(), reason) {
            (true, None) => Self::Equal,
            (true, Some(reason)) => Self::NoLongerDiffers { reason },
            (false, Some(reason)) => Self::Expected { reason },
            (false, None) => Self::Differs(found),
        }
    }
}

/// A request and its verdict.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Category of the session.
    pub category: String,
    /// Name of the session.
    pub session: String,
    /// Number of the step, from 1.
    pub number: usize,
    /// Method and path.
    pub request: String,
    /// What came out.
    pub verdict: Verdict,
}

impl Outcome {
    /// Whether it fails a test.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self.verdict, Verdict::Differs(_) | Verdict::NoLongerDiffers { .. })
    }
}

/// All outcomes.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One for each request.
    pub outcomes: Vec<Outcome>,
    /// Sessions in which nothing was wrong only when they were played again.
    pub repeated: usize,
}

/// Requests of a category by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub requests: usize,
    /// With equal answers.
    pub equal: usize,
    /// With a difference that has a reason.
    pub expected: usize,
    /// With a difference that has none, or a reason that no longer holds.
    pub wrong: usize,
}

impl Report {
    /// The counts of each category.
    #[must_use]
    pub fn by_category(&self) -> BTreeMap<&str, Counts> {
        let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
        for outcome in &self.outcomes {
            let entry = counts.entry(&outcome.category).or_default();
            entry.requests += 1;
            match outcome.verdict {
                Verdict::Equal => entry.equal += 1,
                Verdict::Expected { .. } => entry.expected += 1,
                Verdict::Differs(_) | Verdict::NoLongerDiffers { .. } => entry.wrong += 1,
            }
        }
        counts
    }

    /// The outcomes that fail a test.
    pub fn wrong(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.is_wrong())
    }

    /// The counts of all categories.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.by_category().values().fold(Counts::default(), |sum, counts| Counts {
            requests: sum.requests + counts.requests,
            equal: sum.equal + counts.equal,
            expected: sum.expected + counts.expected,
            wrong: sum.wrong + counts.wrong,
        })
    }

    /// A table of the counts.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["category", "requests", "equal", "with reason", "wrong"]);
        let total = self.total();
        for (name, counts) in self.by_category().into_iter().chain([("all", total)]) {
            let cells = [counts.requests, counts.equal, counts.expected, counts.wrong].map(|count| count.to_string());
            table.add_row(std::iter::once(name.to_owned()).chain(cells));
        }
        format!("{table}\nsessions played again, and right then: {}", self.repeated)
    }
}

/// Differences of one answer that are shown; the first one usually explains the rest.
const SHOWN: usize = 8;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, step {}: {}", self.category, self.session, self.number, self.request)?;
        match &self.verdict {
            Verdict::Equal => writeln!(f, "  equal"),
            Verdict::Expected { reason } => writeln!(f, "  differs: {reason}"),
            Verdict::NoLongerDiffers { reason } => {
                writeln!(f, "  the answers are equal now: take away `differs: {reason}`")
            }
            Verdict::Differs(found) => {
                for difference in found.iter().take(SHOWN) {
                    writeln!(f, "  {difference}")?;
                }
                if found.len() > SHOWN {
                    writeln!(f, "  and {} more", found.len() - SHOWN)?;
                }
                Ok(())
            }
        }
    }
}

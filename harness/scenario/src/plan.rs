//! From scenarios to cells: which scenario runs on which release, in which order, on which shard.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::{Basis, CellId, CellInfo};
use crate::model::Scenario;
use crate::repeat::Repetition;
use crate::select::Selection;

/// A release that cells can run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// As `3.3.2`.
    pub name: String,
    /// What its profile rests on.
    pub basis: Basis,
}

/// A scenario on a release with parameters.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Identity.
    pub id: CellId,
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The release.
    pub release: Release,
    /// Parameters, in order of their names.
    pub params: BTreeMap<String, String>,
    /// Which time it is, of several.
    pub repetition: Option<Repetition>,
}

impl Cell {
    /// What is reported of it before it runs.
    #[must_use]
    pub fn info(&self) -> CellInfo {
        CellInfo {
            id: self.id.clone(),
            name: self.scenario.name.clone(),
            release: self.release.name.clone(),
            params: self.params.clone(),
            basis: self.release.basis,
            labels: self.scenario.labels.clone(),
            repetition: self.repetition,
            steps: self.scenario.steps.len(),
            checks: self.scenario.checks.len(),
        }
    }
}

impl CellId {
    /// `name@release`, with `[key=value,…]` behind it when there are parameters.
    #[must_use]
    pub fn new(name: &str, release: &str, params: &BTreeMap<String, String>) -> Self {
        if params.is_empty() {
            return Self(format!("{name}@{release}"));
        }
        let params: Vec<String> = params.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Self(format!("{name}@{release}[{}]", params.join(",")))
    }
}

/// The cells of these scenarios on these releases that are asked for: scenarios in their order, releases in theirs.
#[must_use]
pub fn plan(scenarios: &[Scenario], releases: &[Release], selection: &Selection) -> Vec<Cell> {
    let mut cells = Vec::new();
    for scenario in scenarios {
        let shared = Arc::new(scenario.clone());
        for release in releases.iter().filter(|release| scenario.releases.matches_name(&release.name)) {
            let id = CellId::new(&scenario.name, &release.name, &scenario.params);
            if selection.matches(scenario, &id) {
                cells.push(Cell {
                    id,
                    scenario: Arc::clone(&shared),
                    release: release.clone(),
                    params: scenario.params.clone(),
                    repetition: None,
                });
            }
        }
    }
    cells
}

/// One of several equal parts of a run, as `2/5`. A cell's part depends on its id alone, so machines need not agree on
/// anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    of: u64,
    number: u64,
}

impl Shard {
    /// Into how many parts the run is divided.
    #[must_use]
    pub fn of(self) -> u64 {
        self.of
    }

    /// All parts of the run that this one is a part of, the first one first.
    pub fn siblings(self) -> impl Iterator<Item = Self> {
        (1..=self.of).map(move |number| Self { number, ..self })
    }

    /// Whether the cell belongs to this part.
    #[must_use]
    pub fn holds(self, id: &CellId) -> bool {
        let digest = Sha256::digest(id.0.as_bytes());
        let hash = digest.iter().take(8).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
        hash % self.of == self.number - 1
    }
}

/// A text that is no shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadShard(pub String);

impl fmt::Display for BadShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no shard: write K/N with 1 ≤ K ≤ N, as 2/5", self.0)
    }
}

impl std::error::Error for BadShard {}

impl FromStr for Shard {
    type Err = BadShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .and_then(|(number, of)| Some((number.trim().parse().ok()?, of.trim().parse().ok()?)))
            .filter(|(number, of)| (1..=*of).contains(number))
            .map(|(number, of)| Self { of, number })
            .ok_or_else(|| BadShard(text.to_owned()))
    }
}

impl TryFrom<String> for Shard {
    type Error = BadShard;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::known::Known;

    fn scenario(name: &str, releases: &str) -> Scenario {
        let text = format!(
            "apiVersion: ks-e2e.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: {name}}}\nspec:\n  releases: \"{releases}\"\n  steps:\n    - {{name: a, on: host, run: 'true'}}\n"
        );
        let known = Known { checks: &[], releases: &[], kubekeys: &[], delays: &[] };
        crate::parse(&format!("scenarios/member/{name}.yaml"), text.as_bytes(), &known).unwrap().remove(0)
    }

    fn releases() -> Vec<Release> {
        [("3.2.1", Basis::Source), ("3.3.2", Basis::Observed)]
            .map(|(name, basis)| Release { name: name.to_owned(), basis })
            .to_vec()
    }

    fn ids(selection: &[&str]) -> Vec<String> {
        let scenarios = [scenario("member-kubectl", "*"), scenario("host-console", ">=3.3.0")];
        plan(&scenarios, &releases(), &Selection::new(selection)).into_iter().map(|cell| cell.id.0).collect()
    }

    #[rstest]
    #[case::everything(&[], &["member-kubectl@3.2.1", "member-kubectl@3.3.2", "host-console@3.3.2"])]
    #[case::name(&["member-kubectl"], &["member-kubectl@3.2.1", "member-kubectl@3.3.2"])]
    #[case::glob(&["host-*", "*@3.2.1"], &["member-kubectl@3.2.1", "host-console@3.3.2"])]
    #[case::cell(&["member-kubectl@3.3.2"], &["member-kubectl@3.3.2"])]
    #[case::path(&["scenarios/member/host-console.yaml"], &["host-console@3.3.2"])]
    #[case::nothing(&["banana"], &[])]
    fn plans_what_is_asked_for_in_order(#[case] selection: &[&str], #[case] expected: &[&str]) {
        assert_eq!(ids(selection), expected);
    }

    #[test]
    fn tells_what_is_known_of_a_cell() {
        let cells = plan(&[scenario("a", "3.3.2")], &releases(), &Selection::all());
        let info = cells[0].info();
        assert_eq!(
            (info.name.as_str(), info.release.as_str(), info.basis, info.steps),
            ("a", "3.3.2", Basis::Observed, 1)
        );
    }

    #[rstest]
    #[case::misspelled("host-consoel", "no cell matches \"host-consoel\"\n  help: did you mean \"host-console\"?")]
    #[case::unknown("banana", "no cell matches \"banana\"\n  help: `ks-e2e list` shows the names")]
    #[case::other_release(
        "host-console@3.2.1",
        "no cell matches \"host-console@3.2.1\"\n  help: \"host-console\" is for releases >=3.3.0; choose one of them with --release"
    )]
    fn tells_what_a_selector_that_matches_nothing_may_mean(#[case] selector: &str, #[case] expected: &str) {
        let scenarios = [scenario("host-console", ">=3.3.0")];
        let selection = Selection::new([selector, "host-*"]);
        let cells = plan(&scenarios, &releases(), &selection);
        assert_eq!(selection.check(&scenarios, &cells).unwrap_err().to_string(), expected);
    }

    #[test]
    fn accepts_selectors_that_all_match() {
        let scenarios = [scenario("host-console", "*")];
        let selection = Selection::new(["host-console", "*@3.2.1"]);
        let cells = plan(&scenarios, &releases(), &selection);
        assert_eq!(selection.check(&scenarios, &cells), Ok(()));
    }

    #[test]
    fn puts_parameters_into_the_id_in_order() {
        let params =
            [("name", "east"), ("import", "form")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(CellId::new("a", "3.3.2", &params).0, "a@3.3.2[import=form,name=east]");
    }

    #[rstest]
    #[case("1/1", true)]
    #[case("5/5", true)]
    #[case("0/5", false)]
    #[case("6/5", false)]
    #[case("1/0", false)]
    #[case("1", false)]
    #[case("a/b", false)]
    fn reads_shards(#[case] text: &str, #[case] good: bool) {
        assert_eq!(text.parse::<Shard>().is_ok(), good);
    }

    #[test]
    fn gives_every_cell_to_one_shard() {
        let shards: Vec<Shard> = (1..=5).map(|number| Shard { number, of: 5 }).collect();
        let mut sizes = [0; 5];
        for index in 0..500 {
            let id = CellId(format!("scenario-{index}@3.3.2"));
            let holders: Vec<usize> = (0..5).filter(|shard| shards[*shard].holds(&id)).collect();
            assert_eq!(holders.len(), 1);
            sizes[holders[0]] += 1;
        }
        assert!(sizes.iter().all(|size| *size > 60), "{sizes:?}");
    }

    #[test]
    fn keeps_a_cell_on_its_shard_for_ever() {
        let shard: Shard = "2/5".parse().unwrap();
        let held: Vec<u32> = (0..20).filter(|index| shard.holds(&CellId(format!("scenario-{index}@3.3.2")))).collect();
        assert_eq!(held, [2, 3, 5, 15]);
    }
}

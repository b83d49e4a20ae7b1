//! Which cells a person asks for: names, globs over names, cell ids, and paths of scenario files; and expressions over
//! what is known of a cell.

mod error;
mod expression;
mod keys;
mod parser;
mod token;

pub use error::ExpressionError;
pub use expression::{Expression, Key, Test};
pub use keys::Keys;
pub use parser::parse_expression;

use crate::event::CellId;
use crate::model::Scenario;
use crate::plan::Cell;
use crate::problem::{closest, did_you_mean};

/// One thing asked for: `member-post-install-kubectl`, `member-*`, `import-form@3.4.1`, `scenarios/member/` or
/// `member/post-install-kubectl.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    text: String,
}

impl Selector {
    /// Takes it as typed.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// As typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it asks for this cell.
    #[must_use]
    pub fn matches(&self, scenario: &Scenario, id: &CellId) -> bool {
        if is_path(&self.text) {
            return path_matches(&self.text, &scenario.location.file);
        }
        // Parameters stand in brackets behind the release; asking for `name@release` asks for all of them.
        let id_without_params = id.0.split_once('[').map_or(id.0.as_str(), |(id, _)| id);
        if self.text.contains('@') {
            glob(&self.text, &id.0) || glob(&self.text, id_without_params)
        } else {
            glob(&self.text, &scenario.name)
        }
    }
}

/// What a person asks for; everything when it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    selectors: Vec<Selector>,
}

impl Selection {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Takes selectors as typed.
    pub fn new<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        Self { selectors: texts.into_iter().map(|text| Selector::new(text.as_ref())).collect() }
    }

    /// Whether it asks for this cell.
    #[must_use]
    pub fn matches(&self, scenario: &Scenario, id: &CellId) -> bool {
        self.selectors.is_empty() || self.selectors.iter().any(|selector| selector.matches(scenario, id))
    }

    /// Whether every selector asks for a cell.
    ///
    /// # Errors
    /// When one asks for none: a name that was misspelled must not make a run pass.
    pub fn check(&self, scenarios: &[Scenario], cells: &[Cell]) -> Result<(), NothingMatches> {
        let matches_cell = |selector: &&Selector| cells.iter().any(|cell| selector.matches(&cell.scenario, &cell.id));
        match self.selectors.iter().find(|selector| !matches_cell(selector)) {
            Some(selector) => Err(NothingMatches::new(selector, scenarios)),
            None => Ok(()),
        }
    }
}

/// The cells that fulfil `expression`, which was written as `text`.
///
/// # Errors
/// When there are none: a value that was misspelled must not make a run pass.
pub fn fulfilling(cells: Vec<Cell>, expression: &Expression, text: &str) -> Result<Vec<Cell>, NothingMatches> {
    let (chosen, others): (Vec<Cell>, Vec<Cell>) = cells.into_iter().partition(|cell| expression.holds(cell));
    if chosen.is_empty() { Err(NothingMatches::of_expression(expression, text, &others)) } else { Ok(chosen) }
}

/// A selector that asks for no cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NothingMatches {
    selector: String,
    help: String,
}

impl NothingMatches {
    fn new(selector: &Selector, scenarios: &[Scenario]) -> Self {
        let name = selector.text.split_once('@').map_or(selector.text.as_str(), |(name, _)| name);
        let help = if let Some(scenario) = scenarios.iter().find(|scenario| glob(name, &scenario.name)) {
            format!("\"{}\" is for releases {}; choose one of them with --release", scenario.name, scenario.releases)
        } else if let Some(meant) = closest(name, scenarios.iter().map(|scenario| scenario.name.as_str())) {
            format!("did you mean \"{meant}\"?")
        } else if let Some(key) = scenarios.iter().find_map(|scenario| label_with(scenario, name)) {
            format!("it is the value of a label, and no scenario's name: --select '{key} == {name}'")
        } else {
            "`ks-e2e list` shows the names".to_owned()
        };
        Self { selector: selector.text.clone(), help }
    }

    fn of_expression(expression: &Expression, text: &str, cells: &[Cell]) -> Self {
        let help = match expression.value_of_none(cells) {
            Some((key, value)) => {
                let mut values: Vec<&str> = cells.iter().filter_map(|cell| key.value(cell)).collect();
                values.sort_unstable();
                values.dedup();
                let help = did_you_mean(value, "there are", &values).map(|help| format!("; {help}"));
                format!("no cell at hand has {key} \"{value}\"{}", help.unwrap_or_default())
            }
            None => "`ks-e2e list` shows the cells with their labels".to_owned(),
        };
        Self { selector: text.to_owned(), help }
    }
}

impl std::fmt::Display for NothingMatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no cell matches \"{}\"\n  help: {}", self.selector, self.help)
    }
}

impl std::error::Error for NothingMatches {}

/// As the command line shows it.
impl From<NothingMatches> for String {
    fn from(error: NothingMatches) -> Self {
        format!("error: {error}")
    }
}

/// The label of `scenario` that has this value.
fn label_with<'s>(scenario: &'s Scenario, value: &str) -> Option<&'s str> {
    scenario.labels.iter().find(|(_, label)| *label == value).map(|(key, _)| key.as_str())
}

fn is_path(text: &str) -> bool {
    let extension = std::path::Path::new(text).extension();
    text.contains('/') || extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Whether `file` is the file or lies in the folder that `asked` names, wherever the two paths begin.
fn path_matches(asked: &str, file: &str) -> bool {
    let asked = segments(asked);
    let file = segments(file);
    !asked.is_empty() && file.windows(asked.len()).any(|window| window == asked)
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect()
}

/// Whether `pattern`, in which `*` stands for any text and `?` for one character, describes all of `text`.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where the last `*` stands and how much text it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(at_text) {
        match pattern.get(at_pattern) {
            Some('*') => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star_at, swallowed)) = star else {
                    return false;
                };
                star = Some((star_at, swallowed + 1));
                at_pattern = star_at + 1;
                at_text = swallowed + 1;
            }
        }
    }
    pattern[at_pattern..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod expression_tests;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("member-*", "member-post-install-kubectl", true)]
    #[case("*kubectl", "member-post-install-kubectl", true)]
    #[case("*-post-*", "member-post-install-kubectl", true)]
    #[case("member", "member-post-install-kubectl", false)]
    #[case("host-?", "host-a", true)]
    #[case("host-?", "host-ab", false)]
    #[case("*a*b*c", "xaybzbc", true)]
    #[case("*a*b*c", "xaybzb", false)]
    #[case("*", "", true)]
    #[case("", "x", false)]
    fn matches_globs(#[case] pattern: &str, #[case] text: &str, #[case] holds: bool) {
        assert_eq!(glob(pattern, text), holds);
    }

    #[rstest]
    #[case("scenarios/member/", "scenarios/member/kubectl.yaml", true)]
    #[case("./member/kubectl.yaml", "scenarios/member/kubectl.yaml", true)]
    #[case("kubectl.yaml", "scenarios/member/kubectl.yaml", true)]
    #[case("ember/kubectl.yaml", "scenarios/member/kubectl.yaml", false)]
    #[case("/", "scenarios/member/kubectl.yaml", false)]
    fn matches_paths_by_whole_segments(#[case] asked: &str, #[case] file: &str, #[case] holds: bool) {
        assert_eq!(path_matches(asked, file), holds);
    }
}

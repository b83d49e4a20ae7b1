//! What `--select` asks for, as a tree, and whether a cell fulfils it.

use crate::model::Comparison;
use crate::plan::Cell;
use crate::requirement::{compares, parse_release};

use super::glob;

/// An expression over the cells of a run; see [`super::parse_expression`] for how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// All of these hold.
    All(Vec<Expression>),
    /// One of these holds.
    Any(Vec<Expression>),
    /// This does not hold.
    Not(Box<Expression>),
    /// A cell's value under a key is as the test asks for. A cell without that value fulfils no test.
    Is(Key, Test),
}

/// What of a cell is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The scenario's name.
    Name,
    /// The release.
    Release,
    /// A label of the scenario.
    Label(String),
    /// A parameter of the cell.
    Param(String),
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// That there is one.
    Present,
    /// That it is one of these.
    OneOf(Vec<String>),
    /// That this glob describes all of it.
    Like(String),
    /// That one of these comparisons of releases holds.
    Compares(Vec<(Comparison, [u32; 3])>),
}

impl Expression {
    /// Whether `cell` fulfils it.
    #[must_use]
    pub fn holds(&self, cell: &Cell) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(cell)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(cell)),
            Self::Not(inner) => !inner.holds(cell),
            Self::Is(key, test) => key.value(cell).is_some_and(|value| test.holds(value)),
        }
    }

    /// The first value that is asked for and that none of `cells` has, with its key: most likely a misspelling.
    pub(super) fn value_of_none<'e>(&'e self, cells: &[Cell]) -> Option<(&'e Key, &'e str)> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(|part| part.value_of_none(cells)),
            Self::Not(inner) => inner.value_of_none(cells),
            Self::Is(key, Test::OneOf(values)) => {
                let had = |value: &String| cells.iter().any(|cell| key.value(cell) == Some(value));
                values.iter().find(|value| !had(value)).map(|value| (key, value.as_str()))
            }
            Self::Is(..) => None,
        }
    }
}

impl Key {
    /// The value of `cell` under this key.
    #[must_use]
    pub fn value<'c>(&self, cell: &'c Cell) -> Option<&'c str> {
        match self {
            Self::Name => Some(&cell.scenario.name),
            Self::Release => Some(&cell.release.name),
            Self::Label(key) => cell.scenario.labels.get(key).map(String::as_str),
            Self::Param(key) => cell.params.get(key).map(String::as_str),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Release => f.write_str("release"),
            Self::Label(key) => f.write_str(key),
            Self::Param(key) => write!(f, "params.{key}"),
        }
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::OneOf(values) => values.iter().any(|wanted| wanted == value),
            Self::Like(pattern) => glob(pattern, value),
            Self::Compares(comparisons) => parse_release(value).is_some_and(|release| {
                comparisons.iter().any(|(comparison, bound)| compares(release, *comparison, *bound))
            }),
        }
    }
}

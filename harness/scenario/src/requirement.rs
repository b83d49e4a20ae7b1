//! Requirements on a release: `>=3.2.1`, `>=3.3.0, <3.4.1`, `=3.3.2` or a bare `3.3.2`.

use std::fmt;
use std::str::FromStr;

use crate::model::{Comparison, Requirement};

/// Reads a release: `3.3.2`, `v3.3.2`, or `3.3` for `3.3.0`.
#[must_use]
pub fn parse_release(text: &str) -> Option<[u32; 3]> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = [0; 3];
    let mut count = 0;
    for part in text.split('.') {
        let digits_only = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *numbers.get_mut(count)? = digits_only.then(|| part.parse().ok())??;
        count += 1;
    }
    (count >= 2).then_some(numbers)
}

/// Whether `release` compares with `bound` so.
pub(crate) fn compares(release: [u32; 3], comparison: Comparison, bound: [u32; 3]) -> bool {
    match comparison {
        Comparison::AtLeast => release >= bound,
        Comparison::AtMost => release <= bound,
        Comparison::Newer => release > bound,
        Comparison::Older => release < bound,
        Comparison::Exactly => release == bound,
    }
}

impl Requirement {
    /// Holds for every release.
    #[must_use]
    pub fn any() -> Self {
        Self(Vec::new())
    }

    /// Whether `release` fulfils it.
    #[must_use]
    pub fn matches(&self, release: [u32; 3]) -> bool {
        self.0.iter().all(|(comparison, bound)| compares(release, *comparison, *bound))
    }

    /// Whether the release named `release` (`3.3.2`) fulfils it; never for a text that is no release.
    #[must_use]
    pub fn matches_name(&self, release: &str) -> bool {
        parse_release(release).is_some_and(|release| self.matches(release))
    }
}

/// A text that is no requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequirement {
    /// The comparison that cannot be read.
    pub part: String,
}

impl fmt::Display for BadRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a comparison with a release", self.part)
    }
}

impl std::error::Error for BadRequirement {}

impl FromStr for Requirement {
    type Err = BadRequirement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "*" {
            return Ok(Self::any());
        }
        text.split(',').map(|part| comparison(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn comparison(part: &str) -> Result<(Comparison, [u32; 3]), BadRequirement> {
    // Longer operators first: `>=` begins with `>`.
    let operators = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::Newer),
        ("<", Comparison::Older),
        ("=", Comparison::Exactly),
        ("", Comparison::Exactly),
    ];
    operators
        .into_iter()
        .find_map(|(operator, comparison)| part.strip_prefix(operator).map(|release| (comparison, release)))
        .and_then(|(comparison, release)| Some((comparison, parse_release(release.trim())?)))
        .ok_or_else(|| BadRequirement { part: part.to_owned() })
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("*");
        }
        for (index, (comparison, [major, minor, patch])) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let operator = match comparison {
                Comparison::AtLeast => ">=",
                Comparison::AtMost => "<=",
                Comparison::Newer => ">",
                Comparison::Older => "<",
                Comparison::Exactly => "=",
            };
            write!(f, "{separator}{operator}{major}.{minor}.{patch}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(">=3.2.1", "3.2.1", true)]
    #[case(">=3.2.1", "3.2.0", false)]
    #[case(">3.3.2", "3.3.2", false)]
    #[case("<=3.4.0", "3.4.1", false)]
    #[case("<3.4.1", "3.4.0", true)]
    #[case("=3.3.2", "3.3.2", true)]
    #[case("3.3.2", "v3.3.2", true)]
    #[case(">=3.3, <3.4.1", "3.4.0", true)]
    #[case(">=3.3, <3.4.1", "3.4.1", false)]
    #[case("*", "3.2.1", true)]
    #[case("<3.10.0", "3.9.0", true)]
    fn compares_releases_as_numbers(#[case] requirement: &str, #[case] release: &str, #[case] holds: bool) {
        assert_eq!(requirement.parse::<Requirement>().unwrap().matches_name(release), holds);
    }

    #[rstest]
    #[case("")]
    #[case("newest")]
    #[case("~3.3")]
    #[case(">=")]
    #[case("3.3.x")]
    #[case("3.3.2.1")]
    #[case("3")]
    #[case("+3.1")]
    #[case(">=3.3,")]
    fn refuses_what_is_no_requirement(#[case] text: &str) {
        assert!(text.parse::<Requirement>().is_err());
    }

    #[rstest]
    #[case(">=3.2.1", ">=3.2.1")]
    #[case("> 3.3 ,<v3.4.1", ">3.3.0, <3.4.1")]
    #[case("*", "*")]
    fn displays_in_one_form(#[case] text: &str, #[case] displayed: &str) {
        assert_eq!(text.parse::<Requirement>().unwrap().to_string(), displayed);
    }
}

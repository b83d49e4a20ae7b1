//! A mistake in a scenario file, told with its position and a way out.

use crate::model::Location;

/// One mistake. Displayed as `file:line:column: message`, then `  help: suggestion` where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub location: Location,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub suggestion: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.location, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "\n  help: {suggestion}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// The candidate that `given` was most likely meant to be.
#[must_use]
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong; `jaro_winkler` orders candidates that are equally far.
    let limit = (given.chars().count() / 3).max(1);
    let folded = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by(|(left_distance, left), (right_distance, right)| {
            left_distance
                .cmp(right_distance)
                .then_with(|| strsim::jaro_winkler(given, right).total_cmp(&strsim::jaro_winkler(given, left)))
        })
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?` where something is close, else the list of what there is.
#[must_use]
pub fn did_you_mean(given: &str, kind: &str, candidates: &[&str]) -> Option<String> {
    if let Some(candidate) = closest(given, candidates.iter().copied()) {
        return Some(format!("did you mean \"{candidate}\"?"));
    }
    (!candidates.is_empty()).then(|| format!("{kind}: {}", candidates.join(", ")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one_letter_missing("jwt-secret-equa", Some("jwt-secret-equal"))]
    #[case::letters_swapped("cluster-roel", Some("cluster-role"))]
    #[case::case_differs("Cluster-Role", Some("cluster-role"))]
    #[case::nothing_is_close("banana", None)]
    fn finds_the_closest_name(#[case] given: &str, #[case] expected: Option<&str>) {
        assert_eq!(closest(given, ["cluster-role", "jwt-secret-equal"]), expected);
    }

    #[test]
    fn lists_what_exists_when_nothing_is_close() {
        assert_eq!(
            did_you_mean("banana", "known checks", &["a-check", "b-check"]).as_deref(),
            Some("known checks: a-check, b-check")
        );
    }
}

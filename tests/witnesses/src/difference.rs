//! Differences that are known, as data beside the step that shows them. One that is not there any more is a failure.

use serde::Deserialize;

use crate::clients::Version;

/// Why a step shows something else on the two servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The reason.
    pub because: String,
    /// The versions of the client that see it, as `<1.24` or `>=1.24`; all where nothing is said.
    #[serde(default)]
    pub clients: Versions,
}

impl Difference {
    /// The reason why a client of `version` sees a difference, if one of `differences` is about it.
    pub fn known(differences: &[Self], version: Version) -> Option<&str> {
        let known = differences.iter().find(|difference| difference.clients.hold(version));
        known.map(|difference| difference.because.as_str())
    }
}

/// Some versions of a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Versions {
    /// All.
    #[default]
    All,
    /// Those before this one.
    Before(Version),
    /// This one and later ones.
    From(Version),
}

impl Versions {
    fn hold(self, version: Version) -> bool {
        match self {
            Self::All => true,
            Self::Before(limit) => version < limit,
            Self::From(limit) => version >= limit,
        }
    }
}

impl TryFrom<String> for Versions {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = |text: &str| Version::parse(text).ok_or_else(|| format!("{text:?} is no version; write 1.24"));
        match (text.strip_prefix(">="), text.strip_prefix('<')) {
            (Some(limit), _) => parsed(limit).map(Self::From),
            (_, Some(limit)) => parsed(limit).map(Self::Before),
            _ => Err(format!("{text:?} is no range of versions; write <1.24 or >=1.24")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(">=1.24", "v1.24.0", true)]
    #[case(">=1.24", "1.20.2", false)]
    #[case("<1.24", "1.9.9", true)]
    #[case("<1.24", "1.24.3", false)]
    fn holds_versions(#[case] range: &str, #[case] version: &str, #[case] expected: bool) {
        let range = Versions::try_from(range.to_owned()).unwrap();
        assert_eq!(range.hold(Version::parse(version).unwrap()), expected);
    }

    #[test]
    fn refuses_other_texts() {
        assert!(Versions::try_from("1.24".to_owned()).is_err());
        assert!(Versions::try_from(">=new".to_owned()).is_err());
    }
}

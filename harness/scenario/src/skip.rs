//! Why a cell was not tried: a closed list, so that skips can be counted and none hides behind free text.

use std::fmt;
use std::str::FromStr;

/// Why a cell was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// The provider is not available here.
    ProviderMissing,
    /// The provider could not make or reset the clusters.
    ProviderFailed,
    /// A program that steps need (kubectl) is not available here.
    ToolMissing,
    /// The provider cannot make what the scenario asks for.
    Unsupported,
    /// An earlier failure ended the run (`--fail-fast`).
    FailFast,
    /// The run was interrupted before the cell ended.
    Interrupted,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::ProviderMissing,
        Self::ProviderFailed,
        Self::ToolMissing,
        Self::Unsupported,
        Self::FailFast,
        Self::Interrupted,
    ];

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProviderMissing => "provider-missing",
            Self::ProviderFailed => "provider-failed",
            Self::ToolMissing => "tool-missing",
            Self::Unsupported => "unsupported",
            Self::FailFast => "fail-fast",
            Self::Interrupted => "interrupted",
        }
    }

    /// The word with a detail behind it, as a cell's `reason`: `tool-missing: kubectl is not on the PATH`.
    #[must_use]
    pub fn with(self, detail: impl fmt::Display) -> String {
        format!("{self}: {detail}")
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that begins with none of the reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSkipReason(pub String);

impl fmt::Display for NoSkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = SkipReason::ALL.map(SkipReason::as_str).join(", ");
        write!(f, "\"{}\" is no reason to skip a cell; reasons are {words}", self.0)
    }
}

impl std::error::Error for NoSkipReason {}

/// Reads a reason, with or without a detail behind it.
impl FromStr for SkipReason {
    type Err = NoSkipReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.split_once(':').map_or(text, |(word, _)| word);
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or_else(|| NoSkipReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_every_reason_with_and_without_detail() {
        for reason in SkipReason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(reason));
            assert_eq!(reason.with("kubectl: not found").parse(), Ok(reason));
        }
    }

    #[test]
    fn refuses_free_text() {
        assert_eq!("did not feel like it".parse::<SkipReason>(), Err(NoSkipReason("did not feel like it".to_owned())));
    }
}

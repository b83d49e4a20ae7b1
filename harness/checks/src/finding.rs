//! What a check found.

use scenario::event::Evidence;

/// What a check found. Texts never hold a secret: they say lengths and whether values are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// What the page promises is there.
    Holds {
        /// What it was seen in.
        evidence: Vec<Evidence>,
    },
    /// What the page promises is not there.
    Fails {
        /// What the page promises.
        expected: String,
        /// What is there instead.
        actual: String,
        /// Both in a sentence, with the likely cause.
        message: String,
        /// What it was seen in.
        evidence: Vec<Evidence>,
    },
    /// What the check needs to see was not to be had.
    CannotTell {
        /// Why.
        reason: String,
    },
}

impl Finding {
    /// A promise kept.
    #[must_use]
    pub fn holds() -> Self {
        Self::Holds { evidence: Vec::new() }
    }

    /// A promise broken.
    pub fn fails(expected: impl Into<String>, actual: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Fails { expected: expected.into(), actual: actual.into(), message: message.into(), evidence: Vec::new() }
    }

    /// Nothing to judge by.
    pub fn cannot_tell(reason: impl Into<String>) -> Self {
        Self::CannotTell { reason: reason.into() }
    }

    /// The same finding with one more piece of evidence.
    #[must_use]
    pub fn with(mut self, title: impl Into<String>, text: impl Into<String>) -> Self {
        if let Self::Holds { evidence } | Self::Fails { evidence, .. } = &mut self {
            evidence.push(Evidence { title: title.into(), text: text.into(), whole: false });
        }
        self
    }

    /// Whether the promise is kept.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        matches!(self, Self::Holds { .. })
    }
}

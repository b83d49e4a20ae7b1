//! An expression that cannot be read, shown with the place of the mistake.

use std::fmt;
use std::ops::Range;

/// From which byte to which.
pub type Span = Range<usize>;

/// A mistake in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    text: String,
    at: Span,
    message: String,
    suggestion: String,
}

impl ExpressionError {
    pub(super) fn new(text: &str, at: Span, message: impl Into<String>, suggestion: impl Into<String>) -> Self {
        Self { text: text.to_owned(), at, message: message.into(), suggestion: suggestion.into() }
    }

    /// Where the mistake begins, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        characters(&self.text[..self.at.start]) + 1
    }
}

/// The expression with a mark below the mistake, between the message and the way out.
impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On one line, so that the mark stands where it should.
        let shown: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mark = "^".repeat(characters(&self.text[self.at.clone()]).max(1));
        let indent = " ".repeat(self.column() - 1);
        writeln!(f, "--select, column {}: {}", self.column(), self.message)?;
        write!(f, "    {shown}\n    {indent}{mark}\n  help: {}", self.suggestion)
    }
}

impl std::error::Error for ExpressionError {}

/// As the command line shows it.
impl From<ExpressionError> for String {
    fn from(error: ExpressionError) -> Self {
        format!("error: {error}")
    }
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

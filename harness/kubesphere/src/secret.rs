//! A value that must not be shown.

use std::fmt;

/// A `jwtSecret`. It compares, and shows itself only when asked to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JwtSecret(String);

impl JwtSecret {
    /// Takes over `value`.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtSecret({} characters)", self.0.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_show_itself() {
        let shown = format!("{:?}", JwtSecret::new("gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU"));
        assert_eq!(shown, "JwtSecret(32 characters)");
    }
}

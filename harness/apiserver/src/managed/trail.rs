//! Where a walk over an object is: steps that borrow what they name, made into a path only when someone asks.

use super::path::{self, Element};

/// One step.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A field.
    Field(&'a str),
    /// An element of a list.
    Element(&'a Element),
}

/// The steps from the root.
#[derive(Debug, Clone, Copy)]
pub enum Trail<'a> {
    /// The whole object.
    Root,
    /// One step further than another trail.
    Below(&'a Trail<'a>, Step<'a>),
}

impl<'a> Trail<'a> {
    /// One step further.
    #[must_use]
    pub fn then(&'a self, step: Step<'a>) -> Trail<'a> {
        Self::Below(self, step)
    }

    /// The steps as a path.
    #[must_use]
    pub fn path(&self) -> Vec<Element> {
        let mut out = Vec::new();
        let mut at = self;
        while let Self::Below(above, step) = at {
            out.push(match step {
                Step::Field(name) => Element::field(name),
                Step::Element(element) => (*element).clone(),
            });
            at = above;
        }
        out.reverse();
        out
    }

    /// What does not fit here.
    #[must_use]
    pub fn violation(&self, text: impl Into<String>) -> Violation {
        Violation { path: path::text(&self.path()), text: text.into() }
    }
}

/// A value that does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    path: String,
    text: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

/// All that does not fit; never empty within an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Success, if there are none.
    ///
    /// # Errors
    /// The violations.
    pub fn none_of(found: Vec<Violation>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }
}

impl std::fmt::Display for Violations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let [one] = self.0.as_slice() {
            return one.fmt(f);
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

impl std::error::Error for Violations {}

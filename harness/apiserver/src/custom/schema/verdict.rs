//! What a validation found: faults, and how many checks held. The original picks, among alternatives that all fail, the
//! one with the most checks that held, and tells its faults (`validate.Result` of kube-openapi, Kubernetes 1.20).

use serde_json::Value;

use crate::custom::path::Path;
use crate::go;
use crate::status::Cause;

/// A fault of one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Where, as `spec.list`; `None` where the original names no field.
    pub place: Option<String>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// It is not there.
    Missing,
    /// It is none of these.
    NotAllowed(Value, Vec<Value>),
    /// Anything else: the value to show, already in Go's notation, and the text.
    Other(String, String),
}

impl Fault {
    /// The text by which the original tells faults apart.
    fn text(&self) -> String {
        let place = self.place.as_deref().unwrap_or_default();
        match &self.kind {
            FaultKind::Missing => format!("{place} in body is required"),
            FaultKind::NotAllowed(_, allowed) => format!("{place} in body should be one of {allowed:?}"),
            FaultKind::Other(_, text) => text.clone(),
        }
    }

    /// The fault of an object at `path`.
    #[must_use]
    pub fn into_cause(self, path: &Path) -> Cause {
        let place = self.place.as_deref().map(|place| place.strip_prefix('.').unwrap_or(place));
        let field = place.filter(|place| !place.is_empty()).map_or_else(|| path.clone(), |place| path.child(place));
        match self.kind {
            FaultKind::Missing => Cause::required(field, ""),
            FaultKind::NotAllowed(value, allowed) => {
                let name = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let supported: Vec<String> = allowed.iter().map(|value| go::quoted(&name(value))).collect();
                Cause::unsupported(field, go::shown(&value), &supported)
            }
            FaultKind::Other(value, text) => Cause::invalid(field, value, &text),
        }
    }
}

/// The outcome of a validation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    faults: Vec<Fault>,
    held: usize,
}

impl Verdict {
    /// A verdict with one fault.
    #[must_use]
    pub fn fault(place: &str, value: impl Into<String>, text: impl Into<String>) -> Self {
        let kind = FaultKind::Other(value.into(), text.into());
        Self { faults: vec![Fault { place: Some(place.to_owned()), kind }], held: 0 }
    }

    /// A verdict with one fault of a certain kind.
    #[must_use]
    pub fn of(place: &str, kind: FaultKind) -> Self {
        Self { faults: vec![Fault { place: Some(place.to_owned()), kind }], held: 0 }
    }

    /// Adds a fault that names no field.
    pub fn add(&mut self, text: String) {
        self.push(Fault { place: None, kind: FaultKind::Other("\"\"".to_owned(), text) });
    }

    fn push(&mut self, fault: Fault) {
        let text = fault.text();
        if !self.faults.iter().any(|found| found.text() == text) {
            self.faults.push(fault);
        }
    }

    /// Adds what another found.
    pub fn merge(&mut self, other: Self) {
        other.faults.into_iter().for_each(|fault| self.push(fault));
        self.held += other.held;
    }

    /// Counts a check that was made.
    pub fn count(&mut self) {
        self.held += 1;
    }

    /// Whether there are no faults.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }

    /// How many checks were counted.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// The faults of an object at `path`.
    #[must_use]
    pub fn into_causes(self, path: &Path) -> Vec<Cause> {
        self.faults.into_iter().map(|fault| fault.into_cause(path)).collect()
    }
}

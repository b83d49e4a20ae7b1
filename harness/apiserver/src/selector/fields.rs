//! Field selectors: the grammar of apimachinery's `fields` package, and the fields that kinds can be selected by,
//! Kubernetes 1.20.

use serde_json::Value;

use crate::registry::Resource;
use crate::status::quoted;

/// One demand on a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

/// A field selector: every named field has, or has not, its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<Term>);

/// Kinds with fields of their own: whether `metadata.namespace` is one, and the others, as the original's conversion
/// functions name them (`pkg/apis/core/v1/conversion.go` and its siblings in Kubernetes 1.20.2).
const SELECTABLE: &[(&str, bool, &[&str])] = &[
    (
        "pods",
        true,
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
    ),
    ("nodes", false, &["spec.unschedulable"]),
    ("namespaces", false, &["status.phase"]),
    ("replicationcontrollers", true, &["status.replicas"]),
    ("secrets", true, &["type"]),
    ("jobs.batch", true, &["status.successful"]),
    ("certificatesigningrequests.certificates.k8s.io", false, &["spec.signerName"]),
    (
        "events",
        true,
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
];

/// The field that a client's name for it means.
fn known_field(resource: &Resource, field: &str) -> Result<String, String> {
    let unsupported = || format!("field label not supported: {field}");
    if field == "metadata.name" {
        return Ok(field.to_owned());
    }
    if resource.custom.is_some() {
        let known = resource.namespaced && field == "metadata.namespace";
        return if known { Ok(field.to_owned()) } else { Err(unsupported()) };
    }
    match SELECTABLE.iter().find(|(name, ..)| *name == &*resource.full_name) {
        // What old clients of v1 call it.
        Some(("pods", ..)) if field == "spec.host" => Ok("spec.nodeName".to_owned()),
        Some((_, true, _)) if field == "metadata.namespace" => Ok(field.to_owned()),
        Some((_, _, fields)) if fields.contains(&field) => Ok(field.to_owned()),
        Some(_) => Err(unsupported()),
        None if field == "metadata.namespace" => Ok(field.to_owned()),
        None => Err(format!(
            "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            quoted(field)
        )),
    }
}

/// The terms between the commas; a comma after a backslash belongs to a value.
fn split(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(text.get(start..).unwrap_or_default());
    terms
}

/// Field, whether it is to be equal, and the value as written.
fn operator(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.char_indices().find_map(|(at, _)| {
        let rest = term.get(at..)?;
        [("!=", false), ("==", true), ("=", true)]
            .iter()
            .find_map(|(sign, equal)| rest.strip_prefix(sign).map(|value| (at, *equal, value)))
    });
    at.and_then(|(at, equal, value)| Some((term.get(..at)?, equal, value)))
}

fn unescaped(text: &str) -> Result<String, String> {
    let invalid = |sequence: &str| format!("invalid field selector: invalid escape sequence: {sequence}");
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(invalid(&format!("\\{c}"))),
                None => return Err(invalid("\\")),
            },
            // Go writes the rune as a number.
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// A field selector that was read, of whatever kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawFieldSelector(Vec<Term>);

impl RawFieldSelector {
    /// Reads `a=b,c!=d`.
    ///
    /// # Errors
    /// The original's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut terms = split(text);
        terms.sort_unstable();
        let mut read = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let (field, equal, value) =
                operator(term).ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{term}'"))?;
            // The original takes a selector of an empty field with an empty value for none.
            let value = unescaped(value)?;
            if !(field.is_empty() && value.is_empty()) {
                read.push(Term { field: field.to_owned(), equal, value });
            }
        }
        Ok(Self(read))
    }

    /// The value that `field` must have.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// What it means for `resource`.
    ///
    /// # Errors
    /// The original's text about a field by which the kind cannot be selected.
    pub fn of(self, resource: &Resource) -> Result<FieldSelector, String> {
        let terms = self.0.into_iter().map(|term| Ok(Term { field: known_field(resource, &term.field)?, ..term }));
        terms.collect::<Result<_, String>>().map(FieldSelector)
    }
}

impl FieldSelector {
    /// Selects the one object of a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(vec![Term { field: "metadata.name".to_owned(), equal: true, value: name.to_owned() }])
    }

    /// Whether everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name that objects must have.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.iter().find(|term| term.equal && term.field == "metadata.name").map(|term| term.value.as_str())
    }

    /// Whether `object`'s fields fit.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| (found(object, &term.field) == term.value) == term.equal)
    }
}

/// The field's value as text, as the kinds' `ToSelectableFields` tell it.
fn found(object: &Value, field: &str) -> String {
    let text = |pointer: &str| match object.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    match field {
        "spec.unschedulable" => (text("/spec/unschedulable") == "true").to_string(),
        // It is accepted, but no pod has it.
        "status.podIPs" => String::new(),
        "source" => {
            let component = text("/source/component");
            if component.is_empty() { text("/reportingComponent") } else { component }
        }
        "status.replicas" | "status.successful" => {
            let pointer = if field == "status.replicas" { "/status/replicas" } else { "/status/succeeded" };
            Some(text(pointer)).filter(|text| !text.is_empty()).unwrap_or_else(|| "0".to_owned())
        }
        _ => text(&format!("/{}", field.replace('.', "/"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("metadata.name=a", true)]
    #[case("metadata.name==a,spec.x!=1", true)]
    #[case("metadata.name!=a", false)]
    #[case(r"spec.x=a\,b\=c", true)]
    #[case("=", true)]
    #[case(",,", true)]
    fn matches_fields(#[case] text: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"name": "a"}, "spec": {"x": "a,b=c"}});
        let selector = FieldSelector(RawFieldSelector::parse(text).unwrap().0);
        assert_eq!(selector.matches(&object), expected);
    }

    #[rstest]
    #[case("a", "invalid selector: 'a'; can't understand 'a'")]
    #[case("z,a=b", "invalid selector: 'z,a=b'; can't understand 'z'")]
    #[case("a=b=c", "invalid field selector: unescaped character in value: 61")]
    #[case(r"a=\x", r"invalid field selector: invalid escape sequence: \x")]
    #[case(r"a=b\", r"invalid field selector: invalid escape sequence: \")]
    fn words_errors_as_the_original(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(RawFieldSelector::parse(text).unwrap_err(), expected);
    }

    proptest! {
        #[test]
        fn reads_what_is_escaped(value in "[a-z,=\\\\]{0,12}") {
            let escaped = value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            let selector = RawFieldSelector::parse(&format!("f={escaped}")).unwrap();
            prop_assert_eq!(selector.exact("f"), Some(value.as_str()));
        }
    }
}

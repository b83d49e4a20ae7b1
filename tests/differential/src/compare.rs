//! What differs between two canonical answers.

use std::fmt;

use serde_json::Value;

use crate::canonical::{Body, Canonical};

/// One thing that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: `status`, `header NAME`, `body` with a JSON pointer.
    pub at: String,
    /// What the real server says.
    pub real: String,
    /// What the embedded server says.
    pub embedded: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    real:     {}\n    embedded: {}", self.at, self.real, self.embedded)
    }
}

/// Everything that differs, in the order of the real server's answer.
#[must_use]
pub fn differences(real: &Canonical, embedded: &Canonical) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |at: String, real: String, embedded: String| {
        if real != embedded {
            found.push(Difference { at, real, embedded });
        }
    };
    note("status".to_owned(), real.status.to_string(), embedded.status.to_string());
    let names = real.headers.keys().chain(embedded.headers.keys().filter(|name| !real.headers.contains_key(*name)));
    for name in names {
        let shown = |answer: &Canonical| answer.headers.get(name).map_or_else(absent, |values| values.join(" | "));
        note(format!("header {name}"), shown(real), shown(embedded));
    }
    match (&real.body, &embedded.body) {
        (Body::Documents(real), Body::Documents(embedded)) => {
            note("body: number of documents".to_owned(), real.len().to_string(), embedded.len().to_string());
            for (index, (real, embedded)) in real.iter().zip(embedded).enumerate() {
                let at = if index == 0 { "body ".to_owned() } else { format!("body, document {} ", index + 1) };
                values(&at, real, embedded, &mut found);
            }
        }
        (real, embedded) => note("body".to_owned(), real.to_string(), embedded.to_string()),
    }
    found
}

fn absent() -> String {
    "(absent)".to_owned()
}

fn values(at: &str, real: &Value, embedded: &Value, found: &mut Vec<Difference>) {
    let mut note = |at: String, real: String, embedded: String| found.push(Difference { at, real, embedded });
    match (real, embedded) {
        (Value::Object(left), Value::Object(right)) => {
            let same_keys = left.len() == right.len() && left.keys().all(|key| right.contains_key(key));
            if same_keys && !left.keys().eq(right.keys()) {
                let order = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>().join(", ");
                note(format!("{at} (order of fields)"), order(left), order(right));
            }
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => values(&at, left, right, found),
                    (left, right) => {
                        let shown = |value: Option<&Value>| value.map_or_else(absent, Value::to_string);
                        found.push(Difference { at, real: shown(left), embedded: shown(right) });
                    }
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                note(format!("{at} (number of items)"), left.len().to_string(), right.len().to_string());
            }
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                values(&format!("{at}/{index}"), left, right, found);
            }
            let rest = left.len().min(right.len());
            for (index, item) in left.iter().enumerate().skip(rest) {
                found.push(Difference { at: format!("{at}/{index}"), real: item.to_string(), embedded: absent() });
            }
            for (index, item) in right.iter().enumerate().skip(rest) {
                found.push(Difference { at: format!("{at}/{index}"), real: absent(), embedded: item.to_string() });
            }
        }
        (left, right) if left != right => note(at.to_owned(), left.to_string(), right.to_string()),
        _ => {}
    }
}

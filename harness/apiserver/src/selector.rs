//! Label and field selectors.

use serde_json::Value;

use crate::registry::Resource;
use crate::status::Failure;

/// One demand on the labels.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    fn holds(&self, labels: Option<&Value>) -> bool {
        let find = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        let number = |key: &str| find(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists(key) => find(key).is_some(),
            Self::Missing(key) => find(key).is_none(),
            Self::In(key, values) => find(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::NotIn(key, values) => find(key).is_none_or(|value| values.iter().all(|wanted| wanted != value)),
            Self::Greater(key, bound) => number(key).is_some_and(|value| value > *bound),
            Self::Less(key, bound) => number(key).is_some_and(|value| value < *bound),
        }
    }
}

/// A label selector: all of its requirements hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    /// The original's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text };
        let mut requirements = Vec::new();
        if reader.peek().is_empty() {
            return Ok(Self::default());
        }
        loop {
            let requirement = reader.requirement();
            requirements.push(requirement.map_err(|text| format!("unable to parse requirement: {text}"))?);
            match reader.take().as_str() {
                "" => return Ok(Self(requirements)),
                "," => {
                    let next = reader.peek();
                    if next.is_empty() || next == "," {
                        return Err(format!("found '{next}', expected: identifier after ','"));
                    }
                }
                found => return Err(format!("found '{found}', expected: ',' or 'end of string'")),
            }
        }
    }

    /// The selector of an object's `matchLabels` and `matchExpressions`.
    #[must_use]
    pub fn from_value(selector: &Value) -> Self {
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            requirements.push(Requirement::In(key.clone(), value.as_str().map(str::to_owned).into_iter().collect()));
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let key = expression.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = || {
                let given = expression.get("values").and_then(Value::as_array).into_iter().flatten();
                given.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            requirements.push(match expression.get("operator").and_then(Value::as_str) {
                Some("In") => Requirement::In(key, values()),
                Some("NotIn") => Requirement::NotIn(key, values()),
                Some("DoesNotExist") => Requirement::Missing(key),
                _ => Requirement::Exists(key),
            });
        }
        Self(requirements)
    }

    /// Whether `object`'s labels fit.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// Whether `labels` fit.
    #[must_use]
    pub fn matches_labels(&self, labels: Option<&Value>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// Whether everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn peek(&self) -> String {
        Reader { rest: self.rest }.take()
    }

    fn take(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let symbols = ["!=", "==", "=", "!", "(", ")", ",", ">", "<"];
        let length = symbols.iter().find(|symbol| self.rest.starts_with(**symbol)).map_or_else(
            || self.rest.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c)).unwrap_or(self.rest.len()),
            |symbol| symbol.len(),
        );
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token.to_owned()
    }

    fn identifier(&mut self, after: &str) -> Result<String, String> {
        let token = self.take();
        if token.is_empty() || token.contains(|c: char| "=!(),<>".contains(c)) {
            return Err(format!("found '{token}', expected: {after}"));
        }
        Ok(token)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.peek() == "!" {
            self.take();
            return Ok(Requirement::Missing(self.identifier("identifier")?));
        }
        let key = self.identifier("!, identifier, or 'end of string'")?;
        if matches!(self.peek().as_str(), "" | ",") {
            return Ok(Requirement::Exists(key));
        }
        let operator = self.take();
        match operator.as_str() {
            "=" | "==" => Ok(Requirement::In(key, vec![self.value()])),
            "!=" => Ok(Requirement::NotIn(key, vec![self.value()])),
            "in" => Ok(Requirement::In(key, self.values()?)),
            "notin" => Ok(Requirement::NotIn(key, self.values()?)),
            ">" | "<" => {
                let text = self.value();
                let bound = text
                    .parse()
                    .map_err(|_| format!("for 'Gt', 'Lt' operators, the value must be an integer: found '{text}'"))?;
                Ok(if operator == ">" { Requirement::Greater(key, bound) } else { Requirement::Less(key, bound) })
            }
            found => Err(format!("found '{found}', expected: '=', '!=', '==', 'in', notin'")),
        }
    }

    /// The value after `=`, which may be empty.
    fn value(&mut self) -> String {
        if matches!(self.peek().as_str(), "," | "") { String::new() } else { self.take() }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = Vec::new();
        loop {
            match self.take().as_str() {
                ")" => return Ok(values),
                "," => {}
                "" => return Err("found '', expected: ',' or ')'".to_owned()),
                value => values.push(value.to_owned()),
            }
        }
    }
}

/// A field selector: every named field has, or has not, its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<(String, bool, String)>);

/// Fields that can be selected on besides name and namespace, by resource, as the original's conversion functions
/// name them (pkg/apis/core/v1/conversion.go of Kubernetes 1.20).
const SELECTABLE: &[(&str, &[&str])] = &[
    (
        "pods",
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
    ("nodes", &["spec.unschedulable"]),
    ("namespaces", &["status.phase"]),
    ("secrets", &["type"]),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "source",
            "type",
        ],
    ),
];

impl FieldSelector {
    /// Reads `a=b,c!=d` and checks that `resource` can be selected by these fields.
    ///
    /// # Errors
    /// 400 with the original's text.
    pub fn parse(text: &str, resource: &Resource) -> Result<Self, Failure> {
        let mut demands = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, true, value)
            } else {
                let text = format!("invalid selector: '{text}'; can't understand '{part}'");
                return Err(Failure::bad_request(text));
            };
            let extra = SELECTABLE.iter().find(|(name, _)| *name == &*resource.full_name);
            let everywhere = resource.custom.is_some() && !resource.namespaced;
            let known = field == "metadata.name"
                || (field == "metadata.namespace" && !everywhere)
                || extra.is_some_and(|(_, fields)| fields.contains(&field));
            if !known {
                let text = match extra {
                    Some(_) => format!("field label not supported: {field}"),
                    None if resource.custom.is_some() => format!("field label not supported: {field}"),
                    None => format!(
                        "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    ),
                };
                return Err(Failure::bad_request(text));
            }
            demands.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(Self(demands))
    }

    /// Whether everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `object`'s fields fit.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, wanted)| {
            let path = if field == "source" {
                "/source/component".to_owned()
            } else {
                format!("/{}", field.replace('.', "/"))
            };
            let found = match object.pointer(&path) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(flag)) => flag.to_string(),
                None if field == "spec.unschedulable" => "false".to_owned(),
                _ => String::new(),
            };
            (found == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("app=x", true)]
    #[case("app==x,tier!=db", true)]
    #[case("app in (a, x)", true)]
    #[case("app notin (x)", false)]
    #[case("!app", false)]
    #[case("!missing", true)]
    #[case("app", true)]
    #[case("missing!=x", true)]
    #[case("rank>3", true)]
    #[case("rank<3", false)]
    #[case("", true)]
    fn matches_labels(#[case] text: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"labels": {"app": "x", "tier": "web", "rank": "5"}}});
        assert_eq!(LabelSelector::parse(text).unwrap().matches(&object), expected);
    }

    #[rstest]
    #[case("a==b,,", "found ',', expected: identifier after ','")]
    #[case("a b", "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'")]
    fn words_errors_as_the_original(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(LabelSelector::parse(text).unwrap_err(), expected);
    }
}

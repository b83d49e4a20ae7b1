//! Label selectors: the grammar and the texts of apimachinery's `labels` package, Kubernetes 1.20.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::lexer::{Token, Word, words};
use crate::names;
use crate::status::quoted;

/// What is demanded of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Demand {
    Exists,
    Missing,
    Equals(String),
    DoubleEquals(String),
    NotEquals(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Greater(i64),
    Less(i64),
}

/// One demand on the labels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    demand: Demand,
}

impl Requirement {
    fn holds(&self, labels: Option<&Value>) -> bool {
        let found = labels.and_then(|labels| labels.get(&self.key)).and_then(Value::as_str);
        let number = || found.and_then(|value| value.parse::<i64>().ok());
        match &self.demand {
            Demand::Exists => found.is_some(),
            Demand::Missing => found.is_none(),
            Demand::Equals(wanted) | Demand::DoubleEquals(wanted) => found == Some(wanted),
            Demand::NotEquals(wanted) => found != Some(wanted),
            Demand::In(values) => found.is_some_and(|value| values.contains(value)),
            Demand::NotIn(values) => found.is_none_or(|value| !values.contains(value)),
            Demand::Greater(bound) => number().is_some_and(|value| value > *bound),
            Demand::Less(bound) => number().is_some_and(|value| value < *bound),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let joined = |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match &self.demand {
            Demand::Exists => write!(f, "{key}"),
            Demand::Missing => write!(f, "!{key}"),
            Demand::Equals(value) => write!(f, "{key}={value}"),
            Demand::DoubleEquals(value) => write!(f, "{key}=={value}"),
            Demand::NotEquals(value) => write!(f, "{key}!={value}"),
            Demand::In(values) => write!(f, "{key} in ({})", joined(values)),
            Demand::NotIn(values) => write!(f, "{key} notin ({})", joined(values)),
            Demand::Greater(bound) => write!(f, "{key}>{bound}"),
            Demand::Less(bound) => write!(f, "{key}<{bound}"),
        }
    }
}

/// A label selector: all of its requirements hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    /// The original's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = words(text);
        let mut reader = Reader { words: &words };
        let mut requirements = Vec::new();
        loop {
            match reader.peek() {
                (Token::Identifier | Token::In | Token::NotIn | Token::Not, _) => {}
                (Token::End, _) => break,
                (_, found) => return Err(format!("found '{found}', expected: !, identifier, or 'end of string'")),
            }
            let requirement = reader.requirement();
            requirements.push(requirement.map_err(|text| format!("unable to parse requirement: {text}"))?);
            match reader.take() {
                (Token::End, _) => break,
                (Token::Comma, _) => match reader.peek() {
                    (Token::Identifier | Token::In | Token::NotIn | Token::Not, _) => {}
                    (_, found) => return Err(format!("found '{found}', expected: identifier after ','")),
                },
                (_, found) => return Err(format!("found '{found}', expected: ',' or 'end of string'")),
            }
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self(requirements))
    }

    /// The selector of an object's `matchLabels` and `matchExpressions`.
    #[must_use]
    pub fn from_value(selector: &Value) -> Self {
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let demand = Demand::Equals(value.as_str().unwrap_or_default().to_owned());
            requirements.push(Requirement { key: key.clone(), demand });
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let key = expression.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = || {
                let given = expression.get("values").and_then(Value::as_array).into_iter().flatten();
                given.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let demand = match expression.get("operator").and_then(Value::as_str) {
                Some("In") => Demand::In(values()),
                Some("NotIn") => Demand::NotIn(values()),
                Some("DoesNotExist") => Demand::Missing,
                _ => Demand::Exists,
            };
            requirements.push(Requirement { key, demand });
        }
        Self(requirements)
    }

    /// Whether `object`'s labels fit.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.0.is_empty() || self.matches_labels(object.pointer("/metadata/labels"))
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

/// Reads words; the last one is the end, which is never gone past.
struct Reader<'a> {
    words: &'a [Word<'a>],
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Word<'a> {
        self.words.first().copied().unwrap_or((Token::End, ""))
    }

    fn take(&mut self) -> Word<'a> {
        let word = self.peek();
        self.words = self.words.get(1..).unwrap_or_default();
        word
    }

    /// The next word where a key or a value is due: there `in` and `notin` are words like others.
    fn value(&mut self) -> Word<'a> {
        as_value(self.take())
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut word = self.value();
        let missing = word.0 == Token::Not;
        if missing {
            word = self.value();
        }
        let (Token::Identifier, key) = word else {
            return Err(format!("found '{}', expected: identifier", word.1));
        };
        let faults = names::label_key_faults(key);
        if !faults.is_empty() {
            return Err(format!("invalid label key {}: {}", quoted(key), faults.join("; ")));
        }
        let demand = match self.peek().0 {
            _ if missing => Demand::Missing,
            Token::End | Token::Comma => Demand::Exists,
            _ => self.demand(key)?,
        };
        Ok(Requirement { key: key.to_owned(), demand })
    }

    fn demand(&mut self, key: &str) -> Result<Demand, String> {
        let (operator, written) = self.take();
        match operator {
            Token::In => Ok(Demand::In(self.values(key)?)),
            Token::NotIn => Ok(Demand::NotIn(self.values(key)?)),
            Token::Equals => Ok(Demand::Equals(self.exact(key)?)),
            Token::DoubleEquals => Ok(Demand::DoubleEquals(self.exact(key)?)),
            Token::NotEquals => Ok(Demand::NotEquals(self.exact(key)?)),
            Token::Greater => Ok(Demand::Greater(self.bound(key)?)),
            Token::Less => Ok(Demand::Less(self.bound(key)?)),
            _ => Err(format!("found '{written}', expected: '=', '!=', '==', 'in', notin'")),
        }
    }

    fn exact_word(&mut self) -> Result<&'a str, String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok("");
        }
        match self.value() {
            (Token::Identifier, value) => Ok(value),
            (_, found) => Err(format!("found '{found}', expected: identifier")),
        }
    }

    fn exact(&mut self, key: &str) -> Result<String, String> {
        let value = self.exact_word()?;
        check_value(key, value)?;
        Ok(value.to_owned())
    }

    fn bound(&mut self, key: &str) -> Result<i64, String> {
        let word = self.exact_word()?;
        let bound = word.parse().map_err(|_| "for 'Gt', 'Lt' operators, the value must be an integer".to_owned())?;
        // A number below zero is no label's value.
        check_value(key, word)?;
        Ok(bound)
    }

    fn values(&mut self, key: &str) -> Result<BTreeSet<String>, String> {
        let values = match self.value() {
            (Token::Open, _) => match as_value(self.peek()) {
                (Token::Identifier | Token::Comma, _) => self.identifiers()?,
                (Token::Close, _) => BTreeSet::from([String::new()]),
                (_, found) => return Err(format!("found '{found}', expected: ',', ')' or identifier")),
            },
            (_, found) => return Err(format!("found '{found}' expected: '('")),
        };
        // The closing parenthesis: every way here has seen it.
        self.take();
        values.iter().try_for_each(|value| check_value(key, value))?;
        Ok(values)
    }

    fn identifiers(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        loop {
            match self.value() {
                (Token::Identifier, value) => {
                    values.insert(value.to_owned());
                    match as_value(self.peek()) {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, found) => return Err(format!("found '{found}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    match self.peek().0 {
                        Token::Close => {
                            values.insert(String::new());
                            return Ok(values);
                        }
                        Token::Comma => {
                            self.take();
                            values.insert(String::new());
                        }
                        _ => {}
                    }
                }
                (_, found) => return Err(format!("found '{found}', expected: ',', or identifier")),
            }
        }
    }
}

fn as_value((token, text): Word<'_>) -> Word<'_> {
    (if matches!(token, Token::In | Token::NotIn) { Token::Identifier } else { token }, text)
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    let faults = names::label_value_faults(value);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("invalid label value: {}: at key: {}: {}", quoted(value), quoted(key), faults.join("; ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use proptest::prelude::*;
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
    #[case("app in (,x)", true)]
    #[case("app in ()", false)]
    #[case("in in (in)", false)]
    fn matches_labels(#[case] text: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"labels": {"app": "x", "tier": "web", "rank": "5"}}});
        assert_eq!(LabelSelector::parse(text).unwrap().matches(&object), expected);
    }

    #[rstest]
    #[case("a==b,,", "found ',', expected: identifier after ','")]
    #[case("a b", "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'")]
    #[case(",a", "found ',', expected: !, identifier, or 'end of string'")]
    #[case("a in b", "unable to parse requirement: found 'b' expected: '('")]
    #[case("a in (b", "unable to parse requirement: found '', expected: ',' or ')'")]
    #[case("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier")]
    #[case("a in (,", "unable to parse requirement: found '', expected: ',', or identifier")]
    #[case("a>b", "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer")]
    #[case("!a=b", "found '=', expected: ',' or 'end of string'")]
    #[case("!", "unable to parse requirement: found '', expected: identifier")]
    #[case("a==(", "unable to parse requirement: found '(', expected: identifier")]
    fn words_errors_as_the_original(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(LabelSelector::parse(text).unwrap_err(), expected);
    }

    fn requirement() -> impl Strategy<Value = String> {
        let key = "[a-z]{1,5}(\\.x/[a-z]{1,4})?";
        let value = "([a-z0-9]([a-z0-9._-]{0,3}[a-z0-9])?)?";
        let operator = prop::sample::select(vec!["=", "==", "!="]);
        let set = prop::sample::select(vec![" in ", " notin "]);
        prop_oneof![
            key.prop_map(|key| key),
            key.prop_map(|key| format!("!{key}")),
            (key, operator, value).prop_map(|(key, operator, value)| format!("{key}{operator}{value}")),
            (key, set, prop::collection::vec(value, 0..4))
                .prop_map(|(key, set, values)| format!("{key}{set}({})", values.join(","))),
            (key, any::<i64>()).prop_map(|(key, bound)| format!("{key}>{bound}")),
        ]
    }

    proptest! {
        #[test]
        fn reads_what_it_prints(texts in prop::collection::vec(requirement(), 0..5)) {
            // Keys may repeat a reserved word, and bounds below zero are refused.
            let Ok(selector) = LabelSelector::parse(&texts.join(",")) else { return Ok(()) };
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()), Ok(selector));
        }

        #[test]
        fn survives_any_text(text in "[a-z=!<>(), ]{0,24}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                prop_assert_eq!(LabelSelector::parse(&selector.to_string()), Ok(selector));
            }
        }
    }
}

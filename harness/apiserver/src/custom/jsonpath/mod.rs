//! JSON paths of printer columns, as `k8s.io/client-go/util/jsonpath` of Kubernetes 1.20 reads and follows them.

mod eval;
mod parse;

use std::borrow::Cow;

use serde_json::Value;

pub use eval::EvalError;
pub use parse::ParseError;

/// A path that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath(Vec<Node>);

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Text that stands for itself.
    Text(String),
    /// A number or a truth value that stands for itself.
    Constant(Value),
    /// A field.
    Field(String),
    /// Elements of a list.
    Slice(Slice),
    /// The elements that fit.
    Filter(Filter),
    /// Everything below.
    Wildcard,
    /// Everything below, at any depth.
    Recursive,
    /// What several paths find.
    Union(Vec<Vec<Node>>),
    /// A word without a meaning here.
    Word(String),
}

/// `[start:end:step]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slice {
    start: Option<i64>,
    end: Option<i64>,
    /// The end follows from the start: one element is meant.
    single: bool,
    step: Option<i64>,
}

/// `[?(left operator right)]`.
#[derive(Debug, Clone, PartialEq)]
struct Filter {
    left: Vec<Node>,
    right: Vec<Node>,
    operator: String,
}

impl JsonPath {
    /// Reads `text`, which may but need not stand in braces.
    ///
    /// # Errors
    /// What the original cannot read.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::action(text).map(Self)
    }

    /// The first value that the path finds in `object`.
    ///
    /// # Errors
    /// Where the path does not fit the object.
    pub fn first<'a>(&self, object: &'a Value) -> Result<Option<Cow<'a, Value>>, EvalError> {
        let found = eval::list(&self.0, vec![Cow::Borrowed(object)])?;
        Ok(found.into_iter().next())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(".spec.a", Some(json!(1)))]
    #[case(".spec.none", None)]
    #[case(".spec.a.deeper", None)]
    #[case("$", Some(json!({"a.b/c": "z"})))]
    #[case(".", None)]
    #[case(".items[1].name", Some(json!("y")))]
    #[case(".items[-1].name", Some(json!("y")))]
    #[case(".items[0:2].name", Some(json!("x")))]
    #[case(".items[*].name", Some(json!("x")))]
    #[case(".items[?(@.name==\"y\")].ok", Some(json!(true)))]
    #[case(".items[?(@.rank>1)].name", Some(json!("y")))]
    #[case(".items[?(@.ok)].name", Some(json!("y")))]
    #[case(".labels.a\\.b/c", Some(json!("z")))]
    #[case(".labels['a\\.b/c']", Some(json!("z")))]
    #[case("..name", Some(json!("x")))]
    #[case(".items[0,1].name", Some(json!("x")))]
    fn finds_values(#[case] path: &str, #[case] expected: Option<Value>) {
        let object = json!({
            "spec": {"a": 1},
            "items": [{"name": "x", "rank": 1}, {"name": "y", "ok": true, "rank": 2}],
            "labels": {"a.b/c": "z"},
        });
        let object = if path == "$" { object["labels"].clone() } else { object };
        assert_eq!(JsonPath::parse(path).unwrap().first(&object).unwrap().map(Cow::into_owned), expected);
    }

    #[rstest]
    #[case(".items[5]")]
    #[case(".name[0]")]
    #[case(".items[?(@.rank>\"x\")]")]
    fn fails_where_the_path_does_not_fit(#[case] path: &str) {
        let object = json!({"items": [{"rank": 1}], "name": "x"});
        assert!(JsonPath::parse(path).unwrap().first(&object).is_err());
    }

    #[rstest]
    #[case(".items[a]")]
    #[case(".items[")]
    #[case(".a[?(@.b]")]
    #[case("#")]
    fn refuses_what_is_no_path(#[case] path: &str) {
        assert!(JsonPath::parse(path).is_err());
    }
}

//! Columns that `kubectl get` shows of custom resources (apiextensions' `tableconvertor`, Kubernetes 1.20).

use serde_json::{Value, json};

use super::definition::Column;
use super::jsonpath::JsonPath;
use crate::clock::{ServerClock, human_duration};
use crate::go;

/// A column whose path was read.
#[derive(Debug, Clone, PartialEq)]
pub struct PrinterColumn {
    /// What the definition says.
    pub column: Column,
    path: JsonPath,
    /// The column was not asked for: it is there because no other is.
    is_age: bool,
}

impl PrinterColumn {
    /// The columns up to the first whose path cannot be read: the original drops the others.
    #[must_use]
    pub fn all(columns: &[Column]) -> Vec<Self> {
        let read = |column: &Column| {
            let path = JsonPath::parse(&column.json_path).ok()?;
            Some(Self { column: column.clone(), path, is_age: false })
        };
        columns.iter().map_while(read).collect()
    }

    /// The column of a definition that names none.
    #[must_use]
    pub fn age() -> Vec<Self> {
        let column = Column {
            name: "Age".to_owned(),
            kind: "date".to_owned(),
            json_path: ".metadata.creationTimestamp".to_owned(),
            ..Column::default()
        };
        Self::all(&[column]).into_iter().map(|column| Self { is_age: true, ..column }).collect()
    }

    /// The heading (`TableColumnDefinition`).
    #[must_use]
    pub fn heading(&self) -> Value {
        let Column { name, kind, format, description, priority, json_path } = &self.column;
        let description = match description.as_str() {
            // What the original says of the age is documentation, of which no text is kept.
            "" if self.is_age => String::new(),
            "" => format!("Custom resource definition column (in JSONPath format): {json_path}"),
            given => given.to_owned(),
        };
        json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority})
    }

    /// The cell of `object`.
    #[must_use]
    pub fn cell(&self, object: &Value, clock: ServerClock) -> Value {
        let Ok(Some(found)) = self.path.first(object) else { return Value::Null };
        match (self.column.kind.as_str(), &*found) {
            ("string", value) => Value::from(text(value)),
            ("integer", Value::Number(number)) => {
                let whole = number.as_i64().or_else(|| number.as_f64().and_then(go::truncated));
                whole.map_or(Value::Null, Value::from)
            }
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => found.into_owned(),
            ("date", Value::String(stamp)) => Value::from(date(stamp, clock)),
            _ => Value::Null,
        }
    }
}

/// A value as text: lists and maps as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Array(_) | Value::Object(_) => {
            let json = go::canonical(value.clone()).to_string();
            json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
        }
        other => go::plain(other),
    }
}

/// How long ago a moment was.
fn date(stamp: &str, clock: ServerClock) -> String {
    if stamp.is_empty() || stamp == "null" {
        return "<unknown>".to_owned();
    }
    clock.seconds_since(stamp).map_or_else(|| "<invalid>".to_owned(), human_duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn column(kind: &str, path: &str) -> Vec<PrinterColumn> {
        let column =
            Column { name: "C".to_owned(), kind: kind.to_owned(), json_path: path.to_owned(), ..Column::default() };
        PrinterColumn::all(&[column])
    }

    #[rstest]
    #[case("string", ".s", json!("x"))]
    #[case("string", ".i", json!("5"))]
    #[case("string", ".b", json!("true"))]
    #[case("string", ".m", json!("{\"a\":\"\\u003cb\",\"c\":[1]}"))]
    #[case("string", ".n", json!("<no value>"))]
    #[case("integer", ".i", json!(5))]
    #[case("integer", ".f", json!(1))]
    #[case("integer", ".s", json!(null))]
    #[case("number", ".f", json!(1.5))]
    #[case("boolean", ".b", json!(true))]
    #[case("boolean", ".s", json!(null))]
    #[case("date", ".s", json!("<invalid>"))]
    #[case("string", ".none", json!(null))]
    fn shows_values_by_their_type(#[case] kind: &str, #[case] path: &str, #[case] expected: Value) {
        let object = json!({"s": "x", "i": 5, "f": 1.5, "b": true, "n": null, "m": {"c": [1], "a": "<b"}});
        let cells: Vec<Value> =
            column(kind, path).iter().map(|column| column.cell(&object, ServerClock::default())).collect();
        assert_eq!(cells, [expected]);
    }

    #[test]
    fn drops_columns_from_the_first_without_a_path() {
        let named = |path: &str| Column { json_path: path.to_owned(), ..Column::default() };
        assert_eq!(PrinterColumn::all(&[named(".a"), named(".b["), named(".c")]).len(), 1);
    }
}

//! What `encoding/json` says to JSON that does not fit a Go type (Go 1.15, with which Kubernetes 1.20 was built). Types
//! that read themselves hand their bytes to it, so that schemas within schemas are told of in its words.

use serde_json::Value;

use crate::types::{self, Alternative, SCHEMA, Type};

/// Where a value stands: the struct that it is in, and the fields on the way.
#[derive(Clone, Copy, Default)]
struct Context<'a> {
    parent: Option<&'a Context<'a>>,
    within: Option<(&'a str, &'a str)>,
}

/// Why a value is refused.
enum Refusal {
    /// It is of another type.
    Mismatch { found: String, wanted: String },
    /// A type that reads itself says so.
    Other(&'static str),
}

impl Context<'_> {
    fn fields(&self) -> Vec<&str> {
        let mut fields = self.parent.map(Context::fields).unwrap_or_default();
        fields.extend(self.within.map(|(_, field)| field));
        fields
    }

    fn told(&self, refusal: Refusal) -> String {
        match (refusal, self.within) {
            (Refusal::Other(text), _) => text.to_owned(),
            (Refusal::Mismatch { found, wanted }, None) => {
                format!("json: cannot unmarshal {found} into Go value of type {wanted}")
            }
            (Refusal::Mismatch { found, wanted }, Some((own, _))) => {
                let path = self.fields().join(".");
                format!("json: cannot unmarshal {found} into Go struct field {own}.{path} of type {wanted}")
            }
        }
    }
}

/// What the type of a schema, or of what may stand in its place, says to `value`.
///
/// # Errors
/// The text of the first value that does not fit.
pub fn check_schema_or(alternative: Alternative, value: &Value) -> Result<(), String> {
    let top = Context::default();
    schema_or(alternative, value, top).map_err(|(refusal, at)| match at {
        Some(told) => told,
        None => top.told(refusal),
    })
}

/// The refusal, and its text where it came from within a struct.
type Checked = Result<(), (Refusal, Option<String>)>;

fn refuse(found: String, kind: &Type, at: Context<'_>) -> Checked {
    let told = at.told(Refusal::Mismatch { found: found.clone(), wanted: go_type(kind) });
    Err((Refusal::Mismatch { found, wanted: go_type(kind) }, Some(told)))
}

/// A type that reads itself does so from the top; what it says is then told of its own place.
fn schema_or(alternative: Alternative, value: &Value, at: Context<'_>) -> Checked {
    let schema = Type::Object(SCHEMA.to_owned());
    let top = Context::default();
    let inner = match (alternative, value) {
        (_, Value::Object(_)) => check(&schema, value, top),
        (Alternative::Array, Value::Array(_)) => check(&Type::List(Box::new(schema)), value, top),
        (Alternative::Strings, Value::Array(_)) => check(&Type::List(Box::new(Type::String)), value, top),
        (Alternative::Bool, Value::Bool(_)) | (Alternative::Array | Alternative::Strings, _) => Ok(()),
        (Alternative::Bool, _) => Err((Refusal::Other("boolean or JSON schema expected"), None)),
    };
    inner.map_err(|(refusal, told)| match (&refusal, at.within) {
        (Refusal::Mismatch { found, wanted }, Some(_)) => {
            let own = Refusal::Mismatch { found: found.clone(), wanted: wanted.clone() };
            let told = at.told(own);
            (refusal, Some(told))
        }
        _ => (refusal, told),
    })
}

fn check(kind: &Type, value: &Value, at: Context<'_>) -> Checked {
    let found = match value {
        Value::Null => return Ok(()),
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match (kind, value) {
        (Type::SchemaOr(alternative), _) => schema_or(*alternative, value, at),
        (Type::Object(name), Value::Object(map)) => {
            let own = name.rsplit('.').next().unwrap_or_default();
            let fields = types::fields(name);
            first(map.iter().filter_map(|(key, inner)| {
                let field = fields.and_then(|fields| fields.get(key))?;
                Some(check(&field.kind, inner, Context { parent: Some(&at), within: Some((own, key)) }))
            }))
        }
        (Type::Map(item), Value::Object(map)) => first(map.values().map(|inner| check(item, inner, at))),
        (Type::List(item), Value::Array(items)) => first(items.iter().map(|inner| check(item, inner, at))),
        (Type::Int | Type::Long, Value::Number(number)) if !number.is_i64() => {
            refuse(format!("number {number}"), kind, at)
        }
        (Type::Int | Type::Long | Type::Number, Value::Number(_))
        | (Type::String | Type::Bytes, Value::String(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Any | Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString, _) => Ok(()),
        _ => refuse(found.to_owned(), kind, at),
    }
}

/// The decoder goes on after an error, and tells the first.
fn first(mut checks: impl Iterator<Item = Checked>) -> Checked {
    checks.find(Result::is_err).unwrap_or(Ok(()))
}

/// The Go type of a type of the table, as messages name it.
#[must_use]
pub fn go_type(kind: &Type) -> String {
    match kind {
        Type::Int => "int32".to_owned(),
        Type::Long => "int64".to_owned(),
        Type::Number => "float64".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Object(name) => struct_name(name),
        Type::List(item) => format!("[]{}", go_type(item)),
        Type::Map(item) => format!("map[string]{}", go_type(item)),
        _ => "string".to_owned(),
    }
}

/// The Go name of a struct of the table.
#[must_use]
pub fn struct_name(type_name: &str) -> String {
    let mut parts = type_name.rsplit('.');
    let name = parts.next().unwrap_or_default();
    let package = parts.next().unwrap_or_default();
    // The types of `meta` are those of `meta/v1`.
    if package == "meta" { format!("v1.{name}") } else { format!("{package}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::not_a_schema(Alternative::Bool, json!(5), "boolean or JSON schema expected")]
    #[case::a_field(
        Alternative::Bool,
        json!({"type": "string", "minLength": "x"}),
        "json: cannot unmarshal string into Go struct field JSONSchemaProps.minLength of type int64"
    )]
    #[case::a_field_below(
        Alternative::Array,
        json!({"properties": {"a": {"maxItems": 1.5}}}),
        "json: cannot unmarshal number 1.5 into Go struct field JSONSchemaProps.properties.maxItems of type int64"
    )]
    #[case::a_schema_within(
        Alternative::Array,
        json!({"items": {"required": "x"}}),
        "json: cannot unmarshal string into Go struct field JSONSchemaProps.items of type []string"
    )]
    #[case::an_element(
        Alternative::Array,
        json!([1]),
        "json: cannot unmarshal number into Go value of type v1.JSONSchemaProps"
    )]
    fn tells_what_does_not_fit(#[case] alternative: Alternative, #[case] value: Value, #[case] expected: &str) {
        assert_eq!(check_schema_or(alternative, &value), Err(expected.to_owned()));
    }

    #[rstest]
    #[case(Alternative::Bool, json!(true))]
    #[case(Alternative::Array, json!(5))]
    #[case(Alternative::Strings, json!(["a"]))]
    #[case(Alternative::Bool, json!({"minLength": null, "default": [1]}))]
    fn takes_what_fits(#[case] alternative: Alternative, #[case] value: Value) {
        assert_eq!(check_schema_or(alternative, &value), Ok(()));
    }
}

//! What the type table says of a field that a patch names, in Go's terms.

use super::Refusal;
use crate::types::{self, Fields, Type};

/// The Go type of what a patch changes.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'t> {
    /// A struct with its name.
    Struct(&'t Fields, &'t str),
    /// Anything else, by its kind.
    Other(&'static str),
}

/// A field of a struct.
pub struct Found<'t> {
    /// What its value, or each element of a list, is.
    pub shape: Shape<'t>,
    /// Whether lists are merged.
    pub merges: bool,
    /// By which key; empty for none.
    pub merge_key: String,
}

impl<'t> Shape<'t> {
    /// The named type.
    pub fn of(type_name: &'t str) -> Self {
        let name = type_name.rsplit('.').next().unwrap_or(type_name);
        types::fields(type_name).map_or(Self::Other("struct"), |fields| Self::Struct(fields, name))
    }

    fn from(kind: &'t Type) -> Self {
        match kind {
            Type::Object(name) => Self::of(name),
            Type::Map(_) => Self::Other("map"),
            Type::List(_) | Type::Bytes => Self::Other("slice"),
            Type::String => Self::Other("string"),
            Type::Int => Self::Other("int32"),
            Type::Long => Self::Other("int64"),
            Type::Number => Self::Other("float64"),
            Type::Bool => Self::Other("bool"),
            Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString | Type::Any | Type::SchemaOr(_) => {
                Self::Other("struct")
            }
        }
    }

    /// Go's kind of it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Struct(..) => "struct",
            Self::Other(kind) => kind,
        }
    }

    fn known(self, key: &str) -> Result<&'t types::Field, Refusal> {
        let (fields, name) = match self {
            Self::Struct(fields, name) => (fields, name),
            Self::Other(kind) => {
                return Err(Refusal::Other(format!(
                    "merging an object in json but data type is not struct, instead is: {kind}"
                )));
            }
        };
        let found = fields
            .get(key)
            .or_else(|| fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, field)| field));
        found.ok_or_else(|| {
            Refusal::Other(format!("unable to find api field in struct {name} for the json field {key:?}"))
        })
    }

    /// The field `key`, a map.
    pub fn field(self, key: &str) -> Result<Found<'t>, Refusal> {
        let field = self.known(key)?;
        Ok(Found { shape: Shape::from(&field.kind), merges: field.strategy.merge, merge_key: field.merge_key.clone() })
    }

    /// The field `key`, a list.
    pub fn list(self, key: &str) -> Result<Found<'t>, Refusal> {
        let field = self.known(key)?;
        let shape = match &field.kind {
            Type::List(inner) => Shape::from(inner),
            Type::Bytes => Shape::Other("uint8"),
            _ => {
                return Err(Refusal::Other(format!("expected slice or array type, but got: {}", self.kind())));
            }
        };
        Ok(Found { shape, merges: field.strategy.merge, merge_key: field.merge_key.clone() })
    }
}

//! A schema as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::go;

/// A schema of OpenAPI v3 with Kubernetes' extensions, fields in the order in which the original writes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(
    missing_docs,
    clippy::struct_field_names,
    clippy::struct_excessive_bools,
    reason = "the fields are JSON schema's own"
)]
pub struct Schema {
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub id: String,
    #[serde(rename = "$schema", skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub schema: String,
    #[serde(rename = "$ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub description: String,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub format: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json")]
    pub default: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "float")]
    pub maximum: Option<f64>,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub exclusive_maximum: bool,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "float")]
    pub minimum: Option<f64>,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub exclusive_minimum: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub pattern: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<i64>,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub unique_items: bool,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "float")]
    pub multiple_of: Option<f64>,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty", deserialize_with = "jsons")]
    pub allowed: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_properties: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_properties: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub required: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Items>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub all_of: Vec<Schema>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub one_of: Vec<Schema>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub any_of: Vec<Schema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Schema>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "map")]
    pub properties: BTreeMap<String, Schema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_properties: Option<SchemaOrBool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "map")]
    pub pattern_properties: BTreeMap<String, Schema>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "map")]
    pub dependencies: BTreeMap<String, Dependency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_items: Option<SchemaOrBool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "map")]
    pub definitions: BTreeMap<String, Schema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_docs: Option<ExternalDocumentation>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json")]
    pub example: Option<Value>,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub nullable: bool,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields", skip_serializing_if = "Option::is_none")]
    pub preserve_unknown_fields: Option<bool>,
    #[serde(
        rename = "x-kubernetes-embedded-resource",
        skip_serializing_if = "is_false",
        deserialize_with = "or_default"
    )]
    pub embedded_resource: bool,
    #[serde(rename = "x-kubernetes-int-or-string", skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub int_or_string: bool,
    #[serde(
        rename = "x-kubernetes-list-map-keys",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_default"
    )]
    pub list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-list-type", skip_serializing_if = "Option::is_none")]
    pub list_type: Option<String>,
    #[serde(rename = "x-kubernetes-map-type", skip_serializing_if = "Option::is_none")]
    pub map_type: Option<String>,
}

/// What `items` holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// A schema for every element.
    One(Box<Schema>),
    /// A schema for each element.
    Many(Vec<Schema>),
    /// Neither: the original reads other values without an error.
    Nothing,
}

/// A schema, or whether anything at all is allowed.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaOrBool {
    /// What fits this schema.
    Schema(Box<Schema>),
    /// Everything or nothing.
    Bool(bool),
}

/// What a property demands of others.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Dependency {
    /// The whole object fits a schema.
    Schema(Box<Schema>),
    /// Other properties are there.
    Properties(Vec<String>),
    /// Nothing: the original reads other values without an error.
    #[default]
    Nothing,
}

/// A link to documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are JSON schema's own")]
pub struct ExternalDocumentation {
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub url: String,
}

impl Schema {
    /// The schema of every element, if there is one for all.
    #[must_use]
    pub fn item(&self) -> Option<&Schema> {
        match &self.items {
            Some(Items::One(schema)) => Some(schema),
            _ => None,
        }
    }

    /// The schema of properties that are not named.
    #[must_use]
    pub fn additional(&self) -> Option<&Schema> {
        match &self.additional_properties {
            Some(SchemaOrBool::Schema(schema)) => Some(schema),
            _ => None,
        }
    }

    /// The schema of the property `name`.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or_else(|| self.additional())
    }

    /// Whether fields that the schema does not name stay.
    #[must_use]
    pub fn keeps_unknown_fields(&self) -> bool {
        self.preserve_unknown_fields == Some(true)
    }

    /// This schema as that of a whole object, whose `apiVersion`, `kind` and `metadata` need no properties.
    #[must_use]
    pub fn as_resource(&self) -> Schema {
        Schema { embedded_resource: true, ..self.clone() }
    }

    /// Whether `holds` for this schema or one inside.
    pub fn any(&self, holds: &impl Fn(&Schema) -> bool) -> bool {
        if holds(self) {
            return true;
        }
        let inside = |schema: &Schema| schema.any(holds);
        let or_bool = |schema: &SchemaOrBool| matches!(schema, SchemaOrBool::Schema(schema) if schema.any(holds));
        let items = match &self.items {
            Some(Items::One(schema)) => schema.any(holds),
            Some(Items::Many(schemas)) => schemas.iter().any(inside),
            _ => false,
        };
        let dependency = |found: &Dependency| matches!(found, Dependency::Schema(schema) if schema.any(holds));
        items
            || [&self.all_of, &self.any_of, &self.one_of].into_iter().flatten().any(inside)
            || self.not.as_deref().is_some_and(inside)
            || [&self.properties, &self.pattern_properties, &self.definitions]
                .into_iter()
                .any(|map| map.values().any(inside))
            || [&self.additional_properties, &self.additional_items].into_iter().flatten().any(or_bool)
            || self.dependencies.values().any(dependency)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(in crate::custom) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Go reads a null as no value.
pub(in crate::custom) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn map<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let found = Option::<BTreeMap<String, Option<T>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(found.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Ok(Option::<Value>::deserialize(deserializer)?.map(go::canonical))
}

fn jsons<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let found = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(found.into_iter().map(go::canonical).collect())
}

#[allow(clippy::ref_option, reason = "serde hands out references")]
fn float<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(float) = value else { return serializer.serialize_none() };
    match go::truncated(*float).filter(|_| float.fract() == 0.0) {
        Some(whole) => serializer.serialize_i64(whole),
        None => serializer.serialize_f64(*float),
    }
}

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(schema) => schema.serialize(serializer),
            Self::Many(schemas) => schemas.serialize(serializer),
            Self::Nothing => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            value @ Value::Object(_) => Ok(Self::One(Box::new(read(value)?))),
            value @ Value::Array(_) => Ok(Self::Many(read(value)?)),
            _ => Ok(Self::Nothing),
        }
    }
}

impl Serialize for SchemaOrBool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Schema(schema) => schema.serialize(serializer),
            Self::Bool(allows) => serializer.serialize_bool(*allows),
        }
    }
}

impl<'de> Deserialize<'de> for SchemaOrBool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            value @ Value::Object(_) => Ok(Self::Schema(Box::new(read(value)?))),
            Value::Bool(allows) => Ok(Self::Bool(allows)),
            // pkg/apis/apiextensions/v1/marshal.go, Kubernetes 1.20.
            _ => Err(serde::de::Error::custom("boolean or JSON schema expected")),
        }
    }
}

impl Serialize for Dependency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Schema(schema) => schema.serialize(serializer),
            Self::Properties(names) if !names.is_empty() => names.serialize(serializer),
            _ => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            value @ Value::Object(_) => Ok(Self::Schema(Box::new(read(value)?))),
            value @ Value::Array(_) => Ok(Self::Properties(read(value)?)),
            _ => Ok(Self::Nothing),
        }
    }
}

fn read<T: serde::de::DeserializeOwned, E: serde::de::Error>(value: Value) -> Result<T, E> {
    serde_json::from_value(value).map_err(E::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_fields_in_the_originals_order() {
        let schema: Schema = serde_json::from_value(json!({
            "x-unknown": 1, "properties": {"b": {"type": "string", "nullable": true}, "a": null}, "type": "object",
            "maximum": 5.0, "description": "d", "additionalProperties": false, "default": {"z": 1.0, "y": null},
        }))
        .unwrap();
        assert_eq!(
            serde_json::to_string(&schema).unwrap(),
            r#"{"description":"d","type":"object","default":{"y":null,"z":1},"maximum":5,"properties":{"a":{},"b":{"type":"string","nullable":true}},"additionalProperties":false}"#
        );
    }
}

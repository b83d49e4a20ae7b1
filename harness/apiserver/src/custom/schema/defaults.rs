//! Default values: filling them in, and what a definition may say in them (apiextensions' `defaulting` package,
//! Kubernetes 1.20).

use serde_json::{Map, Value};

use super::prune::{OBJECT_FIELDS, prune, prune_value};
use super::{Schema, Strictness, Validator, coerce, validate_embedded};
use crate::custom::path::Path;
use crate::go;
use crate::status::Cause;

/// Whether `value` is a null that `schema` does not allow.
fn is_stray_null(schema: &Schema, value: &Value) -> bool {
    value.is_null() && !schema.nullable
}

/// Removes nulls that `schema` neither allows nor has a default for: the original takes them for absent.
pub fn prune_nulls(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => map.retain(|name, inner| {
            let Some(known) = schema.property(name) else { return true };
            if is_stray_null(known, inner) && known.default.is_none() {
                return false;
            }
            prune_nulls(known, inner);
            true
        }),
        Value::Array(items) => {
            if let Some(inner) = schema.item() {
                for item in items {
                    prune_nulls(inner, item);
                }
            }
        }
        _ => {}
    }
}

/// Fills in the defaults of `schema`, also in place of nulls that it does not allow.
pub fn fill_defaults(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, known) in &schema.properties {
                if let Some(default) = &known.default
                    && map.get(name).is_none_or(|found| is_stray_null(known, found))
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, inner) in map.iter_mut() {
                if let Some(known) = schema.properties.get(name) {
                    fill_defaults(known, inner);
                } else if let Some(additional) = schema.additional() {
                    fill_or_replace(additional, inner);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.item() {
                for item in items {
                    fill_or_replace(schema, item);
                }
            }
        }
        _ => {}
    }
}

fn fill_or_replace(schema: &Schema, value: &mut Value) {
    if is_stray_null(schema, value) {
        *value = schema.default.clone().unwrap_or_default();
    }
    fill_defaults(schema, value);
}

/// A step from an object to a value inside.
#[derive(Debug, Clone)]
enum Step {
    Field(String),
    Element,
}

/// `value` inside of the objects and lists that lead to it.
fn surround(steps: &[Step], value: Value) -> Value {
    steps.iter().rev().fold(value, |inner, step| match step {
        Step::Field(name) => Value::Object(Map::from_iter([(name.clone(), inner)])),
        Step::Element => Value::Array(vec![inner]),
    })
}

/// The value at the end of `steps`.
fn focus<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    steps.iter().try_fold(value, |outer, step| match step {
        Step::Field(name) => outer.get(name),
        Step::Element => outer.get(0),
    })
}

/// The schema with its defaults pruned by itself and by what metadata knows.
#[must_use]
pub fn prune_defaults(schema: &Schema) -> Schema {
    let mut pruned = schema.clone();
    prune_below(&mut pruned, &schema.as_resource(), &mut Vec::new());
    pruned
}

fn prune_below(schema: &mut Schema, root: &Schema, steps: &mut Vec<Step>) {
    if let Some(default) = schema.default.take() {
        let mut whole = surround(steps, default.clone());
        if coerce(&Path::top(), root, &mut whole, Strictness::Drop).is_ok() && whole.is_object() {
            prune(root, &mut whole);
            schema.default = focus(steps, &whole).cloned();
        } else {
            schema.default = Some(default);
        }
    }
    if let Some(super::SchemaOrBool::Schema(inner)) = &mut schema.additional_properties {
        within(inner, root, steps, Step::Field("*".to_owned()));
    }
    if let Some(super::Items::One(inner)) = &mut schema.items {
        within(inner, root, steps, Step::Element);
    }
    for (name, inner) in &mut schema.properties {
        within(inner, root, steps, Step::Field(name.clone()));
    }
}

fn within(schema: &mut Schema, root: &Schema, steps: &mut Vec<Step>, step: Step) {
    steps.push(step);
    prune_below(schema, root, steps);
    steps.pop();
}

/// Adds what is wrong with the defaults of `schema`, that of a whole object. `pruned` demands that they have no
/// unknown fields.
pub fn validate_defaults(path: &Path, schema: &Schema, pruned: bool, causes: &mut Vec<Cause>) {
    let root = schema.as_resource();
    Check { pruned }.check(path, &root, &Surroundings::of(&root), causes);
}

/// Where a default stands: in which object, and whether in that object's kind, version or metadata.
struct Surroundings<'a> {
    root: &'a Schema,
    steps: Vec<Step>,
    in_meta: bool,
}

impl<'a> Surroundings<'a> {
    fn of(root: &'a Schema) -> Self {
        Self { root, steps: Vec::new(), in_meta: false }
    }

    fn below(&self, step: Step, in_meta: bool) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { root: self.root, steps, in_meta: self.in_meta || in_meta }
    }

    /// The object around `value`, with a kind and a version.
    fn object(&self, value: Value) -> Value {
        let mut object = surround(&self.steps, value);
        let map = go::object(&mut object);
        map.entry("kind").or_insert_with(|| Value::from("Validation"));
        map.entry("apiVersion").or_insert_with(|| Value::from("validation/v1"));
        object
    }
}

#[derive(Clone, Copy)]
struct Check {
    pruned: bool,
}

impl Check {
    fn check(self, path: &Path, schema: &Schema, around: &Surroundings<'_>, causes: &mut Vec<Cause>) {
        let own = Surroundings::of(schema);
        let around = if schema.embedded_resource { &own } else { around };
        if let Some(default) = &schema.default {
            let place = path.child("default");
            if around.in_meta {
                Self::check_in_meta(&place, schema, default, around, causes);
            } else {
                self.check_value(&place, schema, default, causes);
            }
        }
        if let Some(inner) = schema.item() {
            self.check(&path.child("items"), inner, &around.below(Step::Element, false), causes);
        }
        for (name, inner) in &schema.properties {
            let meta = schema.embedded_resource && OBJECT_FIELDS.contains(&name.as_str());
            let below = around.below(Step::Field(name.clone()), meta);
            self.check(&path.child("properties").key(name), inner, &below, causes);
        }
    }

    fn check_in_meta(
        place: &Path,
        schema: &Schema,
        default: &Value,
        around: &Surroundings<'_>,
        causes: &mut Vec<Cause>,
    ) {
        let root = around.root.as_resource();
        let mut object = around.object(default.clone());
        let refused =
            |text: &str| Cause::invalid(place, go::shown(default), &format!("must result in valid metadata: {text}"));
        if let Err(cause) = coerce(&Path::top(), &root, &mut object, Strictness::Refuse) {
            causes.push(refused(&format!("{}: {}", cause.field, cause.message)));
            return;
        }
        let mut found = Vec::new();
        validate_embedded(&Path::top(), &root, &object, &mut found);
        if found.is_empty() {
            causes.extend(Validator::DEFAULTS.validate(place, schema, default));
        } else {
            let texts: Vec<String> = found.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
            causes.push(refused(&text));
        }
    }

    fn check_value(self, place: &Path, schema: &Schema, default: &Value, causes: &mut Vec<Cause>) {
        let mut pruned = default.clone();
        prune_value(schema, &mut pruned);
        if self.pruned && pruned != *default {
            causes.push(Cause::invalid(place, go::shown(default), "must not have unknown fields"));
        }
        let mut coerced = default.clone();
        if let Err(cause) = coerce(place, schema, &mut coerced, Strictness::Refuse) {
            causes.push(cause);
            return;
        }
        let mut found = Vec::new();
        validate_embedded(place, schema, &coerced, &mut found);
        if found.is_empty() {
            found = Validator::DEFAULTS.validate(place, schema, &coerced);
        }
        causes.append(&mut found);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn schema(value: Value) -> Schema {
        serde_json::from_value(value).unwrap()
    }

    #[rstest]
    #[case::absent(json!({"properties": {"a": {"default": 1}}}), json!({}), json!({"a": 1}))]
    #[case::null(json!({"properties": {"a": {"default": 1}}}), json!({"a": null}), json!({"a": 1}))]
    #[case::allowed_null(
        json!({"properties": {"a": {"default": 1, "nullable": true}}}), json!({"a": null}), json!({"a": null})
    )]
    #[case::inside_of_a_default(
        json!({"properties": {"a": {"default": {}, "properties": {"b": {"default": 2}}}}}), json!({}), json!({"a": {"b": 2}})
    )]
    #[case::elements(
        json!({"properties": {"l": {"items": {"properties": {"b": {"default": 2}}}}}}),
        json!({"l": [{}, {"b": 3}]}),
        json!({"l": [{"b": 2}, {"b": 3}]})
    )]
    #[case::entries(
        json!({"properties": {"m": {"additionalProperties": {"properties": {"b": {"default": 2}}}}}}),
        json!({"m": {"x": {}}}),
        json!({"m": {"x": {"b": 2}}})
    )]
    fn fills_in(#[case] given: Value, #[case] mut value: Value, #[case] expected: Value) {
        fill_defaults(&schema(given), &mut value);
        assert_eq!(value, expected);
    }

    #[test]
    fn takes_nulls_without_a_default_for_absent() {
        let given = schema(json!({"properties": {"a": {}, "b": {"nullable": true}, "c": {"default": 1}}}));
        let mut value = json!({"a": null, "b": null, "c": null, "unknown": null});
        prune_nulls(&given, &mut value);
        assert_eq!(value, json!({"b": null, "c": null, "unknown": null}));
    }

    #[rstest]
    #[case::wrong_type(
        json!({"type": "object", "properties": {"a": {"type": "string", "default": 1}}}),
        "s.properties[a].default: Invalid value: \"integer\": s.properties[a].default in body must be of type string: \"integer\""
    )]
    #[case::unknown_fields(
        json!({"type": "object", "properties": {"a": {"type": "object", "default": {"x": 1}}}}),
        "s.properties[a].default: Invalid value: map[string]interface {}{\"x\":1}: must not have unknown fields"
    )]
    fn refuses_defaults(#[case] given: Value, #[case] expected: &str) {
        let mut causes = Vec::new();
        validate_defaults(&Path::new("s"), &schema(given), true, &mut causes);
        let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(texts, [expected.replace("s.properties[a].default in body", " in body")]);
    }

    #[test]
    fn prunes_defaults_by_their_own_schema() {
        let given = schema(json!({"properties": {"a": {"default": {"x": 1, "y": 2}, "properties": {"x": {}}}}}));
        let pruned = prune_defaults(&given);
        assert_eq!(pruned.properties["a"].default, Some(json!({"x": 1})));
    }
}

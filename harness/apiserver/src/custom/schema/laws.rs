//! Laws that hold for every schema and every value.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Items, Schema, SchemaOrBool, Validator, fill_defaults, prune, prune_defaults, prune_nulls};
use crate::custom::path::Path;

fn name() -> impl Strategy<Value = String> {
    "[a-d]"
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        "[x-z]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    btree_map(name(), value(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>()))
}

fn schema() -> impl Strategy<Value = Schema> {
    let kinds = prop_oneof![Just("string"), Just("integer"), Just("boolean"), Just("")];
    let leaf = (kinds, any::<bool>(), option::of(value())).prop_map(|(kind, nullable, default)| Schema {
        kind: kind.to_owned(),
        nullable,
        default: default.filter(|default| !default.is_null()),
        min_length: Some(1),
        ..Schema::default()
    });
    leaf.prop_recursive(4, 32, 4, |inner| {
        let list = (inner.clone(), any::<bool>()).prop_map(|(item, nullable)| Schema {
            kind: "array".to_owned(),
            nullable,
            items: Some(Items::One(Box::new(item))),
            max_items: Some(2),
            ..Schema::default()
        });
        let map = inner.clone().prop_map(|entry| Schema {
            kind: "object".to_owned(),
            additional_properties: Some(SchemaOrBool::Schema(Box::new(entry))),
            ..Schema::default()
        });
        // What is required is named: a field that is not would be pruned, and then missed.
        let object =
            (btree_map(name(), inner, 0..4), any::<bool>(), any::<bool>()).prop_map(|(properties, open, strict)| {
                Schema {
                    kind: "object".to_owned(),
                    required: properties.keys().filter(|_| strict).cloned().collect(),
                    properties,
                    preserve_unknown_fields: open.then_some(true),
                    ..Schema::default()
                }
            });
        prop_oneof![list, map, object]
    })
}

fn whole() -> impl Strategy<Value = Schema> {
    btree_map(name(), schema(), 0..4).prop_map(|properties| Schema {
        kind: "object".to_owned(),
        properties,
        ..Schema::default()
    })
}

fn changed(object: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = object.clone();
    change(&mut object);
    object
}

proptest! {
    #[test]
    fn pruning_twice_is_pruning_once(schema in whole(), object in object()) {
        let once = changed(&object, |object| prune(&schema, object));
        prop_assert_eq!(changed(&once, |object| prune(&schema, object)), once);
    }

    #[test]
    fn removing_nulls_twice_is_removing_them_once(schema in whole(), object in object()) {
        let once = changed(&object, |object| prune_nulls(&schema, object));
        prop_assert_eq!(changed(&once, |object| prune_nulls(&schema, object)), once);
    }

    #[test]
    fn filling_in_defaults_twice_is_filling_them_in_once(schema in whole(), object in object()) {
        let once = changed(&object, |object| fill_defaults(&schema, object));
        prop_assert_eq!(changed(&once, |object| fill_defaults(&schema, object)), once);
    }

    #[test]
    fn a_pruned_object_is_judged_alike(schema in whole(), object in object()) {
        let judge = |object: &Value| Validator::OBJECTS.validate(&Path::top(), &schema, object);
        prop_assert_eq!(judge(&changed(&object, |object| prune(&schema, object))), judge(&object));
    }

    #[test]
    fn pruned_defaults_bring_in_nothing_unknown(schema in whole(), object in object()) {
        let schema = prune_defaults(&schema);
        let pruned = changed(&object, |object| prune(&schema, object));
        let filled = changed(&pruned, |object| fill_defaults(&schema, object));
        prop_assert_eq!(changed(&filled, |object| prune(&schema, object)), filled);
    }

    #[test]
    fn schemas_are_read_as_they_are_written(schema in whole()) {
        let written = serde_json::to_value(&schema).unwrap_or_default();
        prop_assert_eq!(serde_json::from_value::<Schema>(written).ok(), Some(schema));
    }
}

#[test]
fn keeps_objects_that_fit_as_they_are() {
    let schema = Schema { kind: "object".to_owned(), preserve_unknown_fields: Some(true), ..Schema::default() };
    let object = json!({"a": {"b": [1, {"c": null}]}});
    assert_eq!(changed(&object, |object| prune(&schema, object)), object);
}

//! Laws that hold for any sets and any objects.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::entries::Managers;
use super::path::Element;
use super::schema::ObjectType;
use super::set::Set;
use super::settle::Versions;
use super::update::Write;
use super::{builtin, codec, compare, fields};

fn element() -> impl Strategy<Value = Element> {
    prop_oneof![
        4 => "[a-c]".prop_map(|name| Element::field(&name)),
        1 => (0..3_i64).prop_map(|port| Element::key(vec![("port".into(), json!(port)), ("p".into(), json!("TCP"))])),
        1 => "[a-c]".prop_map(|text| Element::Value(json!(text))),
        1 => (0..3_i64).prop_map(Element::Index),
    ]
}

fn set() -> impl Strategy<Value = Set> {
    proptest::collection::vec(proptest::collection::vec(element(), 1..4), 0..8).prop_map(Set::of)
}

fn texts() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[a-c]", "[x-z]", 0..3)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key, Value::from(value))).collect())
}

fn container() -> impl Strategy<Value = Value> {
    let ports = proptest::collection::btree_map((80..83_u16, "TCP|UDP"), "[a-b]", 0..3).prop_map(|ports| {
        let port = |((number, protocol), name)| json!({"containerPort": number, "protocol": protocol, "name": name});
        ports.into_iter().map(port).collect::<Vec<Value>>()
    });
    (proptest::option::of("[x-z]"), proptest::option::of(ports)).prop_map(|(image, ports)| {
        let mut container = json!({});
        if let Some(image) = image {
            container["image"] = json!(image);
        }
        if let Some(ports) = ports.filter(|ports| !ports.is_empty()) {
            container["ports"] = json!(ports);
        }
        container
    })
}

/// What someone might say of a pod.
fn pod() -> impl Strategy<Value = Value> {
    // Never none: who owns an empty list owns, in the original too, all that others put into it.
    let containers = proptest::collection::btree_map("[a-c]", container(), 1..3);
    (texts(), texts(), containers, proptest::collection::btree_set("[a-c]", 0..3)).prop_map(
        |(labels, selector, containers, finalizers)| {
            let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": []}});
            let mut put = |at: &str, key: &str, value: Value, empty: bool| {
                if !empty {
                    pod[at][key] = value;
                }
            };
            let none = (labels.is_empty(), selector.is_empty(), finalizers.is_empty());
            put("metadata", "labels", Value::Object(labels), none.0);
            put("spec", "nodeSelector", Value::Object(selector), none.1);
            put("metadata", "finalizers", json!(finalizers), none.2);
            let named = containers.into_iter().map(|(name, mut container)| {
                container["name"] = json!(name);
                container
            });
            put("spec", "containers", named.collect(), false);
            pod
        },
    )
}

struct Pods;

impl Versions for Pods {
    fn object_type(&self, api_version: &str) -> Option<ObjectType<'_>> {
        (api_version == "v1").then(|| builtin::object_type("core.v1.Pod")).flatten()
    }
}

fn writing(manager: &'static str) -> Write<'static, Pods> {
    let kind = builtin::object_type("core.v1.Pod").unwrap();
    Write { kind, api_version: "v1", versions: &Pods, manager, now: "2020-01-01T00:00:00Z" }
}

proptest! {
    #[test]
    fn union_is_the_same_in_any_order(a in set(), b in set(), c in set()) {
        prop_assert_eq!(a.clone().union(&b), b.clone().union(&a));
        prop_assert_eq!(a.clone().union(&b).union(&c), a.clone().union(&b.clone().union(&c)));
        prop_assert_eq!(a.clone().union(&a), a);
    }

    #[test]
    fn intersection_is_what_difference_leaves_out(a in set(), b in set()) {
        let both = a.intersection(&b);
        prop_assert_eq!(&both, &b.intersection(&a));
        prop_assert_eq!(&both, &a.clone().difference(&a.clone().difference(&b)));
        prop_assert_eq!(a.clone().difference(&b).union(&both), a);
    }

    #[test]
    fn difference_shares_nothing_with_what_was_removed(a in set(), b in set()) {
        prop_assert!(a.clone().difference(&b).intersection(&b).is_empty());
        let mut recursive = a.clone();
        recursive.remove_with_descendants(&b);
        prop_assert!(recursive.difference(&a.difference(&b)).is_empty());
    }

    #[test]
    fn members_are_the_listed_paths(a in set()) {
        let paths = a.paths();
        prop_assert!(paths.iter().all(|path| a.has(path)));
        prop_assert_eq!(Set::of(paths), a);
    }

    #[test]
    fn a_written_set_is_read_as_it_was(a in set()) {
        prop_assert_eq!(codec::read(&codec::write(&a)).unwrap(), a);
    }

    #[test]
    fn an_object_does_not_differ_from_itself(pod in pod()) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        prop_assert!(compare::compare(kind, &pod, &pod).unwrap().is_same());
    }

    #[test]
    fn what_is_added_one_way_is_removed_the_other(a in pod(), b in pod()) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        let (there, back) = (compare::compare(kind, &a, &b).unwrap(), compare::compare(kind, &b, &a).unwrap());
        prop_assert_eq!(there.added, back.removed);
        prop_assert_eq!(there.modified, back.modified);
    }

    #[test]
    fn a_merged_object_has_all_that_was_merged(a in pod(), b in pod()) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        let merged = compare::merge(kind, &a, &b).unwrap();
        let said = fields::named(kind, &b);
        prop_assert!(said.difference(&fields::named(kind, &merged)).is_empty());
        prop_assert_eq!(&compare::merge(kind, &merged, &b).unwrap(), &merged);
    }

    #[test]
    fn what_is_removed_is_not_there(a in pod(), b in pod()) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        let removed = fields::named(kind, &b);
        let left = fields::named(kind, &fields::without(kind, &a, &removed));
        prop_assert!(left.difference(&fields::named(kind, &a)).is_empty());
    }

    #[test]
    fn applying_twice_changes_nothing(live in pod(), configuration in pod()) {
        let write = writing("x");
        let first = write.applied(&live, &json!({}), &configuration, Managers::default(), true).unwrap();
        let object = first.object.unwrap_or(live);
        let second = write.applied(&object, &json!({}), &configuration, first.managers.clone(), false).unwrap();
        prop_assert!(second.object.is_none());
        // Who is left with a map but none of its entries counts as the owner of all of them the next time, as one who
        // owned it when it was atomic (`reconcile_schema.go` of structured-merge-diff v4.0.2); then nothing moves.
        let third = write.applied(&object, &json!({}), &configuration, second.managers.clone(), false).unwrap();
        prop_assert!(third.object.is_none());
        prop_assert_eq!(third.managers, second.managers);
    }

    #[test]
    fn applying_nothing_takes_back_what_was_applied(configuration in pod()) {
        let write = writing("x");
        let live = json!({"metadata": {"name": "p", "labels": {"kept": "1"}}});
        let first = write.applied(&live, &json!({}), &configuration, Managers::default(), true).unwrap();
        let object = first.object.unwrap_or_else(|| live.clone());
        let none = json!({"metadata": {"name": "p"}});
        let second = write.applied(&object, &json!({}), &none, first.managers, false).unwrap();
        let left = second.object.unwrap_or(object);
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        prop_assert_eq!(fields::named(kind, &left), fields::named(kind, &live));
    }

    #[test]
    fn one_field_has_one_updating_owner(first in pod(), second in pod()) {
        let managers = writing("a").updated(&json!({}), &first, Managers::default()).unwrap();
        let managers = writing("b").updated(&first, &second, managers).unwrap();
        let sets: Vec<&Set> = managers.owned.values().map(|owned| &owned.set).collect();
        if let [a, b] = sets.as_slice() {
            prop_assert!(a.intersection(b).is_empty());
        }
    }
}

//! What strategic merge patches make of objects.

#![allow(clippy::panic, clippy::needless_pass_by_value, reason = "a test's cases are its own")]
use super::*;
use rstest::rstest;
use serde_json::json;

fn patched(type_name: &str, mut original: Value, patch: Value) -> Result<Value, Refusal> {
    let Value::Object(patch) = patch else { panic!("no map: {patch}") };
    apply(type_name, &mut original, &patch).map(|()| original)
}

#[rstest]
#[case::merges_containers_by_name(
    json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}),
    json!({"containers": [{"name": "b", "image": "2"}]}),
    json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]})
)]
#[case::deletes_an_element(
    json!({"containers": [{"name": "a"}, {"name": "b"}]}),
    json!({"containers": [{"name": "a", "$patch": "delete"}]}),
    json!({"containers": [{"name": "b"}]})
)]
#[case::orders_elements(
    json!({"containers": [{"name": "a"}, {"name": "b"}]}),
    json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}], "containers": [{"name": "c"}]}),
    json!({"containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]})
)]
#[case::puts_new_elements_first(
    json!({"containers": [{"name": "z"}, {"name": "x"}]}),
    json!({"containers": [{"name": "q"}]}),
    json!({"containers": [{"name": "q"}, {"name": "z"}, {"name": "x"}]})
)]
#[case::replaces_lists_without_strategy(
    json!({"containers": [{"name": "a", "args": ["x"]}]}),
    json!({"containers": [{"name": "a", "args": ["y"]}]}),
    json!({"containers": [{"name": "a", "args": ["y"]}]})
)]
#[case::removes_nulls(
    json!({"nodeName": "n", "hostNetwork": true}),
    json!({"nodeName": null}),
    json!({"hostNetwork": true})
)]
#[case::retains_named_keys(
    json!({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}),
    json!({"volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}]}),
    json!({"volumes": [{"name": "v", "emptyDir": {}}]})
)]
#[case::takes_what_is_not_there_as_it_is(
    json!({}),
    json!({"containers": [{"name": "a", "$patch": "delete"}]}),
    json!({"containers": [{"name": "a", "$patch": "delete"}]})
)]
#[case::keeps_the_rest_where_it_stood(
    json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
    json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "c", "image": "1"}]}),
    json!({"containers": [{"name": "b"}, {"name": "c", "image": "1"}, {"name": "a"}]})
)]
#[case::replaces_a_whole_list(
    json!({"containers": [{"name": "a"}]}),
    json!({"containers": [{"name": "b"}, {"$patch": "replace"}]}),
    json!({"containers": [{"name": "b"}]})
)]
fn patches_pod_specs(#[case] original: Value, #[case] patch: Value, #[case] expected: Value) {
    assert_eq!(patched("core.v1.PodSpec", original, patch), Ok(expected));
}

#[test]
fn merges_and_deletes_scalars_of_lists() {
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}});
    let merged = patched("core.v1.ConfigMap", json!({"metadata": {"finalizers": ["a", "b"]}}), patch);
    assert_eq!(merged, Ok(json!({"metadata": {"finalizers": ["c", "b"]}})));
}

#[rstest]
#[case::an_element_without_its_key(
    json!({"containers": [{"image": "x"}]}),
    "map: map[image:x] does not contain declared merge key: name"
)]
#[case::an_unknown_directive(json!({"$patch": "x"}), "unknown patch type: x in map: map[$patch:x]")]
#[case::merging_as_a_directive(
    json!({"containers": [{"name": "a", "$patch": "merge"}]}),
    "merging lists cannot yet be specified in the patch"
)]
#[case::elements_of_several_types(
    json!({"containers": ["x"]}),
    "list element types are not identical: [[map[name:a]] [x]]"
)]
#[case::an_order_of_no_list(
    json!({"$setElementOrder/containers": "x"}),
    "expected a []interface {}, but received a string"
)]
#[case::an_order_of_an_unknown_field(
    json!({"$setElementOrder/foo": []}),
    "unable to find api field in struct PodSpec for the json field \"foo\""
)]
#[case::elements_out_of_their_order(
    json!({"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a", "image": "1"}]}),
    "The order in patch list:\n[map[image:1 name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n"
)]
#[case::keys_that_are_not_retained(
    json!({"$retainKeys": ["nodeName"], "hostname": "x"}),
    "invalid patch format of retainKeys"
)]
#[case::a_deletion_from_no_field(
    json!({"$deleteFromPrimitiveList": ["x"]}),
    "invalid patch format of primitive list"
)]
fn refuses_patches_as_the_original(#[case] patch: Value, #[case] expected: &str) {
    let refusal = patched("core.v1.PodSpec", json!({"containers": [{"name": "a"}]}), patch);
    assert_eq!(refusal.map_err(|refusal| refusal.to_string()), Err(expected.to_owned()));
}

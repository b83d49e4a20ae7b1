//! What differs between two objects, and what one is when another is merged into it.

use serde_json::Value;

use super::path;
use super::schema::ObjectType;
use super::set::Set;
use super::trail::{Trail, Violations};
use super::walk::{Pair, Rule, walk};

/// What differs between two objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What is gone.
    pub removed: Set,
    /// What has another value.
    pub modified: Set,
    /// What is new.
    pub added: Set,
}

impl Comparison {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }
}

impl Rule for Comparison {
    fn leaf(&mut self, at: &Trail<'_>, pair: Pair<'_>) -> Option<Value> {
        match (pair.left, pair.right) {
            (Some(left), Some(right)) if !path::same(left, right) => self.modified.insert(at.path()),
            (Some(_), Some(_)) => {}
            _ => self.inner(at, pair),
        }
        None
    }

    fn inner(&mut self, at: &Trail<'_>, pair: Pair<'_>) {
        match (pair.left, pair.right) {
            (None, _) => self.added.insert(at.path()),
            (_, None) => self.removed.insert(at.path()),
            _ => {}
        }
    }
}

/// What differs between `before` and `after`.
///
/// # Errors
/// What does not fit the schema.
pub fn compare(kind: ObjectType<'_>, before: &Value, after: &Value) -> Result<Comparison, Violations> {
    let mut comparison = Comparison::default();
    walk(kind, before, after, &mut comparison)?;
    Ok(comparison)
}

/// What differs between `before` and an `after` that is known to fit the schema: what is the same is left out.
///
/// # Errors
/// What of `before` does not fit the schema.
pub fn compare_fitting(kind: ObjectType<'_>, before: &Value, after: &Value) -> Result<Comparison, Violations> {
    let mut differing = Differing(Comparison::default());
    walk(kind, before, after, &mut differing)?;
    Ok(differing.0)
}

struct Differing(Comparison);

impl Rule for Differing {
    fn leaf(&mut self, at: &Trail<'_>, pair: Pair<'_>) -> Option<Value> {
        self.0.leaf(at, pair)
    }

    fn inner(&mut self, at: &Trail<'_>, pair: Pair<'_>) {
        self.0.inner(at, pair);
    }

    fn leaves_out_same(&self) -> bool {
        true
    }
}

struct KeepRight;

impl Rule for KeepRight {
    fn leaf(&mut self, _: &Trail<'_>, pair: Pair<'_>) -> Option<Value> {
        pair.right.or(pair.left).cloned()
    }

    fn inner(&mut self, _: &Trail<'_>, _: Pair<'_>) {}
}

/// `object` with what `configuration` says.
///
/// # Errors
/// What does not fit the schema.
pub fn merge(kind: ObjectType<'_>, object: &Value, configuration: &Value) -> Result<Value, Violations> {
    Ok(walk(kind, object, configuration, &mut KeepRight)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::super::{builtin, codec};
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn pod_spec(spec: &Value) -> Value {
        json!({"spec": spec})
    }

    #[rstest]
    #[case::a_changed_leaf(
        json!({"nodeName": "a"}), json!({"nodeName": "b"}),
        json!({}), json!({"f:spec": {"f:nodeName": {}}}), json!({})
    )]
    #[case::a_new_map_with_what_is_in_it(
        json!({}), json!({"nodeSelector": {"a": "b"}}),
        json!({"f:spec": {"f:nodeSelector": {".": {}, "f:a": {}}}}), json!({}), json!({})
    )]
    #[case::an_empty_map_as_a_leaf(
        json!({}), json!({"securityContext": {}}),
        json!({"f:spec": {"f:securityContext": {}}}), json!({}), json!({})
    )]
    #[case::a_lost_element(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}), json!({"containers": [{"name": "b"}]}),
        json!({}), json!({}),
        json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}}}}})
    )]
    #[case::an_atomic_list_as_a_leaf(
        json!({"tolerations": [{"key": "a"}]}), json!({"tolerations": [{"key": "b"}]}),
        json!({}), json!({"f:spec": {"f:tolerations": {}}}), json!({})
    )]
    #[case::elements_in_another_order(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}), json!({"containers": [{"name": "b"}, {"name": "a"}]}),
        json!({}), json!({}), json!({})
    )]
    fn tells_what_differs(
        #[case] before: Value,
        #[case] after: Value,
        #[case] added: Value,
        #[case] modified: Value,
        #[case] removed: Value,
    ) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        let (before, after) = (pod_spec(&before), pod_spec(&after));
        let found = compare(kind, &before, &after).unwrap();
        assert_eq!(compare_fitting(kind, &before, &after).unwrap(), found);
        let written = [&found.added, &found.modified, &found.removed].map(codec::write);
        assert_eq!(written, [added, modified, removed]);
    }

    #[rstest]
    #[case::elements_by_their_key(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "2"}]}),
        json!({"containers": [{"name": "a", "image": "2"}, {"name": "b"}, {"name": "c"}]})
    )]
    #[case::atomic_lists_whole(
        json!({"tolerations": [{"key": "a"}]}), json!({"tolerations": [{"key": "b"}]}),
        json!({"tolerations": [{"key": "b"}]})
    )]
    #[case::nothing_where_nothing_is_said(json!({"nodeName": "a"}), json!({}), json!({"nodeName": "a"}))]
    fn merges(#[case] object: Value, #[case] configuration: Value, #[case] expected: Value) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        assert_eq!(merge(kind, &pod_spec(&object), &pod_spec(&configuration)).unwrap(), pod_spec(&expected));
    }

    #[test]
    fn refuses_one_element_twice() {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        let twice = pod_spec(&json!({"containers": [{"name": "a"}, {"name": "a"}]}));
        assert!(compare(kind, &pod_spec(&json!({})), &twice).is_err());
    }
}

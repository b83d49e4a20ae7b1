//! Field sets that were recorded under another schema: what became one value is owned whole, what is no longer one
//! value is owned with all that is in it.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::fields;
use super::path::Element;
use super::schema::{ObjectType, TypeId, View};
use super::set::{Node, Set};
use crate::types::ListType;

/// The object as it is, with its fields, which are looked up only when they are needed.
pub struct Live<'v> {
    kind: ObjectType<'v>,
    value: Cow<'v, Value>,
    fields: OnceCell<Set>,
}

impl<'v> Live<'v> {
    /// `value` of the type `kind`.
    #[must_use]
    pub fn new(kind: ObjectType<'v>, value: Cow<'v, Value>) -> Self {
        Self { kind, value, fields: OnceCell::new() }
    }

    fn below(&self, path: &[Element]) -> Option<&Set> {
        self.fields.get_or_init(|| fields::named(self.kind, &self.value)).below(path)
    }
}

/// `set` as the schema has it now.
#[must_use]
pub fn reconcile(live: &Live<'_>, set: Set) -> Set {
    // The original leaves deduced types alone.
    if live.kind.is_deduced() {
        return set;
    }
    let mut changes = Changes::default();
    visit(live, live.kind.root, Some(&set), false, &mut Vec::new(), &mut changes);
    let Changes { removed, added } = changes;
    let mut out = set;
    if !removed.is_empty() {
        out.remove_with_descendants(&removed);
    }
    out.add(&added);
    out
}

#[derive(Default)]
struct Changes {
    removed: Set,
    added: Set,
}

impl Changes {
    fn make_one_value(&mut self, path: &[Element]) {
        self.removed.insert(path.iter().cloned());
        self.added.insert(path.iter().cloned());
    }

    fn make_many(&mut self, live: &Live<'_>, path: &[Element]) {
        let Some(below) = live.below(path) else { return };
        let Some((last, above)) = path.split_last() else { return };
        let node = Node { member: true, below: below.clone() };
        let mut set = Set::default();
        set.put(last.clone(), node);
        for element in above.iter().rev() {
            let mut outer = Set::default();
            outer.put(element.clone(), Node { member: false, below: set });
            set = outer;
        }
        self.added.add(&set);
    }
}

/// `whole` says that the set has the element itself and nothing below it.
fn visit(live: &Live<'_>, id: TypeId, set: Option<&Set>, whole: bool, path: &mut Vec<Element>, changes: &mut Changes) {
    let nodes = || set.into_iter().flat_map(Set::nodes);
    match live.kind.get(id).and_then(|known| known.view(None)) {
        None | Some(View::Scalar(_)) => {}
        Some(View::List(list)) => {
            let atomic = list.kind == ListType::Atomic;
            if atomic && !whole {
                return changes.make_one_value(path);
            }
            if whole && !atomic {
                changes.make_many(live, path);
            }
            for (element, node) in nodes() {
                descend(live, list.element, element, node, path, changes);
            }
        }
        Some(View::Map(map)) => {
            if map.atomic && !whole {
                if set.is_some_and(|set| !set.is_empty()) {
                    changes.make_one_value(path);
                }
                return;
            }
            if whole && !map.atomic {
                changes.make_many(live, path);
            }
            for (element, node) in nodes() {
                let field = match element {
                    Element::Field(name) => map.field(name),
                    _ => map.rest,
                };
                if let Some(field) = field {
                    descend(live, field, element, node, path, changes);
                }
            }
        }
    }
}

fn descend(
    live: &Live<'_>,
    id: TypeId,
    element: &Element,
    node: &Node,
    path: &mut Vec<Element>,
    changes: &mut Changes,
) {
    let below = (!node.below.is_empty()).then_some(&node.below);
    path.push(element.clone());
    visit(live, id, below, node.member && below.is_none(), path, changes);
    path.pop();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::super::{builtin, codec};
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::a_selector_is_one_value(
        json!({"f:spec": {"f:selector": {"f:matchLabels": {"f:a": {}}}}}),
        json!({"f:spec": {"f:selector": {}}})
    )]
    #[case::a_map_is_many(
        json!({"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {}}}}}),
        json!({"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {".": {}, "f:x": {}}}}}})
    )]
    #[case::what_is_as_it_should_be_stays(
        json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:replicas": {}}}),
        json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:replicas": {}}})
    )]
    fn brings_sets_to_the_schema(#[case] set: Value, #[case] expected: Value) {
        let kind = builtin::object_type("apps.v1.Deployment").unwrap();
        let live = json!({"metadata": {"labels": {"a": "1"}}, "spec": {
            "selector": {"matchLabels": {"a": "1"}}, "template": {"spec": {"nodeSelector": {"x": "y"}}}}});
        let found = reconcile(&Live::new(kind, Cow::Borrowed(&live)), codec::read(&set).unwrap());
        assert_eq!(codec::write(&found), expected);
    }
}

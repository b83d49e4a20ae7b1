//! A walk over two objects of one type at once, which merging and comparing have in common.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::elements;
use super::path::Element;
use super::schema::{ListSchema, MapSchema, ObjectType, Scalar, TypeId, View};
use super::trail::{Step, Trail, Violation, Violations};
use super::validate::misfit;
use crate::types::ListType;

/// One value of two; at least one of them is there.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'v> {
    /// The value as it was.
    pub left: Option<&'v Value>,
    /// The value as it is.
    pub right: Option<&'v Value>,
}

/// What is done on the way.
pub trait Rule {
    /// At a value that is not looked into: what comes out of it.
    fn leaf(&mut self, at: &Trail<'_>, pair: Pair<'_>) -> Option<Value>;

    /// At a value that was looked into.
    fn inner(&mut self, at: &Trail<'_>, pair: Pair<'_>);

    /// Whether nothing is done where both sides are the same. Who leaves them out has found out before that they fit.
    fn leaves_out_same(&self) -> bool {
        false
    }
}

/// Walks over `left` and `right`; what comes out is made of what comes out of the leaves.
///
/// # Errors
/// What does not fit the schema.
pub fn walk(
    kind: ObjectType<'_>,
    left: &Value,
    right: &Value,
    rule: &mut impl Rule,
) -> Result<Option<Value>, Violations> {
    let mut walker = Walker { kind, rule, found: Vec::new() };
    let out = walker.value(kind.root, Pair { left: Some(left), right: Some(right) }, &Trail::Root);
    Violations::none_of(walker.found)?;
    Ok(out)
}

struct Walker<'w, R> {
    kind: ObjectType<'w>,
    rule: &'w mut R,
    found: Vec<Violation>,
}

/// What came out of a value, and whether it was looked into.
enum Out {
    Leaf(Option<Value>),
    Inner(Option<Value>),
}

impl<R: Rule> Walker<'_, R> {
    fn value(&mut self, id: TypeId, pair: Pair<'_>, at: &Trail<'_>) -> Option<Value> {
        if self.rule.leaves_out_same() && pair.left == pair.right {
            return None;
        }
        let Some(known) = self.kind.get(id) else {
            self.found.push(at.violation("schema error: no type found"));
            return None;
        };
        if !known.views_alike(pair.left, pair.right) {
            // A value that became of another kind is looked at as what it was, too.
            self.view(known.view(pair.left), pair, at);
        }
        match self.view(known.view(pair.right), pair, at) {
            Out::Leaf(out) => out,
            Out::Inner(out) => {
                self.rule.inner(at, pair);
                out
            }
        }
    }

    fn view(&mut self, view: Option<View<'_>>, pair: Pair<'_>, at: &Trail<'_>) -> Out {
        match view {
            None => {
                self.found.push(at.violation("schema error: invalid atom: inlined"));
                Out::Inner(None)
            }
            Some(View::Scalar(scalar)) => self.scalar(scalar, pair, at),
            Some(View::List(list)) => self.list(list, pair, at),
            Some(View::Map(map)) => self.map(map, pair, at),
        }
    }

    fn scalar(&mut self, scalar: Scalar, pair: Pair<'_>, at: &Trail<'_>) -> Out {
        let wrong = |side: &str, value: Option<&Value>| {
            value.and_then(|value| misfit(scalar, value)).map(|text| at.violation(format!("{side}: {text}")))
        };
        let before = self.found.len();
        self.found.extend(wrong("lhs", pair.left));
        self.found.extend(wrong("rhs", pair.right));
        if self.found.len() > before {
            return Out::Inner(None);
        }
        Out::Leaf(self.rule.leaf(at, pair))
    }

    fn map(&mut self, map: &MapSchema, pair: Pair<'_>, at: &Trail<'_>) -> Out {
        let left = pair.left.and_then(Value::as_object);
        let right = pair.right.and_then(Value::as_object);
        // Two maps without anything in them are told apart as leaves: null is not empty.
        if map.atomic || (left.is_none_or(Map::is_empty) && right.is_none_or(Map::is_empty)) {
            return Out::Leaf(self.rule.leaf(at, pair));
        }
        let mut out = Map::new();
        for (name, value) in left.into_iter().flatten() {
            let pair = Pair { left: Some(value), right: right.and_then(|right| right.get(name)) };
            self.field(map, name, pair, at, &mut out);
        }
        for (name, value) in right.into_iter().flatten() {
            if left.is_none_or(|left| !left.contains_key(name)) {
                self.field(map, name, Pair { left: None, right: Some(value) }, at, &mut out);
            }
        }
        Out::Inner((!out.is_empty()).then_some(Value::Object(out)))
    }

    fn field(&mut self, map: &MapSchema, name: &str, pair: Pair<'_>, at: &Trail<'_>, out: &mut Map<String, Value>) {
        let below = at.then(Step::Field(name));
        match map.field(name) {
            Some(field) => {
                if let Some(value) = self.value(field, pair, &below) {
                    out.insert(name.to_owned(), value);
                }
            }
            None => self.found.push(below.violation("schema error: invalid atom: inlined")),
        }
    }

    fn list(&mut self, list: &ListSchema, pair: Pair<'_>, at: &Trail<'_>) -> Out {
        let left = pair.left.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let right = pair.right.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if list.kind == ListType::Atomic || (left.is_empty() && right.is_empty()) {
            return Out::Leaf(self.rule.leaf(at, pair));
        }
        let named = self.named(list, right, "rhs", at);
        let by_name: BTreeMap<&Element, &Value> = named.iter().map(|(element, item)| (element, *item)).collect();
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for (element, item) in self.named(list, left, "lhs", at) {
            if seen.contains(&element) {
                continue;
            }
            let pair = Pair { left: Some(item), right: by_name.get(&element).copied() };
            out.extend(self.value(list.element, pair, &at.then(Step::Element(&element))));
            seen.insert(element);
        }
        for (element, item) in &named {
            if !seen.contains(element) {
                let pair = Pair { left: None, right: Some(item) };
                out.extend(self.value(list.element, pair, &at.then(Step::Element(element))));
            }
        }
        Out::Inner((!out.is_empty()).then_some(Value::Array(out)))
    }

    /// The elements with their names; those that have none, or one that was there before, are violations.
    fn named<'v>(
        &mut self,
        list: &ListSchema,
        items: &'v [Value],
        side: &str,
        at: &Trail<'_>,
    ) -> Vec<(Element, &'v Value)> {
        let mut out = Vec::with_capacity(items.len());
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            match elements::name(list, index, item) {
                Ok(element) => {
                    if !seen.insert(element.clone()) {
                        self.found.push(at.violation(format!("{side}: duplicate entries for key {element}")));
                    }
                    out.push((element, item));
                }
                Err(text) => self.found.push(at.violation(format!("{side}: element {index}: {text}"))),
            }
        }
        out
    }
}

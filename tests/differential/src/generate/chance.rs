//! Values, configurations and patches by chance.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::grammar::{Field, Shape};

/// What is generated: a whole object, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// With everything that has to be there.
    Whole,
    /// Whatever.
    Part,
}

/// A source of chance.
pub struct Chance(pub StdRng);

impl Chance {
    /// Whether something happens that does so `percent` times in a hundred.
    pub fn of(&mut self, percent: u32) -> bool {
        self.percent() < percent
    }

    /// A number below a hundred.
    pub fn percent(&mut self) -> u32 {
        self.0.random_range(0..100)
    }

    /// One of `items`.
    pub fn one<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.0.random_range(0..items.len())) }
    }

    /// Some of `items`, at least `least`, in any order.
    fn some<T: Clone>(&mut self, items: &[T], least: usize) -> Vec<T> {
        let mut left = items.to_vec();
        let count = self.0.random_range(least.min(left.len())..=left.len());
        (0..count).map(|_| left.remove(self.0.random_range(0..left.len()))).collect()
    }

    /// A value of `shape`.
    pub fn value(&mut self, shape: &Shape, extent: Extent) -> Value {
        let least = usize::from(extent == Extent::Whole);
        match shape {
            Shape::Text(values) => self.one(values).map_or(Value::Null, |text| Value::from(*text)),
            Shape::Number(values) => self.one(values).map_or(Value::Null, |number| Value::from(*number)),
            Shape::Flag => Value::from(self.of(50)),
            Shape::Fixed(key, value) => json!({*key: value}),
            // An empty map or list is stored in several ways, which shows in the revisions of later writes alone.
            Shape::Map { keys, values } => {
                let entries = self.some(keys, 1).into_iter();
                entries
                    .map(|key| (key.to_owned(), self.one(values).copied().map_or(Value::Null, Value::from)))
                    .collect()
            }
            Shape::Texts { values, .. } => self.some(values, 1).into_iter().map(Value::from).collect(),
            Shape::Object(fields) => Value::Object(self.fields(fields, extent)),
            Shape::List(fields) => {
                let keys = self.some(&keys(fields), least);
                keys.into_iter().map(|key| self.item(fields, key, extent)).collect()
            }
            Shape::Atomic(fields) => {
                let count = self.0.random_range(0..3);
                (0..count).map(|_| Value::Object(self.fields(fields, Extent::Whole))).collect()
            }
        }
    }

    fn fields(&mut self, fields: &[Field], extent: Extent) -> Map<String, Value> {
        let likely = if extent == Extent::Whole { 100 } else { 60 };
        let mut map = Map::new();
        for field in fields {
            if self.of(if field.needed { likely } else { 35 }) {
                map.insert(field.name.to_owned(), self.value(&field.shape, extent));
            }
        }
        map
    }

    fn item(&mut self, fields: &[Field], key: Value, extent: Extent) -> Value {
        let mut item = self.fields(fields, extent);
        if let Some(first) = fields.first() {
            item.insert(first.name.to_owned(), key);
        }
        Value::Object(item)
    }

    /// A patch of an object; `strategic` ones have directives.
    pub fn patch(&mut self, fields: &[Field], strategic: bool) -> Map<String, Value> {
        let mut map = Map::new();
        for field in fields {
            if !self.of(35) {
                continue;
            }
            let name = field.name;
            if self.of(10) {
                map.insert(name.to_owned(), Value::Null);
                continue;
            }
            let value = match &field.shape {
                Shape::Object(inner) => Value::Object(self.patch(inner, strategic)),
                Shape::Map { keys, values } => {
                    let keys = self.some(keys, 1).into_iter();
                    let value = |chance: &mut Self| chance.one(values).copied().map_or(Value::Null, Value::from);
                    keys.map(|key| (key.to_owned(), if self.of(25) { Value::Null } else { value(self) })).collect()
                }
                Shape::List(inner) if strategic => self.merged_items(name, inner, &mut map),
                Shape::Texts { values, merged: true } if strategic => {
                    self.merged_texts(name, values, &mut map);
                    continue;
                }
                shape => self.value(shape, Extent::Whole),
            };
            map.insert(name.to_owned(), value);
        }
        if strategic && self.of(3) {
            map.insert(
                "$patch".to_owned(),
                Value::from(*self.one(&["replace", "delete", "merge"]).unwrap_or(&"merge")),
            );
        }
        if strategic && self.of(4) {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            map.insert("$retainKeys".to_owned(), self.some(&names, 1).into_iter().map(Value::from).collect());
        }
        map
    }

    fn merged_items(&mut self, name: &str, fields: &[Field], around: &mut Map<String, Value>) -> Value {
        let known = keys(fields);
        let chosen = self.some(&known, 1);
        if self.of(30) {
            let mut order = if self.of(70) { self.some(&known, 1) } else { Vec::new() };
            order.retain(|key| !chosen.contains(key));
            order.splice(0..0, chosen.iter().cloned());
            let key = fields.first().map_or("", |field| field.name);
            let order: Value = order.into_iter().map(|value| json!({key: value})).collect();
            around.insert(format!("$setElementOrder/{name}"), order);
        }
        let mut items = Vec::new();
        if self.of(5) {
            items.push(json!({"$patch": "replace"}));
        }
        for key in chosen {
            if self.of(15) {
                let mut item = self.item(fields.get(..1).unwrap_or_default(), key, Extent::Whole);
                item["$patch"] = Value::from("delete");
                items.push(item);
            } else if self.of(50) {
                let mut item = self.patch(fields, true);
                if let Some(first) = fields.first() {
                    item.insert(first.name.to_owned(), key);
                }
                items.push(Value::Object(item));
            } else {
                items.push(self.item(fields, key, Extent::Whole));
            }
        }
        Value::Array(items)
    }

    fn merged_texts(&mut self, name: &str, values: &[&str], around: &mut Map<String, Value>) {
        let list = |texts: Vec<&str>| -> Value { texts.into_iter().map(Value::from).collect() };
        let chosen = self.some(values, 0);
        let deletes = self.of(40);
        if deletes {
            around.insert(format!("$deleteFromPrimitiveList/{name}"), list(self.some(values, 1)));
        }
        let ordered = self.of(40);
        if ordered {
            let mut order = self.some(values, 0);
            order.retain(|text| !chosen.contains(text));
            order.splice(0..0, chosen.iter().copied());
            around.insert(format!("$setElementOrder/{name}"), list(order));
        }
        // Without an order, the original adds and deletes in that of a map of Go, which is random.
        if ordered || !deletes {
            around.insert(name.to_owned(), list(chosen));
        }
    }
}

/// What may tell the items of a list apart.
fn keys(fields: &[Field]) -> Vec<Value> {
    match fields.first().map(|field| &field.shape) {
        Some(Shape::Text(values)) => values.iter().copied().map(Value::from).collect(),
        Some(Shape::Number(values)) => values.iter().copied().map(Value::from).collect(),
        _ => Vec::new(),
    }
}

//! A place in an object: a value and the path that messages name it by.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::status::{Cause, quoted};

/// What is wrong, in the order in which it was found.
pub type Causes = Vec<Cause>;

static NOTHING: Value = Value::Null;

/// A place in an object.
#[derive(Debug, Clone)]
pub struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    /// The object itself.
    #[must_use]
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// `value`, named `path`.
    #[must_use]
    pub fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value, path: path.into() }
    }

    /// The field `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self { value: self.value.get(name).unwrap_or(&NOTHING), path: self.path_to(name) }
    }

    /// The field that `path`, as `spec.template`, leads to.
    #[must_use]
    pub fn down(&self, path: &str) -> Self {
        path.split('.').fold(self.clone(), |at, name| at.child(name))
    }

    /// The entry `key` of a map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self { value: self.value.get(key).unwrap_or(&NOTHING), path: format!("{}[{key}]", self.path) }
    }

    /// The same value by the name of a field `name` below it, which it may not have.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { value: self.value, path: self.path_to(name) }
    }

    fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Its elements, where it is a list.
    pub fn items(&self) -> impl Iterator<Item = At<'a>> + use<'a> {
        let path = self.path.clone();
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().enumerate().map(move |(index, value)| At { value, path: format!("{path}[{index}]") })
    }

    /// Its entries by key, where it is a map.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, At<'a>)> + use<'a> {
        let path = self.path.clone();
        self.value
            .as_object()
            .into_iter()
            .flatten()
            .map(move |(key, value)| (key.as_str(), At { value, path: format!("{path}[{key}]") }))
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its text; empty where it is none.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// Its number, where it is one.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// Whether it is true.
    #[must_use]
    pub fn is_true(&self) -> bool {
        *self.value == Value::Bool(true)
    }

    /// Whether there is anything.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// Its fields, where it is an object.
    #[must_use]
    pub fn map(&self) -> Option<&'a Map<String, Value>> {
        self.value.as_object()
    }

    /// How many elements or entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.value {
            Value::Array(items) => items.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// It must be there.
    #[must_use]
    pub fn required(&self, detail: &str) -> Cause {
        Cause::required(self.path.as_str(), detail)
    }

    /// `shown`, already in Go's notation, is wrong.
    #[must_use]
    pub fn invalid(&self, shown: impl Display, detail: &str) -> Cause {
        Cause::invalid(self.path.as_str(), shown, detail)
    }

    /// Its own value is wrong: a text, a number or a flag.
    #[must_use]
    pub fn wrong(&self, detail: &str) -> Cause {
        match self.value {
            Value::Null => self.invalid("\"\"", detail),
            value => self.invalid(value, detail),
        }
    }

    /// It must not be there.
    #[must_use]
    pub fn forbidden(&self, detail: &str) -> Cause {
        Cause::forbidden(self.path.as_str(), detail)
    }

    /// It is none of the known texts.
    #[must_use]
    pub fn unsupported(&self, known: &[&str]) -> Cause {
        let known: Vec<String> = known.iter().map(|known| quoted(known)).collect();
        Cause::unsupported(self.path.as_str(), quoted(self.text()), &known)
    }

    /// It is there twice.
    #[must_use]
    pub fn duplicate(&self, shown: impl Display) -> Cause {
        let message = format!("Duplicate value: {shown}");
        Cause { reason: "FieldValueDuplicate", message, field: self.path.clone() }
    }

    /// What it names is not there.
    #[must_use]
    pub fn not_found(&self) -> Cause {
        let message = format!("Not found: {}", quoted(self.text()));
        Cause { reason: "FieldValueNotFound", message, field: self.path.clone() }
    }

    /// It is longer than `most`.
    #[must_use]
    pub fn too_long(&self, most: usize) -> Cause {
        let message = format!("Too long: must have at most {most} bytes");
        Cause { reason: "FieldValueTooLong", message, field: self.path.clone() }
    }

    /// One of `known`, and not nothing.
    pub fn one_of(&self, known: &[&str], causes: &mut Causes) {
        if self.text().is_empty() {
            causes.push(self.required(""));
        } else if !known.contains(&self.text()) {
            causes.push(self.unsupported(known));
        }
    }

    /// Its text, checked by a rule of names.
    pub fn check(&self, rule: impl Fn(&str) -> Vec<String>, causes: &mut Causes) {
        causes.extend(rule(self.text()).iter().map(|fault| self.invalid(quoted(self.text()), fault)));
    }

    /// Its text, which must be there, checked by a rule of names.
    pub fn check_required(&self, rule: impl Fn(&str) -> Vec<String>, causes: &mut Causes) {
        if self.text().is_empty() {
            causes.push(self.required(""));
        } else {
            self.check(rule, causes);
        }
    }

    /// Its text, if there is any, checked by a rule of names.
    pub fn check_given(&self, rule: impl Fn(&str) -> Vec<String>, causes: &mut Causes) {
        if !self.text().is_empty() {
            self.check(rule, causes);
        }
    }

    /// A number, if there is one, that is not negative.
    pub fn nonnegative(&self, causes: &mut Causes) {
        if self.int().is_some_and(|number| number < 0) {
            causes.push(self.wrong("must be greater than or equal to 0"));
        }
    }

    /// A number, if there is one, between two others.
    pub fn between(&self, least: i64, most: i64, causes: &mut Causes) {
        if let Some(number) = self.int().filter(|number| !(least..=most).contains(number)) {
            causes.push(self.invalid(number, &format!("must be between {least} and {most}, inclusive")));
        }
    }

    /// What may not change has changed.
    pub fn immutable(&self, before: &Value, shown: impl Display, causes: &mut Causes) {
        if self.value != before {
            causes.push(self.invalid(shown, "field is immutable"));
        }
    }
}

//! Sessions by chance: objects of a few kinds, changed by generated strategic merge patches, merge patches, applied
//! configurations and whole objects, by several managers.

mod chance;
mod grammar;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use self::chance::{Chance, Extent};
use self::grammar::{KINDS, Kind};
use crate::corpus::{Session, Step};

/// Requests that change an object of a session after it was made.
const CHANGES: usize = 7;
const MANAGERS: &[&str] = &["a", "b", "kubectl"];

/// `count` sessions. Each has a number, counted from `first`, and the same requests whenever it is generated.
#[must_use]
pub fn sessions(count: usize, first: u64) -> Vec<Session> {
    (first..).take(count).filter_map(session).collect()
}

fn session(number: u64) -> Option<Session> {
    let mut chance = Chance(StdRng::seed_from_u64(number));
    let kind = chance.one(KINDS)?;
    let mut steps = defined(kind);
    steps.push(created(kind, &mut chance));
    steps.extend((0..CHANGES).map(|_| changed(kind, &mut chance)));
    let name = format!("changes a {} by chance, number {number}", kind.name);
    Some(Session { category: "generated".to_owned(), name, steps })
}

/// The requests that make a kind known, where it is not.
fn defined(kind: &Kind) -> Vec<Step> {
    let Some(definition) = kind.definition else { return Vec::new() };
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let known = Step { method: "GET".to_owned(), path: kind.path.to_owned(), until: Some(200), ..Step::default() };
    vec![step("POST", definitions.to_owned(), "application/json", definition.split_whitespace().collect()), known]
}

fn named(kind: &Kind, mut object: serde_json::Map<String, Value>) -> Value {
    object.insert("apiVersion".to_owned(), Value::from(kind.api_version));
    object.insert("kind".to_owned(), Value::from(kind.name));
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
    metadata["name"] = Value::from("a");
    Value::Object(object)
}

fn object(kind: &Kind, chance: &mut Chance, extent: Extent) -> Value {
    match chance.value(&grammar::Shape::Object(kind.fields), extent) {
        Value::Object(object) => named(kind, object),
        other => other,
    }
}

fn created(kind: &Kind, chance: &mut Chance) -> Step {
    let manager = chance.one(MANAGERS).unwrap_or(&"a");
    let (method, path, media) = if chance.of(60) {
        ("POST", format!("{}?fieldManager={manager}", kind.path), "application/json")
    } else {
        ("PATCH", format!("{}/a?fieldManager={manager}", kind.path), "application/apply-patch+yaml")
    };
    step(method, path, media, object(kind, chance, Extent::Whole).to_string())
}

fn changed(kind: &Kind, chance: &mut Chance) -> Step {
    let manager = chance.one(MANAGERS).unwrap_or(&"a");
    let path = format!("{}/a?fieldManager={manager}", kind.path);
    match chance.percent() {
        0..42 if kind.definition.is_none() => {
            let merged = Value::Object(chance.patch(kind.fields, true));
            step("PATCH", path, "application/strategic-merge-patch+json", merged.to_string())
        }
        42..82 => {
            let extent = if chance.of(60) { Extent::Whole } else { Extent::Part };
            let force = if chance.of(50) { "&force=true" } else { "" };
            step("PATCH", path + force, "application/apply-patch+yaml", object(kind, chance, extent).to_string())
        }
        0..42 | 82..92 => {
            let merged = Value::Object(chance.patch(kind.fields, false));
            step("PATCH", path, "application/merge-patch+json", merged.to_string())
        }
        _ => step("PUT", path, "application/json", object(kind, chance, Extent::Whole).to_string()),
    }
}

fn step(method: &str, path: String, media: &str, body: String) -> Step {
    Step { method: method.to_owned(), path, body: Some(body), content_type: Some(media.to_owned()), ..Step::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(first: u64) -> Vec<Option<String>> {
        sessions(20, first).into_iter().flat_map(|session| session.steps).map(|step| step.body).collect()
    }

    #[test]
    fn makes_the_same_again() {
        assert_eq!(bodies(7), bodies(7));
    }

    #[test]
    fn makes_something_else_of_other_numbers() {
        assert_ne!(bodies(7), bodies(27));
    }
}

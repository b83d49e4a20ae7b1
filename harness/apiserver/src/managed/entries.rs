//! `metadata.managedFields`: who owns which fields since when.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use super::codec;
use super::set::Set;

/// Who owns fields. Those who apply are one whatever version they apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// Name.
    pub name: String,
    /// `Apply` or `Update`; whatever else a client wrote stays until it is validated.
    pub operation: String,
    /// `group/version`; empty for those who apply.
    pub api_version: String,
}

impl Manager {
    /// Who applies as `name`.
    #[must_use]
    pub fn applying(name: &str) -> Self {
        Self { name: name.to_owned(), operation: "Apply".to_owned(), api_version: String::new() }
    }

    /// Who writes objects of `api_version` as `name`.
    #[must_use]
    pub fn updating(name: &str, api_version: &str) -> Self {
        Self { name: name.to_owned(), operation: "Update".to_owned(), api_version: api_version.to_owned() }
    }
}

/// What someone owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The fields.
    pub set: Set,
    /// The version in which they are named.
    pub api_version: String,
    /// Whether they were applied.
    pub applied: bool,
}

/// Why a list is not understood. The original then takes the list that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// An entry does not say how its fields are written.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoType(usize),
    /// An entry's fields are written in an unknown way.
    #[error("invalid fieldsType {found:?} in managed fields entry {index}")]
    UnknownType {
        /// What it says.
        found: String,
        /// Which entry.
        index: usize,
    },
    /// An entry's fields are no set.
    #[error("error decoding set: {0}")]
    Fields(#[from] codec::Unreadable),
}

/// Everyone who owns fields of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managers {
    /// What they own.
    pub owned: BTreeMap<Manager, Owned>,
    /// Since when.
    pub times: BTreeMap<Manager, String>,
}

impl Managers {
    /// Reads the entries of an object.
    ///
    /// # Errors
    /// Why they are not understood.
    pub fn read(entries: &[Value]) -> Result<Self, Unreadable> {
        let mut out = Self::default();
        for (index, entry) in entries.iter().enumerate() {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            match text("fieldsType").as_str() {
                "FieldsV1" => {}
                "" => return Err(Unreadable::NoType(index)),
                found => return Err(Unreadable::UnknownType { found: found.to_owned(), index }),
            }
            let set = entry.get("fieldsV1").map(codec::read).transpose()?.unwrap_or_default();
            let (operation, api_version) = (text("operation"), text("apiVersion"));
            let applied = operation == "Apply";
            let manager = Manager {
                name: text("manager"),
                operation,
                api_version: if applied { String::new() } else { api_version.clone() },
            };
            match entry.get("time").and_then(Value::as_str) {
                Some(time) => out.times.insert(manager.clone(), to_the_second(time)),
                None => out.times.remove(&manager),
            };
            out.owned.insert(manager, Owned { set, api_version, applied });
        }
        Ok(out)
    }

    /// The entries in the original's order: by operation, time, name and version; `None` when there are none.
    #[must_use]
    pub fn write(&self) -> Option<Value> {
        let mut found: Vec<(&str, &str, &Manager, &Owned)> = self
            .owned
            .iter()
            .map(|(manager, owned)| {
                let operation = if owned.applied { "Apply" } else { manager.operation.as_str() };
                (operation, self.times.get(manager).map_or("", String::as_str), manager, owned)
            })
            .collect();
        found.sort_by(|a, b| {
            let key = |(operation, time, manager, owned): &(&str, &str, &Manager, &Owned)| {
                ((*operation).to_owned(), (*time).to_owned(), manager.name.clone(), owned.api_version.clone())
            };
            key(a).cmp(&key(b))
        });
        let entries: Vec<Value> = found
            .into_iter()
            .map(|(operation, time, manager, owned)| {
                let mut entry = Map::new();
                let texts = [
                    ("manager", manager.name.as_str()),
                    ("operation", operation),
                    ("apiVersion", &owned.api_version),
                    ("time", time),
                    ("fieldsType", "FieldsV1"),
                ];
                for (key, text) in texts {
                    if !text.is_empty() {
                        entry.insert(key.to_owned(), Value::from(text));
                    }
                }
                entry.insert("fieldsV1".to_owned(), codec::write(&owned.set));
                Value::Object(entry)
            })
            .collect();
        (!entries.is_empty()).then_some(Value::Array(entries))
    }
}

/// A time as the original writes it.
fn to_the_second(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// Whether `entries`, as a client sent them, ask to forget who owns what: no entry, or one that says nothing.
#[must_use]
pub fn asks_to_forget(entries: &[Value]) -> bool {
    let says_nothing = |entry: &Value| match entry {
        Value::Object(entry) => {
            entry.iter().all(|(key, value)| value.is_null() || (key != "fieldsV1" && value.as_str() == Some("")))
        }
        other => other.is_null(),
    };
    entries.is_empty() || matches!(entries, [one] if says_nothing(one))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn entry(name: &str, operation: &str, time: &str) -> Value {
        json!({"manager": name, "operation": operation, "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {}}})
    }

    #[test]
    fn orders_entries_by_operation_time_and_name() {
        let (early, late) = ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z");
        let ordered = [
            entry("z", "Apply", late),
            entry("b", "Update", early),
            entry("c", "Update", early),
            entry("a", "Update", late),
        ];
        let mixed: Vec<Value> = [3, 1, 0, 2].map(|index| ordered[index].clone()).to_vec();
        assert_eq!(Managers::read(&mixed).unwrap().write().unwrap(), json!(ordered));
    }

    #[rstest]
    #[case::no_entry(json!([]), true)]
    #[case::one_that_says_nothing(json!([{}]), true)]
    #[case::two_that_say_nothing(json!([{}, {}]), false)]
    #[case::an_entry(json!([{"manager": "a"}]), false)]
    fn knows_who_asks_to_forget(#[case] entries: Value, #[case] expected: bool) {
        assert_eq!(asks_to_forget(entries.as_array().unwrap()), expected);
    }

    #[rstest]
    #[case::no_type(json!([{"manager": "a"}]), "missing fieldsType in managed fields entry 0")]
    #[case::an_unknown_type(
        json!([{"fieldsType": "X"}]),
        "invalid fieldsType \"X\" in managed fields entry 0"
    )]
    fn refuses_entries(#[case] entries: Value, #[case] expected: &str) {
        assert_eq!(Managers::read(entries.as_array().unwrap()).unwrap_err().to_string(), expected);
    }

    #[test]
    fn takes_those_who_apply_for_one_in_all_versions() {
        let mut other = entry("a", "Apply", "2021-01-01T00:00:00Z");
        other["apiVersion"] = json!("v2");
        let read = Managers::read(&[entry("a", "Apply", "2020-01-01T00:00:00Z"), other]).unwrap();
        assert_eq!(read.owned.len(), 1);
    }
}

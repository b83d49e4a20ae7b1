//! Ownership of fields in the terms of a request.

use std::borrow::Cow;

use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::apply::{Unapplied, unmanaged};
use super::builtin;
use super::entries::{Managers, asks_to_forget};
use super::path;
use super::schema::ObjectType;
use super::settle::{Conflict, Versions};
use super::update::Write;
use crate::conversion;
use crate::registry::{self, Resource};
use crate::shape::shape;
use crate::status::{Failure, quoted};

/// The longest name of a manager, in bytes.
pub const LONGEST_MANAGER: usize = 128;

/// Who writes: who says so in the query, or the client's program, what comes before the first slash of its name.
#[must_use]
pub fn manager(named: &str, headers: &HeaderMap) -> String {
    if !named.is_empty() {
        return named.to_owned();
    }
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let name = agent.split('/').next().unwrap_or_default();
    let mut out = String::new();
    for character in name.chars().filter(|character| !character.is_control()) {
        if out.len() + character.len_utf8() > LONGEST_MANAGER {
            break;
        }
        out.push(character);
    }
    out
}

/// What a client sent as `metadata.managedFields`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sent {
    /// Nothing that is understood, or nothing that counts here.
    #[default]
    Nothing,
    /// That nobody shall own anything.
    Forget,
    /// Who owns what.
    Managers(Managers),
}

/// Takes `metadata.managedFields` out of an object that a client sent.
pub fn take(object: &mut Value) -> Sent {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return Sent::Nothing };
    let understood = |entries: &Value| entries.as_array().is_some_and(|all| all.iter().all(Value::is_object));
    if !metadata.get("managedFields").is_some_and(understood) {
        return Sent::Nothing;
    }
    match metadata.shift_remove("managedFields") {
        Some(Value::Array(entries)) if asks_to_forget(&entries) => Sent::Forget,
        Some(Value::Array(entries)) => match Managers::read(&entries) {
            Ok(managers) if !managers.owned.is_empty() => Sent::Managers(managers),
            _ => Sent::Nothing,
        },
        _ => Sent::Nothing,
    }
}

/// Follows who owns the fields of objects of a resource.
#[derive(Clone, Copy)]
pub struct Tracker<'a> {
    /// The resource, in the version of the request.
    pub resource: &'a Resource,
    /// Who writes.
    pub manager: &'a str,
    /// When.
    pub now: &'a str,
}

/// A configuration to be applied.
#[derive(Debug, Clone, Copy)]
pub struct Application<'a> {
    /// What was sent.
    pub configuration: &'a Value,
    /// Whether it takes what others own.
    pub force: bool,
}

struct Kind<'a>(&'a Resource);

impl Versions for Kind<'_> {
    fn object_type(&self, api_version: &str) -> Option<ObjectType<'_>> {
        match (&self.0.custom, self.0.type_name) {
            (Some(custom), _) => custom.family.types.object_type(api_version),
            (None, Some(type_name)) if api_version == self.0.api_version() => {
                // The definitions of custom resources are stored as they were sent, without a type of the table.
                let name = if type_name.is_empty() { "apiextensions.v1.CustomResourceDefinition" } else { type_name };
                builtin::object_type(name)
            }
            (None, Some(_)) => builtin::object_type(registry::in_version(self.0, api_version)?.type_name?),
            _ => None,
        }
    }

    fn form<'v>(&self, object: &'v Value, api_version: &str) -> Cow<'v, Value> {
        if self.0.custom.is_some() || api_version == self.0.api_version() {
            return Cow::Borrowed(object);
        }
        let Some(other) = registry::in_version(self.0, api_version) else { return Cow::Borrowed(object) };
        match conversion::to_stored(self.0, object.clone()) {
            Ok(kept) => Cow::Owned(conversion::shown(other, &kept).into_owned()),
            // What does not fit has no other form.
            Err(_) => Cow::Borrowed(object),
        }
    }
}

/// The entries that `object` has.
fn entries(object: Option<&Value>) -> &[Value] {
    let found = object.and_then(|object| object.pointer("/metadata/managedFields")).and_then(Value::as_array);
    found.map(Vec::as_slice).unwrap_or_default()
}

impl Tracker<'_> {
    /// An object of the kind without anything in it.
    fn empty(&self) -> Value {
        let (kind, api_version) = (self.resource.kind.as_str(), self.resource.api_version());
        let mut empty = json!({"kind": kind, "apiVersion": api_version});
        if self.resource.custom.is_none() {
            // Nothing in it can be of a wrong type.
            let _ = shape(self.resource, &mut empty);
        }
        empty
    }

    fn manager(&self) -> &str {
        if self.manager.is_empty() { "unknown" } else { self.manager }
    }

    /// `metadata.managedFields` of what `before` has become, `None` being no object. `after` does not have them, but
    /// what was sent as them is `sent`.
    #[must_use]
    pub fn updated(&self, before: Option<&Value>, after: &Value, sent: Sent) -> Option<Value> {
        let managers = match sent {
            Sent::Nothing => Managers::read(entries(before)).unwrap_or_default(),
            Sent::Forget => Managers::default(),
            Sent::Managers(managers) => managers,
        };
        // Objects whose fields nobody owned stay so until something is applied to them.
        if before.is_some() && managers.owned.is_empty() {
            return None;
        }
        let versions = Kind(self.resource);
        let api_version = self.resource.api_version();
        let kind = versions.object_type(&api_version)?;
        let before = before.map_or_else(|| Cow::Owned(self.empty()), Cow::Borrowed);
        let write =
            Write { kind, api_version: &api_version, versions: &versions, manager: self.manager(), now: self.now };
        // Of what does not fit its schema, the original forgets who owns it.
        write.updated(&before, after, managers).ok()?.write()
    }

    /// `live`, or a new object, with a configuration applied, and its `metadata.managedFields` in their place.
    ///
    /// # Errors
    /// 400, 409 and 500, in the original's words.
    pub fn applied(&self, live: Option<&Value>, application: Application<'_>) -> Result<Value, Failure> {
        let Application { configuration, force } = application;
        let versions = Kind(self.resource);
        let api_version = self.resource.api_version();
        let managers = Managers::read(entries(live))
            .map_err(|error| Failure::internal(format!("failed to decode managed fields: {error}")))?;
        self.check(configuration, &api_version)?;
        let Some(kind) = versions.object_type(&api_version) else {
            return Err(Failure::internal(format!("no corresponding type for {}", described(configuration))));
        };
        let empty = self.empty();
        let live = live.map_or_else(|| empty.clone(), unmanaged);
        let write =
            Write { kind, api_version: &api_version, versions: &versions, manager: self.manager, now: self.now };
        let applied = write.applied(&live, &empty, configuration, managers, force).map_err(|error| match error {
            Unapplied::Conflicts(conflicts) => refusal(&conflicts),
            violations @ Unapplied::Violations { .. } => Failure::internal(violations.to_string()),
        })?;
        let mut object = applied.object.unwrap_or(live);
        if let (Value::Object(map), Some(entries)) = (&mut object, applied.managers.write()) {
            let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(metadata) = metadata {
                metadata.insert("managedFields".to_owned(), entries);
            }
        }
        Ok(object)
    }

    /// What is wrong with a configuration whatever it is applied to.
    fn check(&self, configuration: &Value, api_version: &str) -> Result<(), Failure> {
        let text = |key: &str| configuration.get(key).and_then(Value::as_str).unwrap_or_default();
        let (given, kind) = (text("apiVersion"), text("kind"));
        if given != api_version {
            let given = if given.matches('/').count() > 1 { "" } else { given };
            return Err(Failure::bad_request(format!(
                "Incorrect version specified in apply patch. Specified patch version: {given}, expected: {api_version}"
            )));
        }
        if configuration.pointer("/metadata/managedFields").is_some_and(Value::is_array) {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        // Types that are deduced are there for every kind.
        let deduced = Kind(self.resource).object_type(api_version).is_some_and(|kind| kind.is_deduced());
        if kind != self.resource.kind && !deduced {
            let why = format!("no corresponding type for {}", described(configuration));
            return Err(Failure::internal(format!("failed to create typed patch object: {why}")));
        }
        Ok(())
    }
}

/// Group, version and kind as Go prints them.
fn described(configuration: &Value) -> String {
    let text = |key: &str| configuration.get(key).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    format!("{group}/{version}, Kind={}", text("kind"))
}

/// 409 for what others own.
fn refusal(conflicts: &[Conflict]) -> Failure {
    let owner = |conflict: &Conflict| {
        let manager = &conflict.manager;
        let name = quoted(&manager.name);
        if manager.operation == "Update" { format!("{name} using {}", manager.api_version) } else { name }
    };
    let message = if let [only] = conflicts {
        format!("Apply failed with 1 conflict: conflict with {}: {}", owner(only), path::text(&only.path))
    } else {
        let mut lines = Vec::new();
        let mut last = None;
        for conflict in conflicts {
            if last != Some(&conflict.manager) {
                lines.push(format!("conflicts with {}:", owner(conflict)));
                last = Some(&conflict.manager);
            }
            lines.push(format!("- {}", path::text(&conflict.path)));
        }
        format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
    };
    let causes = conflicts.iter().map(|conflict| {
        let message = format!("conflict with {}", owner(conflict));
        json!({"reason": "FieldManagerConflict", "message": message, "field": path::text(&conflict.path)})
    });
    Failure::apply_conflict(message, &causes.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::by_the_query("me", "kubectl/v1.20.2 (linux/amd64)", "me")]
    #[case::by_the_program("", "kubectl/v1.20.2 (linux/amd64)", "kubectl")]
    #[case::by_a_program_of_one_word("", "curl", "curl")]
    fn knows_who_writes(#[case] named: &str, #[case] agent: &str, #[case] expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, agent.parse().unwrap());
        assert_eq!(manager(named, &headers), expected);
    }

    #[test]
    fn keeps_who_wrote_another_version() {
        let registry = registry::Registry::new(Vec::new());
        let beta = registry.find("networking.k8s.io", "v1beta1", "ingresses").unwrap();
        let ingress = |port: u16| {
            json!({"apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress", "metadata": {}, "spec": {
                "backend": {"serviceName": "s", "servicePort": port}}})
        };
        let mut before = ingress(80);
        let fields = json!({"f:spec": {"f:defaultBackend": {"f:service": {"f:name": {}, "f:port": {"f:number": {}}}}}});
        before["metadata"]["managedFields"] = json!([{"manager": "a", "operation": "Update",
            "apiVersion": "networking.k8s.io/v1", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
        let tracker = Tracker { resource: beta, manager: "b", now: "2020-01-01T00:00:00Z" };
        let owners = tracker.updated(Some(&before), &ingress(81), Sent::Nothing).unwrap();
        let shown: Vec<(&str, &Value)> = owners
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["manager"].as_str().unwrap(), &entry["fieldsV1"]))
            .collect();
        let (name, port) = (
            json!({"f:spec": {"f:defaultBackend": {"f:service": {"f:name": {}}}}}),
            json!({"f:spec": {"f:backend": {"f:servicePort": {}}}}),
        );
        assert_eq!(shown, [("a", &name), ("b", &port)]);
    }
}

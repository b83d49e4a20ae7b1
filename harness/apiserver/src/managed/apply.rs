//! What applying a configuration makes of an object, and who owns what then.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use super::compare::merge;
use super::entries::{Manager, Managers, Owned};
use super::fields;
use super::set::Set;
use super::settle::{Conflict, Unsettled, Versions, bring_up_to_date, difference, settle};
use super::trail::Violations;
use super::update::{UNOWNED, Write};
use super::validate::validate;

/// Who owns what was there before anyone was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The annotation in which kubectl keeps what it applied on the client's side.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager for which that annotation counts.
const KUBECTL: &str = "kubectl";

/// Why a configuration was not applied.
#[derive(Debug, Error)]
pub enum Unapplied {
    /// Others own what the configuration says; never empty.
    #[error("{} conflicts", .0.len())]
    Conflicts(Vec<Conflict>),
    /// The configuration does not fit the kind.
    #[error("{stage}: {violations}")]
    Violations {
        /// What was being done.
        stage: String,
        /// What does not fit.
        violations: Violations,
    },
}

impl Unapplied {
    fn at(stage: &'static str) -> impl Fn(Violations) -> Self {
        move |violations| Self::Violations { stage: stage.to_owned(), violations }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Applied {
    /// The object; `None` when it stays as it was.
    pub object: Option<Value>,
    /// Who owns what.
    pub managers: Managers,
}

impl<V: Versions> Write<'_, V> {
    /// Applies `configuration` to `live`, which does not say itself who owns what; `empty` is an object of the kind
    /// without anything in it.
    ///
    /// # Errors
    /// Why it is not applied.
    pub fn applied(
        &self,
        live: &Value,
        empty: &Value,
        configuration: &Value,
        mut managers: Managers,
        force: bool,
    ) -> Result<Applied, Unapplied> {
        if managers.owned.is_empty() {
            let before = Write { manager: BEFORE_FIRST_APPLY, ..*self };
            managers = before
                .updated(empty, live, managers)
                .map_err(|violations| {
                    let text = |key: &str| live.get(key).and_then(Value::as_str).unwrap_or_default();
                    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
                    let stage = format!(
                        "failed to create manager for existing fields: failed to convert new object ({group}/{version}, Kind={}) to smd typed",
                        text("kind")
                    );
                    Unapplied::Violations { stage, violations }
                })?;
        }
        let applied = match self.apply(live, configuration, managers.clone(), force) {
            Err(Unapplied::Conflicts(conflicts)) if self.manager == KUBECTL => {
                match self.applied_before(live) {
                    // What the client's side applied before is the same kubectl's own.
                    Some(own) => {
                        let others: Vec<Conflict> =
                            conflicts.into_iter().filter(|conflict| !own.has(&conflict.path)).collect();
                        if !others.is_empty() {
                            return Err(Unapplied::Conflicts(others));
                        }
                        self.apply(live, configuration, managers, true)
                    }
                    None => Err(Unapplied::Conflicts(conflicts)),
                }
            }
            other => other,
        }?;
        Ok(self.with_annotation(live, configuration, applied))
    }

    fn apply(
        &self,
        live: &Value,
        configuration: &Value,
        managers: Managers,
        force: bool,
    ) -> Result<Applied, Unapplied> {
        validate(self.kind, configuration).map_err(Unapplied::at("failed to create typed patch object"))?;
        let former = managers.owned.clone();
        let mut managers = managers;
        bring_up_to_date(self.versions, live, &mut managers);
        let merged = merge(self.kind, live, configuration).map_err(Unapplied::at("failed to merge config"))?;
        let writer = Manager::applying(self.manager);
        let set = fields::named(self.kind, configuration);
        let owned = Owned { set, api_version: self.api_version.to_owned(), applied: true };
        let last = managers.owned.insert(writer.clone(), owned);
        let object = match last {
            Some(last) if !last.set.is_empty() => self.pruned(merged, &managers, &last),
            _ => merged,
        };
        let changes = difference(self.kind, live, &object).map_err(Unapplied::at("failed to compare objects"))?;
        settle(self.versions, (live, &object), &changes, self.api_version, &mut managers, &writer, force).map_err(
            |unsettled| match unsettled {
                Unsettled::Conflicts(conflicts) => Unapplied::Conflicts(conflicts),
                Unsettled::Violations(violations) => Unapplied::at("failed to compare objects")(violations),
            },
        )?;
        let nothing_left = managers.owned.get_mut(&writer).is_some_and(|owned| {
            owned.set.remove(&UNOWNED);
            owned.set.is_empty()
        });
        if nothing_left {
            managers.owned.remove(&writer);
        }
        let object = (!changes.is_same()).then_some(object);
        if object.is_some() || managers.owned != former {
            managers.times.insert(writer, self.now.to_owned());
        }
        Ok(Applied { object, managers })
    }

    /// `merged` without what the writer applied the last time, and neither it nor anyone else owns now.
    fn pruned(&self, merged: Value, managers: &Managers, last: &Owned) -> Value {
        let Some(kind) = self.versions.object_type(&last.api_version) else { return merged };
        let all = fields::named(kind, &merged);
        let mut pruned = fields::without(kind, &merged, &last.set);
        let mut by_version: BTreeMap<&str, Set> = BTreeMap::new();
        for owned in managers.owned.values() {
            by_version.entry(&owned.api_version).or_default().add(&owned.set);
        }
        for (version, owned) in by_version {
            let Some(kind) = self.versions.object_type(version) else { continue };
            let kept = fields::named(kind, &pruned).union(&owned);
            pruned = fields::without(kind, &merged, &fields::named(kind, &merged).difference(&kept));
        }
        // Only what was applied the last time may go.
        let gone = all.difference(&fields::named(kind, &pruned)).intersection(&last.set);
        fields::without(kind, &merged, &gone)
    }

    /// What the annotation of the client's side says was applied and still is so.
    fn applied_before(&self, live: &Value) -> Option<Set> {
        let text =
            live.pointer("/metadata/annotations")?.get(LAST_APPLIED)?.as_str().filter(|text| !text.is_empty())?;
        let last: Value = serde_json::from_str(text).ok()?;
        if last.get("apiVersion").and_then(Value::as_str) != Some(self.api_version) {
            return None;
        }
        validate(self.kind, &last).ok()?;
        let changes = difference(self.kind, &last, live).ok()?;
        let mut set = fields::named(self.kind, &last);
        for changed in [&changes.modified, &changes.added, &changes.removed] {
            set.remove(changed);
        }
        Some(set)
    }

    /// Where the client's side left its annotation, kubectl's applying keeps it up to date.
    fn with_annotation(&self, live: &Value, configuration: &Value, mut applied: Applied) -> Applied {
        let shown = applied.object.as_ref().unwrap_or(live);
        let annotated = shown.pointer("/metadata/annotations").and_then(|all| all.get(LAST_APPLIED)).is_some();
        if self.manager != KUBECTL || !annotated {
            return applied;
        }
        let mut plain = configuration.clone();
        if let Some(Value::Object(annotations)) = plain.pointer_mut("/metadata/annotations") {
            annotations.remove(LAST_APPLIED);
        }
        let mut object = applied.object.take().unwrap_or_else(|| live.clone());
        if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
            annotations.insert(LAST_APPLIED.to_owned(), Value::from(format!("{}\n", sorted(&plain))));
        }
        applied.object = Some(object);
        applied
    }
}

/// `value` with sorted keys, as Go writes maps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// `object` without what it says of who owns what.
#[must_use]
pub fn unmanaged(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    object
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::super::schema::ObjectType;
    use super::super::{builtin, codec};
    use super::*;
    use serde_json::json;

    struct Deployments;

    impl Versions for Deployments {
        fn object_type(&self, api_version: &str) -> Option<ObjectType<'_>> {
            (api_version == "apps/v1").then(|| builtin::object_type("apps.v1.Deployment")).flatten()
        }
    }

    fn apply(
        manager: &str,
        live: &Value,
        configuration: &Value,
        managers: Managers,
        force: bool,
    ) -> Result<Applied, Unapplied> {
        let kind = builtin::object_type("apps.v1.Deployment").unwrap();
        let now = "2020-01-01T00:00:00Z";
        let write = Write { kind, api_version: "apps/v1", versions: &Deployments, manager, now };
        write.applied(live, &json!({}), configuration, managers, force)
    }

    fn replicas(count: u64) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": count}})
    }

    #[test]
    fn removes_what_is_no_longer_applied() {
        let with_label = json!({"metadata": {"labels": {"a": "1", "b": "1"}}});
        let first = apply("x", &json!({}), &with_label, Managers::default(), false).unwrap();
        let without = json!({"metadata": {"labels": {"b": "1"}}});
        let second = apply("x", &first.object.unwrap(), &without, first.managers, false).unwrap();
        assert_eq!(second.object.unwrap(), json!({"metadata": {"labels": {"b": "1"}}}));
    }

    #[test]
    fn keeps_what_another_applies_too() {
        let label = json!({"metadata": {"labels": {"a": "1"}}});
        let first = apply("x", &json!({}), &label, Managers::default(), false).unwrap();
        let live = first.object.unwrap();
        let second = apply("y", &live, &label, first.managers, false).unwrap();
        let third = apply("x", &live, &json!({}), second.managers, false).unwrap();
        assert!(third.object.is_none());
        assert!(!third.managers.owned.contains_key(&Manager::applying("x")));
    }

    #[test]
    fn refuses_to_take_fields_without_force() {
        let first = apply("x", &json!({}), &replicas(1), Managers::default(), false).unwrap();
        let live = first.object.unwrap();
        let refused = apply("y", &live, &replicas(2), first.managers.clone(), false).unwrap_err();
        let Unapplied::Conflicts(conflicts) = refused else { panic!("{refused}") };
        assert_eq!(conflicts.iter().map(|c| super::super::path::text(&c.path)).collect::<Vec<_>>(), [".spec.replicas"]);
        let forced = apply("y", &live, &replicas(2), first.managers, true).unwrap();
        assert!(!forced.managers.owned.contains_key(&Manager::applying("x")));
    }

    #[test]
    fn changes_nothing_the_second_time() {
        let first = apply("x", &json!({}), &replicas(1), Managers::default(), false).unwrap();
        let second = apply("x", first.object.as_ref().unwrap(), &replicas(1), first.managers.clone(), false).unwrap();
        assert!(second.object.is_none());
        assert_eq!(second.managers, first.managers);
    }

    #[test]
    fn gives_what_nobody_owned_to_an_owner_of_old() {
        let applied = apply("x", &replicas(3), &json!({}), Managers::default(), false).unwrap();
        let old = &applied.managers.owned[&Manager::updating(BEFORE_FIRST_APPLY, "apps/v1")];
        assert_eq!(codec::write(&old.set), json!({"f:spec": {".": {}, "f:replicas": {}}}));
    }

    #[test]
    fn takes_what_the_client_applied_for_kubectls_own() {
        let text = replicas(1).to_string();
        let mut live = replicas(1);
        live["metadata"] = json!({"annotations": {LAST_APPLIED: text}});
        let kind = builtin::object_type("apps.v1.Deployment").unwrap();
        let write = Write { kind, api_version: "apps/v1", versions: &Deployments, manager: "kubectl-client", now: "" };
        let managers = write.updated(&json!({}), &live, Managers::default()).unwrap();
        let applied = apply(KUBECTL, &live, &replicas(2), managers, false).unwrap().object.unwrap();
        let annotation = applied["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap();
        assert_eq!(annotation, format!("{}\n", replicas(2)));
    }
}

//! Who owns what after an object was written whole.

use std::sync::LazyLock;

use serde_json::Value;

use super::entries::{Manager, Managers, Owned};
use super::path::Element;
use super::schema::ObjectType;
use super::set::Set;
use super::settle::{Unsettled, Versions, bring_up_to_date, difference_of_fitting, settle};
use super::trail::Violations;
use super::validate::validate;

/// Managers that only update are at most so many; the oldest are merged.
const MOST_UPDATING: usize = 10;
/// Who owns what the merged ones owned.
const ANCIENT: &str = "ancient-changes";

/// A write, and what is known of its kind.
#[derive(Clone, Copy)]
pub struct Write<'a, V> {
    /// What objects are.
    pub kind: ObjectType<'a>,
    /// The version in which they are written.
    pub api_version: &'a str,
    /// The other versions.
    pub versions: &'a V,
    /// Who writes.
    pub manager: &'a str,
    /// When.
    pub now: &'a str,
}

/// Fields that nobody owns.
pub static UNOWNED: LazyLock<Set> = LazyLock::new(unowned);

fn unowned() -> Set {
    const OF_METADATA: [&str; 9] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let metadata = || Element::field("metadata");
    let mut set = Set::of(["apiVersion", "kind", "metadata"].map(|name| [Element::field(name)]));
    for name in OF_METADATA {
        set.insert([metadata(), Element::field(name)]);
    }
    set
}

impl<V: Versions> Write<'_, V> {
    /// Who owns what once `before` has become `after`, neither of which says it itself.
    ///
    /// # Errors
    /// What does not fit the schema.
    pub fn updated(&self, before: &Value, after: &Value, managers: Managers) -> Result<Managers, Violations> {
        validate(self.kind, after)?;
        let mut managers = managers;
        bring_up_to_date(self.versions, before, &mut managers);
        let changes = difference_of_fitting(self.kind, before, after)?;
        let writer = Manager::updating(self.manager, self.api_version);
        // While it writes, the writer is a stranger to itself: what it owned counts only as far as it still holds.
        let former = managers.owned.get(&writer).map(|owned| owned.set.clone());
        let current = Manager::updating("current-operation", "");
        let settled = settle(self.versions, (before, after), &changes, self.api_version, &mut managers, &current, true);
        match settled {
            Err(Unsettled::Violations(violations)) => return Err(violations),
            // Nobody conflicts with who insists.
            Ok(()) | Err(Unsettled::Conflicts(_)) => {}
        }
        let mut set = changes.modified.union(&changes.added);
        set.remove(&changes.removed);
        set.remove(&UNOWNED);
        if !set.is_empty() {
            if let Some(owned) = managers.owned.get(&writer) {
                set.add(&owned.set);
            }
            if former.as_ref() != Some(&set) {
                managers.times.insert(writer.clone(), self.now.to_owned());
            }
            let owned = Owned { set, api_version: self.api_version.to_owned(), applied: false };
            managers.owned.insert(writer, owned);
        }
        merge_oldest(&mut managers);
        Ok(managers)
    }
}

/// Merges the oldest of those who update until there are not too many.
fn merge_oldest(managers: &mut Managers) {
    let mut updating: Vec<Manager> =
        managers.owned.iter().filter(|(_, owned)| !owned.applied).map(|(manager, _)| manager.clone()).collect();
    let mut left = updating.len();
    if left <= MOST_UPDATING {
        return;
    }
    let times = &managers.times;
    updating.sort_by(|a, b| times.get(a).cmp(&times.get(b)).then_with(|| a.cmp(b)));
    let mut first_of: Vec<(String, Manager)> = Vec::new();
    for manager in updating {
        if left <= MOST_UPDATING {
            break;
        }
        let Some(owned) = managers.owned.get(&manager) else { continue };
        let version = owned.api_version.clone();
        let bucket = Manager::updating(ANCIENT, &version);
        let Some((_, first)) = first_of.iter().find(|(known, _)| *known == version) else {
            first_of.push((version, manager));
            continue;
        };
        if !managers.owned.contains_key(&bucket)
            && let Some(set) = managers.owned.remove(first)
        {
            managers.owned.insert(bucket.clone(), set);
        }
        if let Some(oldest) = managers.owned.remove(&manager)
            && let Some(merged) = managers.owned.get_mut(&bucket)
        {
            merged.set.add(&oldest.set);
        }
        left -= 1;
        // What was merged last is the newest of it.
        if let Some(time) = managers.times.get(&manager).cloned() {
            managers.times.insert(bucket, time);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::super::{builtin, codec};
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    struct Only(&'static str, &'static str);

    impl Versions for Only {
        fn object_type(&self, api_version: &str) -> Option<ObjectType<'_>> {
            (api_version == self.0).then(|| builtin::object_type(self.1)).flatten()
        }
    }

    const CONFIG_MAPS: Only = Only("v1", "core.v1.ConfigMap");

    fn write(manager: &'static str, before: &Value, after: &Value, managers: Managers, now: &str) -> Managers {
        let kind = builtin::object_type("core.v1.ConfigMap").unwrap();
        let write = Write { kind, api_version: "v1", versions: &CONFIG_MAPS, manager, now };
        write.updated(before, after, managers).unwrap()
    }

    fn owned(managers: &Managers, name: &str) -> Value {
        let found = managers.owned.get(&Manager::updating(name, "v1"));
        found.map(|owned| codec::write(&owned.set)).unwrap_or_default()
    }

    #[test]
    fn gives_changed_fields_to_who_changed_them() {
        let before = json!({"metadata": {"name": "a"}, "data": {"a": "1", "b": "1"}});
        let mut after = before.clone();
        let first = write("first", &json!({}), &before, Managers::default(), "2020-01-01T00:00:00Z");
        assert_eq!(owned(&first, "first"), json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        after["data"]["b"] = json!("2");
        let second = write("second", &before, &after, first, "2020-01-01T00:00:01Z");
        assert_eq!(owned(&second, "first"), json!({"f:data": {".": {}, "f:a": {}}}));
        assert_eq!(owned(&second, "second"), json!({"f:data": {"f:b": {}}}));
    }

    #[rstest]
    #[case::a_new_value("2", "2020-01-01T00:00:00Z")]
    #[case::the_same_value("1", "2020-01-01T00:00:00Z")]
    fn keeps_the_time_while_the_fields_are_the_same(#[case] value: &str, #[case] expected: &str) {
        let before = json!({"data": {"a": "1"}});
        let managers = write("x", &json!({}), &before, Managers::default(), "2020-01-01T00:00:00Z");
        let after = json!({"data": {"a": value}});
        let managers = write("x", &before, &after, managers, "2020-01-01T00:00:09Z");
        assert_eq!(managers.times.values().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn merges_the_oldest_of_too_many() {
        let mut managers = Managers::default();
        let mut before = json!({});
        for index in 0..12 {
            let mut after = before.clone();
            after["data"][format!("k{index}")] = json!("v");
            let name: &'static str = Box::leak(format!("m{index:02}").into_boxed_str());
            managers = write(name, &before, &after, managers, &format!("2020-01-01T00:00:{index:02}Z"));
            before = after;
        }
        assert_eq!(managers.owned.len(), MOST_UPDATING);
        assert_eq!(owned(&managers, ANCIENT), json!({"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}));
    }

    #[test]
    fn forgets_owners_in_versions_that_are_no_more() {
        let entries = [json!({"manager": "x", "operation": "Update", "apiVersion": "v0", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {}}})];
        let object = json!({"data": {"a": "1"}});
        let managers = write("y", &object, &object, Managers::read(&entries).unwrap(), "2020-01-01T00:00:00Z");
        assert!(managers.owned.is_empty());
    }

    #[test]
    fn refuses_objects_that_do_not_fit() {
        let kind = builtin::object_type("core.v1.ConfigMap").unwrap();
        let write = Write { kind, api_version: "v1", versions: &CONFIG_MAPS, manager: "x", now: "" };
        assert!(write.updated(&json!({}), &json!({"data": {"a": 1}}), Managers::default()).is_err());
    }
}

//! Who wrote a field last, by an object's `metadata.managedFields`.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use serde_json::Value;

/// A writer, as the API server knows it, and since when it has the same fields: writing other values into them does not
/// change the time (kubernetes v1.20, `endpoints/handlers/fieldmanager/managedfieldsupdater.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    manager: String,
    time: Option<Timestamp>,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.manager)?;
        self.time.map_or(Ok(()), |time| write!(f, " since {}", time.strftime("%H:%M:%SZ")))
    }
}

/// Who wrote the field at `path` last, as `["spec", "multicluster", "clusterRole"]`, or the nearest field around it.
///
/// Who writes a field takes it from others, so that two of them have it only where they agree; then it is the later one.
pub fn of(object: &DynamicObject, path: &[&str]) -> Option<Writer> {
    let depth = |entry: &ManagedFieldsEntry| entry.fields_v1.as_ref().map_or(0, |fields| depth(&fields.0, path));
    let entries = object.metadata.managed_fields.iter().flatten().filter(|entry| depth(entry) > 0);
    let last = entries.max_by_key(|entry| (depth(entry), entry.time.as_ref().map(|time| time.0)))?;
    let manager = last.manager.clone().unwrap_or_else(|| "somebody".to_owned());
    Some(Writer { manager, time: last.time.as_ref().map(|time| time.0) })
}

/// How much of `path` a set of fields holds. A field with nothing in it is held itself: all of it, or a map without what
/// others have put there.
fn depth(fields: &Value, path: &[&str]) -> usize {
    let mut at = fields;
    for (depth, key) in path.iter().enumerate() {
        match at.get(format!("f:{key}")) {
            Some(inner) => at = inner,
            None if at.as_object().is_some_and(serde_json::Map::is_empty) => return depth,
            None => return 0,
        }
    }
    path.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn object() -> DynamicObject {
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields});
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Any",
            "metadata": {"name": "any", "managedFields": [
                entry("kubectl-create", "2026-01-01T10:00:00Z", json!({"f:spec": {".": {}, "f:role": {}, "f:whole": {}}})),
                entry("kubectl-edit", "2026-01-01T10:05:00Z", json!({"f:spec": {"f:role": {}}})),
                entry("late", "2026-01-01T10:09:00Z", json!({"f:spec": {}})),
                entry("controller", "2026-01-01T10:02:00Z", json!({"f:status": {"f:phase": {}}})),
            ]},
        }))
        .unwrap()
    }

    #[rstest]
    #[case::the_last_of_two(&["spec", "role"], "kubectl-edit since 10:05:00Z")]
    #[case::a_part_of_a_whole(&["spec", "whole", "part"], "kubectl-create since 10:00:00Z")]
    #[case::not_there(&["spec", "absent"], "late since 10:09:00Z")]
    #[case::another(&["status", "phase"], "controller since 10:02:00Z")]
    fn names_who_wrote_a_field_last(#[case] path: &[&str], #[case] writer: &str) {
        assert_eq!(of(&object(), path).unwrap().to_string(), writer);
    }

    #[test]
    fn names_nobody_where_nobody_wrote() {
        assert_eq!(of(&object(), &["data"]), None);
    }
}

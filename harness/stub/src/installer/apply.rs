//! What `kubectl apply` and `helm upgrade` make of an object: what they note in it, and what they change of one that is
//! there already.

use kubesphere::names::annotations;
use serde_json::{Map, Value, json};

/// Who owns an object, which decides what is noted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// `kubectl create` and the like: nothing is noted.
    Nobody,
    /// `kubectl apply`: the last applied configuration is kept as an annotation.
    Kubectl,
    /// A Helm release of this name in this namespace: its label and annotations are set.
    Helm(&'static str, &'static str),
}

/// `object` with what its owner notes in it.
pub fn marked(object: &Value, owner: Owner) -> Value {
    let mut object = object.clone();
    let metadata = object.as_object_mut().and_then(|object| object.get_mut("metadata")).and_then(Value::as_object_mut);
    let Some(metadata) = metadata else { return object };
    match owner {
        Owner::Nobody => {}
        Owner::Kubectl => {
            metadata.entry("annotations").or_insert_with(|| json!({}));
            let applied = last_applied(&object);
            set(&mut object, "annotations", annotations::LAST_APPLIED, &applied);
        }
        Owner::Helm(release, namespace) => {
            set(&mut object, "labels", "app.kubernetes.io/managed-by", "Helm");
            set(&mut object, "annotations", "meta.helm.sh/release-name", release);
            set(&mut object, "annotations", "meta.helm.sh/release-namespace", namespace);
        }
    }
    object
}

fn set(object: &mut Value, section: &str, key: &str, value: &str) {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let section = metadata.map(|metadata| metadata.entry(section).or_insert_with(|| json!({})));
    if let Some(Value::Object(section)) = section {
        section.insert(key.to_owned(), value.into());
    }
}

/// The text that `kubectl apply` keeps: one line of JSON with sorted keys, and a line break.
fn last_applied(object: &Value) -> String {
    let line = sorted(object).to_string();
    // Go's encoder escapes these three wherever they stand; in JSON they only stand inside texts.
    line.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026") + "\n"
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().filter_map(|key| Some((key.clone(), sorted(map.get(key)?)))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The merge patch that brings `live` to `wanted`, if it needs one: fields that differ, and fields that the last
/// applied configuration had and `wanted` has not.
pub fn patch(live: &Value, wanted: &Value, owner: Owner) -> Option<Value> {
    let mut patch = difference(live, wanted).unwrap_or_else(|| json!({}));
    if owner == Owner::Kubectl {
        let pointer = format!("/metadata/annotations/{}", annotations::LAST_APPLIED.replace('/', "~1"));
        let applied = live.pointer(&pointer).and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
        if let Some(applied) = applied {
            remove_dropped(&mut patch, &applied, wanted);
        }
    }
    patch.as_object().is_some_and(|patch| !patch.is_empty()).then_some(patch)
}

fn difference(live: &Value, wanted: &Value) -> Option<Value> {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            let mut changed = Map::new();
            for (key, value) in wanted {
                match live.get(key) {
                    Some(now) => {
                        if let Some(change) = difference(now, value) {
                            changed.insert(key.clone(), change);
                        }
                    }
                    None if value.as_object().is_some_and(Map::is_empty) => {}
                    None => {
                        changed.insert(key.clone(), value.clone());
                    }
                }
            }
            (!changed.is_empty()).then_some(Value::Object(changed))
        }
        _ => (!covers(live, wanted)).then(|| wanted.clone()),
    }
}

/// Whether `live` holds `wanted`, perhaps among defaults that the API server added.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|now| covers(now, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(now, value)| covers(now, value))
        }
        _ => live == wanted,
    }
}

fn remove_dropped(patch: &mut Value, applied: &Value, wanted: &Value) {
    let (Value::Object(applied), Value::Object(wanted), Value::Object(patch)) = (applied, wanted, patch) else {
        return;
    };
    for (key, before) in applied {
        match wanted.get(key) {
            None => {
                patch.insert(key.clone(), Value::Null);
            }
            Some(now) if now.is_object() && before.is_object() => {
                let mut inner = patch.get(key).cloned().unwrap_or_else(|| json!({}));
                remove_dropped(&mut inner, before, now);
                if inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                    patch.insert(key.clone(), inner);
                }
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(data: &str) -> Value {
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c", "namespace": "n"}, "data": {"k": data}})
    }

    #[test]
    fn notes_the_last_applied_configuration_as_one_sorted_line() {
        let text = marked(&config("a<b"), Owner::Kubectl);
        assert_eq!(
            text["metadata"]["annotations"][annotations::LAST_APPLIED],
            "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"a\\u003cb\"},\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{},\
             \"name\":\"c\",\"namespace\":\"n\"}}\n"
        );
    }

    #[test]
    fn patches_nothing_when_nothing_differs() {
        let mut live = marked(&config("x"), Owner::Kubectl);
        live["metadata"]["uid"] = "1".into();
        assert_eq!(patch(&live, &marked(&config("x"), Owner::Kubectl), Owner::Kubectl), None);
    }

    #[test]
    fn patches_what_somebody_else_changed() {
        let mut live = marked(&config("x"), Owner::Kubectl);
        live["data"]["k"] = "changed".into();
        let patch = patch(&live, &marked(&config("x"), Owner::Kubectl), Owner::Kubectl).unwrap();
        assert_eq!(patch, json!({"data": {"k": "x"}}));
    }

    #[test]
    fn removes_what_is_no_longer_applied() {
        let live = marked(
            &json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"k": "x", "old": "y"}}),
            Owner::Kubectl,
        );
        let patch = patch(&live, &marked(&config("x"), Owner::Kubectl), Owner::Kubectl).unwrap();
        assert_eq!(patch["data"], json!({"old": null}));
    }

    #[test]
    fn leaves_defaults_in_lists_alone() {
        let live = json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}]}});
        assert_eq!(difference(&live, &json!({"spec": {"ports": [{"port": 80}]}})), None);
    }
}

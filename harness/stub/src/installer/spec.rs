//! The `spec` of a `ClusterConfiguration` as the installer reads it: Ansible variables without any schema.

use serde_json::{Map, Value};

/// The spec's top level.
pub type Spec = Map<String, Value>;

/// A value that a template or condition needs and the spec has not, in Ansible's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undefined(pub String);

impl Undefined {
    /// What Jinja says of the missing `key` of `holder`.
    pub fn attribute(holder: &Value, key: &str) -> Self {
        let holder = match holder {
            Value::Null => "None",
            Value::String(_) => "str object",
            Value::Array(_) => "list object",
            Value::Bool(_) => "bool object",
            Value::Number(_) => "int object",
            Value::Object(_) => "dict object",
        };
        Self(format!("'{holder}' has no attribute '{key}'"))
    }
}

/// The value at `path`, such as `network.ippool.type`.
pub fn at<'a>(spec: &'a Spec, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = spec.get(first)?;
    match rest {
        None => Some(value),
        Some(rest) => at(value.as_object()?, rest),
    }
}

/// Whether the value at `path` is true.
pub fn is_true(spec: &Spec, path: &str) -> bool {
    at(spec, path).and_then(Value::as_bool).unwrap_or(false)
}

/// `value` as a template prints it: as Python spells it.
pub fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("'{key}': {}", quoted(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        other => python(other),
    }
}

/// The component tasks of a run, in the order they are started in: four that every run has, then every key of the
/// spec that is enabled at its top level (ks-installer v3.3.2, `controller/installRunner.py`).
pub fn components(spec: &Spec) -> Vec<String> {
    let base = ["monitoring", "multicluster", "openpitrix", "network"];
    let own = ["telemetry", "metrics_server", "networkpolicy"];
    let enabled = spec.iter().filter(|(key, value)| {
        value.get("enabled") == Some(&Value::Bool(true))
            && !own.contains(&key.as_str())
            && !base.contains(&key.as_str())
    });
    base.into_iter().map(str::to_owned).chain(enabled.map(|(key, _)| key.clone())).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn spec(value: &Value) -> Spec {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn runs_four_tasks_by_default() {
        let text = crate::manifests::cluster_configuration_yaml(kubesphere::Release::find("3.3.2").unwrap());
        let object: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(components(&spec(&object["spec"])), ["monitoring", "multicluster", "openpitrix", "network"]);
    }

    #[test]
    fn adds_a_task_for_each_enabled_component() {
        let spec = spec(&json!({
            "metrics_server": {"enabled": true}, "devops": {"enabled": true}, "alerting": {"enabled": false},
            "logging": {"enabled": true}, "openpitrix": {"store": {"enabled": true}},
        }));
        assert_eq!(components(&spec)[4..], ["devops", "logging"]);
    }

    #[rstest]
    #[case(json!(null), "None")]
    #[case(json!(true), "True")]
    #[case(json!("x y"), "x y")]
    #[case(json!(12_345_678), "12345678")]
    #[case(json!({"a": ["b", 1]}), "{'a': ['b', 1]}")]
    fn prints_values_as_python_does(#[case] value: Value, #[case] text: &str) {
        assert_eq!(python(&value), text);
    }

    #[test]
    fn finds_values_by_path() {
        let spec = spec(&json!({"network": {"ippool": {"type": "calico"}}}));
        assert_eq!(at(&spec, "network.ippool.type").unwrap(), "calico");
        assert_eq!(at(&spec, "network.missing.type"), None);
    }
}

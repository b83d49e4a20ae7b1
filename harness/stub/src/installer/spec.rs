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

/// Whether Python takes `value` for true.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// `value` as a template prints it: as Python spells it.
pub fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => python_number(number),
        Value::Array(items) => format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("'{key}': {}", quoted(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Python writes the sign of a positive exponent, and a float that is whole ends with `.0`.
fn python_number(number: &serde_json::Number) -> String {
    let text = number.to_string();
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with(['-', '+']) => {
            format!("{}e+{exponent}", digits.strip_suffix(".0").unwrap_or(digits))
        }
        _ => text,
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
        value.get("enabled").is_some_and(truth) && !own.contains(&key.as_str()) && !base.contains(&key.as_str())
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
    #[case(json!(true), true)]
    #[case(json!("false"), true)]
    #[case(json!(1), true)]
    #[case(json!(false), false)]
    #[case(json!(""), false)]
    #[case(json!(0), false)]
    #[case(json!(null), false)]
    fn takes_for_enabled_what_python_does(#[case] enabled: Value, #[case] counts: bool) {
        let spec = spec(&json!({"devops": {"enabled": enabled}}));
        assert_eq!(components(&spec).len(), if counts { 5 } else { 4 });
    }

    #[rstest]
    #[case(json!(null), "None")]
    #[case(json!(true), "True")]
    #[case(json!("x y"), "x y")]
    #[case(json!(12_345_678), "12345678")]
    #[case(json!(0.5), "0.5")]
    #[case(json!(1.234_567_890_123_457e31), "1.234567890123457e+31")]
    #[case(json!(1e22), "1e+22")]
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

//! The environment variables of a container (kubernetes v1.20, `makeEnvironmentVariables` in
//! `pkg/kubelet/kubelet_pods.go`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

use super::mounts::Source;
use crate::cache::Key;

type Variables = BTreeMap<String, String>;

/// What gives variables their values.
pub(super) struct Values<'a> {
    pub(super) pod: &'a Pod,
    pub(super) node: &'a str,
    pub(super) host: IpAddr,
    pub(super) address: IpAddr,
    pub(super) source: &'a dyn Source,
}

impl Values<'_> {
    /// The variables of `container`, or in a kubelet's words what they lack.
    pub(super) fn of(&self, container: &Container) -> Result<Variables, String> {
        let mut variables = Variables::new();
        for from in container.env_from.iter().flatten() {
            let prefix = from.prefix.as_deref().unwrap_or_default();
            let mut take = |data: Option<BTreeMap<String, Bytes>>, what: String, optional: Option<bool>| match data {
                Some(data) => {
                    variables.extend(data.into_iter().map(|(key, value)| (format!("{prefix}{key}"), text(&value))));
                    Ok(())
                }
                None if optional == Some(true) => Ok(()),
                None => Err(what),
            };
            if let Some(map) = &from.config_map_ref {
                take(self.source.config_map(&self.key(&map.name)), missing("configmap", &map.name), map.optional)?;
            }
            if let Some(secret) = &from.secret_ref {
                take(self.source.secret(&self.key(&secret.name)), missing("secret", &secret.name), secret.optional)?;
            }
        }
        for variable in container.env.iter().flatten() {
            let value = match (&variable.value, &variable.value_from) {
                (Some(value), _) => Some(expand(value, &variables)),
                (None, Some(from)) => self.from(from)?,
                (None, None) => Some(String::new()),
            };
            if let Some(value) = value {
                variables.insert(variable.name.clone(), value);
            }
        }
        Ok(variables)
    }

    fn key(&self, name: &str) -> Key {
        Key::new(self.pod.metadata.namespace.as_deref().unwrap_or_default(), name)
    }

    fn from(&self, from: &EnvVarSource) -> Result<Option<String>, String> {
        if let Some(field) = &from.field_ref {
            return Ok(self.field(&field.field_path));
        }
        let pick =
            |data: Option<BTreeMap<String, Bytes>>, kind: &str, name: &str, key: &str, optional: Option<bool>| {
                let optional = optional == Some(true);
                let value = match data {
                    None if optional => return Ok(None),
                    None => return Err(missing(&kind.to_lowercase(), name)),
                    Some(data) => data.get(key).map(text),
                };
                let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
                match value {
                    None if !optional => Err(format!("couldn't find key {key} in {kind} {namespace}/{name}")),
                    value => Ok(value),
                }
            };
        if let Some(of) = &from.config_map_key_ref {
            return pick(self.source.config_map(&self.key(&of.name)), "ConfigMap", &of.name, &of.key, of.optional);
        }
        if let Some(of) = &from.secret_key_ref {
            return pick(self.source.secret(&self.key(&of.name)), "Secret", &of.name, &of.key, of.optional);
        }
        Ok(None)
    }

    /// A field of the pod.
    fn field(&self, path: &str) -> Option<String> {
        let metadata = &self.pod.metadata;
        let entry = |map: Option<&Variables>, key: &str| map.and_then(|map| map.get(key)).cloned().unwrap_or_default();
        match path {
            "metadata.name" => metadata.name.clone(),
            "metadata.namespace" => metadata.namespace.clone(),
            "metadata.uid" => metadata.uid.clone(),
            "spec.nodeName" => Some(self.node.to_owned()),
            "spec.serviceAccountName" => self.pod.spec.as_ref()?.service_account_name.clone(),
            "status.hostIP" => Some(self.host.to_string()),
            "status.podIP" | "status.podIPs" => Some(self.address.to_string()),
            _ => {
                let quoted = |list: &str| path.strip_prefix(list)?.strip_prefix("['")?.strip_suffix("']");
                let label = quoted("metadata.labels").map(|key| entry(metadata.labels.as_ref(), key));
                label.or_else(|| Some(entry(metadata.annotations.as_ref(), quoted("metadata.annotations")?)))
            }
        }
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn missing(kind: &str, name: &str) -> String {
    format!("{kind} {name:?} not found")
}

/// `$(NAME)` of variables before this one; `$$` is a dollar (kubernetes v1.20, `third_party/forked/golang/expansion`).
fn expand(value: &str, known: &Variables) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let reference = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some((value, after)) = reference.and_then(|(name, after)| Some((known.get(name)?, after))) {
            expanded.push_str(value);
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    struct One;

    impl Source for One {
        fn config_map(&self, key: &Key) -> Option<BTreeMap<String, Bytes>> {
            (key.name == "map").then(|| BTreeMap::from([("k".to_owned(), Bytes::from("v"))]))
        }

        fn secret(&self, _: &Key) -> Option<BTreeMap<String, Bytes>> {
            None
        }
    }

    fn of(container: &Value) -> Result<Variables, String> {
        let mut container = container.clone();
        container["name"] = json!("c");
        let labels = json!({"app": "web"});
        let pod = json!({"metadata": {"name": "p", "namespace": "ns", "labels": labels}, "spec": {"containers": []}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let (host, address) = ("10.0.0.1".parse().unwrap(), "10.1.0.1".parse().unwrap());
        let values = Values { pod: &pod, node: "n", host, address, source: &One };
        values.of(&serde_json::from_value(container).unwrap())
    }

    fn from_key(kind: &str, name: &str, key: &str, optional: bool) -> Value {
        json!({"env": [{"name": "A", "valueFrom": {kind: {"name": name, "key": key, "optional": optional}}}]})
    }

    fn from_field(path: &str) -> Value {
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]})
    }

    #[rstest]
    #[case::plain(json!({"env": [{"name": "A", "value": "a"}]}), Ok(Some("a")))]
    #[case::reference(json!({"env": [{"name": "B", "value": "b"}, {"name": "A", "value": "$(B)$$(B)$(C)"}]}), Ok(Some("b$(B)$(C)")))]
    #[case::field(from_field("metadata.name"), Ok(Some("p")))]
    #[case::label(from_field("metadata.labels['app']"), Ok(Some("web")))]
    #[case::key(from_key("configMapKeyRef", "map", "k", false), Ok(Some("v")))]
    #[case::no_key(from_key("configMapKeyRef", "map", "z", false), Err("couldn't find key z in ConfigMap ns/map"))]
    #[case::no_secret(from_key("secretKeyRef", "none", "k", false), Err("secret \"none\" not found"))]
    #[case::optional(from_key("secretKeyRef", "none", "k", true), Ok(None))]
    #[case::all(json!({"envFrom": [{"prefix": "P_", "configMapRef": {"name": "map"}}], "env": [{"name": "A", "value": "$(P_k)"}]}), Ok(Some("v")))]
    #[case::no_map(json!({"envFrom": [{"configMapRef": {"name": "none"}}]}), Err("configmap \"none\" not found"))]
    fn gives_variables_their_values(#[case] container: Value, #[case] expected: Result<Option<&str>, &str>) {
        let found = of(&container).map(|variables| variables.get("A").cloned());
        assert_eq!(found, expected.map(|value| value.map(str::to_owned)).map_err(str::to_owned));
    }
}

//! A kubeconfig as client-go's `clientcmd` loads it: same order of checks, same texts (client-go of kubesphere v3.3.2).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::go_base64::decode_base64;
use super::go_yaml;
use super::rest_config::{Credentials, RestConfig};

/// Why a kubeconfig cannot be loaded, in client-go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It is not YAML.
    #[error(transparent)]
    Yaml(#[from] go_yaml::YamlError),
    /// It does not decode as a kubeconfig.
    #[error("{0}")]
    Decode(String),
    /// It decodes, but says nothing usable.
    #[error("invalid configuration: {}", aggregate(.0))]
    Invalid(Vec<String>),
}

/// Several errors as `k8s.io/apimachinery` prints them.
fn aggregate(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

const NO_SERVER: &str = "cluster has no server defined";

/// Loads the current context of the kubeconfig `text`.
///
/// # Errors
/// [`KubeconfigError`] in client-go's words.
pub fn load(text: &[u8]) -> Result<RestConfig, KubeconfigError> {
    Config::decode(text)?.current()
}

#[derive(Default)]
struct Config {
    clusters: BTreeMap<String, Cluster>,
    contexts: BTreeMap<String, KubeContext>,
    users: BTreeMap<String, User>,
    current_context: String,
}

#[derive(Deserialize, Default, Clone, PartialEq)]
#[serde(default, rename_all = "kebab-case")]
struct Cluster {
    server: String,
    tls_server_name: String,
    insecure_skip_tls_verify: bool,
    certificate_authority: String,
    certificate_authority_data: String,
    proxy_url: String,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct KubeContext {
    cluster: String,
    user: String,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    username: String,
    password: String,
    auth_provider: Option<AuthProvider>,
    exec: Option<Exec>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct AuthProvider {
    name: String,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default, rename_all = "camelCase")]
struct Exec {
    command: String,
    api_version: String,
    install_hint: String,
}

impl Config {
    fn decode(text: &[u8]) -> Result<Self, KubeconfigError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let document = go_yaml::read(text)?;
        let fields = match document {
            Value::Null => return Ok(Self::default()),
            Value::Object(fields) => fields,
            other => {
                return Err(KubeconfigError::Decode(format!(
                    "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ \
                 APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
                    json_type(&other)
                )));
            }
        };
        let (version, kind) = (text_of(&fields, "apiVersion"), text_of(&fields, "kind"));
        let (version, kind) = (version.unwrap_or("v1"), kind.unwrap_or("Config"));
        if (version, kind) != ("v1", "Config") {
            return Err(KubeconfigError::Decode(format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:100\""
            )));
        }
        Ok(Self {
            clusters: named(&fields, "clusters", "cluster")?,
            contexts: named(&fields, "contexts", "context")?,
            users: named(&fields, "users", "user")?,
            current_context: text_of(&fields, "current-context").unwrap_or_default().to_owned(),
        })
    }

    /// `DirectClientConfig.ClientConfig`: checks everything at once, then reads the parts.
    fn current(&self) -> Result<RestConfig, KubeconfigError> {
        let mut errors = Vec::new();
        let context = self.contexts.get(&self.current_context);
        if !self.current_context.is_empty() && context.is_none() {
            errors.push(format!("context was not found for specified context: {}", self.current_context));
        }
        let context = context.cloned().unwrap_or_default();
        let user = self.users.get(&context.user).cloned().unwrap_or_default();
        let cluster = self.clusters.get(&context.cluster).cloned().unwrap_or_default();
        user.check(&context.user, &mut errors);
        cluster.check(&context.cluster, &mut errors);
        if errors == [NO_SERVER] {
            errors = vec![
                "no configuration has been provided, try setting KUBERNETES_MASTER environment variable".to_owned(),
            ];
        }
        if !errors.is_empty() {
            return Err(KubeconfigError::Invalid(errors));
        }
        rest_config(&cluster, &user)
    }
}

impl Cluster {
    fn check(&self, name: &str, errors: &mut Vec<String>) {
        if *self == Self::default() {
            errors.push(NO_SERVER.to_owned());
            return;
        }
        if self.server.is_empty() {
            errors.push(if name.is_empty() {
                "default cluster has no server defined".to_owned()
            } else {
                format!("no server found for cluster {name:?}")
            });
        }
        if !self.certificate_authority.is_empty() {
            if !self.certificate_authority_data.is_empty() {
                errors.push(format!(
                    "certificate-authority-data and certificate-authority are both specified for {name}. \
                     certificate-authority-data will override."
                ));
            }
            errors.push(unreadable("certificate-authority", &self.certificate_authority, name));
        }
    }
}

impl User {
    fn check(&self, name: &str, errors: &mut Vec<String>) {
        let mut methods = Vec::new();
        if !self.token.is_empty() {
            methods.push("token");
        }
        if !self.username.is_empty() || !self.password.is_empty() {
            methods.push("basicAuth");
        }
        if !self.client_certificate.is_empty() || !self.client_certificate_data.is_empty() {
            self.check_certificate(name, errors);
        }
        if let Some(exec) = &self.exec {
            if self.auth_provider.is_some() {
                errors.push(format!("authProvider cannot be provided in combination with an exec plugin for {name}"));
            }
            if exec.command.is_empty() {
                errors.push(format!("command must be specified for {name} to use exec authentication plugin"));
            }
            if exec.api_version.is_empty() {
                errors.push(format!("apiVersion must be specified for {name} to use exec authentication plugin"));
            }
        }
        if methods.len() > 1 {
            errors.push(format!(
                "more than one authentication method found for {name}; found [{}], only one is allowed",
                methods.join(" ")
            ));
        }
    }

    fn check_certificate(&self, name: &str, errors: &mut Vec<String>) {
        if !self.client_certificate.is_empty() && !self.client_certificate_data.is_empty() {
            errors.push(format!(
                "client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
            ));
        }
        if !self.client_key.is_empty() && !self.client_key_data.is_empty() {
            errors.push(format!(
                "client-key-data and client-key are both specified for {name}; client-key-data will override"
            ));
        }
        if self.client_key.is_empty() && self.client_key_data.is_empty() {
            errors.push(format!(
                "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
            ));
        }
        if !self.client_certificate.is_empty() {
            errors.push(unreadable("client-cert", &self.client_certificate, name));
        }
        if !self.client_key.is_empty() {
            errors.push(unreadable("client-key", &self.client_key, name));
        }
    }
}

/// A program has no file that a kubeconfig could name: such a file lies on the member.
fn unreadable(what: &str, path: &str, name: &str) -> String {
    format!("unable to read {what} {path} for {name} due to open {path}: no such file or directory")
}

fn rest_config(cluster: &Cluster, user: &User) -> Result<RestConfig, KubeconfigError> {
    let credentials = Credentials {
        client_certificate: decode(&user.client_certificate_data)?,
        client_key: decode(&user.client_key_data)?,
        token: user.token.clone(),
        username: user.username.clone(),
        password: user.password.clone(),
        auth_provider: user.auth_provider.as_ref().map(|provider| provider.name.clone()),
        exec: user.exec.as_ref().map(|exec| super::rest_config::ExecPlugin {
            command: exec.command.clone(),
            install_hint: exec.install_hint.clone(),
        }),
    };
    if credentials.token.is_empty() && !user.token_file.is_empty() {
        return Err(KubeconfigError::Decode(format!("open {}: no such file or directory", user.token_file)));
    }
    Ok(RestConfig::new(
        &cluster.server,
        decode(&cluster.certificate_authority_data)?,
        cluster.insecure_skip_tls_verify,
        (!cluster.tls_server_name.is_empty()).then(|| cluster.tls_server_name.clone()),
        credentials,
    ))
}

fn decode(data: &str) -> Result<Vec<u8>, KubeconfigError> {
    decode_base64(data.as_bytes()).map_err(|error| KubeconfigError::Decode(error.to_string()))
}

/// The entries of a list like `clusters: [{name: a, cluster: {…}}]`; of entries with one name the first counts.
fn named<T: DeserializeOwned + Default>(
    fields: &serde_json::Map<String, Value>,
    list: &str,
    key: &str,
) -> Result<BTreeMap<String, T>, KubeconfigError> {
    let mut entries = BTreeMap::new();
    let items = match fields.get(list) {
        None | Some(Value::Null) => return Ok(entries),
        Some(Value::Array(items)) => items,
        Some(other) => return Err(mismatch(other, list)),
    };
    for item in items {
        let Value::Object(item) = item else { return Err(mismatch(item, list)) };
        let value = match item.get(key) {
            None | Some(Value::Null) => T::default(),
            Some(value) => serde_json::from_value(without_nulls(value)).map_err(|_| mismatch(value, key))?,
        };
        entries.entry(text_of(item, "name").unwrap_or_default().to_owned()).or_insert(value);
    }
    Ok(entries)
}

/// Go leaves a field at its zero value where the document says `null`.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        ),
        other => other.clone(),
    }
}

fn text_of<'a>(fields: &'a serde_json::Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn mismatch(found: &Value, field: &str) -> KubeconfigError {
    KubeconfigError::Decode(format!("json: cannot unmarshal {} into Go struct field Config.{field}", json_type(found)))
}

/// The name that Go's `encoding/json` gives a value's type.
#[must_use]
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use super::*;

    const CLUSTER: &str = "clusters: [{name: c, cluster: {server: 'https://192.0.2.1:6443'}}]\n";
    const CONTEXT: &str = "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";

    #[rstest]
    #[case::malformed_yaml("a: b: c", "yaml: mapping values are not allowed in this context")]
    #[case::plain_word(
        "hello world",
        "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct { \
         APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }"
    )]
    #[case::empty_document(
        "{}",
        "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable"
    )]
    #[case::missing_context(
        "current-context: nothing\n",
        "invalid configuration: [context was not found for specified context: nothing, cluster has no server defined]"
    )]
    #[case::another_kind(
        "apiVersion: v1\nkind: Pod\n",
        "no kind \"Pod\" is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:100\""
    )]
    fn words_what_is_wrong_as_client_go_does(#[case] text: &str, #[case] words: &str) {
        assert_eq!(load(text.as_bytes()).unwrap_err().to_string(), words);
    }

    #[rstest]
    #[case::files(
        "client-certificate: /n/a.crt, client-key: /n/a.key",
        "invalid configuration: [unable to read client-cert /n/a.crt for u due to open /n/a.crt: no such file or directory, \
         unable to read client-key /n/a.key for u due to open /n/a.key: no such file or directory]"
    )]
    #[case::no_key(
        "client-certificate-data: YQ==",
        "invalid configuration: client-key-data or client-key must be specified for u to use the clientCert authentication method."
    )]
    #[case::two_methods(
        "token: t, username: n",
        "invalid configuration: more than one authentication method found for u; found [token basicAuth], only one is allowed"
    )]
    #[case::exec_without_version(
        "exec: {command: aws}",
        "invalid configuration: apiVersion must be specified for u to use exec authentication plugin"
    )]
    fn words_what_is_wrong_with_a_user(#[case] user: &str, #[case] words: &str) {
        let text = format!("{CLUSTER}{CONTEXT}users: [{{name: u, user: {{{user}}}}}]\n");
        assert_eq!(load(text.as_bytes()).unwrap_err().to_string(), words);
    }

    #[test]
    fn reads_the_current_context() {
        let text =
            format!("apiVersion: v1\nkind: Config\n{CLUSTER}{CONTEXT}users: [{{name: u, user: {{token: t}}}}]\n");
        assert_eq!(load(text.as_bytes()).unwrap().server(), "https://192.0.2.1:6443");
    }

    #[test]
    fn takes_null_for_absent() {
        let text =
            format!("{CLUSTER}{CONTEXT}users: [{{name: u, user: {{token: null, exec: null}}}}]\npreferences: {{}}\n");
        load(text.as_bytes()).unwrap();
    }
}

//! `kubesphere.yaml` of the ConfigMap `kubesphere-config`, as far as multi-cluster needs it. A parser without rules:
//! what a value means is up to the reader.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::duration;
use crate::lenient;
use crate::role::ClusterRole;
use crate::secret::JwtSecret;

/// The parsed configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KubesphereConfig {
    /// `authentication`, if there is such a section.
    pub authentication: Option<Authentication>,
    /// `multicluster`, if there is such a section (v3.2.1 writes it for a host only).
    pub multicluster: Option<Multicluster>,
}

/// `authentication`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authentication {
    /// `jwtSecret`, if the key is there; it may be empty.
    pub jwt_secret: Option<JwtSecret>,
    /// `oauthOptions`; all unset when there is no such section.
    pub oauth: OauthOptions,
    /// `multipleLogin`.
    pub multiple_login: Option<bool>,
    /// `maximumClockSkew`.
    pub maximum_clock_skew: Option<Duration>,
    /// `authenticateRateLimiterMaxTries`.
    pub rate_limiter_max_tries: Option<u64>,
    /// `authenticateRateLimiterDuration`.
    pub rate_limiter_duration: Option<Duration>,
}

/// `authentication.oauthOptions`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OauthOptions {
    /// `accessTokenMaxAge`; zero means that tokens do not expire and are not cached.
    pub access_token_max_age: Option<Duration>,
    /// `accessTokenInactivityTimeout`.
    pub access_token_inactivity_timeout: Option<Duration>,
    /// `clients`.
    pub clients: Vec<OauthClient>,
}

/// One of `authentication.oauthOptions.clients`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    /// `name`, the `client_id` of a request.
    pub name: String,
    /// `secret`, the `client_secret` of a request.
    pub secret: JwtSecret,
}

/// `multicluster`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Multicluster {
    /// `enable`; absent counts as false.
    pub enable: Option<bool>,
    /// `clusterRole`, if the key is there.
    pub cluster_role: Option<ClusterRole>,
    /// `hostClusterName`, if the key is there.
    pub host_cluster_name: Option<String>,
    /// `clusterName`, which the cluster controller of a host adds.
    pub cluster_name: Option<String>,
    /// `proxyPublishService`.
    pub proxy_publish_service: Option<String>,
    /// `proxyPublishAddress`.
    pub proxy_publish_address: Option<String>,
    /// `agentImage`.
    pub agent_image: Option<String>,
    /// `clusterControllerResyncPeriod`.
    pub resync_period: Option<Duration>,
}

/// A text that is no KubeSphere configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not one YAML document.
    #[error("parse kubesphere.yaml: not YAML{}", place(.0))]
    // Neither shown nor a source: its text may quote the document, and with it the secret.
    NotYaml(serde_yaml::Error),
    /// A value of the wrong type.
    #[error("parse kubesphere.yaml: {path} is not {expected}")]
    WrongType {
        /// Where, as `multicluster.enable`.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
}

/// Where parsing ended.
fn place(error: &serde_yaml::Error) -> String {
    error.location().map_or_else(String::new, |at| format!(" at line {} column {}", at.line(), at.column()))
}

impl KubesphereConfig {
    /// Parses the text of `kubesphere.yaml`. Unknown keys do not matter; an empty text is an empty configuration.
    ///
    /// # Errors
    /// [`ConfigError`] when it is not YAML or a known key has a value of the wrong type.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = lenient::parse(text).map_err(ConfigError::NotYaml)?;
        let Some(root) = Section::of("", &document)? else { return Ok(Self::default()) };
        let authentication = root.section("authentication")?.map(|section| authentication(&section)).transpose()?;
        let multicluster = root.section("multicluster")?.map(|section| multicluster(&section)).transpose()?;
        Ok(Self { authentication, multicluster })
    }

    /// `authentication.jwtSecret`, if the key is there.
    #[must_use]
    pub fn jwt_secret(&self) -> Option<&JwtSecret> {
        self.authentication.as_ref()?.jwt_secret.as_ref()
    }

    /// `multicluster.clusterRole`, if the key is there.
    #[must_use]
    pub fn cluster_role(&self) -> Option<&ClusterRole> {
        self.multicluster.as_ref()?.cluster_role.as_ref()
    }

    /// Whether `multicluster.enable` is true.
    #[must_use]
    pub fn multicluster_enabled(&self) -> bool {
        self.multicluster.as_ref().and_then(|section| section.enable).unwrap_or(false)
    }
}

fn authentication(section: &Section<'_>) -> Result<Authentication, ConfigError> {
    Ok(Authentication {
        jwt_secret: section.text("jwtSecret")?.map(JwtSecret::new),
        oauth: section.section("oauthOptions")?.map(|oauth| oauth_options(&oauth)).transpose()?.unwrap_or_default(),
        multiple_login: section.flag("multipleLogin")?,
        maximum_clock_skew: section.duration("maximumClockSkew")?,
        rate_limiter_max_tries: section.number("authenticateRateLimiterMaxTries")?,
        rate_limiter_duration: section.duration("authenticateRateLimiterDuration")?,
    })
}

fn oauth_options(section: &Section<'_>) -> Result<OauthOptions, ConfigError> {
    let mut clients = Vec::new();
    for (index, client) in section.list("clients")?.iter().enumerate() {
        let path = section.path(&format!("clients[{index}]"));
        let Some(client) = Section::of(&path, client)? else { continue };
        clients.push(OauthClient {
            name: client.text("name")?.unwrap_or_default(),
            secret: JwtSecret::new(client.text("secret")?.unwrap_or_default()),
        });
    }
    Ok(OauthOptions {
        access_token_max_age: section.duration("accessTokenMaxAge")?,
        access_token_inactivity_timeout: section.duration("accessTokenInactivityTimeout")?,
        clients,
    })
}

fn multicluster(section: &Section<'_>) -> Result<Multicluster, ConfigError> {
    Ok(Multicluster {
        enable: section.flag("enable")?,
        cluster_role: section.text("clusterRole")?.map(|text| ClusterRole::from(text.as_str())),
        host_cluster_name: section.text("hostClusterName")?,
        cluster_name: section.text("clusterName")?,
        proxy_publish_service: section.text("proxyPublishService")?,
        proxy_publish_address: section.text("proxyPublishAddress")?,
        agent_image: section.text("agentImage")?,
        resync_period: section.duration("clusterControllerResyncPeriod")?,
    })
}

/// A mapping and its place in the document. A null value counts as an absent key, as for Go.
struct Section<'a> {
    path: String,
    entries: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    fn of(path: &str, value: &'a Value) -> Result<Option<Self>, ConfigError> {
        match value {
            Value::Null => Ok(None),
            Value::Object(entries) => Ok(Some(Self { path: path.to_owned(), entries })),
            _ if path.is_empty() => Err(wrong("the document".to_owned(), "a mapping")),
            _ => Err(wrong(path.to_owned(), "a mapping")),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.entries.get(key).filter(|value| !value.is_null())
    }

    fn section(&self, key: &str) -> Result<Option<Section<'a>>, ConfigError> {
        self.get(key).map_or(Ok(None), |value| Section::of(&self.path(key), value))
    }

    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(_) => Err(wrong(self.path(key), "a text")),
        }
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.get(key).map(|value| value.as_bool().ok_or_else(|| wrong(self.path(key), "true or false"))).transpose()
    }

    fn number(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        self.get(key).map(|value| value.as_u64().ok_or_else(|| wrong(self.path(key), "a whole number"))).transpose()
    }

    fn duration(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        let read = |value: &Value| match value {
            Value::String(text) => duration::parse(text),
            // A bare number is in nanoseconds.
            Value::Number(number) => number.as_u64().map(Duration::from_nanos),
            _ => None,
        };
        self.get(key).map(|value| read(value).ok_or_else(|| wrong(self.path(key), "a duration"))).transpose()
    }

    fn list(&self, key: &str) -> Result<&'a [Value], ConfigError> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(wrong(self.path(key), "a list")),
        }
    }
}

fn wrong(path: String, expected: &'static str) -> ConfigError {
    ConfigError::WrongType { path, expected }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MEMBER: &str = "authentication:\n  multipleLogin: True\n  maximumClockSkew: 10s\n  jwtSecret: \"abc\"\n  \
        oauthOptions:\n    accessTokenMaxAge: 1h\n    accessTokenMaxAge: 0\n    clients:\n    - name: kubesphere\n      \
        secret: kubesphere\n      redirectURIs:\n      - '*'\nmulticluster:\n  clusterRole: member\n  enable: false\n";

    #[test]
    fn parses_a_member() {
        let config = KubesphereConfig::parse(MEMBER).unwrap();
        assert_eq!(config.jwt_secret().unwrap().expose(), "abc");
        assert_eq!(config.cluster_role(), Some(&ClusterRole::Member));
        assert!(!config.multicluster_enabled());
        let oauth = config.authentication.unwrap().oauth;
        assert_eq!(oauth.access_token_max_age, Some(Duration::ZERO));
        assert_eq!(oauth.clients[0].name, "kubesphere");
    }

    #[test]
    fn reads_the_secret_with_and_without_quotes() {
        for text in ["jwtSecret: \"1234\"", "jwtSecret: 1234", "jwtSecret: '1234'"] {
            let config = KubesphereConfig::parse(&format!("authentication:\n  {text}\n")).unwrap();
            assert_eq!(config.jwt_secret().unwrap().expose(), "1234", "{text}");
        }
    }

    #[test]
    fn tells_absent_from_empty() {
        assert_eq!(KubesphereConfig::parse("").unwrap(), KubesphereConfig::default());
        assert_eq!(KubesphereConfig::parse("authentication: {}\n").unwrap().jwt_secret(), None);
        let empty = KubesphereConfig::parse("authentication: {jwtSecret: ''}\n").unwrap();
        assert!(empty.jwt_secret().unwrap().is_empty());
    }

    #[rstest]
    #[case("authentication: {jwtSecret: \"a\"b\"}", "parse kubesphere.yaml: ")]
    #[case("multicluster: host", "parse kubesphere.yaml: multicluster is not a mapping")]
    #[case("multicluster: {enable: maybe}", "parse kubesphere.yaml: multicluster.enable is not true or false")]
    #[case("just text", "parse kubesphere.yaml: the document is not a mapping")]
    fn says_what_is_wrong(#[case] text: &str, #[case] message: &str) {
        let error = KubesphereConfig::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

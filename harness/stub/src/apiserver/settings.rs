//! What ks-apiserver and ks-controller-manager take from their `kubesphere.yaml`
//! (kubesphere v3.3.2, `pkg/apiserver/config`).

use std::time::Duration;

use kubesphere::config::OauthClient;
use kubesphere::secret::JwtSecret;
use kubesphere::{ConfigError, KubesphereConfig, duration};
use serde_json::{Map, Value};

use crate::member::go_yaml;

/// A loaded configuration, with the programs' defaults for what the file leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `authentication.jwtSecret`.
    pub jwt_secret: JwtSecret,
    /// `authentication.oauthOptions.accessTokenMaxAge`; zero means that tokens do not expire.
    pub token_max_age: Duration,
    /// `authentication.oauthOptions.accessTokenInactivityTimeout`.
    pub token_inactivity: Duration,
    /// `authentication.maximumClockSkew`.
    pub clock_skew: Duration,
    /// `authentication.oauthOptions.clients`.
    pub clients: Vec<OauthClient>,
    /// `authentication.multipleLogin`; without it a user's tokens end with the next login.
    pub multiple_login: bool,
    /// `authentication.authenticateRateLimiterMaxTries`.
    pub max_tries: usize,
    /// `authentication.authenticateRateLimiterDuration`.
    pub tries_window: Duration,
    /// `multicluster.enable`.
    pub multicluster: bool,
    /// `multicluster.hostClusterName`.
    pub host_cluster_name: String,
    /// `multicluster.clusterControllerResyncPeriod`, if set.
    pub resync: Option<Duration>,
    /// Which parts are on, as `/kapis/config.kubesphere.io/v1alpha2/configs/configz` tells.
    pub configz: Map<String, Value>,
}

const TWO_HOURS: Duration = Duration::from_hours(2);

impl Settings {
    /// Reads `kubesphere.yaml`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no configuration.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config = KubesphereConfig::parse(text)?;
        let document = go_yaml::read(text.as_bytes()).unwrap_or_default();
        let multicluster = config.multicluster_enabled();
        let authentication = config.authentication.unwrap_or_default();
        let section = config.multicluster.unwrap_or_default();
        Ok(Self {
            jwt_secret: authentication.jwt_secret.unwrap_or_else(|| JwtSecret::new("")),
            token_max_age: authentication.oauth.access_token_max_age.unwrap_or(TWO_HOURS),
            token_inactivity: authentication.oauth.access_token_inactivity_timeout.unwrap_or(TWO_HOURS),
            clock_skew: authentication.maximum_clock_skew.unwrap_or(Duration::from_secs(10)),
            clients: authentication.oauth.clients,
            multiple_login: authentication.multiple_login.unwrap_or(false),
            max_tries: authentication.rate_limiter_max_tries.and_then(|tries| usize::try_from(tries).ok()).unwrap_or(5),
            tries_window: authentication.rate_limiter_duration.unwrap_or(Duration::from_mins(30)),
            multicluster,
            host_cluster_name: section
                .host_cluster_name
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| kubesphere::names::objects::DEFAULT_HOST_CLUSTER.to_owned()),
            resync: section.resync_period.filter(|period| !period.is_zero()),
            configz: configz(&document, multicluster),
        })
    }
}

/// A scalar as a string field receives it.
#[must_use]
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// A scalar as a duration field receives it; a bare number counts nanoseconds.
#[must_use]
pub fn duration_of(value: &Value) -> Option<Duration> {
    let text = text_of(value);
    text.parse().ok().map(Duration::from_nanos).or_else(|| duration::parse(&text))
}

/// A part is on when its address is set; some are always on in a running ks-apiserver (seen on v3.3.2).
fn configz(document: &Value, multicluster: bool) -> Map<String, Value> {
    let set = |section: &str, field: &str| !text_of(&document[section][field]).is_empty();
    let ippool = text_of(&document["network"]["ippoolType"]);
    [
        ("alerting", set("alerting", "endpoint") || set("alerting", "prometheusEndpoint")),
        ("auditing", set("auditing", "host")),
        ("authentication", true),
        ("authorization", true),
        ("cache", true),
        ("devops", set("devops", "host")),
        ("edgeruntime", set("edgeruntime", "endpoint")),
        ("events", set("events", "host")),
        ("gateway", true),
        ("gpu", true),
        ("kubeedge", set("kubeedge", "endpoint")),
        ("kubernetes", true),
        ("logging", set("logging", "host")),
        ("metering", true),
        ("monitoring", set("monitoring", "endpoint")),
        ("multicluster", multicluster),
        ("network", document["network"]["enableNetworkPolicy"] == true),
        ("network.ippool", !ippool.is_empty() && ippool != "none"),
        ("notification", set("notification", "endpoint")),
        ("openpitrix", true),
        ("openpitrix.appstore", document["openpitrix"]["appStoreConfIsEmpty"] == false),
        ("s3", set("s3", "endpoint")),
        ("servicemesh", set("servicemesh", "istioPilotHost")),
        ("sonarqube", set("sonarQube", "host")),
        ("terminal", true),
    ]
    .into_iter()
    .map(|(name, on)| (name.to_owned(), Value::Bool(on)))
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use super::*;

    const HOST: &str = include_str!("../../tests/data/kubesphere-host.yaml");
    const MEMBER: &str = include_str!("../../tests/data/kubesphere-member.yaml");

    #[test]
    fn lets_tokens_of_a_host_expire_after_two_hours() {
        let settings = Settings::parse(HOST).unwrap();
        assert_eq!((settings.token_max_age, settings.token_inactivity), (TWO_HOURS, TWO_HOURS));
        assert!(settings.multicluster);
    }

    #[test]
    fn lets_tokens_of_a_member_live_for_ever() {
        let settings = Settings::parse(MEMBER).unwrap();
        assert_eq!(settings.token_max_age, Duration::ZERO);
        assert!(!settings.multicluster);
    }

    #[test]
    fn takes_a_number_for_a_secret() {
        assert_eq!(Settings::parse("authentication: {jwtSecret: 12345678}").unwrap().jwt_secret.expose(), "12345678");
    }
}

//! `kubesphere.yaml`, in the words of the multi-cluster promises.

use std::time::Duration;

use kubesphere::{ClusterRole, ConfigError, JwtSecret, KubesphereConfig};

/// `kubesphere.yaml`, as far as checks look at it.
pub(crate) struct Config(KubesphereConfig);

impl Config {
    /// Parses the document; the error is a predicate without a value of the document in it.
    pub(crate) fn parse(document: &str) -> Result<Self, String> {
        KubesphereConfig::parse(document).map(Self).map_err(|cause| match cause {
            ConfigError::NotYaml(cause) => cause.location().map_or_else(
                || "is not YAML".to_owned(),
                |place| format!("is not YAML at line {}, column {}", place.line(), place.column()),
            ),
            ConfigError::WrongType { path, expected } => format!("has {path} that is not {expected}"),
        })
    }

    /// The signing secret; an absent one counts as empty.
    pub(crate) fn secret(&self) -> &str {
        self.0.jwt_secret().map_or("", JwtSecret::expose)
    }

    /// `multicluster.clusterRole`.
    pub(crate) fn cluster_role(&self) -> Option<&str> {
        self.0.cluster_role().map(ClusterRole::as_str)
    }

    /// `multicluster.enable`.
    pub(crate) fn enable(&self) -> Option<bool> {
        self.0.multicluster.as_ref()?.enable
    }

    /// `multicluster.clusterName`, written by the import (3.3 and later).
    pub(crate) fn cluster_name(&self) -> Option<&str> {
        self.0.multicluster.as_ref()?.cluster_name.as_deref()
    }

    /// `authentication.oauthOptions.accessTokenMaxAge`; without it tokens live for two hours.
    pub(crate) fn access_token_max_age(&self) -> Option<Duration> {
        self.0.authentication.as_ref()?.oauth.access_token_max_age
    }

    /// Whether tokens never expire: their age is there and is zero.
    pub(crate) fn tokens_never_expire(&self) -> bool {
        self.access_token_max_age() == Some(Duration::ZERO)
    }

    /// The multi-cluster part on a line, as `clusterRole: member, enable: false`.
    pub(crate) fn multicluster_line(&self) -> String {
        let parts = [
            self.cluster_role().map(|role| format!("clusterRole: {role}")),
            self.enable().map(|enable| format!("enable: {enable}")),
            self.cluster_name().map(|name| format!("clusterName: {name}")),
        ];
        let shown: Vec<_> = parts.into_iter().flatten().collect();
        if shown.is_empty() { "no clusterRole and no enable".to_owned() } else { shown.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("authentication:\n  jwtSecret: \"abc\"\n", "abc")]
    #[case("authentication:\n  jwtSecret: abc\n", "abc")]
    #[case("authentication:\n  jwtSecret:\n", "")]
    #[case("multicluster: {}\n", "")]
    fn reads_the_secret_as_kubesphere_does(#[case] document: &str, #[case] secret: &str) {
        assert_eq!(Config::parse(document).unwrap().secret(), secret);
    }

    #[rstest]
    #[case("0", true)]
    #[case("0s", true)]
    #[case("0h0m0s", true)]
    #[case("2h", false)]
    fn knows_a_zero_duration(#[case] age: &str, #[case] zero: bool) {
        let document = format!("authentication:\n  oauthOptions:\n    accessTokenMaxAge: {age}\n");
        assert_eq!(Config::parse(&document).unwrap().tokens_never_expire(), zero);
    }

    #[rstest]
    #[case("authentication:\n  jwtSecret: \"my\"secret\"\n", "is not YAML at line 2")]
    #[case("authentication:\n  jwtSecret: [secret]\n", "has authentication.jwtSecret that is not")]
    fn names_the_place_and_no_value_of_a_broken_document(#[case] document: &str, #[case] text: &str) {
        let refused = Config::parse(document).err().unwrap();
        assert!(refused.starts_with(text), "{refused}");
        assert!(!refused.contains("my"), "{refused}");
    }
}

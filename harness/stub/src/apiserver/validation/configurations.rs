//! Whether the configurations of host and member fit, as their ConfigMaps have them; what the processes work with is not
//! asked.

use kubesphere::Feature;
use kubesphere::names::{namespaces, objects};
use serde_json::{Map, Value};

use crate::Deviation;
use crate::apiserver::server::Server;
use crate::apiserver::settings::text_of;
use crate::member::{ApiClient, Target, go_yaml};

/// Why a comparison ended.
pub enum ConfigFault {
    /// They do not fit, or one cannot be read.
    Differs(String),
    /// KubeSphere follows a pointer that is nil.
    Panics,
}

impl From<String> for ConfigFault {
    fn from(text: String) -> Self {
        Self::Differs(text)
    }
}

/// Compares the roles, where the release does, and then the secrets.
pub async fn compare(server: &Server, member: &ApiClient) -> Result<(), ConfigFault> {
    let target = Target::core("configmaps").within(namespaces::SYSTEM).named(objects::CONFIG);
    let host = server.api.get(&target).await.map_err(|error| {
        format!("failed to get host cluster kubesphere-system/configmap/kubesphere-config, err: {error}")
    })?;
    let blank = server.release.has(Feature::BlankConfiguration);
    let host = Configuration::of(&host, blank)?;
    let member = Configuration::of(&member.get(&target).await.map_err(|error| error.to_string())?, blank)?;
    let checks_role =
        server.release.has(Feature::MemberRoleChecked) && !server.deviates(Deviation::ValidationOfRoleSkipped);
    if checks_role && member.field("multicluster", "clusterRole")? != "member" {
        return Err("the clusterRole of the member cluster must be 'member'".to_owned().into());
    }
    let skips_secret = server.deviates(Deviation::ValidationOfSecretSkipped);
    if skips_secret || host.field("authentication", "jwtSecret")? == member.field("authentication", "jwtSecret")? {
        Ok(())
    } else {
        let text = "hostcluster Jwt is not equal to member cluster jwt, please edit the member cluster cluster config";
        Err(text.to_owned().into())
    }
}

/// `kubesphere.yaml` as the handler reads it.
struct Configuration {
    document: Value,
    /// Whether a section that is not there has no defaults either.
    blank: bool,
}

impl Configuration {
    fn of(config_map: &Value, blank: bool) -> Result<Self, String> {
        // The texts of v3.2.1 name the ConfigMap; v3.3.0 moved the reading to where its name is not known.
        let (source, value) = if blank {
            ("configmap", "configmap kubesphere.yaml")
        } else {
            (
                "kubesphere-system/configmap/kubesphere-config",
                "kubesphere-system/configmap/kubesphere-config kubesphere.yaml",
            )
        };
        let text = config_map["data"][objects::CONFIG_KEY].as_str();
        let text = text.ok_or_else(|| format!("failed to get {value} value"))?;
        let document = go_yaml::read(text.as_bytes())
            .map_err(|error| format!("failed to unmarshal value from {source}. err: {error}"))?;
        Ok(Self { document, blank })
    }

    fn field(&self, section: &str, name: &str) -> Result<String, ConfigFault> {
        match self.document.get(section) {
            Some(Value::Object(fields)) => Ok(text_in(fields, name)),
            None if !self.blank => Ok(String::new()),
            // A null takes away even a default.
            None | Some(_) => Err(ConfigFault::Panics),
        }
    }
}

fn text_in(fields: &Map<String, Value>, name: &str) -> String {
    fields.get(name).map(text_of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::of_the_first_releases(
        false,
        "failed to get kubesphere-system/configmap/kubesphere-config kubesphere.yaml value"
    )]
    #[case::from_v3_3(true, "failed to get configmap kubesphere.yaml value")]
    fn words_a_config_map_without_the_file(#[case] blank: bool, #[case] words: &str) {
        assert_eq!(Configuration::of(&json!({"data": {}}), blank).err().unwrap(), words);
    }

    #[rstest]
    #[case::defaults("{}", false, Some(""))]
    #[case::nothing("{}", true, None)]
    #[case::null_for_defaults("authentication:", false, None)]
    #[case::number("authentication: {jwtSecret: 1234}", true, Some("1234"))]
    #[case::without_the_key("authentication: {}", true, Some(""))]
    fn reads_a_field(#[case] text: &str, #[case] blank: bool, #[case] secret: Option<&str>) {
        let configuration = Configuration::of(&json!({"data": {"kubesphere.yaml": text}}), blank).unwrap();
        assert_eq!(configuration.field("authentication", "jwtSecret").ok().as_deref(), secret);
    }
}

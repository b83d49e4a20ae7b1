//! What a person downloads from a KubeSphere release, and what the installer makes of it.

pub mod configuration;
pub mod core;
pub mod crds;
pub mod federation;
pub mod installer;
pub mod webhook;

pub use configuration::cluster_configuration_yaml;
pub use installer::{installer_yaml, installer_yaml_with};

use serde_json::Value;

/// A multi-document YAML text of `objects`.
pub(crate) fn documents(objects: &[Value]) -> String {
    let texts: Vec<String> = objects.iter().filter_map(|object| serde_yaml::to_string(object).ok()).collect();
    format!("---\n{}", texts.join("\n---\n"))
}

//! kind's configuration of a cluster: a file of `kind-configs/`, or a person's own.

use std::path::{Path, PathBuf};

use scenario::model::{On, SyncFrequency};
use serde_yaml::Value;

use crate::pair::ClusterShape;

/// The files of `kind-configs/`, by name.
const BUILT_IN: [(&str, &str); 5] = [
    ("host", include_str!("../../../../kind-configs/host.yaml")),
    ("host-with-worker", include_str!("../../../../kind-configs/host-with-worker.yaml")),
    ("member", include_str!("../../../../kind-configs/member.yaml")),
    ("member-with-worker", include_str!("../../../../kind-configs/member-with-worker.yaml")),
    ("member-with-certificate-name", include_str!("../../../../kind-configs/member-with-certificate-name.yaml")),
];

/// A configuration that is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// There is none of that name, and no such file.
    #[error("{0} is neither a kind configuration of ks-e2e ({names}) nor a file", names = names())]
    Unknown(String),
    /// The file cannot be read.
    #[error("cannot read the kind configuration {}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The text is no kind configuration.
    #[error("{source_name} is no kind configuration: {reason}; see https://kind.sigs.k8s.io/docs/user/configuration/")]
    Malformed {
        /// The file's path or the configuration's name.
        source_name: String,
        /// What is wrong, with its position where there is one.
        reason: String,
    },
}

fn names() -> String {
    BUILT_IN.map(|(name, _)| name).join(", ")
}

/// A kind configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration(Value);

impl Configuration {
    /// The built-in configuration of that name, or the one in the file of that path.
    ///
    /// # Errors
    /// [`ConfigurationError`] when there is none, or it is not usable.
    pub fn named(name_or_path: &str) -> Result<Self, ConfigurationError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(name, text);
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            return Err(ConfigurationError::Unknown(name_or_path.to_owned()));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigurationError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        Self::parse(name_or_path, &text)
    }

    fn parse(source_name: &str, text: &str) -> Result<Self, ConfigurationError> {
        let malformed = |reason: String| ConfigurationError::Malformed { source_name: source_name.to_owned(), reason };
        let value: Value = serde_yaml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if value["kind"].as_str() == Some("Cluster") {
            Ok(Self(value))
        } else {
            Err(malformed("it does not say `kind: Cluster`".to_owned()))
        }
    }

    /// The built-in configuration of the cluster `on` in that shape.
    ///
    /// # Errors
    /// [`ConfigurationError`] never, unless the binary was built with broken files.
    pub(super) fn of_shape(on: On, shape: ClusterShape) -> Result<Self, ConfigurationError> {
        let name = if shape.nodes > 1 { format!("{on}-with-worker") } else { on.to_string() };
        Self::named(&name).map(|configuration| configuration.shaped(shape))
    }

    /// With as many nodes as `shape` has, the further ones workers, and its sync frequency.
    pub(super) fn shaped(mut self, shape: ClusterShape) -> Self {
        if let Some(nodes) = self.0["nodes"].as_sequence_mut() {
            let worker: Value = serde_yaml::from_str("role: worker").unwrap_or_default();
            while nodes.len() < shape.nodes {
                nodes.push(worker.clone());
            }
        }
        if shape.sync_frequency == SyncFrequency::Default
            && let Some(patches) = self.0["kubeadmConfigPatches"].as_sequence_mut()
        {
            patches.retain(|patch| !patch.as_str().is_some_and(|text| text.contains("syncFrequency")));
        }
        self
    }

    /// As kind reads it.
    pub(super) fn text(&self) -> String {
        serde_yaml::to_string(&self.0).unwrap_or_default()
    }

    /// The range of ClusterIPs (kind 0.27, `pkg/apis/config/v1alpha4/default.go`).
    pub(super) fn service_subnet(&self) -> String {
        self.0["networking"]["serviceSubnet"].as_str().unwrap_or("10.96.0.0/16").to_owned()
    }

    /// Ports of this machine that it asks for.
    pub(super) fn host_ports(&self) -> Vec<u16> {
        let nodes = self.0["nodes"].as_sequence().into_iter().flatten();
        let mapped = nodes.flat_map(|node| node["extraPortMappings"].as_sequence().into_iter().flatten());
        let mapped = mapped.map(|mapping| &mapping["hostPort"]);
        let ports = mapped.chain([&self.0["networking"]["apiServerPort"]]);
        // 0 and less ask for any port (kind 0.27, `pkg/apis/config/v1alpha4/types.go`).
        ports.filter_map(|port| u16::try_from(port.as_i64()?).ok().filter(|port| *port > 0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(nodes: usize, sync_frequency: SyncFrequency) -> ClusterShape {
        ClusterShape { nodes, sync_frequency }
    }

    #[test]
    fn has_a_node_for_each_that_is_planned() {
        for nodes in 1..=4 {
            for on in [On::Host, On::Member] {
                let configuration = Configuration::of_shape(on, shape(nodes, SyncFrequency::Short)).unwrap();
                assert_eq!(configuration.0["nodes"].as_sequence().unwrap().len(), nodes);
                assert!(configuration.text().contains("syncFrequency"));
            }
        }
    }

    #[test]
    fn leaves_the_sync_frequency_alone_where_the_default_is_asked_for() {
        let configuration = Configuration::of_shape(On::Host, shape(1, SyncFrequency::Default)).unwrap();
        assert!(!configuration.text().contains("syncFrequency"));
        assert!(configuration.text().contains("config_path"));
    }

    #[test]
    fn finds_the_ports_that_a_configuration_asks_for() {
        let text = "
kind: Cluster
networking: {apiServerPort: 6443}
nodes: [{role: control-plane, extraPortMappings: [{hostPort: 30880, containerPort: 30880}, {hostPort: 0}]}]
";
        assert_eq!(Configuration::parse("x", text).unwrap().host_ports(), [30880, 6443]);
        let built_in = BUILT_IN.map(|(name, _)| Configuration::named(name).unwrap().host_ports());
        assert!(built_in.iter().all(Vec::is_empty));
    }

    #[test]
    fn says_what_is_wrong() {
        let unknown = Configuration::named("nowhere").unwrap_err().to_string();
        assert!(unknown.contains("member-with-certificate-name"), "{unknown}");
        let malformed = Configuration::parse("x.yaml", "kind: Pod").unwrap_err().to_string();
        assert!(malformed.starts_with("x.yaml is no kind configuration: it does not say `kind: Cluster`"));
        let position = Configuration::parse("x.yaml", "a: [").unwrap_err().to_string();
        assert!(position.contains("line"), "{position}");
    }
}

//! kind's configuration of a cluster: a file of `kind-configs/`, or a person's own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
    #[error("cannot read the kind configuration {}: {reason}; name a file that you may read, or one of {names}", .path.display(), names = names())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The text is no kind configuration.
    #[error(
        "{source_name}:{line}:{column}: no kind configuration: {reason}; see \
         https://kind.sigs.k8s.io/docs/user/configuration/"
    )]
    Malformed {
        /// The file's path or the configuration's name.
        source_name: String,
        /// Line of what is wrong, counted from 1.
        line: usize,
        /// Its column, counted from 1.
        column: usize,
        /// What is wrong.
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
        let malformed = |(line, column): (usize, usize), reason: String| ConfigurationError::Malformed {
            source_name: source_name.to_owned(),
            line,
            column,
            reason,
        };
        let mut value: Value = serde_yaml::from_str(text).map_err(|error| {
            let at = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            malformed(at, error.to_string())
        })?;
        for (key, wanted) in [("kind", "Cluster"), ("apiVersion", "kind.x-k8s.io/v1alpha4")] {
            if value[key].as_str() != Some(wanted) {
                return Err(malformed(position(text, key), format!("it does not say `{key}: {wanted}`")));
            }
        }
        if value["nodes"].is_null() {
            // What kind takes for granted (kind 0.27, `pkg/apis/config/v1alpha4/default.go`).
            value["nodes"] = serde_yaml::from_str("[{role: control-plane}]").unwrap_or_default();
        }
        if !value["nodes"].is_sequence() {
            return Err(malformed(position(text, "nodes"), "its nodes are no list".to_owned()));
        }
        Ok(Self(value))
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
    pub(super) fn host_ports(&self) -> Vec<HostPort> {
        let nodes = self.0["nodes"].as_sequence().into_iter().flatten();
        let mapped = nodes.flat_map(|node| node["extraPortMappings"].as_sequence().into_iter().flatten());
        let mapped = mapped.filter_map(|mapping| {
            let udp = match mapping["protocol"].as_str() {
                None | Some("TCP") => false,
                Some("UDP") => true,
                // SCTP cannot be tried everywhere.
                Some(_) => return None,
            };
            HostPort::asked(&mapping["hostPort"], &mapping["listenAddress"], Ipv4Addr::UNSPECIFIED, udp)
        });
        let networking = &self.0["networking"];
        let api =
            HostPort::asked(&networking["apiServerPort"], &networking["apiServerAddress"], Ipv4Addr::LOCALHOST, false);
        mapped.chain(api).collect()
    }
}

/// A port of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostPort {
    /// The port, and the address that it is opened on.
    pub(super) at: SocketAddr,
    /// UDP in place of TCP.
    pub(super) udp: bool,
}

impl HostPort {
    fn asked(port: &Value, address: &Value, default: Ipv4Addr, udp: bool) -> Option<Self> {
        // 0 and less ask for any port (kind 0.27, `pkg/apis/config/v1alpha4/types.go`).
        let port = u16::try_from(port.as_i64()?).ok().filter(|port| *port > 0)?;
        // What is no address is kind's to refuse.
        let address = address.as_str().and_then(|address| address.parse().ok()).unwrap_or(IpAddr::V4(default));
        Some(Self { at: SocketAddr::new(address, port), udp })
    }

    /// Whether nobody can have both.
    pub(super) fn excludes(self, other: Self) -> bool {
        let (one, two) = (self.at.ip(), other.at.ip());
        let overlap = one == two || one.is_unspecified() || two.is_unspecified();
        self.udp == other.udp && self.at.port() == other.at.port() && overlap
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.at, if self.udp { " (UDP)" } else { "" })
    }
}

/// Line and column of the value of the top-level key `key`; the first ones where there is no such key.
fn position(text: &str, key: &str) -> (usize, usize) {
    let found = text.lines().enumerate().find_map(|(index, line)| {
        let value = line.strip_prefix(key)?.strip_prefix(':')?;
        let blanks = value.len() - value.trim_start().len();
        Some((index + 1, key.len() + 1 + blanks + 1))
    });
    found.unwrap_or((1, 1))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

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
apiVersion: kind.x-k8s.io/v1alpha4
networking: {apiServerPort: 6443}
nodes:
  - role: control-plane
    extraPortMappings:
      - {hostPort: 30880, containerPort: 30880}
      - {hostPort: 53, containerPort: 53, protocol: UDP, listenAddress: 127.0.0.2}
      - {hostPort: 0, containerPort: 1}
";
        let ports = Configuration::parse("x", text).unwrap().host_ports();
        let shown: Vec<_> = ports.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0.0.0.0:30880", "127.0.0.2:53 (UDP)", "127.0.0.1:6443"]);
        let built_in = BUILT_IN.map(|(name, _)| Configuration::named(name).unwrap().host_ports());
        assert!(built_in.iter().all(Vec::is_empty));
    }

    #[test]
    fn gives_a_configuration_without_nodes_as_many_as_are_planned() {
        let text = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";
        let configuration = Configuration::parse("x", text).unwrap().shaped(shape(2, SyncFrequency::Short));
        assert_eq!(configuration.0["nodes"].as_sequence().unwrap().len(), 2);
    }

    #[test]
    fn names_those_that_there_are() {
        let unknown = Configuration::named("nowhere").unwrap_err().to_string();
        assert!(unknown.contains("member-with-certificate-name"), "{unknown}");
    }

    #[rstest]
    #[case::no_yaml("a: [", "x.yaml:2:1: no kind configuration: ")]
    #[case::another_kind("# mine\nkind: Pod\n", "x.yaml:2:7: no kind configuration: it does not say `kind: Cluster`;")]
    #[case::nothing("", "x.yaml:1:1: no kind configuration: it does not say `kind: Cluster`;")]
    #[case::another_version(
        "kind: Cluster\napiVersion: v1\n",
        "x.yaml:2:13: no kind configuration: it does not say `apiVersion: kind.x-k8s.io/v1alpha4`;"
    )]
    #[case::no_list(
        "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: 2\n",
        "x.yaml:3:8: no kind configuration: its nodes are no list;"
    )]
    fn says_what_is_wrong_and_where(#[case] text: &str, #[case] expected: &str) {
        let malformed = Configuration::parse("x.yaml", text).unwrap_err().to_string();
        assert!(malformed.starts_with(expected), "{malformed}");
    }
}

//! What `kk` does to the installer's manifest with `sed`: every line counts in which a word stands, whatever the line is
//! about (kubekey v3.0.13, `cmd/kk/pkg/kubesphere/tasks.go`, `Setup`).

use kubesphere::KubeKey;
use serde_json::Value;

/// What the cluster's document asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    etcd_addresses: Vec<String>,
    /// Of an etcd that `kk` does not make.
    etcd_port: Option<String>,
    etcd_without_tls: bool,
    private_registry: Option<String>,
    namespace_override: Option<String>,
    container_runtime: Option<String>,
    deletes_zone: bool,
}

/// With this registry the manifest's zone is China.
const REGISTRY_OF_CHINA: &str = "registry.cn-beijing.aliyuncs.com";
/// The runtimes that KubeSphere's logging knows.
const RUNTIMES: [&str; 3] = ["docker", "containerd", "crio"];

impl Edits {
    /// Of `spec` of the document of kind Cluster.
    pub fn of(spec: &Value, kubekey: KubeKey) -> Self {
        let text = |pointer: &str| {
            spec.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let mut edits = Self {
            private_registry: text("/registry/privateRegistry"),
            namespace_override: text("/registry/namespaceOverride"),
            container_runtime: Some(text("/kubernetes/containerManager").unwrap_or_else(|| "docker".to_owned()))
                .filter(|runtime| RUNTIMES.contains(&runtime.as_str())),
            deletes_zone: kubekey.deletes_zone,
            ..Self::default()
        };
        match spec.pointer("/etcd/type").and_then(Value::as_str) {
            Some("external") => {
                let endpoints = spec.pointer("/etcd/external/endpoints").and_then(Value::as_array);
                for endpoint in endpoints.into_iter().flatten().filter_map(Value::as_str) {
                    edits.add_external(endpoint);
                }
            }
            Some("kubeadm") => edits.etcd_addresses = addresses(spec, &["control-plane", "master"]),
            _ => edits.etcd_addresses = addresses(spec, &["etcd"]),
        }
        edits
    }

    fn add_external(&mut self, endpoint: &str) {
        let (scheme, rest) = endpoint.trim().split_once("://").unwrap_or(("https", endpoint.trim()));
        let (host, port) = rest.split_once(':').unwrap_or((rest, ""));
        self.etcd_addresses.push(host.to_owned());
        self.etcd_port = Some(port.to_owned()).filter(|port| !port.is_empty());
        self.etcd_without_tls |= scheme == "http";
    }

    /// `manifest` after all of them, in the original's order.
    pub fn apply(&self, manifest: &str) -> String {
        let mut text = set(manifest, "endpointIps", &self.etcd_addresses.join(","));
        if self.etcd_without_tls {
            text = set(&text, "tlsEnable", "false");
        }
        if let Some(port) = &self.etcd_port {
            text = text.replace("2379", port);
        }
        for (word, value) in
            [("local_registry", &self.private_registry), ("namespace_override", &self.namespace_override)]
        {
            text = match value {
                Some(value) => set(&text, word, value),
                None => delete(&text, word),
            };
        }
        if self.private_registry.as_deref() == Some(REGISTRY_OF_CHINA) {
            text = set(&text, "zone", "cn");
        } else if self.deletes_zone {
            text = delete(&text, "zone");
        }
        match &self.container_runtime {
            Some(runtime) => set(&text, "containerruntime", runtime),
            None => text,
        }
    }
}

/// Internal addresses of the hosts in the first of these groups that there is.
fn addresses(spec: &Value, groups: &[&str]) -> Vec<String> {
    let members = groups.iter().find_map(|group| spec.get("roleGroups")?.get(group)?.as_array());
    let members: Vec<&str> = members.into_iter().flatten().filter_map(Value::as_str).collect();
    let hosts = spec.get("hosts").and_then(Value::as_array);
    let text = |host: &Value, key: &str| host.get(key).and_then(Value::as_str).map(str::to_owned);
    hosts
        .into_iter()
        .flatten()
        .filter(|host| text(host, "name").is_some_and(|name| members.contains(&name.as_str())))
        .filter_map(|host| text(host, "internalAddress").or_else(|| text(host, "address")))
        .collect()
}

/// Replaces all that follows the first colon of lines with `word`.
pub fn set(text: &str, word: &str, value: &str) -> String {
    let edited = text.split_inclusive('\n').map(|line| match line.split_once(':') {
        Some((key, rest)) if line.contains(word) => {
            let end = if rest.ends_with('\n') { "\n" } else { "" };
            format!("{key}: {value}{end}")
        }
        _ => line.to_owned(),
    });
    edited.collect()
}

/// Drops lines with `word`.
fn delete(text: &str, word: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.contains(word)).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const CONFIGURATION: &str = "\
spec:
  authentication:
    jwtSecret: \"\"
  zone: \"\"
  local_registry: \"\"
  namespace_override: \"\"
  etcd:
    endpointIps: localhost  # Addresses.
    port: 2379
    tlsEnable: true
  logging:
    containerruntime: docker
  multicluster:
    clusterRole: host
";

    fn sample() -> Value {
        json!({
            "hosts": [{"name": "node1", "internalAddress": "192.0.2.11"}, {"name": "node2", "internalAddress": "192.0.2.12"}],
            "roleGroups": {"etcd": ["node1"], "control-plane": ["node2"]},
            "etcd": {"type": "kubekey"},
        })
    }

    fn edited(spec: &Value, text: &str) -> String {
        Edits::of(spec, KubeKey::V3_0_13).apply(text)
    }

    #[test]
    fn drops_what_is_not_used_and_names_etcd() {
        let expected = "\
spec:
  authentication:
    jwtSecret: \"\"
  etcd:
    endpointIps: 192.0.2.11
    port: 2379
    tlsEnable: true
  logging:
    containerruntime: docker
  multicluster:
    clusterRole: host
";
        assert_eq!(edited(&sample(), CONFIGURATION), expected);
    }

    #[rstest]
    #[case::host_name("    clusterRole: host\n    hostClusterName: zone-a\n", "    clusterRole: host\n")]
    #[case::jwt_secret("    jwtSecret: my-zone-secret\n", "")]
    #[case::comment("    clusterRole: host # in this zone\n", "")]
    fn loses_any_line_with_zone(#[case] lines: &str, #[case] left: &str) {
        assert_eq!(edited(&sample(), lines), left);
    }

    #[test]
    fn keeps_such_lines_before_v2_2_2() {
        let line = "    hostClusterName: zone-a\n";
        assert_eq!(Edits::of(&sample(), KubeKey::V2_1_0).apply(line), line);
    }

    #[rstest]
    #[case::registry(json!({"registry": {"privateRegistry": "r.example/x"}}), "  local_registry: r.example/x\n")]
    #[case::override_of_namespace(json!({"registry": {"namespaceOverride": "mine"}}), "  namespace_override: mine\n")]
    #[case::zone(json!({"registry": {"privateRegistry": "registry.cn-beijing.aliyuncs.com"}}), "  zone: cn\n")]
    #[case::runtime(json!({"kubernetes": {"containerManager": "containerd"}}), "    containerruntime: containerd\n")]
    #[case::etcd_of_kubeadm(json!({"etcd": {"type": "kubeadm"}}), "    endpointIps: 192.0.2.12\n")]
    #[case::etcd_without_tls(
        json!({"etcd": {"type": "external", "external": {"endpoints": ["http://192.0.2.9:2379"]}}}),
        "    tlsEnable: false\n"
    )]
    fn sets_what_is_used(#[case] change: Value, #[case] line: &str) {
        let mut spec = sample();
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let text = edited(&spec, CONFIGURATION);
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn replaces_the_port_of_an_external_etcd_wherever_it_stands() {
        let mut spec = sample();
        spec["etcd"] = json!({"type": "external", "external": {"endpoints": ["https://192.0.2.9:12379"]}});
        let text = edited(&spec, "    port: 2379\n    hostClusterName: host-2379\n    jwtSecret: a2379b\n");
        assert_eq!(text, "    port: 12379\n    hostClusterName: host-12379\n    jwtSecret: a12379b\n");
    }
}

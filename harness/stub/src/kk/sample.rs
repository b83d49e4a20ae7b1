//! The text of `config-sample.yaml`: the keys of the original with comments of our own (kubekey v3.0.13,
//! `cmd/kk/pkg/config/templates/cluster.go` and `cmd/kk/pkg/version/kubesphere/templates`).

use kubesphere::Release;

use super::KkError;
use super::loader::LoadError;
use super::versions;
use crate::manifests::cluster_configuration_yaml;

/// The Kubernetes that is written when nobody asks for one.
const KUBERNETES: &str = "v1.23.10";

/// The whole file: the cluster, and KubeSphere if it is wanted.
pub fn config(name: &str, kubernetes: Option<&str>, kubesphere: Option<&str>) -> String {
    let cluster = CLUSTER.replace("NAME", name).replace("KUBERNETES", kubernetes.unwrap_or(KUBERNETES));
    cluster + "\n" + kubesphere.unwrap_or_default()
}

/// The document about KubeSphere `version`, with a separator in front. `KubeKey`'s has three lines that ks-installer's own
/// file has not, or not all of them.
pub fn kubesphere_document(version: &str) -> Result<String, KkError> {
    if !versions::is_supported(version) {
        return Err(LoadError::Unsupported(version.to_owned()).into());
    }
    let text = cluster_configuration_yaml(Release::find(version)?);
    let mut all = String::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("  local_registry:") {
            all.push_str("  zone: \"\"                # cn: pull from a registry in China.\n");
            all.push_str(line);
            all.push_str("  namespace_override: \"\"\n");
        } else {
            all.push_str(line);
        }
    }
    Ok(all)
}

const CLUSTER: &str = r#"
apiVersion: kubekey.kubesphere.io/v1alpha2
kind: Cluster
metadata:
  name: NAME
spec:
  hosts:
  - {name: node1, address: 192.0.2.11, internalAddress: 192.0.2.11, user: root, password: "of node1"}
  - {name: node2, address: 192.0.2.12, internalAddress: 192.0.2.12, user: root, password: "of node2"}
  roleGroups:
    etcd:
    - node1
    control-plane:
    - node1
    worker:
    - node1
    - node2
  controlPlaneEndpoint:
    ## A load balancer of the cluster's own, where it has several control planes.
    # internalLoadbalancer: haproxy

    domain: lb.kubesphere.local
    address: ""
    port: 6443
  kubernetes:
    version: KUBERNETES
    clusterName: cluster.local
    autoRenewCerts: true
    containerManager: docker
  etcd:
    type: kubekey
  network:
    plugin: calico
    kubePodsCIDR: 10.233.64.0/18
    kubeServiceCIDR: 10.233.0.0/18
    ## Several networks for one pod.
    multusCNI:
      enabled: false
  registry:
    privateRegistry: ""
    namespaceOverride: ""
    registryMirrors: []
    insecureRegistries: []
  addons: []

"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kk::loader;

    #[test]
    fn writes_a_file_that_is_read_back() {
        for release in Release::all() {
            let document = kubesphere_document(&release.tag()).unwrap();
            let loaded = loader::parse(&config("sample", None, Some(&document))).unwrap();
            let kubesphere = loaded.kubesphere.unwrap();
            assert_eq!(kubesphere.version, release.tag());
            assert_eq!(kubesphere.document, document);
            let read: serde_json::Value = serde_yaml::from_str(&document).unwrap();
            assert_eq!(read["spec"]["multicluster"], serde_json::json!({"clusterRole": "none"}));
            assert_eq!(read["spec"]["zone"], "");
        }
    }

    #[test]
    fn writes_one_document_without_kubesphere() {
        let loaded = loader::parse(&config("sample", Some("v1.20.2"), None)).unwrap();
        assert_eq!(loaded.kubesphere, None);
        assert_eq!(loaded.cluster["kubernetes"]["version"], "v1.20.2");
    }

    #[test]
    fn refuses_a_version_that_it_does_not_install() {
        let error = kubesphere_document("v9.9.9").unwrap_err().to_string();
        assert_eq!(error, "Unsupported KubeSphere version: v9.9.9");
    }
}

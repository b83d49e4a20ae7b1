//! `cluster-configuration.yaml` of a release: the orders to the installer, with comments as a person sees them.

use kubesphere::{Feature, Release};

/// The text of `cluster-configuration.yaml` of `release`: the keys and defaults of the original that decide anything
/// here (ks-installer v3.3.2, `deploy/cluster-configuration.yaml`), with comments of our own.
#[must_use]
pub fn cluster_configuration_yaml(release: &Release) -> String {
    let terminal = if release.has(Feature::Terminal) {
        "  terminal:\n    timeout: 600         # Seconds without input after which a web terminal is closed.\n"
    } else {
        ""
    };
    CONFIGURATION.replace("VERSION", &release.tag()) + terminal
}

const CONFIGURATION: &str = r#"---
apiVersion: installer.kubesphere.io/v1alpha1
kind: ClusterConfiguration
metadata:
  name: ks-installer
  namespace: kubesphere-system
  labels:
    version: VERSION
spec:
  persistence:
    storageClass: ""        # Empty: the default StorageClass of the cluster, which must exist then.
  authentication:
    # adminPassword: ""     # Password of the user admin; empty means a random one, without this line P@88w0rd.
    jwtSecret: ""           # Same value on the host and on every member. Read it from kubesphere-config of the host.
  local_registry: ""        # Registry to pull from in an air-gapped installation.
  # dev_tag: ""             # Tag of ks-apiserver, ks-controller-manager and ks-console for development.
  etcd:
    monitoring: false       # Dashboards of etcd.
    endpointIps: localhost  # Addresses of etcd.
    port: 2379
    tlsEnable: true
  common:
    core:
      console:
        enableMultiLogin: true  # Let one user be logged in several times.
        port: 30880             # NodePort of the console.
        type: NodePort
    # apiserver:            # Resources of the components.
    #  resources: {}
    # controllerManager:
    #  resources: {}
    redis:
      enabled: false
      enableHA: false
      volumeSize: 2Gi
    openldap:
      enabled: false
      volumeSize: 2Gi
    minio:
      volumeSize: 20Gi
    monitoring:
      # type: external      # Use a Prometheus that is there already.
      endpoint: http://prometheus-operated.kubesphere-monitoring-system.svc:9090
      GPUMonitoring:
        enabled: false
    gpu:
      kinds:
      - resourceName: "nvidia.com/gpu"
        resourceType: "GPU"
        default: true
    es:                     # Store of logs, events and audit records.
      logMaxAge: 7
      elkPrefix: logstash
      basicAuth:
        enabled: false
        username: ""
        password: ""
      externalElasticsearchHost: ""
      externalElasticsearchPort: ""
  alerting:
    enabled: false
    # thanosruler:
    #   replicas: 1
    #   resources: {}
  auditing:
    enabled: false
  devops:
    enabled: false
    # resources: {}
    jenkinsMemoryLim: 8Gi
    jenkinsMemoryReq: 4Gi
    jenkinsVolumeSize: 8Gi
  events:
    enabled: false
  logging:
    enabled: false
    logsidecar:
      enabled: true
      replicas: 2
  metrics_server:
    enabled: false
  monitoring:
    storageClass: ""
    node_exporter:
      port: 9100
    gpu:
      nvidia_dcgm_exporter:
        enabled: false
  multicluster:
    clusterRole: none       # host | member | none: what this cluster is among several clusters.
  network:
    networkpolicy:
      enabled: false        # Needs a CNI plugin that knows NetworkPolicy.
    ippool:
      type: none            # calico, where Calico is the CNI plugin.
    topology:
      type: none            # weave-scope for a graph of services.
  openpitrix:
    store:
      enabled: false        # The app store.
  servicemesh:
    enabled: false
    istio:
      components:
        ingressGateways:
        - name: istio-ingressgateway
          enabled: false
        cni:
          enabled: false
  edgeruntime:
    enabled: false
    kubeedge:
      enabled: false
      cloudCore:
        cloudHub:
          advertiseAddress: [""]
        service:
          cloudhubNodePort: "30000"
          cloudhubQuicNodePort: "30001"
          cloudhubHttpsNodePort: "30002"
          cloudstreamNodePort: "30003"
          tunnelNodePort: "30004"
      iptables-manager:
        enabled: true
        mode: "external"
  gatekeeper:
    enabled: false
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_documented_defaults() {
        for release in Release::all() {
            let read: serde_json::Value = serde_yaml::from_str(&cluster_configuration_yaml(release)).unwrap();
            assert_eq!(read["metadata"]["labels"]["version"], release.tag());
            assert_eq!(read["spec"]["authentication"], serde_json::json!({"jwtSecret": ""}));
            assert_eq!(read["spec"]["multicluster"], serde_json::json!({"clusterRole": "none"}));
        }
    }
}

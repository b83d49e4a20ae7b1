//! `cluster-configuration.yaml` of a release: the orders to the installer, with comments as a person sees them.

use kubesphere::{Feature, Release};

/// The text of `cluster-configuration.yaml` of `release`: the keys and defaults of the original that decide anything
/// here (ks-installer v3.2.1, v3.3.2 and v3.4.1, `deploy/cluster-configuration.yaml`), with comments of our own.
#[must_use]
pub fn cluster_configuration_yaml(release: &Release) -> String {
    let choose = |feature, with: &'static str, without: &'static str| if release.has(feature) { with } else { without };
    let parts = [
        HEAD,
        choose(Feature::EventsRuler, ELASTICSEARCH_OFF, ELASTICSEARCH),
        ELASTICSEARCH_SETTINGS,
        choose(Feature::EventsRuler, OPENSEARCH, ""),
        ALERTING_AND_AUDITING,
        choose(Feature::EventsRuler, DEVOPS_WITH_CPU, DEVOPS),
        choose(Feature::EventsRuler, EVENTS_WITH_RULER, EVENTS),
        BODY,
        choose(Feature::Terminal, EDGERUNTIME, KUBEEDGE),
    ];
    parts.concat().replace("VERSION", &release.tag())
}

const HEAD: &str = r#"---
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
"#;

const ELASTICSEARCH: &str = r"    es:                     # Store of logs, events and audit records.
";

const ELASTICSEARCH_OFF: &str = r"    es:                     # Store of logs, events and audit records; opensearch is the default one.
      enabled: false
";

const ELASTICSEARCH_SETTINGS: &str = r#"      logMaxAge: 7
      elkPrefix: logstash
      basicAuth:
        enabled: false
        username: ""
        password: ""
      externalElasticsearchHost: ""
      externalElasticsearchPort: ""
"#;

const OPENSEARCH: &str = r#"    opensearch:
      enabled: true
      logMaxAge: 7
      opensearchPrefix: whizard
      basicAuth:
        enabled: true
        username: "admin"
        password: "admin"
      externalOpensearchHost: ""
      externalOpensearchPort: ""
      dashboard:
        enabled: false
"#;

const ALERTING_AND_AUDITING: &str = r"  alerting:
    enabled: false
    # thanosruler:
    #   replicas: 1
    #   resources: {}
  auditing:
    enabled: false
";

const DEVOPS: &str = r"  devops:
    enabled: false
    # resources: {}
    jenkinsMemoryLim: 8Gi
    jenkinsMemoryReq: 4Gi
    jenkinsVolumeSize: 8Gi
";

const DEVOPS_WITH_CPU: &str = r"  devops:
    enabled: false
    jenkinsCpuReq: 0.5
    jenkinsCpuLim: 1
    jenkinsMemoryReq: 4Gi
    jenkinsMemoryLim: 4Gi
    jenkinsVolumeSize: 16Gi
";

const EVENTS: &str = r"  events:
    enabled: false
";

const EVENTS_WITH_RULER: &str = r"  events:
    enabled: false
    ruler:
      enabled: true
      replicas: 2
";

const BODY: &str = r#"  logging:
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
"#;

const KUBEEDGE: &str = r#"  kubeedge:
    enabled: false
    cloudCore:
      cloudHub:
        advertiseAddress: [""]
        nodeLimit: "100"
      service:
        cloudhubNodePort: "30000"
        cloudhubQuicNodePort: "30001"
        cloudhubHttpsNodePort: "30002"
        cloudstreamNodePort: "30003"
        tunnelNodePort: "30004"
"#;

const EDGERUNTIME: &str = r#"    istio:
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
  terminal:
    timeout: 600            # Seconds without input after which a web terminal is closed.
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

    #[test]
    fn has_the_sections_of_its_release() {
        let spec = |version| {
            let text = cluster_configuration_yaml(Release::find(version).unwrap());
            serde_yaml::from_str::<serde_json::Value>(&text).unwrap()["spec"].take()
        };
        let [oldest, observed, newest] = ["3.2.1", "3.3.2", "3.4.1"].map(spec);
        assert!(oldest.get("kubeedge").is_some() && oldest.get("terminal").is_none());
        assert!(observed.get("kubeedge").is_none() && observed["servicemesh"].get("istio").is_some());
        assert!(observed["events"].get("ruler").is_none());
        assert_eq!(newest["events"]["ruler"]["replicas"], 2);
        assert_eq!(newest["devops"]["jenkinsCpuReq"], 0.5);
    }
}

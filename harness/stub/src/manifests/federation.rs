//! What the role `host` adds: tower, and the Helm release `kubefed` (ks-installer v3.3.2, role `ks-multicluster`).

use kubesphere::Release;
use kubesphere::names::{self, namespaces, objects};
use serde_json::{Value, json};

/// The argument that makes the image `kubesphere/kubefed` its controller manager.
pub const CONTROLLER_MANAGER: &str = "controller-manager";
/// The argument that makes the image `kubesphere/kubefed` its admission webhook.
pub const WEBHOOK: &str = "webhook";
/// The port of the admission webhook's container.
pub const WEBHOOK_PORT: u16 = 8443;

/// tower's Deployment and Service.
#[must_use]
pub fn tower(release: &Release) -> [Value; 2] {
    let labels = json!({"app": objects::TOWER, "app.kubernetes.io/name": objects::TOWER});
    let metadata = json!({"name": objects::TOWER, "namespace": namespaces::SYSTEM, "labels": labels});
    [
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": objects::SERVICE_ACCOUNT,
                        "containers": [{
                            "name": objects::TOWER,
                            "image": format!("kubesphere/tower:{}", release.tower_tag),
                            "imagePullPolicy": "IfNotPresent",
                            "args": release.tower_args,
                            "ports": [{"containerPort": 8080}],
                            "resources": {
                                "limits": {"cpu": "500m", "memory": "256Mi"},
                                "requests": {"cpu": "100m", "memory": "128Mi"},
                            },
                        }],
                    },
                },
            },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "type": "LoadBalancer",
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "targetPort": 8080}],
                "selector": {"app": objects::TOWER},
            },
        }),
    ]
}

/// kubefed's Deployments, the webhook's Service and its `KubeFedConfig`. With fewer than three nodes there is one
/// controller manager, otherwise two.
#[must_use]
pub fn kubefed(release: &Release, nodes: usize) -> Vec<Value> {
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "kubefed-controller", "namespace": namespaces::FEDERATION},
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "kubefed-controller"},
        "subjects": [{"kind": "ServiceAccount", "name": "kubefed-controller", "namespace": namespaces::FEDERATION}],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
    });
    let config = json!({
        "apiVersion": names::KUBEFED_CONFIG.api_version(),
        "kind": names::KUBEFED_CONFIG.kind,
        "metadata": {"name": objects::KUBEFED, "namespace": namespaces::FEDERATION},
        "spec": {"scope": "Cluster", "syncController": {"adoptResources": "Enabled"}},
    });
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": objects::KUBEFED_WEBHOOK, "namespace": namespaces::FEDERATION},
        "spec": {
            "ports": [{"port": 443, "protocol": "TCP", "targetPort": WEBHOOK_PORT}],
            "selector": {"kubefed-admission-webhook": "true"},
        },
    });
    let managers = if nodes < 3 { 1 } else { 2 };
    vec![
        account,
        binding,
        deployment(release, objects::KUBEFED_WEBHOOK, WEBHOOK, 1, &json!([{"containerPort": WEBHOOK_PORT}])),
        service,
        deployment(release, objects::KUBEFED_CONTROLLER_MANAGER, CONTROLLER_MANAGER, managers, &json!([])),
        config,
    ]
}

/// The namespace of federated monitoring as a federated namespace.
#[must_use]
pub fn monitoring_namespace() -> Value {
    json!({
        "apiVersion": names::FEDERATED_NAMESPACE.api_version(),
        "kind": names::FEDERATED_NAMESPACE.kind,
        "metadata": {"name": namespaces::MONITORING_FEDERATED, "namespace": namespaces::MONITORING_FEDERATED},
        "spec": {"placement": {"clusterSelector": {}}},
    })
}

/// The names of kubefed's Deployments, which `helm --wait` waits for.
pub const KUBEFED_DEPLOYMENTS: [&str; 2] = [objects::KUBEFED_WEBHOOK, objects::KUBEFED_CONTROLLER_MANAGER];

fn deployment(release: &Release, name: &str, command: &str, replicas: usize, ports: &Value) -> Value {
    let labels = json!({name: "true"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespaces::FEDERATION, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "kubefed-controller",
                    "containers": [{
                        "name": if command == WEBHOOK { "admission-webhook" } else { command },
                        "image": format!("kubesphere/kubefed:{}", release.kubefed_tag),
                        "imagePullPolicy": "IfNotPresent",
                        "args": [command],
                        "ports": ports,
                    }],
                },
            },
        },
    })
}

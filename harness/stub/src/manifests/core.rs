//! The objects of the Helm release `ks-core` (ks-installer v3.3.2, `roles/ks-core/ks-core/files/ks-core`).

use kubesphere::names::{annotations, labels, namespaces, objects};
use kubesphere::{Feature, Release, names};
use serde_json::{Value, json};

use super::webhook::{self, ServingCertificate};

/// Everything of the release but its custom resource definitions and the user `admin`, in the order of creation; with
/// the `serving` certificate of the webhook, where there is one.
#[must_use]
pub fn objects(release: &Release, replicas: usize, serving: Option<&ServingCertificate>) -> Vec<Value> {
    let mut all = vec![
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": objects::SERVICE_ACCOUNT, "namespace": namespaces::SYSTEM},
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": objects::SERVICE_ACCOUNT},
            "subjects": [{
                "kind": "ServiceAccount", "name": objects::SERVICE_ACCOUNT, "namespace": namespaces::SYSTEM,
            }],
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
        }),
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": objects::CONSOLE_CONFIG, "namespace": namespaces::SYSTEM},
            "data": {"local_config.yaml": CONSOLE_CONFIG},
        }),
        custom(names::WORKSPACE, objects::SYSTEM_WORKSPACE, json!({"spec": {"manager": objects::ADMIN}})),
        custom(
            names::GLOBAL_ROLE,
            "platform-admin",
            json!({"rules": [
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]},
            ]}),
        ),
    ];
    all.extend(serving.map(ServingCertificate::secret));
    for component in components(release) {
        let mut deployment = component.deployment(release, replicas);
        if component.name == objects::CONTROLLER_MANAGER && serving.is_some() {
            webhook::mount(&mut deployment);
        }
        all.push(deployment);
        all.push(component.service(release));
    }
    all.extend(serving.map(ServingCertificate::configuration));
    all
}

/// The name of [`service_account_token`].
pub const SERVICE_ACCOUNT_TOKEN: &str = "kubesphere-sa-token";

/// The token of the components' ServiceAccount as a Secret, for a Kubernetes that makes none by itself.
#[must_use]
pub fn service_account_token() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SERVICE_ACCOUNT_TOKEN,
            "namespace": namespaces::SYSTEM,
            "annotations": {"kubernetes.io/service-account.name": objects::SERVICE_ACCOUNT},
        },
        "type": "kubernetes.io/service-account-token",
    })
}

/// The user `admin` with the hash of its password, and its binding to the role of administrators.
#[must_use]
pub fn admin(password_hash: &str) -> [Value; 2] {
    let mut user = custom(
        names::USER,
        objects::ADMIN,
        json!({"spec": {"email": "admin@kubesphere.io", "password": password_hash}}),
    );
    user["metadata"]["annotations"] = json!({
        annotations::UNINITIALIZED: "true",
        annotations::PASSWORD_ENCRYPTED: "true",
        "helm.sh/resource-policy": "keep",
    });
    let mut binding = custom(
        names::GLOBAL_ROLE_BINDING,
        objects::ADMIN,
        json!({
            "roleRef": {"apiGroup": names::GLOBAL_ROLE.group, "kind": names::GLOBAL_ROLE.kind, "name": "platform-admin"},
            "subjects": [{"apiGroup": names::USER.group, "kind": names::USER.kind, "name": objects::ADMIN}],
        }),
    );
    binding["metadata"]["labels"] = json!({labels::USER_REF: objects::ADMIN});
    [user, binding]
}

fn custom(resource: names::Resource, name: &str, content: Value) -> Value {
    let mut object = json!({
        "apiVersion": resource.api_version(),
        "kind": resource.kind,
        "metadata": {"name": name},
    });
    if let (Some(object), Value::Object(content)) = (object.as_object_mut(), content) {
        object.extend(content);
    }
    object
}

/// A Deployment and its Service.
struct Component {
    name: &'static str,
    tier: &'static str,
    container_port: u16,
    service_port: Value,
    node_port: bool,
    mounts: Mounts,
    probe: Option<&'static str>,
    args: &'static [&'static str],
}

struct Mounts {
    config_map: &'static str,
    path: &'static str,
    sub_path: Option<&'static str>,
}

const KUBESPHERE_CONFIG: Mounts = Mounts { config_map: objects::CONFIG, path: "/etc/kubesphere", sub_path: None };

fn components(release: &Release) -> [Component; 3] {
    [
        Component {
            name: objects::APISERVER,
            tier: "backend",
            container_port: 9090,
            service_port: json!({"port": 80, "protocol": "TCP", "targetPort": 9090}),
            node_port: false,
            mounts: KUBESPHERE_CONFIG,
            probe: Some(if release.has(Feature::Healthz) { "/healthz" } else { "/kapis/version" }),
            args: &["--logtostderr=true"],
        },
        Component {
            name: objects::CONTROLLER_MANAGER,
            tier: "backend",
            container_port: 8443,
            service_port: json!({"port": 443, "protocol": "TCP", "targetPort": 8443}),
            node_port: false,
            mounts: KUBESPHERE_CONFIG,
            probe: None,
            args: &["--logtostderr=true", "--leader-elect=true"],
        },
        Component {
            name: objects::CONSOLE,
            tier: "frontend",
            container_port: 8000,
            service_port: json!({"name": "nginx", "port": 80, "protocol": "TCP", "targetPort": 8000, "nodePort": 30880}),
            node_port: true,
            mounts: Mounts {
                config_map: objects::CONSOLE_CONFIG,
                path: "/opt/kubesphere/console/server/local_config.yaml",
                sub_path: Some("local_config.yaml"),
            },
            probe: None,
            args: &[],
        },
    ]
}

impl Component {
    /// Nothing may read a KubeSphere version from these: the chart's own stays behind the release.
    fn labels(&self, release: &Release) -> Value {
        json!({"app": self.name, "tier": self.tier, "version": release.chart_version})
    }

    fn deployment(&self, release: &Release, replicas: usize) -> Value {
        let mut mount = json!({"name": self.mounts.config_map, "mountPath": self.mounts.path});
        if let Some(sub_path) = self.mounts.sub_path {
            mount["subPath"] = sub_path.into();
        }
        let mut container = json!({
            "name": self.name,
            "image": release.image(self.name),
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": self.container_port, "protocol": "TCP"}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "20m", "memory": "100Mi"}},
            "volumeMounts": [mount],
        });
        if !self.args.is_empty() {
            container["args"] = json!(self.args);
        }
        if let Some(path) = self.probe {
            container["livenessProbe"] = json!({
                "failureThreshold": 8,
                "httpGet": {"path": path, "port": self.container_port, "scheme": "HTTP"},
                "initialDelaySeconds": 15,
                "timeoutSeconds": 15,
            });
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": namespaces::SYSTEM, "labels": self.labels(release)},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": self.name, "tier": self.tier}},
                "template": {
                    "metadata": {"labels": self.labels(release)},
                    "spec": {
                        "serviceAccountName": objects::SERVICE_ACCOUNT,
                        "containers": [container],
                        "volumes": [{
                            "name": self.mounts.config_map,
                            "configMap": {"name": self.mounts.config_map},
                        }],
                    },
                },
            },
        })
    }

    fn service(&self, release: &Release) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": namespaces::SYSTEM, "labels": self.labels(release)},
            "spec": {
                "type": if self.node_port { "NodePort" } else { "ClusterIP" },
                "ports": [self.service_port],
                "selector": {"app": self.name, "tier": self.tier},
            },
        })
    }
}

const CONSOLE_CONFIG: &str = "\
server:
  http:
    hostname: localhost
    port: 8000
  sessionKey: 'kubesphere:sess'
client:
  version:
    kubesphere: ks-e2e
defaultClusterName: default
";

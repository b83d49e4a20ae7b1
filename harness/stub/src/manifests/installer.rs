//! `kubesphere-installer.yaml` of a release: the objects that start the installer.

use kubesphere::Release;
use kubesphere::names::{namespaces, objects};
use serde_json::{Value, json};

use super::{crds, documents};

/// The API groups the installer may do everything in. `cluster.kubesphere.io` is not among them: the installer cannot
/// touch Cluster objects (ks-installer v3.3.2, `deploy/kubesphere-installer.yaml`).
const GROUPS: &[&str] = &[
    "",
    "apps",
    "extensions",
    "batch",
    "rbac.authorization.k8s.io",
    "apiregistration.k8s.io",
    "apiextensions.k8s.io",
    "tenant.kubesphere.io",
    "certificates.k8s.io",
    "devops.kubesphere.io",
    "monitoring.coreos.com",
    "logging.kubesphere.io",
    "jaegertracing.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "policy",
    "autoscaling",
    "networking.istio.io",
    "config.istio.io",
    "iam.kubesphere.io",
    "notification.kubesphere.io",
    "auditing.kubesphere.io",
    "events.kubesphere.io",
    "core.kubefed.io",
    "types.kubefed.io",
    "installer.kubesphere.io",
    "storage.kubesphere.io",
    "security.istio.io",
    "monitoring.kiali.io",
    "kiali.io",
    "networking.k8s.io",
    "edgeruntime.kubesphere.io",
    "monitoring.kubesphere.io",
    "application.kubesphere.io",
];

/// The text of `kubesphere-installer.yaml` of `release`.
#[must_use]
pub fn installer_yaml(release: &Release) -> String {
    documents(&installer_objects(release))
}

/// Its objects, in the order of the file.
#[must_use]
pub fn installer_objects(release: &Release) -> Vec<Value> {
    let name = objects::INSTALLER;
    let namespace = namespaces::SYSTEM;
    let mut groups = GROUPS.to_vec();
    if release.version == "3.4.1" {
        groups.push("alerting.kubesphere.io");
    }
    vec![
        crds::cluster_configuration(),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": "rbac.authorization.k8s.io"},
        }),
        deployment(release),
    ]
}

fn deployment(release: &Release) -> Value {
    let labels = json!({"app": release.installer_label});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": objects::INSTALLER, "namespace": namespaces::SYSTEM, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": objects::INSTALLER,
                    "containers": [{
                        "name": "installer",
                        "image": release.image("ks-installer"),
                        "imagePullPolicy": "Always",
                        "resources": {
                            "limits": {"cpu": "1", "memory": "1Gi"},
                            "requests": {"cpu": "20m", "memory": "100Mi"},
                        },
                        "volumeMounts": [{"mountPath": "/etc/localtime", "name": "host-time", "readOnly": true}],
                    }],
                    "volumes": [{"hostPath": {"path": "/etc/localtime", "type": ""}, "name": "host-time"}],
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("3.2.1", "ks-install")]
    #[case("3.3.2", "ks-installer")]
    fn labels_the_installer_by_release(#[case] version: &str, #[case] label: &str) {
        let objects = installer_objects(Release::find(version).unwrap());
        let deployment = objects.last().unwrap();
        for pointer in ["/metadata/labels/app", "/spec/selector/matchLabels/app", "/spec/template/metadata/labels/app"]
        {
            assert_eq!(deployment.pointer(pointer).unwrap(), label);
        }
        assert_eq!(
            deployment.pointer("/spec/template/spec/containers/0/image").unwrap(),
            &format!("kubesphere/ks-installer:v{version}")
        );
    }

    #[test]
    fn writes_the_objects_in_the_order_of_the_file() {
        let text = installer_yaml(Release::find("3.3.2").unwrap());
        let kinds: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
        let expected = [
            "CustomResourceDefinition",
            "Namespace",
            "ServiceAccount",
            "ClusterRole",
            "ClusterRoleBinding",
            "Deployment",
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn keeps_the_installer_away_from_clusters() {
        let text = installer_yaml(Release::find("3.4.1").unwrap());
        assert!(!text.contains("- cluster.kubesphere.io"));
        assert!(text.contains("- alerting.kubesphere.io"));
    }
}

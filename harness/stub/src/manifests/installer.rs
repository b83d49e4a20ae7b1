//! `kubesphere-installer.yaml` of a release: the objects that start the installer.

use kubesphere::names::{namespaces, objects};
use kubesphere::{Feature, KubeKey, Release};
use serde_json::{Value, json};

use super::{crds, documents};
use crate::{Behaviour, Deviation, StubImage};

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

/// The same where the stand-in deviates, or where its image stands in the place of the original's.
#[must_use]
pub fn installer_yaml_with(release: &Release, behaviour: Behaviour, image: Option<&StubImage>) -> String {
    let label = if behaviour.deviates(Deviation::InstallerMislabelled) { "installer" } else { release.installer_label };
    let mut objects = objects_labelled(release, label);
    if let Some(image) = image {
        objects = objects.into_iter().map(|object| image.put_into(object)).collect();
    }
    documents(&objects)
}

/// Its objects, in the order of the file.
#[must_use]
pub fn installer_objects(release: &Release) -> Vec<Value> {
    objects_labelled(release, release.installer_label)
}

fn objects_labelled(release: &Release, label: &str) -> Vec<Value> {
    let [role, binding] = rights(release);
    let mut deployment = deployment(release, label, "Always");
    if let Some(container) = deployment.pointer_mut("/spec/template/spec/containers/0") {
        container["resources"] = json!({
            "limits": {"cpu": "1", "memory": "1Gi"},
            "requests": {"cpu": "20m", "memory": "100Mi"},
        });
    }
    vec![crds::cluster_configuration(), namespace(), service_account(), role, binding, deployment]
}

/// The objects of `KubeKey`'s own manifest of the installer: the same but for order, labels and how the image is pulled
/// (kubekey v3.0.13, `cmd/kk/pkg/version/kubesphere/templates/installer.go`).
#[must_use]
pub fn kubekey_objects(release: &Release, kubekey: KubeKey) -> Vec<Value> {
    let [role, binding] = rights(release);
    let mut deployment = deployment(release, kubekey.installer_label, "IfNotPresent");
    if let Some(labels) = deployment.pointer_mut("/metadata/labels") {
        labels["version"] = release.tag().into();
    }
    vec![namespace(), service_account(), crds::cluster_configuration(), role, binding, deployment]
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespaces::SYSTEM}})
}

fn service_account() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": objects::INSTALLER, "namespace": namespaces::SYSTEM},
    })
}

fn rights(release: &Release) -> [Value; 2] {
    let name = objects::INSTALLER;
    let mut groups = GROUPS.to_vec();
    if release.has(Feature::AlertingRules) {
        groups.push("alerting.kubesphere.io");
    }
    [
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
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespaces::SYSTEM}],
            "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": "rbac.authorization.k8s.io"},
        }),
    ]
}

fn deployment(release: &Release, label: &str, pull_policy: &str) -> Value {
    let labels = json!({"app": label});
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
                        "imagePullPolicy": pull_policy,
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

    #[rstest]
    #[case("3.2.1", false)]
    #[case("3.3.2", false)]
    #[case("3.4.0", true)]
    #[case("3.4.1", true)]
    fn lets_the_installer_write_rules_of_alerting_and_no_clusters(#[case] version: &str, #[case] alerting: bool) {
        let text = installer_yaml(Release::find(version).unwrap());
        assert!(!text.contains("- cluster.kubesphere.io"));
        assert_eq!(text.contains("- alerting.kubesphere.io"), alerting);
    }

    #[rstest]
    #[case::v2_0_0(KubeKey::V2_0_0, "ks-install")]
    #[case::v2_1_0(KubeKey::V2_1_0, "ks-install")]
    #[case::v2_2_2(KubeKey::V2_2_2, "ks-installer")]
    #[case::v2_3_1(KubeKey::V2_3_1, "ks-installer")]
    #[case::v3_0_0(KubeKey::V3_0_0, "ks-installer")]
    #[case::v3_0_13(KubeKey::V3_0_13, "ks-installer")]
    fn labels_the_installer_by_the_version_of_kubekey(
        #[case] kubekey: KubeKey,
        #[case] label: &str,
        #[values("3.2.1", "3.3.2", "3.4.1")] version: &str,
    ) {
        let objects = kubekey_objects(Release::find(version).unwrap(), kubekey);
        let deployment = objects.last().unwrap();
        assert_eq!(deployment.pointer("/metadata/labels/app").unwrap(), label);
        assert_eq!(deployment.pointer("/spec/template/metadata/labels/app").unwrap(), label);
        assert_eq!(deployment.pointer("/metadata/labels/version").unwrap(), &format!("v{version}"));
    }
}

//! One object of an inventory: how it is named, compared and judged.

use kube::api::{ApiResource, DynamicObject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What names an object, whatever version it is read in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    group: String,
    plural: String,
    namespace: Option<String>,
    name: String,
}

impl Key {
    /// The key of the `CustomResourceDefinition` of `resource`.
    pub(super) fn of_definition(resource: &ApiResource) -> Self {
        Self {
            group: "apiextensions.k8s.io".to_owned(),
            plural: "customresourcedefinitions".to_owned(),
            namespace: None,
            name: format!("{}.{}", resource.plural, resource.group),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.plural)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " {namespace}/{}", self.name),
            None => write!(f, " {}", self.name),
        }
    }
}

/// An object as it was listed.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) resource: ApiResource,
    pub(crate) content: DynamicObject,
}

/// Kinds whose objects other kinds show as well.
const SECOND_VIEWS: [(&str, &str); 2] = [("events.k8s.io", "events"), ("extensions", "ingresses")];

/// Kinds that the parts of a running cluster write all the time.
const NOISE: [(&str, &str); 4] = [
    ("", "events"),
    ("coordination.k8s.io", "leases"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("storage.k8s.io", "csinodes"),
];

/// Whether the parts of a running cluster write the kind's objects all the time.
pub(super) fn is_noise(resource: &ApiResource) -> bool {
    NOISE.contains(&(resource.group.as_str(), resource.plural.as_str()))
}

/// Kinds that nobody but a scenario changes once a cluster is ready. kubeadm's bootstrap signer writes in `kube-public`.
const COMPARED: [(&str, &str); 11] = [
    ("", "namespaces"),
    ("", "configmaps"),
    ("", "services"),
    ("storage.k8s.io", "storageclasses"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
];

/// Namespaces in which the cluster's own parts live.
const SYSTEM_NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Whether the kind's objects are listed under another group as well, or come and go with other objects, as the API
/// services of custom resources do.
pub(super) fn is_a_second_view(resource: &ApiResource) -> bool {
    let kind = (resource.group.as_str(), resource.plural.as_str());
    SECOND_VIEWS.contains(&kind) || kind == ("apiregistration.k8s.io", "apiservices")
}

/// Whether a manager of fields is the harness, or one of the programs of the stand-in, which call themselves by their
/// images' names.
pub(super) fn is_the_harness(manager: &str) -> bool {
    manager == "ks-e2e" || stub::programs().repositories().any(|image| image.rsplit('/').next() == Some(manager))
}

impl Object {
    pub(super) fn new(resource: ApiResource, content: DynamicObject) -> Self {
        Self { resource, content }
    }

    pub(crate) fn key(&self) -> Key {
        Key {
            group: self.resource.group.clone(),
            plural: self.resource.plural.clone(),
            namespace: self.content.metadata.namespace.clone(),
            name: self.content.metadata.name.clone().unwrap_or_default(),
        }
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.resource.group == group && self.resource.plural == plural
    }

    fn is_one_of(&self, kinds: &[(&str, &str)]) -> bool {
        kinds.iter().any(|(group, plural)| self.is(group, plural))
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.content.metadata.namespace.as_deref()
    }

    pub(crate) fn has_owner(&self) -> bool {
        self.content.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty())
    }

    /// Who has written it.
    pub(super) fn managers(&self) -> impl Iterator<Item = &str> {
        let fields = self.content.metadata.managed_fields.iter().flatten();
        fields.filter_map(|entry| entry.manager.as_deref())
    }

    /// Whether a running cluster makes it by itself, at whatever time.
    pub(super) fn is_the_clusters_own(&self) -> bool {
        let in_system = self.namespace().is_some_and(|namespace| SYSTEM_NAMESPACES.contains(&namespace));
        let name = self.content.metadata.name.as_deref().unwrap_or_default();
        let account_token =
            self.is("", "secrets") && self.content.data["type"] == "kubernetes.io/service-account-token";
        self.is_one_of(&NOISE)
            || (in_system && (self.has_owner() || account_token || self.is("", "pods")))
            // Every namespace has them (kubernetes v1.20, `rootcacertpublisher`, `serviceaccounts_controller.go`).
            || (self.is("", "configmaps") && name == "kube-root-ca.crt")
            || (self.is("", "serviceaccounts") && name == "default")
            || (account_token && self.account() == Some("default"))
    }

    fn account(&self) -> Option<&str> {
        let annotations = self.content.metadata.annotations.as_ref()?;
        annotations.get("kubernetes.io/service-account.name").map(String::as_str)
    }

    /// What must be the same afterwards; nothing for kinds that are not compared.
    pub(super) fn compared(&self) -> Option<Value> {
        let public = self.namespace() == Some("kube-public");
        (self.is_one_of(&COMPARED) && !public).then(|| self.restorable())
    }

    /// What a person may have changed: labels, annotations and everything but the status.
    pub(super) fn restorable(&self) -> Value {
        let metadata = &self.content.metadata;
        let mut content = self.content.data.clone();
        if let Some(content) = content.as_object_mut() {
            content.remove("status");
        }
        json!({
            "labels": metadata.labels, "annotations": metadata.annotations, "finalizers": metadata.finalizers,
            "content": content,
        })
    }

    /// `now` with everything restorable as it is here.
    pub(super) fn restored(&self, now: &Self) -> DynamicObject {
        let mut object = self.content.clone();
        object.metadata.resource_version.clone_from(&now.content.metadata.resource_version);
        object.metadata.uid.clone_from(&now.content.metadata.uid);
        object.metadata.managed_fields = None;
        object.types = Some(kube::core::TypeMeta {
            api_version: self.resource.api_version.clone(),
            kind: self.resource.kind.clone(),
        });
        object
    }
}

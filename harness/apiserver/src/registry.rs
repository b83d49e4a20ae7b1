//! What is served: the table of built-in resources, and the custom ones that come and go.

use std::collections::HashMap;
use std::sync::Arc;

use crate::custom::definition::CustomVersion;

/// Everything that a stored resource can do.
pub const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Verbs of the original's order for custom resources.
pub const CUSTOM_VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const NO_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const CREATE: &[&str] = &["create"];
const STATUS: &[&str] = &["get", "patch", "update"];

/// A path below an object.
#[derive(Debug, Clone)]
pub struct Subresource {
    /// Its name, as `status`.
    pub name: &'static str,
    /// The kind it speaks.
    pub kind: String,
    /// Group and version of that kind where they are not the resource's.
    pub group_version: Option<(&'static str, &'static str)>,
    /// What can be done with it.
    pub verbs: &'static [&'static str],
}

/// A resource that is served.
#[derive(Debug)]
pub struct Resource {
    /// API group; empty is the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Name in paths.
    pub plural: String,
    /// Name in text; empty for built-in resources, as in the original's discovery.
    pub singular: String,
    /// Kind of one object.
    pub kind: String,
    /// Kind of a list.
    pub list_kind: String,
    /// Short names that kubectl accepts.
    pub short_names: Vec<String>,
    /// Categories, as `all`.
    pub categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: &'static [&'static str],
    /// Paths below an object.
    pub subresources: Vec<Subresource>,
    /// Name in the table of types; `None` for custom resources.
    pub type_name: Option<&'static str>,
    /// Rules of a custom resource.
    pub custom: Option<CustomVersion>,
    /// `plural.group`, as the original names it in messages; also the name of its table in storage.
    pub full_name: Arc<str>,
}

impl Resource {
    /// `group/version`, or the version alone in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The named subresource.
    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether a request for the named subresource is answered. The proxy of nodes is in discovery alone, as the
    /// original lists it.
    #[must_use]
    pub fn answers(&self, subresource: &str) -> bool {
        self.subresource(subresource).is_some() && !(subresource == "proxy" && &*self.full_name == "nodes")
    }

    /// Whether writes to the object leave its status alone.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }
}

/// `plural.group`, or the plural alone in the core group.
#[must_use]
pub fn group_resource(plural: &str, group: &str) -> Arc<str> {
    if group.is_empty() { Arc::from(plural) } else { Arc::from(format!("{plural}.{group}")) }
}

struct Row {
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    type_name: &'static str,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    verbs: &'static [&'static str],
    subresources: &'static [&'static str],
}

const fn row(
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    type_name: &'static str,
    short_names: &'static [&'static str],
) -> Row {
    Row {
        group,
        plural,
        kind,
        namespaced,
        type_name,
        short_names,
        categories: &[],
        verbs: ALL_VERBS,
        subresources: &[],
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// The built-in resources, all of version v1. Names, short names, verbs and subresources as kube-apiserver 1.20.2's
/// discovery lists them.
const BUILT_IN: &[Row] = &[
    row("", "configmaps", "ConfigMap", true, "core.v1.ConfigMap", &["cm"]),
    row("", "endpoints", "Endpoints", true, "core.v1.Endpoints", &["ep"]),
    row("", "events", "Event", true, "core.v1.Event", &["ev"]),
    Row {
        verbs: NO_COLLECTION,
        subresources: &["finalize", "status"],
        ..row("", "namespaces", "Namespace", false, "core.v1.Namespace", &["ns"])
    },
    Row { subresources: &["proxy", "status"], ..row("", "nodes", "Node", false, "core.v1.Node", &["no"]) },
    Row {
        subresources: &["status"],
        ..row("", "persistentvolumeclaims", "PersistentVolumeClaim", true, "core.v1.PersistentVolumeClaim", &["pvc"])
    },
    Row {
        subresources: &["status"],
        ..row("", "persistentvolumes", "PersistentVolume", false, "core.v1.PersistentVolume", &["pv"])
    },
    Row {
        categories: &["all"],
        subresources: &["binding", "log", "proxy", "status"],
        ..row("", "pods", "Pod", true, "core.v1.Pod", &["po"])
    },
    row("", "secrets", "Secret", true, "core.v1.Secret", &[]),
    row("", "serviceaccounts", "ServiceAccount", true, "core.v1.ServiceAccount", &["sa"]),
    Row {
        verbs: NO_COLLECTION,
        categories: &["all"],
        subresources: &["proxy", "status"],
        ..row("", "services", "Service", true, "core.v1.Service", &["svc"])
    },
    row(
        ADMISSION,
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
        "admissionregistration.v1.MutatingWebhookConfiguration",
        &[],
    ),
    row(
        ADMISSION,
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        "admissionregistration.v1.ValidatingWebhookConfiguration",
        &[],
    ),
    Row {
        subresources: &["status"],
        ..row(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            false,
            "",
            &["crd", "crds"],
        )
    },
    Row {
        categories: &["all"],
        subresources: &["scale", "status"],
        ..row("apps", "deployments", "Deployment", true, "apps.v1.Deployment", &["deploy"])
    },
    Row {
        categories: &["all"],
        subresources: &["scale", "status"],
        ..row("apps", "replicasets", "ReplicaSet", true, "apps.v1.ReplicaSet", &["rs"])
    },
    Row {
        verbs: CREATE,
        ..row(
            AUTHORIZATION,
            "localsubjectaccessreviews",
            "LocalSubjectAccessReview",
            true,
            "authorization.v1.LocalSubjectAccessReview",
            &[],
        )
    },
    Row {
        verbs: CREATE,
        ..row(
            AUTHORIZATION,
            "selfsubjectaccessreviews",
            "SelfSubjectAccessReview",
            false,
            "authorization.v1.SelfSubjectAccessReview",
            &[],
        )
    },
    Row {
        verbs: CREATE,
        ..row(
            AUTHORIZATION,
            "subjectaccessreviews",
            "SubjectAccessReview",
            false,
            "authorization.v1.SubjectAccessReview",
            &[],
        )
    },
    row("coordination.k8s.io", "leases", "Lease", true, "coordination.v1.Lease", &[]),
    row(RBAC, "clusterrolebindings", "ClusterRoleBinding", false, "rbac.v1.ClusterRoleBinding", &[]),
    row(RBAC, "clusterroles", "ClusterRole", false, "rbac.v1.ClusterRole", &[]),
    row(RBAC, "rolebindings", "RoleBinding", true, "rbac.v1.RoleBinding", &[]),
    row(RBAC, "roles", "Role", true, "rbac.v1.Role", &[]),
    row("storage.k8s.io", "storageclasses", "StorageClass", false, "storage.v1.StorageClass", &["sc"]),
];

/// The groups of the table, in the original's order of preference.
const GROUP_ORDER: &[&str] =
    &["", "apps", AUTHORIZATION, RBAC, "storage.k8s.io", ADMISSION, "apiextensions.k8s.io", "coordination.k8s.io"];

/// Whether `group` is one of the original's own, some kinds of which are served.
#[must_use]
pub fn is_built_in(group: &str) -> bool {
    GROUP_ORDER.contains(&group)
}

fn subresource(name: &'static str, kind: &str) -> Subresource {
    let (kind, group_version, verbs): (&str, _, &'static [&'static str]) = match name {
        "binding" => ("Binding", None, CREATE),
        "finalize" => (kind, None, &["update"]),
        "log" => (kind, None, &["get"]),
        "proxy" if kind == "Service" => ("ServiceProxyOptions", None, PROXY),
        "proxy" if kind == "Node" => ("NodeProxyOptions", None, PROXY),
        "proxy" => ("PodProxyOptions", None, PROXY),
        "scale" => ("Scale", Some(("autoscaling", "v1")), STATUS),
        _ => (kind, None, STATUS),
    };
    Subresource { name, kind: kind.to_owned(), group_version, verbs }
}

const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

fn built_in() -> Vec<Arc<Resource>> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    BUILT_IN
        .iter()
        .map(|row| {
            Arc::new(Resource {
                group: row.group.to_owned(),
                version: "v1".to_owned(),
                plural: row.plural.to_owned(),
                singular: String::new(),
                kind: row.kind.to_owned(),
                list_kind: format!("{}List", row.kind),
                short_names: owned(row.short_names),
                categories: owned(row.categories),
                namespaced: row.namespaced,
                verbs: row.verbs,
                subresources: row.subresources.iter().map(|name| subresource(name, row.kind)).collect(),
                type_name: Some(row.type_name),
                custom: None,
                full_name: group_resource(row.plural, row.group),
            })
        })
        .collect()
}

/// Everything served at one moment.
#[derive(Debug)]
pub struct Registry {
    built_in: Vec<Arc<Resource>>,
    custom: Vec<Arc<Resource>>,
    by_path: HashMap<(String, String, String), Arc<Resource>>,
}

impl Registry {
    /// The built-in resources and `custom` ones.
    #[must_use]
    pub fn new(custom: Vec<Arc<Resource>>) -> Self {
        let built_in = built_in();
        let by_path = built_in
            .iter()
            .chain(&custom)
            .map(|r| ((r.group.clone(), r.version.clone(), r.plural.clone()), Arc::clone(r)))
            .collect();
        Self { built_in, custom, by_path }
    }

    /// The resource of a path.
    #[must_use]
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The built-in resource of `plural` in `group`.
    #[must_use]
    pub fn built_in(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.find(group, "v1", plural)
    }

    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.built_in.iter().chain(&self.custom)
    }

    /// The groups other than the core group, each with its versions, the preferred one first.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> =
            GROUP_ORDER.iter().skip(1).map(|group| ((*group).to_owned(), vec!["v1".to_owned()])).collect();
        let mut custom: Vec<(String, Vec<String>)> = Vec::new();
        for resource in &self.custom {
            match custom.iter_mut().find(|(group, _)| *group == resource.group) {
                Some((_, versions)) if versions.contains(&resource.version) => {}
                Some((_, versions)) => versions.push(resource.version.clone()),
                None => custom.push((resource.group.clone(), vec![resource.version.clone()])),
            }
        }
        for (_, versions) in &mut custom {
            versions.sort_by_key(|version| version_rank(version));
        }
        custom.sort();
        groups.extend(custom);
        groups
    }
}

/// Orders versions as Kubernetes does: stable first, then beta, then alpha, higher numbers first, others last by name.
#[must_use]
pub fn version_rank(version: &str) -> (u8, std::cmp::Reverse<u64>, std::cmp::Reverse<u64>, String) {
    let parse = |text: &str| -> Option<(u8, u64, u64)> {
        let rest = text.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest.get(..digits)?.parse().ok()?;
        let tail = rest.get(digits..)?;
        if tail.is_empty() {
            return Some((0, major, 0));
        }
        let (rank, minor) = match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
            (Some(minor), _) => (1, minor),
            (_, Some(minor)) => (2, minor),
            _ => return None,
        };
        Some((rank, major, minor.parse().ok()?))
    };
    match parse(version) {
        Some((rank, major, minor)) => (rank, std::cmp::Reverse(major), std::cmp::Reverse(minor), String::new()),
        None => (3, std::cmp::Reverse(0), std::cmp::Reverse(0), version.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_versions_by_stability() {
        let mut versions = vec!["v1alpha1", "v1", "v2beta1", "v10", "foo", "v1beta2"];
        versions.sort_by_key(|version| version_rank(version));
        assert_eq!(versions, ["v10", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
    }
}

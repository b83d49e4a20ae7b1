//! What is served: the table of built-in resources, and the custom ones that come and go.

mod rows;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use self::rows::{GROUP_ORDER, Row, Scope};
use crate::custom::definition::CustomVersion;
use crate::types;

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
#[derive(Debug, Clone)]
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
    /// The resource as which objects of a built-in one are kept, where that is another version or group.
    pub hub: Option<Arc<Resource>>,
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

    /// Whether a request for the named subresource is answered. The proxy of nodes and the streams of pods are in
    /// discovery alone, as the original lists them.
    #[must_use]
    pub fn answers(&self, subresource: &str) -> bool {
        let listed_only = match &*self.full_name {
            "nodes" => subresource == "proxy",
            "pods" => matches!(subresource, "attach" | "exec" | "portforward"),
            _ => false,
        };
        self.subresource(subresource).is_some() && !listed_only
    }

    /// The resource as which objects are kept.
    #[must_use]
    pub fn stored(self: &Arc<Self>) -> &Arc<Self> {
        self.hub.as_ref().unwrap_or(self)
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

/// The subresource `name` of a built-in resource.
fn subresource(name: &'static str, kind: &str) -> Subresource {
    let (kind, group_version, verbs): (&str, _, &'static [&'static str]) = match name {
        "attach" => ("PodAttachOptions", None, CONNECT),
        "binding" => ("Binding", None, CREATE),
        "eviction" => ("Eviction", Some(("policy", "v1beta1")), CREATE),
        "exec" => ("PodExecOptions", None, CONNECT),
        "finalize" => (kind, None, &["update"]),
        "log" => (kind, None, &["get"]),
        "portforward" => ("PodPortForwardOptions", None, CONNECT),
        "proxy" if kind == "Service" => ("ServiceProxyOptions", None, PROXY),
        "proxy" if kind == "Node" => ("NodeProxyOptions", None, PROXY),
        "proxy" => ("PodProxyOptions", None, PROXY),
        "scale" => ("Scale", Some(("autoscaling", "v1")), STATUS),
        "token" => ("TokenRequest", Some(("authentication.k8s.io", "v1")), CREATE),
        _ => (kind, None, STATUS),
    };
    Subresource { name, kind: kind.to_owned(), group_version, verbs }
}

const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
const CONNECT: &[&str] = &["create", "get"];

/// What the type table calls a kind: `rbac.v1.Role`.
fn type_name(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    let prefix = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() };
    types::known(&format!("{prefix}.{version}.{kind}"))
}

fn resource(row: &Row, version: &str, hub: Option<Arc<Resource>>) -> Arc<Resource> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Arc::new(Resource {
        group: row.group.to_owned(),
        version: version.to_owned(),
        plural: row.plural.to_owned(),
        singular: String::new(),
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        short_names: owned(row.short_names),
        categories: owned(row.categories),
        namespaced: row.scope == Scope::Namespaced,
        verbs: row.verbs,
        subresources: row.subresources.iter().map(|name| subresource(name, row.kind)).collect(),
        type_name: type_name(row.group, version, row.kind),
        custom: None,
        full_name: group_resource(row.plural, row.group),
        hub,
    })
}

/// The built-in resources, in every version.
static BUILT_IN: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| {
    let hub_of = |row: &Row| row.kept_as.or(row.versions.first().map(|version| (row.group, *version)));
    let hubs: HashMap<(&str, &str, &str), Arc<Resource>> = rows::BUILT_IN
        .iter()
        .filter(|row| row.kept_as.is_none())
        .filter_map(|row| {
            let version = row.versions.first()?;
            Some(((row.group, *version, row.plural), resource(row, version, None)))
        })
        .collect();
    let versions = rows::BUILT_IN.iter().flat_map(|row| row.versions.iter().map(move |version| (row, *version)));
    versions
        .filter_map(|(row, version)| {
            if let Some(itself) = hubs.get(&(row.group, version, row.plural)) {
                return Some(Arc::clone(itself));
            }
            let (group, hub) = hub_of(row)?;
            let hub = hubs.get(&(group, hub, row.plural))?;
            Some(resource(row, version, Some(Arc::clone(hub))))
        })
        .collect()
});

/// The built-in `resource` in the version `api_version`, where its objects are served in that.
#[must_use]
pub fn in_version(resource: &Resource, api_version: &str) -> Option<&'static Arc<Resource>> {
    let kept_as = |resource: &Resource| resource.hub.as_ref().map_or(&resource.full_name, |hub| &hub.full_name).clone();
    BUILT_IN.iter().find(|known| known.api_version() == api_version && kept_as(known) == kept_as(resource))
}

/// Everything served at one moment.
#[derive(Debug)]
pub struct Registry {
    custom: Vec<Arc<Resource>>,
    by_path: HashMap<(String, String, String), Arc<Resource>>,
}

impl Registry {
    /// The built-in resources and `custom` ones.
    #[must_use]
    pub fn new(custom: Vec<Arc<Resource>>) -> Self {
        let by_path = BUILT_IN
            .iter()
            .chain(&custom)
            .map(|r| ((r.group.clone(), r.version.clone(), r.plural.clone()), Arc::clone(r)))
            .collect();
        Self { custom, by_path }
    }

    /// The resource of a path.
    #[must_use]
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The built-in resource of `plural` in `group`, as which it is kept.
    #[must_use]
    #[expect(clippy::unused_self, reason = "a registry is asked for what it serves, built in or not")]
    pub fn built_in(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        BUILT_IN.iter().find(|resource| resource.group == group && resource.plural == plural).map(Resource::stored)
    }

    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        BUILT_IN.iter().chain(&self.custom)
    }

    /// The groups other than the core group, each with its versions, the preferred one first.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = GROUP_ORDER
            .iter()
            .skip(1)
            .map(|group| {
                let mut versions: Vec<String> = Vec::new();
                for resource in BUILT_IN.iter().filter(|resource| resource.group == *group) {
                    if !versions.contains(&resource.version) {
                        versions.push(resource.version.clone());
                    }
                }
                versions.sort_by_key(|version| built_in_rank(version));
                ((*group).to_owned(), versions)
            })
            .collect();
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

/// Whether `group` is one of the original's own.
#[must_use]
pub fn is_built_in(group: &str) -> bool {
    GROUP_ORDER.contains(&group)
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

/// Versions of built-in groups come in this order.
fn built_in_rank(version: &str) -> usize {
    ["v1", "v2beta1", "v2beta2", "v1beta1"].iter().position(|known| *known == version).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::another_version("extensions", "networking.k8s.io/v1", Some("networking.k8s.io/v1"))]
    #[case::another_group("networking.k8s.io", "extensions/v1beta1", Some("extensions/v1beta1"))]
    #[case::a_version_of_others("networking.k8s.io", "apps/v1", None)]
    fn finds_a_resource_in_another_version(
        #[case] group: &str,
        #[case] api_version: &str,
        #[case] expected: Option<&str>,
    ) {
        let ingresses = BUILT_IN.iter().find(|known| known.group == group && known.plural == "ingresses");
        let found = ingresses.and_then(|ingresses| in_version(ingresses, api_version)).map(|found| found.api_version());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn orders_versions_by_stability() {
        let mut versions = vec!["v1alpha1", "v1", "v2beta1", "v10", "foo", "v1beta2"];
        versions.sort_by_key(|version| version_rank(version));
        assert_eq!(versions, ["v10", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
    }
}

//! What a user may do: RBAC from the stored roles and bindings.

use std::sync::Arc;

use serde_json::Value;

use crate::authn::User;
use crate::registry::group_resource;
use crate::store::{Key, Store};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Something about a resource.
    Resource {
        /// `get`, `list`, …
        verb: String,
        /// API group.
        group: String,
        /// Resource, with `/subresource` where there is one.
        resource: String,
        /// Namespace; empty for all.
        namespace: String,
        /// Name; empty for all.
        name: String,
    },
    /// A path that is no resource.
    Path {
        /// `get`, `post`, …
        verb: String,
        /// The path.
        path: String,
    },
}

impl Ask {
    /// What the original says when the answer is no, with what its details name.
    #[must_use]
    pub fn refusal(&self, user: &User) -> crate::status::Failure {
        let user = crate::status::quoted(&user.name);
        match self {
            Self::Resource { verb, group, resource, namespace, name } => {
                let plural = resource.split('/').next().unwrap_or_default();
                let place = if namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace {}", crate::status::quoted(namespace))
                };
                let subject = group_resource(plural, group);
                let named = if name.is_empty() { String::new() } else { format!(" {}", crate::status::quoted(name)) };
                let message = format!(
                    "{subject}{named} is forbidden: User {user} cannot {verb} resource {} in API group {} {place}",
                    crate::status::quoted(resource),
                    crate::status::quoted(group),
                );
                crate::status::Failure::forbidden(message, name, group, plural)
            }
            Self::Path { verb, path } => {
                let message = format!("forbidden: User {user} cannot {verb} path {}", crate::status::quoted(path));
                crate::status::Failure::forbidden(message, "", "", "")
            }
        }
    }
}

fn texts<'a>(rule: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    rule.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn covers(rule: &Value, key: &str, wanted: &str) -> bool {
    texts(rule, key).any(|found| found == "*" || found == wanted)
}

fn covers_resource(rule: &Value, resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, sub)| sub);
    texts(rule, "resources").any(|found| {
        found == "*" || found == resource || subresource.is_some_and(|sub| found.strip_prefix("*/") == Some(sub))
    })
}

fn covers_path(rule: &Value, path: &str) -> bool {
    texts(rule, "nonResourceURLs").any(|found| match found.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => found == path,
    })
}

fn allows(rule: &Value, ask: &Ask) -> bool {
    match ask {
        Ask::Resource { verb, group, resource, name, .. } => {
            let mut names = texts(rule, "resourceNames").peekable();
            covers(rule, "verbs", verb)
                && covers(rule, "apiGroups", group)
                && covers_resource(rule, resource)
                && (names.peek().is_none() || names.any(|found| found == name))
        }
        Ask::Path { verb, path } => covers(rule, "verbs", verb) && covers_path(rule, path),
    }
}

fn names_user(subject: &Value, user: &User, binding_namespace: &str) -> bool {
    let text = |key: &str| subject.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("kind") {
        "User" => text("name") == user.name,
        "Group" => user.in_group(text("name")),
        "ServiceAccount" => {
            let namespace = if text("namespace").is_empty() { binding_namespace } else { text("namespace") };
            user.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
                == Some((namespace, text("name")))
        }
        _ => false,
    }
}

/// Whether `user` may do what is asked.
#[must_use]
pub fn allowed(store: &Store, user: &User, ask: &Ask) -> bool {
    if user.in_group("system:masters") {
        return true;
    }
    let cluster_wide = store.list(&group_resource("clusterrolebindings", RBAC), None).objects;
    if cluster_wide.iter().any(|(_, binding)| grants(store, &binding.value, "", user, ask)) {
        return true;
    }
    let Ask::Resource { namespace, .. } = ask else { return false };
    if namespace.is_empty() {
        return false;
    }
    let local = store.list(&group_resource("rolebindings", RBAC), Some(namespace)).objects;
    local.iter().any(|(_, binding)| grants(store, &binding.value, namespace, user, ask))
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn grants(store: &Store, binding: &Value, namespace: &str, user: &User, ask: &Ask) -> bool {
    let subjects = binding.get("subjects").and_then(Value::as_array);
    if !subjects.is_some_and(|subjects| subjects.iter().any(|subject| names_user(subject, user, namespace))) {
        return false;
    }
    let reference = |key: &str| binding.pointer(&format!("/roleRef/{key}")).and_then(Value::as_str).unwrap_or_default();
    let (table, place): (Arc<str>, _) = if reference("kind") == "ClusterRole" {
        (group_resource("clusterroles", RBAC), "")
    } else {
        (group_resource("roles", RBAC), namespace)
    };
    let Some(role) = store.get(&table, &Key::new(place, reference("name"))) else { return false };
    role.value.get("rules").and_then(Value::as_array).is_some_and(|rules| rules.iter().any(|rule| allows(rule, ask)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn ask(verb: &str, resource: &str, namespace: &str, name: &str) -> Ask {
        let own = str::to_owned;
        Ask::Resource {
            verb: own(verb),
            group: String::new(),
            resource: own(resource),
            namespace: own(namespace),
            name: own(name),
        }
    }

    fn store() -> Store {
        let store = Store::new();
        let put = |plural: &str, namespace: &str, value: Value| {
            let name = value["metadata"]["name"].as_str().unwrap().to_owned();
            store.create(&group_resource(plural, RBAC), Key::new(namespace, name), value).unwrap();
        };
        put(
            "roles",
            "a",
            json!({"metadata": {"name": "r"}, "rules": [
            {"apiGroups": [""], "resources": ["pods", "*/status"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"], "verbs": ["get"]}]}),
        );
        put(
            "rolebindings",
            "a",
            json!({"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "x"}]}),
        );
        put(
            "clusterroles",
            "",
            json!({"metadata": {"name": "c"}, "rules": [
            {"nonResourceURLs": ["/healthz", "/api/*"], "verbs": ["get"]}]}),
        );
        put(
            "clusterrolebindings",
            "",
            json!({"metadata": {"name": "d"}, "roleRef": {"kind": "ClusterRole", "name": "c"},
            "subjects": [{"kind": "Group", "name": "g"}]}),
        );
        store
    }

    #[rstest]
    #[case("jane", ask("get", "pods", "a", ""), true)]
    #[case("jane", ask("list", "pods", "a", ""), false)]
    #[case("jane", ask("get", "pods", "b", ""), false)]
    #[case("jane", ask("get", "deployments/status", "a", "x"), true)]
    #[case("jane", ask("get", "secrets", "a", "s"), true)]
    #[case("jane", ask("get", "secrets", "a", "t"), false)]
    #[case("system:serviceaccount:a:x", ask("get", "pods", "a", ""), true)]
    #[case("system:serviceaccount:b:x", ask("get", "pods", "a", ""), false)]
    #[case("jane", Ask::Path { verb: "get".into(), path: "/healthz".into() }, false)]
    fn follows_bindings(#[case] user: &str, #[case] ask: Ask, #[case] expected: bool) {
        assert_eq!(allowed(&store(), &User::authenticated(user, vec![]), &ask), expected);
    }

    #[rstest]
    #[case("/healthz", true)]
    #[case("/api/v1", true)]
    #[case("/version", false)]
    fn covers_paths_by_prefix(#[case] path: &str, #[case] expected: bool) {
        let user = User::authenticated("bob", vec!["g".to_owned()]);
        assert_eq!(allowed(&store(), &user, &Ask::Path { verb: "get".into(), path: path.into() }), expected);
    }

    #[test]
    fn words_refusals_as_the_original() {
        let user = User { name: "jane".into(), groups: vec![] };
        let text = ask("get", "namespaces", "kube-system", "kube-system").refusal(&user).message;
        assert_eq!(
            text,
            "namespaces \"kube-system\" is forbidden: User \"jane\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"kube-system\""
        );
        let text = ask("list", "nodes", "", "").refusal(&user).message;
        assert_eq!(
            text,
            "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
        );
    }
}

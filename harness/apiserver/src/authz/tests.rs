//! Tests of decisions and their words.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use rstest::rstest;
use serde_json::{Value, json};

use super::{Ask, authorize, decide};
use crate::authn::User;
use crate::registry::group_resource;
use crate::store::{Key, Store};

const RBAC: &str = "rbac.authorization.k8s.io";

fn ask(verb: &str, resource: &str, namespace: &str, name: &str) -> Ask {
    let own = str::to_owned;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Ask::Resource {
        verb: own(verb),
        group: String::new(),
        resource: own(resource),
        subresource: own(subresource),
        namespace: own(namespace),
        name: own(name),
    }
}

fn path(verb: &str, path: &str) -> Ask {
    Ask::Path { verb: verb.to_owned(), path: path.to_owned() }
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
        "rolebindings",
        "a",
        json!({"metadata": {"name": "broken"}, "roleRef": {"kind": "Role", "name": "gone"},
        "subjects": [{"kind": "User", "name": "joe"}]}),
    );
    put(
        "clusterroles",
        "",
        json!({"metadata": {"name": "c"}, "rules": [{"nonResourceURLs": ["/healthz", "/api/*"], "verbs": ["get"]}]}),
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
#[case("jane", ask("get", "secrets", "a", ""), false)]
#[case("system:serviceaccount:a:x", ask("get", "pods", "a", ""), true)]
#[case("system:serviceaccount:b:x", ask("get", "pods", "a", ""), false)]
#[case("jane", path("get", "/healthz"), false)]
fn follows_bindings(#[case] user: &str, #[case] ask: Ask, #[case] expected: bool) {
    assert_eq!(decide(&store(), &User::authenticated(user, vec![]), &ask).allowed, expected);
}

#[rstest]
#[case("/healthz", true)]
#[case("/api/v1", true)]
#[case("/version", false)]
fn covers_paths_by_prefix(#[case] url: &str, #[case] expected: bool) {
    let user = User::authenticated("bob", vec!["g".to_owned()]);
    assert_eq!(decide(&store(), &user, &path("get", url)).allowed, expected);
}

#[rstest]
#[case("jane", &[], ask("get", "pods", "a", ""), r#"RBAC: allowed by RoleBinding "b/a" of Role "r" to User "jane""#)]
#[case(
    "system:serviceaccount:a:x", &[], ask("get", "pods", "a", ""),
    r#"RBAC: allowed by RoleBinding "b/a" of Role "r" to ServiceAccount "x/a""#,
)]
#[case(
    "bob", &["g"], path("get", "/healthz"),
    r#"RBAC: allowed by ClusterRoleBinding "d" of ClusterRole "c" to Group "g""#,
)]
#[case("joe", &[], ask("get", "pods", "a", ""), r#"RBAC: role.rbac.authorization.k8s.io "gone" not found"#)]
#[case("root", &["system:masters"], ask("get", "pods", "a", ""), "")]
#[case("eve", &[], ask("get", "pods", "a", ""), "")]
fn gives_reasons(#[case] user: &str, #[case] groups: &[&str], #[case] ask: Ask, #[case] expected: &str) {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    assert_eq!(decide(&store(), &User::authenticated(user, groups), &ask).reason, expected);
}

#[rstest]
#[case(
    "eve", ask("get", "namespaces", "kube-system", "kube-system"),
    r#"namespaces "kube-system" is forbidden: User "eve" cannot get resource "namespaces" in API group "" in the namespace "kube-system""#,
)]
#[case(
    "eve",
    ask("list", "nodes", "", ""),
    r#"nodes is forbidden: User "eve" cannot list resource "nodes" in API group "" at the cluster scope"#
)]
#[case(
    "eve",
    ask("get", "pods/log", "a", "p"),
    r#"pods "p" is forbidden: User "eve" cannot get resource "pods/log" in API group "" in the namespace "a""#
)]
#[case(
    "joe", ask("list", "pods", "a", ""),
    r#"pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "a": RBAC: role.rbac.authorization.k8s.io "gone" not found"#,
)]
#[case("eve", path("get", "/a&b"), r#"forbidden: User "eve" cannot get path "/a&amp;b""#)]
fn words_refusals_as_the_original(#[case] user: &str, #[case] ask: Ask, #[case] expected: &str) {
    assert_eq!(authorize(&store(), &User::new(user, vec![]), &ask).unwrap_err().message, expected);
}

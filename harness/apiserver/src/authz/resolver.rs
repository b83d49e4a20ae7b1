//! Which rules hold for a user: roles by way of their bindings.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::rule::Rule;
use crate::authn::User;
use crate::fields::text;
use crate::registry::group_resource;
use crate::status::quoted;
use crate::store::{Key, Store, Stored};

const RBAC: &str = "rbac.authorization.k8s.io";

/// A binding that makes rules hold.
pub struct Source<'a> {
    binding: &'a Value,
    subject: &'a Value,
    namespace: &'a str,
}

impl std::fmt::Display for Source<'_> {
    /// As `rule.go` of Kubernetes 1.20 describes bindings; names come before namespaces there.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = text(self.binding, "/metadata/name");
        let (kind, name) = if self.namespace.is_empty() {
            ("ClusterRoleBinding", name.to_owned())
        } else {
            ("RoleBinding", format!("{name}/{}", self.namespace))
        };
        let (role_kind, role) = (text(self.binding, "/roleRef/kind"), text(self.binding, "/roleRef/name"));
        let (subject_kind, subject) = (text(self.subject, "/kind"), text(self.subject, "/name"));
        let subject = if subject_kind == "ServiceAccount" {
            let own = text(self.subject, "/namespace");
            format!("{subject}/{}", if own.is_empty() { self.namespace } else { own })
        } else {
            subject.to_owned()
        };
        let (name, role, subject) = (quoted(&name), quoted(role), quoted(&subject));
        write!(f, "{kind} {name} of {role_kind} {role} to {subject_kind} {subject}")
    }
}

fn names_user(subject: &Value, user: &User, binding_namespace: &str) -> bool {
    match text(subject, "/kind") {
        "User" => text(subject, "/name") == user.name,
        "Group" => user.in_group(text(subject, "/name")),
        "ServiceAccount" => {
            let own = text(subject, "/namespace");
            let namespace = if own.is_empty() { binding_namespace } else { own };
            !namespace.is_empty() && user.is_account(namespace, text(subject, "/name"))
        }
        _ => false,
    }
}

/// How a missing role is named: the authorizer asks caches, which name kinds, the storage of roles names resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// `clusterrole.rbac.authorization.k8s.io "x" not found`.
    Cache,
    /// `clusterroles.rbac.authorization.k8s.io "x" not found`.
    Storage,
}

/// Why a role that is referred to has no rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such role: the plural of its kind, and its name.
    Missing(&'static str, String),
    /// It is no kind of role.
    Unsupported(String),
}

impl Unresolved {
    fn text(&self, wording: Wording) -> String {
        match self {
            Self::Missing(plural, name) => {
                let what = if wording == Wording::Cache { plural.trim_end_matches('s') } else { plural };
                format!("{what}.{RBAC} {} not found", quoted(name))
            }
            Self::Unsupported(kind) => format!("unsupported role reference kind: {}", quoted(kind)),
        }
    }
}

/// The rules of the role that `reference` names, for a binding in `namespace`.
///
/// # Errors
/// When there is no such role.
pub fn referenced(store: &Store, reference: &Value, namespace: &str) -> Result<Vec<Rule>, Unresolved> {
    let name = text(reference, "/name");
    let (plural, place) = match text(reference, "/kind") {
        "ClusterRole" => ("clusterroles", ""),
        "Role" => ("roles", namespace),
        other => return Err(Unresolved::Unsupported(other.to_owned())),
    };
    let role = store.get(&group_resource(plural, RBAC), &Key::new(place, name));
    role.map(|role| Rule::of_role(&role.value)).ok_or_else(|| Unresolved::Missing(plural, name.to_owned()))
}

/// Shows `visit` every rule that holds for `user` in `namespace` (cluster-wide if empty) with the binding behind it,
/// and every role that is missing, until it breaks.
pub fn visit(
    store: &Store,
    user: &User,
    namespace: &str,
    mut visit: impl FnMut(Result<(&Source<'_>, &Rule), Unresolved>) -> ControlFlow<()>,
) {
    let mut bindings = |plural: &str, namespace: &str| -> ControlFlow<()> {
        for binding in store.objects(&group_resource(plural, RBAC), Some(namespace)) {
            show(store, user, namespace, &binding, &mut visit)?;
        }
        ControlFlow::Continue(())
    };
    if bindings("clusterrolebindings", "").is_continue() && !namespace.is_empty() {
        let _ended = bindings("rolebindings", namespace);
    }
}

fn show(
    store: &Store,
    user: &User,
    namespace: &str,
    binding: &Arc<Stored>,
    visit: &mut impl FnMut(Result<(&Source<'_>, &Rule), Unresolved>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let binding = &binding.value;
    let subjects = binding.get("subjects").and_then(Value::as_array);
    let Some(subject) = subjects.into_iter().flatten().find(|subject| names_user(subject, user, namespace)) else {
        return ControlFlow::Continue(());
    };
    let reference = binding.get("roleRef").unwrap_or(&Value::Null);
    match referenced(store, reference, namespace) {
        Ok(rules) => {
            let source = Source { binding, subject, namespace };
            rules.iter().try_for_each(|rule| visit(Ok((&source, rule))))
        }
        Err(unresolved) => visit(Err(unresolved)),
    }
}

/// Every rule that holds for `user` in `namespace`, and what kept others from being found.
#[must_use]
pub fn rules_for(store: &Store, user: &User, namespace: &str, wording: Wording) -> (Vec<Rule>, Option<String>) {
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    visit(store, user, namespace, |found| {
        match found {
            Ok((_, rule)) => rules.push(rule.clone()),
            Err(unresolved) => faults.push(unresolved.text(wording)),
        }
        ControlFlow::Continue(())
    });
    (rules, aggregate(faults))
}

/// Several errors as one, as apimachinery's `Aggregate` words them: each once, brackets around more than one.
#[must_use]
pub fn aggregate(faults: Vec<String>) -> Option<String> {
    let mut distinct: Vec<String> = Vec::new();
    for fault in faults {
        if !distinct.contains(&fault) {
            distinct.push(fault);
        }
    }
    match distinct.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// The text of a role that is missing, as the authorizer says it.
#[must_use]
pub fn cache_text(unresolved: &Unresolved) -> String {
    unresolved.text(Wording::Cache)
}

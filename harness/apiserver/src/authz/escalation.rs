//! Nobody grants what they do not hold: writes of roles and bindings (Kubernetes 1.20, the `policybased` storages of
//! `pkg/registry/rbac`).

use serde_json::Value;

use super::resolver::{self, Unresolved, Wording};
use super::rule::{Rule, missing, quoted_list};
use super::{Ask, MASTERS, decide};
use crate::authn::User;
use crate::registry::Resource;
use crate::status::{Failure, quoted};
use crate::store::Store;

const RBAC: &str = "rbac.authorization.k8s.io";
const AGGREGATES: &str = "must have cluster-admin privileges to use the aggregationRule";

/// A write of a role or a binding.
struct Write<'a> {
    store: &'a Store,
    user: &'a User,
    resource: &'a Resource,
    namespace: &'a str,
    object: &'a Value,
}

/// Refuses a role or binding that gives more than `user` has. `name` is the path's, empty when an object is created;
/// `before` is what it replaces. Both objects have their defaults.
///
/// # Errors
/// 403 for rights that are not held, 404 and 500 for a role that cannot be found.
pub fn check_write(
    store: &Store,
    user: &User,
    resource: &Resource,
    (namespace, name): (&str, &str),
    object: &Value,
    before: Option<&Value>,
) -> Result<(), Failure> {
    if resource.group != RBAC || user.in_group(MASTERS) {
        return Ok(());
    }
    let write = Write { store, user, resource, namespace, object };
    let is_role = matches!(resource.plural.as_str(), "roles" | "clusterroles");
    if is_role && write.may("escalate", &resource.plural, name) {
        return Ok(());
    }
    if before.is_some_and(|before| only_moves_owners(object, before)) {
        return Ok(());
    }
    if is_role { write.check_role(before) } else { write.check_binding() }
}

/// Whether nothing changes but what the garbage collector changes.
fn only_moves_owners(object: &Value, before: &Value) -> bool {
    let plain = |value: &Value| {
        let mut value = value.clone();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            for key in ["ownerReferences", "finalizers", "selfLink", "managedFields"] {
                metadata.remove(key);
            }
        }
        value
    };
    plain(object) == plain(before)
}

fn aggregates(role: &Value) -> bool {
    let selectors = role.pointer("/aggregationRule/clusterRoleSelectors");
    selectors.and_then(Value::as_array).is_some_and(|selectors| !selectors.is_empty())
}

impl Write<'_> {
    fn may(&self, verb: &str, plural: &str, name: &str) -> bool {
        let own = str::to_owned;
        let ask = Ask::Resource {
            verb: own(verb),
            group: own(RBAC),
            resource: own(plural),
            subresource: String::new(),
            namespace: own(self.namespace),
            name: own(name),
        };
        decide(self.store, self.user, &ask).allowed
    }

    fn forbidden(&self, why: &str) -> Failure {
        let name = self.object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let named = if name.is_empty() { String::new() } else { format!(" {}", quoted(name)) };
        let message = format!("{}{named} is forbidden: {why}", self.resource.full_name);
        Failure::forbidden(message, name, &self.resource.group, &self.resource.plural)
    }

    /// What is missing for all of `rules`.
    fn lack(&self, rules: &[Rule]) -> Option<String> {
        let (held, faults) = resolver::rules_for(self.store, self.user, self.namespace, Wording::Storage);
        let missing = missing(&held, rules);
        if missing.is_empty() {
            return None;
        }
        let (user, groups) = (quoted(&self.user.name), quoted_list(&self.user.groups));
        let faults = faults.map(|faults| format!("; resolution errors: [{faults}]")).unwrap_or_default();
        Some(format!(
            "user {user} (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{}{faults}",
            missing.join("\n")
        ))
    }

    fn check_role(&self, before: Option<&Value>) -> Result<(), Failure> {
        if let Some(why) = self.lack(&Rule::of_role(self.object)) {
            return Err(self.forbidden(&why));
        }
        let everything = || vec!["*".to_owned()];
        let all = [
            Rule { verbs: everything(), api_groups: everything(), resources: everything(), ..Rule::default() },
            Rule { verbs: everything(), non_resource_urls: everything(), ..Rule::default() },
        ];
        let aggregates = aggregates(self.object) || before.is_some_and(aggregates);
        if aggregates && self.lack(&all).is_some() {
            return Err(self.forbidden(AGGREGATES));
        }
        Ok(())
    }

    fn check_binding(&self) -> Result<(), Failure> {
        let reference = self.object.get("roleRef").unwrap_or(&Value::Null);
        let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
        let plural = match text("kind") {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            _ => "",
        };
        if !plural.is_empty() && text("apiGroup") == RBAC && self.may("bind", plural, text("name")) {
            return Ok(());
        }
        let rules =
            resolver::referenced(self.store, reference, self.namespace).map_err(|unresolved| match unresolved {
                Unresolved::Missing(plural, name) => Failure::named_not_found(plural, RBAC, &name),
                Unresolved::Unsupported(kind) => {
                    Failure::internal(format!("unsupported role reference kind: {}", quoted(&kind)))
                }
            })?;
        match self.lack(&rules) {
            Some(why) => Err(self.forbidden(&why)),
            None => Ok(()),
        }
    }
}

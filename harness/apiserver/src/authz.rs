//! What a user may do: RBAC from the stored roles and bindings.

mod escalation;
mod resolver;
mod rule;

use std::ops::ControlFlow;

pub use escalation::check_write;
pub use resolver::{Wording, rules_for};
pub use rule::Rule;

use crate::authn::User;
use crate::registry::group_resource;
use crate::status::{Failure, quoted};
use crate::store::Store;

/// Who may do everything, whatever roles there are (`NewPrivilegedGroups` of Kubernetes 1.20).
pub const MASTERS: &str = "system:masters";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Something about a resource.
    Resource {
        /// `get`, `list`, …
        verb: String,
        /// API group.
        group: String,
        /// Resource.
        resource: String,
        /// Subresource; empty for the resource itself.
        subresource: String,
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

/// The original escapes what looks like HTML in the texts of its refusals (`responsewriters/errors.go`).
fn sanitized(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Ask {
    fn namespace(&self) -> &str {
        match self {
            Self::Resource { namespace, .. } => namespace,
            Self::Path { .. } => "",
        }
    }

    fn text(&self, user: &User) -> String {
        let user = quoted(&user.name);
        match self {
            Self::Resource { verb, group, resource, subresource, namespace, .. } => {
                let resource =
                    if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
                let place = if namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace {}", quoted(namespace))
                };
                let (resource, group) = (quoted(&resource), quoted(group));
                format!("User {user} cannot {verb} resource {resource} in API group {group} {place}")
            }
            Self::Path { verb, path } => format!("User {user} cannot {verb} path {}", quoted(path)),
        }
    }

    /// What the original says when the answer is no, with what its details name.
    #[must_use]
    pub fn refusal(&self, user: &User, reason: &str) -> Failure {
        let mut why = sanitized(&self.text(user));
        if !reason.is_empty() {
            why = format!("{why}: {reason}");
        }
        match self {
            Self::Resource { group, resource, name, .. } => {
                let subject = group_resource(resource, group);
                let named = if name.is_empty() { String::new() } else { format!(" {}", quoted(name)) };
                Failure::forbidden(format!("{subject}{named} is forbidden: {why}"), name, group, resource)
            }
            Self::Path { .. } => Failure::forbidden(format!("forbidden: {why}"), "", "", ""),
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub allowed: bool,
    /// Which binding allows it, or what kept bindings from being looked at.
    pub reason: String,
}

/// Whether `user` may do what is asked, and why.
#[must_use]
pub fn decide(store: &Store, user: &User, ask: &Ask) -> Decision {
    if user.in_group(MASTERS) {
        return Decision { allowed: true, reason: String::new() };
    }
    let (mut allowed, mut faults) = (None, Vec::new());
    resolver::visit(store, user, ask.namespace(), |found| match found {
        Ok((source, rule)) if rule.allows(ask) => {
            allowed = Some(format!("RBAC: allowed by {source}"));
            ControlFlow::Break(())
        }
        Ok(_) => ControlFlow::Continue(()),
        Err(unresolved) => {
            faults.push(resolver::cache_text(&unresolved));
            ControlFlow::Continue(())
        }
    });
    if let Some(reason) = allowed {
        return Decision { allowed: true, reason };
    }
    let reason = resolver::aggregate(faults).map(|faults| format!("RBAC: {faults}")).unwrap_or_default();
    Decision { allowed: false, reason }
}

/// Refuses what `user` may not do.
///
/// # Errors
/// 403, in the original's words.
pub fn authorize(store: &Store, user: &User, ask: &Ask) -> Result<(), Failure> {
    let Decision { allowed, reason } = decide(store, user, ask);
    if allowed { Ok(()) } else { Err(ask.refusal(user, &reason)) }
}

#[cfg(test)]
#[path = "authz/tests.rs"]
mod tests;

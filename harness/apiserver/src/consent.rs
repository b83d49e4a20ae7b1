//! What must agree before something is written: nobody grants what they do not hold, and webhooks.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::authn::User;
use crate::authz;
use crate::defaults;
use crate::registry::Resource;
use crate::scale;
use crate::state::State;
use crate::status::Failure;
use crate::warnings::Warnings;
use crate::webhooks;

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

impl Operation {
    /// As rules of webhooks name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A write, as webhooks are asked about it.
pub struct Attributes<'a> {
    /// Who writes.
    pub user: &'a User,
    /// What is done.
    pub operation: Operation,
    /// The resource of the path.
    pub resource: &'a Arc<Resource>,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// The namespace; a Namespace lies in itself.
    pub namespace: &'a str,
    /// The name in the path; empty where the object has it.
    pub named: &'a str,
    /// The object as it will be.
    pub object: Option<&'a Value>,
    /// The object as it was.
    pub old: Option<&'a Value>,
    /// Nothing is stored.
    pub dry_run: bool,
    /// The options of the request without their kind.
    pub given_options: &'a Value,
}

impl Attributes<'_> {
    /// Whether the object is a configuration of webhooks, which no webhook is asked about.
    #[must_use]
    pub fn is_about_webhooks(&self) -> bool {
        self.resource.group == "admissionregistration.k8s.io" && self.resource.plural.ends_with("webhookconfigurations")
    }

    /// Whether what is written is of the resource's own kind.
    #[must_use]
    pub fn is_itself(&self) -> bool {
        self.resource.subresource(self.subresource).is_none_or(|sub| sub.kind == self.resource.kind)
    }

    /// Group, version and kind of what is written.
    #[must_use]
    pub fn kind(&self) -> (&str, &str, &str) {
        let own = (self.resource.group.as_str(), self.resource.version.as_str(), self.resource.kind.as_str());
        match self.resource.subresource(self.subresource) {
            Some(sub) => match &sub.group_version {
                Some((group, version)) => (group, version, sub.kind.as_str()),
                None => (own.0, own.1, sub.kind.as_str()),
            },
            None => own,
        }
    }

    /// The name of the object; a generated one too, once it is there.
    #[must_use]
    pub fn name(&self) -> &str {
        let of_object = || {
            let object = self.object.or(self.old)?;
            object.pointer("/metadata/name").and_then(Value::as_str)
        };
        if self.named.is_empty() && self.operation != Operation::Delete {
            return of_object().unwrap_or_default();
        }
        self.named
    }

    /// The options of the request with their kind.
    #[must_use]
    pub fn options(&self) -> Value {
        let kind = match self.operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
        };
        let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
        for (key, value) in self.given_options.as_object().into_iter().flatten() {
            if key != "kind" && key != "apiVersion" {
                options[key] = value.clone();
            }
        }
        options
    }
}

/// Who writes, and whether webhooks are to be asked.
#[derive(Clone, Copy)]
pub struct Consent<'a> {
    /// Who writes.
    pub user: &'a User,
    /// The subresource of the path.
    pub subresource: &'a str,
    /// The name of the path.
    pub name: &'a str,
    /// The options of the request without their kind.
    pub options: &'a Value,
    /// Asks webhooks, where there are any.
    pub webhooks: Option<&'a Asking>,
}

/// Asks webhooks from a thread that may wait.
pub struct Asking {
    /// Runs the calls.
    pub runtime: Handle,
    /// Takes what webhooks want the client to know.
    pub warnings: Arc<Warnings>,
}

/// Where something is written.
#[derive(Clone, Copy)]
pub struct Spot<'a> {
    /// The server.
    pub state: &'a State,
    /// The resource.
    pub resource: &'a Arc<Resource>,
    /// The namespace; empty for cluster-wide resources.
    pub namespace: &'a str,
    /// Nothing is stored.
    pub dry_run: bool,
}

impl Consent<'_> {
    /// Refuses roles and bindings that give more than the user has; before anything else about them is judged.
    ///
    /// # Errors
    /// 403, and 404 for a role that is not there.
    pub fn check_rights(&self, spot: Spot<'_>, object: &Value, before: Option<&Value>) -> Result<(), Failure> {
        if spot.resource.group != "rbac.authorization.k8s.io" {
            return Ok(());
        }
        let mut object = object.clone();
        defaults::fill(spot.resource, &mut object);
        let place = (spot.namespace, self.name);
        authz::check_write(&spot.state.store, self.user, spot.resource, place, &object, before)
    }

    /// Asks the webhooks about a write that is otherwise in order.
    ///
    /// # Errors
    /// Their refusals.
    pub fn ask(
        &self,
        spot: Spot<'_>,
        operation: Operation,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<(), Failure> {
        let Some(asking) = self.webhooks else { return Ok(()) };
        let scaled = |object: Option<&Value>| {
            let scaled = object.filter(|_| self.subresource == "scale");
            scaled.map(|object| scale::read_written(spot.resource, object)).transpose()
        };
        let (new_scale, old_scale) = (scaled(object)?, scaled(old)?);
        let itself = &*spot.resource.full_name == "namespaces";
        let own_name = object.or(old).and_then(|object| object.pointer("/metadata/name")).and_then(Value::as_str);
        let write = Attributes {
            user: self.user,
            operation,
            resource: spot.resource,
            subresource: self.subresource,
            namespace: if itself { own_name.unwrap_or_default() } else { spot.namespace },
            named: self.name,
            object: new_scale.as_ref().or(object),
            old: old_scale.as_ref().or(old),
            dry_run: spot.dry_run,
            given_options: self.options,
        };
        webhooks::miss_mutating(spot.state, &write)?;
        let answer = webhooks::validate(spot.state, &write, &asking.warnings);
        let stopped = || Err(Failure::unavailable("the server is shutting down"));
        asking.runtime.block_on(spot.state.stop.run_until_cancelled(answer)).unwrap_or_else(stopped)
    }
}

//! What has to hold between a request and the object that it brings (`registry/store.go`, `rest/create.go` and
//! `handlers/rest.go` of apiserver, Kubernetes 1.20).

use std::sync::Arc;

use serde_json::Value;

use super::{Intent, Place};
use crate::fields::text;
use crate::registry::Resource;
use crate::shape::metadata;
use crate::status::{Cause, Failure};
use crate::store::{Key, Stored};

/// Kinds that a PUT may create, as their strategies say in Kubernetes 1.20. That of Services says so too, but their
/// storage asks for what is there first.
pub fn creates_on_update(resource: &Resource) -> bool {
    matches!(&*resource.full_name, "endpoints" | "events" | "leases.coordination.k8s.io")
        || matches!(&*resource.full_name, "limitranges" | "runtimeclasses.node.k8s.io")
        || resource.group == "rbac.authorization.k8s.io"
}

/// Kinds whose objects may be replaced without naming a revision (`AllowUnconditionalUpdate` of their strategies).
fn updates_unconditionally(resource: &Resource) -> bool {
    let conditional = matches!(
        &*resource.full_name,
        "leases.coordination.k8s.io"
            | "customresourcedefinitions.apiextensions.k8s.io"
            | "runtimeclasses.node.k8s.io"
            | "poddisruptionbudgets.policy"
            | "csidrivers.storage.k8s.io"
            | "csinodes.storage.k8s.io"
            | "csistoragecapacities.storage.k8s.io"
            | "volumeattachments.storage.k8s.io"
    );
    !conditional && resource.custom.is_none() && resource.group != "admissionregistration.k8s.io"
}

/// Where the original stores an object in etcd, as its messages name it.
fn storage_key(resource: &Resource, namespace: &str, name: &str) -> String {
    let table = match &*resource.full_name {
        "services" => "services/specs".to_owned(),
        "endpoints" => "services/endpoints".to_owned(),
        "nodes" => "minions".to_owned(),
        "replicationcontrollers" => "controllers".to_owned(),
        "ingresses.networking.k8s.io" => "ingress".to_owned(),
        "podsecuritypolicies.policy" => "podsecuritypolicy".to_owned(),
        "customresourcedefinitions.apiextensions.k8s.io" => format!("{}/{}", resource.group, resource.plural),
        _ if resource.custom.is_some() => format!("{}/{}", resource.group, resource.plural),
        _ => resource.plural.clone(),
    };
    let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
    format!("/registry/{table}/{place}{name}")
}

impl Place<'_> {
    /// The namespace must be there, and not on its way out.
    ///
    /// # Errors
    /// 403 and 404.
    pub fn check_namespace(&self, object: &Value) -> Result<(), Failure> {
        if !self.resource.namespaced {
            return Ok(());
        }
        let found = self.state.store.get(&Arc::from("namespaces"), &Key::new("", self.namespace));
        let namespace = found.ok_or_else(|| Failure::core_not_found("namespaces", self.namespace))?;
        if namespace.value.pointer("/metadata/deletionTimestamp").is_some() {
            let name = Some(text(object, "/metadata/name")).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| text(object, "/metadata/generateName"));
            return Err(Failure::namespace_terminating(self.resource, name, self.namespace));
        }
        Ok(())
    }

    /// Puts the object where the request says.
    ///
    /// # Errors
    /// 400 for one that says otherwise.
    pub(super) fn check_place(&self, object: &mut Value) -> Result<(), Failure> {
        let meta = metadata(object);
        if self.resource.namespaced {
            let given = meta.get("namespace").and_then(Value::as_str).unwrap_or_default();
            if !given.is_empty() && given != self.namespace {
                let text = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Failure::bad_request(text));
            }
            meta.insert("namespace".to_owned(), Value::from(self.namespace));
        } else {
            meta.remove("namespace");
        }
        Ok(())
    }

    /// The object must be the one that the path names (`checkName` of apiserver's handlers).
    ///
    /// # Errors
    /// 400.
    pub fn check_name(&self, name: &str, object: &Value) -> Result<(), Failure> {
        let (given, namespace) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
        let refuse = |text: String| Err(Failure::bad_request(text));
        if given.is_empty() {
            return refuse(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            ));
        }
        if given != name {
            return refuse(format!("the name of the object ({given}) does not match the name on the URL ({name})"));
        }
        let here = self.namespace;
        if !here.is_empty() && !namespace.is_empty() && namespace != here {
            return refuse(format!(
                "the namespace of the object ({namespace}) does not match the namespace on the request ({here})"
            ));
        }
        Ok(())
    }

    /// A UID in the object is a precondition; `known` is that of the stored one.
    ///
    /// # Errors
    /// 409.
    pub(super) fn check_uid(&self, name: &str, object: &Value, known: &str) -> Result<(), Failure> {
        let uid = text(object, "/metadata/uid");
        if uid.is_empty() || uid == known {
            return Ok(());
        }
        let key = storage_key(self.resource, self.namespace, name);
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {known}"
        );
        Err(Failure::conflict_because(self.resource, name, &why))
    }

    /// A revision in the object is a precondition, and some kinds ask for one.
    ///
    /// # Errors
    /// 409, 422, or 500 for what is no number.
    pub(super) fn check_revision(
        &self,
        name: &str,
        intent: Intent,
        object: &Value,
        before: &Stored,
    ) -> Result<(), Failure> {
        let resource = self.resource;
        let given = text(object, "/metadata/resourceVersion");
        let number = given.parse::<u64>();
        if let (false, Err(error)) = (given.is_empty(), &number) {
            let why = match error.kind() {
                std::num::IntErrorKind::PosOverflow => "value out of range",
                _ => "invalid syntax",
            };
            let shown = crate::status::quoted(given);
            return Err(Failure::internal(format!("strconv.ParseUint: parsing {shown}: {why}")));
        }
        match number.unwrap_or(0) {
            0 if intent == Intent::Scale || updates_unconditionally(resource) => Ok(()),
            0 => {
                let cause = Cause::invalid("metadata.resourceVersion", "0x0", "must be specified for an update");
                Err(Failure::invalid(&resource.plural, &resource.group, name, &[cause]))
            }
            number if number != before.revision => Err(Failure::conflict(resource, name)),
            _ => Ok(()),
        }
    }
}

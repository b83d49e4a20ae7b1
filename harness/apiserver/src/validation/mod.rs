//! Rules of the built-in kinds, in the words and the order of kube-apiserver 1.20.2.

mod access;
mod at;
mod batch;
mod certificates;
mod containers;
mod cron;
mod disks;
mod events;
mod go;
mod ingress;
mod meta;
mod network;
mod objects;
mod pods;
mod resources;
mod scheduling;
mod status;
mod storage;
mod volumes;
mod words;
mod workloads;

use serde_json::Value;

use self::at::{At, Causes};
pub use self::objects::SYSTEM_PRIORITIES;
use crate::objects::Part;
use crate::registry::Resource;
use crate::status::Cause;

/// What is wrong with a new object, which a client sent in the version `asked`.
#[must_use]
pub fn validate(resource: &Resource, asked: &Resource, object: &Value) -> Vec<Cause> {
    let (at, mut causes) = (At::root(object), Causes::new());
    own_metadata(resource, &at, &mut causes);
    object_rules(resource, asked, &at, true, &mut causes);
    match &*resource.full_name {
        "ingresses.networking.k8s.io" => ingress::new_ingress(&at, &mut causes),
        "volumeattachments.storage.k8s.io" => storage::new_attachment(&at, &mut causes),
        "events" if events::is_strict(asked) => {
            meta::object(resource, &at, &mut causes);
            events::new_event(&at, &mut causes);
            return causes;
        }
        // Their strategies look twice.
        "csidrivers.storage.k8s.io" | "csinodes.storage.k8s.io" => {
            own_metadata(resource, &at, &mut causes);
            object_rules(resource, asked, &at, true, &mut causes);
        }
        _ => {}
    }
    if causes.is_empty() && !has_own_metadata_rules(resource) {
        meta::object(resource, &at, &mut causes);
    }
    causes
}

/// Kinds whose rules look at metadata: the others' is looked at only where nothing else is wrong.
fn has_own_metadata_rules(resource: &Resource) -> bool {
    !matches!(&*resource.full_name, "events" | "poddisruptionbudgets.policy")
}

fn own_metadata(resource: &Resource, at: &At<'_>, causes: &mut Causes) {
    if has_own_metadata_rules(resource) {
        meta::object(resource, at, causes);
    }
}

/// Rules of an object whatever was before.
fn object_rules(resource: &Resource, asked: &Resource, at: &At<'_>, is_new: bool, causes: &mut Causes) {
    let namespaced = resource.namespaced;
    let beta = asked.version == "v1beta1";
    match &*resource.full_name {
        "pods" => pods::pod(at, causes),
        "podtemplates" => pods::template(&at.child("template"), causes),
        "replicationcontrollers" => workloads::replication_controller(at, causes),
        "deployments.apps" => workloads::deployment(at, causes),
        "replicasets.apps" => workloads::replica_set(at, causes),
        "statefulsets.apps" => workloads::stateful_set(at, causes),
        "daemonsets.apps" => workloads::daemon_set(at, causes),
        "controllerrevisions.apps" => objects::revision(at, causes),
        "jobs.batch" => batch::job(at, causes),
        "cronjobs.batch" => batch::cron_job(at, is_new, causes),
        "horizontalpodautoscalers.autoscaling" => objects::autoscaler(at, causes),
        "services" => network::service(at, causes),
        "endpoints" => network::endpoints(at, causes),
        "endpointslices.discovery.k8s.io" => network::endpoint_slice(at, causes),
        "networkpolicies.networking.k8s.io" => network::network_policy(at, causes),
        "ingresses.networking.k8s.io" => ingress::ingress(at, beta, causes),
        "ingressclasses.networking.k8s.io" => ingress::class(at, causes),
        "configmaps" => objects::config_map(at, causes),
        "secrets" => objects::secret(at, causes),
        "namespaces" => objects::namespace(at, causes),
        "nodes" => objects::node(at, causes),
        "events" => events::event(at, causes),
        "limitranges" => resources::limit_range(at, causes),
        "resourcequotas" => resources::quota(at, causes),
        "persistentvolumes" => storage::volume(at, causes),
        "persistentvolumeclaims" => storage::claim(at, causes),
        "storageclasses.storage.k8s.io" => storage::class(at, causes),
        "csidrivers.storage.k8s.io" => storage::driver(at, causes),
        "csinodes.storage.k8s.io" => storage::node_drivers(at, causes),
        "volumeattachments.storage.k8s.io" => storage::attachment(at, causes),
        "clusterroles.rbac.authorization.k8s.io" | "roles.rbac.authorization.k8s.io" => {
            access::role(namespaced, at, causes);
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            access::binding(namespaced, at, causes);
        }
        "mutatingwebhookconfigurations.admissionregistration.k8s.io" => access::webhooks(at, true, beta, causes),
        "validatingwebhookconfigurations.admissionregistration.k8s.io" => access::webhooks(at, false, beta, causes),
        "leases.coordination.k8s.io" => objects::lease(at, causes),
        "poddisruptionbudgets.policy" => objects::disruption_budget(at, causes),
        "priorityclasses.scheduling.k8s.io" => objects::priority_class(at, causes),
        "runtimeclasses.node.k8s.io" => objects::runtime_class(at, causes),
        "apiservices.apiregistration.k8s.io" => objects::api_service(at, causes),
        "certificatesigningrequests.certificates.k8s.io" => certificates::request(at, beta, causes),
        _ => {}
    }
}

/// One check of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// The metadata as that of a new object.
    Metadata,
    /// The metadata as a successor's.
    Successor,
    /// What holds whatever was before.
    Object,
    /// What may not change.
    Fixed,
}

/// The checks of an update in their order, as the `ValidateUpdate` of each kind's strategy has them (pkg/registry):
/// some look at the same thing twice, and say so twice.
fn update_checks(resource: &Resource) -> &'static [Check] {
    use Check::{Fixed, Metadata, Object, Successor};
    match &*resource.full_name {
        "podtemplates"
        | "deployments.apps"
        | "cronjobs.batch"
        | "horizontalpodautoscalers.autoscaling"
        | "leases.coordination.k8s.io" => &[Successor, Object, Fixed],
        "replicasets.apps" | "daemonsets.apps" | "replicationcontrollers" | "jobs.batch" | "resourcequotas" => {
            &[Metadata, Object, Successor, Object, Fixed]
        }
        "networkpolicies.networking.k8s.io" => &[Metadata, Object, Successor, Object],
        "statefulsets.apps"
        | "namespaces"
        | "nodes"
        | "storageclasses.storage.k8s.io"
        | "runtimeclasses.node.k8s.io" => &[Metadata, Object, Successor, Fixed],
        "persistentvolumeclaims" => &[Metadata, Object, Successor, Metadata, Object, Fixed],
        "pods" | "controllerrevisions.apps" | "endpoints" | "serviceaccounts" | "ingresses.networking.k8s.io" => {
            &[Successor, Metadata, Object, Fixed]
        }
        "services" | "ingressclasses.networking.k8s.io" | "secrets" | "configmaps" => {
            &[Successor, Fixed, Metadata, Object]
        }
        "priorityclasses.scheduling.k8s.io" | "csidrivers.storage.k8s.io" => &[Successor, Fixed],
        "poddisruptionbudgets.policy" | "events" => &[Object],
        "persistentvolumes" | "csinodes.storage.k8s.io" | "volumeattachments.storage.k8s.io" => {
            &[Metadata, Object, Metadata, Object, Fixed]
        }
        _ if resource.custom.is_some() => &[Successor],
        _ if resource.group == "rbac.authorization.k8s.io" => &[Metadata, Object, Metadata, Object, Successor, Fixed],
        _ => &[Metadata, Object, Fixed],
    }
}

/// What of an object may not change has changed.
fn fixed(resource: &Resource, at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    match &*resource.full_name {
        "pods" => pods::update(at, before, causes),
        "deployments.apps" | "replicasets.apps" | "daemonsets.apps" => workloads::fixed_selector(at, before, causes),
        "statefulsets.apps" => workloads::stateful_set_update(at, before, causes),
        "jobs.batch" => batch::job_update(at, before, causes),
        "services" => network::service_update(at, before, causes),
        "endpointslices.discovery.k8s.io" => {
            let kind = at.child("addressType");
            kind.immutable(before.child("addressType").value(), crate::status::quoted(kind.text()), causes);
        }
        "ingressclasses.networking.k8s.io" => ingress::class_update(at, before, causes),
        "secrets" => {
            let kind = at.child("type");
            kind.immutable(before.child("type").value(), crate::status::quoted(kind.text()), causes);
            objects::immutable_data(at, before, &["data"], causes);
        }
        "configmaps" => objects::immutable_data(at, before, &["data", "binaryData"], causes),
        "nodes" => objects::node_update(at, before, causes),
        "persistentvolumes" => storage::volume_update(at, before, causes),
        "persistentvolumeclaims" => storage::claim_update(at, before, causes),
        "storageclasses.storage.k8s.io" => storage::class_update(at, before, causes),
        "csidrivers.storage.k8s.io" | "volumeattachments.storage.k8s.io"
            if at.child("spec").value() != before.child("spec").value() =>
        {
            let kind = &resource.kind;
            causes.push(at.child("spec").invalid(format!("storage.{kind}Spec{{}}"), "field is immutable"));
        }
        "resourcequotas" => {
            let scopes = at.down("spec.scopes");
            let shown = go::list("core.ResourceQuotaScope", scopes.value());
            scopes.immutable(before.down("spec.scopes").value(), shown, causes);
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            access::binding_update(at, before, causes);
        }
        "priorityclasses.scheduling.k8s.io" => objects::priority_class_update(at, before, causes),
        "runtimeclasses.node.k8s.io" => {
            let handler = at.child("handler");
            handler.immutable(before.child("handler").value(), crate::status::quoted(handler.text()), causes);
        }
        "controllerrevisions.apps" if at.child("data").value() != before.child("data").value() => {
            causes.push(at.child("data").invalid(at.child("data").value(), "field is immutable"));
        }
        _ => {}
    }
}

/// What is wrong with the `part` of `object` as the successor of `before`.
#[must_use]
pub fn validate_update(
    resource: &Resource,
    asked: &Resource,
    object: &Value,
    before: &Value,
    part: Part,
) -> Vec<Cause> {
    let (at, before, mut causes) = (At::root(object), At::root(before), Causes::new());
    meta::common(&at, &before, &mut causes);
    if part == Part::Status {
        status::rules(resource, &at, &before, &mut causes);
        return causes;
    }
    if &*resource.full_name == "events" && events::is_strict(asked) {
        events::event(&at, &mut causes);
        meta::successor(resource, &at, &before, &mut causes);
        events::update(&at, &before, &mut causes);
        return causes;
    }
    for check in update_checks(resource) {
        match check {
            Check::Metadata => meta::object(resource, &at, &mut causes),
            Check::Successor => meta::successor(resource, &at, &before, &mut causes),
            Check::Object => object_rules(resource, asked, &at, false, &mut causes),
            Check::Fixed => fixed(resource, &at, &before, &mut causes),
        }
    }
    causes
}

//! What a new cluster holds: namespaces, RBAC, the Service `kubernetes`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::flowcontrol;
use crate::objects::Place;
use crate::registry::Resource;
use crate::shape::metadata;
use crate::state::State;
use crate::status::Failure;
use crate::store::{Key, Stored};
use crate::validation::SYSTEM_PRIORITIES;

/// The first address of the range of `ClusterIP`s: the Service `kubernetes`.
#[must_use]
pub fn service_address(prefix: [u8; 2]) -> Ipv4Addr {
    Ipv4Addr::new(prefix[0], prefix[1], 0, 1)
}

fn place<'a>(state: &'a State, resource: &'a Arc<Resource>, namespace: &'a str) -> Place<'a> {
    // The original writes these to itself, as a client of that name.
    Place { state, resource, requested: resource, namespace, dry_run: false, manager: "kube-apiserver", consent: None }
}

fn create_one(state: &State, group: &str, plural: &str, namespace: &str, object: Value) -> Result<(), Failure> {
    let registry = state.registry();
    let resource = registry.built_in(group, plural).ok_or_else(Failure::unknown_resource)?;
    place(state, resource, namespace).create(object).map(|_| ())
}

/// Creates the objects that kube-apiserver 1.20.2 creates when it starts on empty storage.
///
/// # Errors
/// When one is refused, which a test of this crate rules out.
pub fn create(state: &State, advertise: IpAddr) -> Result<(), Failure> {
    for name in ["kube-system", "kube-public", "kube-node-lease", "default"] {
        create_one(state, "", "namespaces", "", json!({"metadata": {"name": name}}))?;
    }
    alike(state)?;
    crate::apiservices::sync(state);
    // What extension API servers learn of those who connect through this one (pkg/controlplane/controller/
    // clusterauthenticationtrust).
    let trust = json!({
        "metadata": {"name": "extension-apiserver-authentication"},
        "data": {"client-ca-file": state.authority.certificate_pem()},
    });
    create_one(state, "", "configmaps", "kube-system", trust)?;
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let address = service_address(state.service_cidr_prefix).to_string();
    let port = json!({"name": "https", "port": 443, "targetPort": 6443});
    let service = json!({
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"clusterIP": address, "ipFamilyPolicy": "SingleStack", "ports": [port]},
    });
    create_one(state, "", "services", "default", service)?;
    if !advertise.is_loopback() {
        let port = json!({"name": "https", "port": 6443});
        let endpoints = json!({
            "metadata": {"name": "kubernetes", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": [{"ip": advertise.to_string()}], "ports": [port]}],
        });
        create_one(state, "", "endpoints", "default", endpoints)?;
    }
    Ok(())
}

/// Resources of which every new cluster has the same objects.
const ALIKE: [&str; 7] = [
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "priorityclasses.scheduling.k8s.io",
    flowcontrol::SCHEMAS,
    flowcontrol::LEVELS,
];

/// The objects of [`ALIKE`] as the first server of this process has made them, in their order: most of a start is to
/// check them and to note who owns their fields.
static MADE: OnceLock<Vec<Made>> = OnceLock::new();

struct Made {
    table: Arc<str>,
    key: Key,
    object: Arc<Stored>,
}

/// Creates the objects of [`ALIKE`].
fn alike(state: &State) -> Result<(), Failure> {
    if let Some(made) = MADE.get() {
        let now = state.clock.stamp();
        for Made { table, key, object } in made {
            let created = state.store.create(table, key.clone(), renewed(&object.value, &now));
            created.map_err(|_| Failure::internal(format!("{table}: {} is there already", key.name)))?;
        }
        return Ok(());
    }
    make_alike(state)?;
    let mut made: Vec<Made> = ALIKE
        .iter()
        .flat_map(|table| {
            let table: Arc<str> = Arc::from(*table);
            let objects = state.store.list(&table, None).objects;
            objects.into_iter().map(move |(key, object)| Made { table: Arc::clone(&table), key, object })
        })
        .collect();
    made.sort_by_key(|made| made.object.revision);
    // Another server may have been as quick, with the same objects.
    let _ = MADE.set(made);
    Ok(())
}

/// `object` as another one that is made at `now`.
fn renewed(object: &Value, now: &str) -> Value {
    let mut object = object.clone();
    let meta = metadata(&mut object);
    meta.insert("uid".to_owned(), Value::from(uuid::Uuid::new_v4().to_string()));
    meta.insert("creationTimestamp".to_owned(), Value::from(now));
    for (list, stamp) in [("/metadata/managedFields", "time"), ("/status/conditions", "lastTransitionTime")] {
        for entry in object.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            entry[stamp] = Value::from(now);
        }
    }
    object
}

fn make_alike(state: &State) -> Result<(), Failure> {
    let registry = state.registry();
    // Roles and bindings as derived from a real server; admin, edit and view with their aggregated rules.
    let roles: Vec<Value> = serde_json::from_str(include_str!("../data/rbac.json"))
        .map_err(|error| Failure::internal(error.to_string()))?;
    for role in roles {
        let text = |pointer: &str| role.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let plural = format!("{}s", text("/kind").to_lowercase());
        create_one(state, "rbac.authorization.k8s.io", &plural, &text("/metadata/namespace"), role)?;
    }
    for (name, value, description) in SYSTEM_PRIORITIES {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        create_one(state, "scheduling.k8s.io", "priorityclasses", "", class)?;
    }
    let flows: Vec<Value> = serde_json::from_str(include_str!("../data/flowcontrol.json"))
        .map_err(|error| Failure::internal(error.to_string()))?;
    for flow in flows {
        let kind = flow.get("kind").and_then(Value::as_str).unwrap_or_default();
        let plural = format!("{}s", kind.to_lowercase());
        let group = "flowcontrol.apiserver.k8s.io";
        let resource = registry.built_in(group, &plural).ok_or_else(Failure::unknown_resource)?;
        // A part of the server with a name of its own (pkg/registry/flowcontrol/rest/storage_flowcontrol.go).
        let manager = "api-priority-and-fairness-config-producer-v1";
        Place { manager, ..place(state, resource, "") }.create(flow)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn makes_the_same_object_of_another_identity() {
        let made = json!({
            "metadata": {"name": "a", "uid": "u", "creationTimestamp": "then", "managedFields": [{"manager": "m", "time": "then"}]},
            "rules": [{"verbs": ["get"]}],
            "status": {"conditions": [{"type": "Dangling", "lastTransitionTime": "then"}]},
        });
        let mut again = renewed(&made, "now");
        assert_ne!(again["metadata"]["uid"], "u");
        again["metadata"]["uid"] = json!("u");
        assert_eq!(again.to_string(), made.to_string().replace("then", "now"));
    }
}

//! What a new cluster holds: namespaces, RBAC, the Service `kubernetes`.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::objects::Place;
use crate::state::State;
use crate::status::Failure;
use crate::validation::SYSTEM_PRIORITIES;

/// The first address of the range of `ClusterIP`s: the Service `kubernetes`.
#[must_use]
pub fn service_address(prefix: [u8; 2]) -> Ipv4Addr {
    Ipv4Addr::new(prefix[0], prefix[1], 0, 1)
}

fn place<'a>(
    state: &'a State,
    resource: &'a std::sync::Arc<crate::registry::Resource>,
    namespace: &'a str,
) -> Place<'a> {
    // The original writes these to itself, as a client of that name.
    Place { state, resource, requested: resource, namespace, dry_run: false, manager: "kube-apiserver", consent: None }
}

/// Creates the objects that kube-apiserver 1.20.2 creates when it starts on empty storage.
///
/// # Errors
/// When one is refused, which a test of this crate rules out.
pub fn create(state: &State, advertise: IpAddr) -> Result<(), Failure> {
    let registry = state.registry();
    let create = |group: &str, plural: &str, namespace: &str, object: Value| {
        let resource = registry.built_in(group, plural).ok_or_else(Failure::unknown_resource)?;
        place(state, resource, namespace).create(object).map(|_| ())
    };
    for name in ["kube-system", "kube-public", "kube-node-lease", "default"] {
        create("", "namespaces", "", json!({"metadata": {"name": name}}))?;
    }
    // Roles and bindings as derived from a real server; admin, edit and view with their aggregated rules.
    let roles: Vec<Value> = serde_json::from_str(include_str!("../data/rbac.json"))
        .map_err(|error| Failure::internal(error.to_string()))?;
    for role in roles {
        let text = |pointer: &str| role.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let plural = format!("{}s", text("/kind").to_lowercase());
        create("rbac.authorization.k8s.io", &plural, &text("/metadata/namespace"), role)?;
    }
    for (name, value, description) in SYSTEM_PRIORITIES {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        create("scheduling.k8s.io", "priorityclasses", "", class)?;
    }
    let flows: Vec<Value> = serde_json::from_str(include_str!("../data/flowcontrol.json"))
        .map_err(|error| Failure::internal(error.to_string()))?;
    for flow in flows {
        let kind = flow.get("kind").and_then(Value::as_str).unwrap_or_default();
        create("flowcontrol.apiserver.k8s.io", &format!("{}s", kind.to_lowercase()), "", flow)?;
    }
    crate::apiservices::sync(state);
    // What extension API servers learn of those who connect through this one (pkg/controlplane/controller/
    // clusterauthenticationtrust).
    let trust = json!({
        "metadata": {"name": "extension-apiserver-authentication"},
        "data": {"client-ca-file": state.authority.certificate_pem()},
    });
    create("", "configmaps", "kube-system", trust)?;
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let address = service_address(state.service_cidr_prefix).to_string();
    let port = json!({"name": "https", "port": 443, "targetPort": 6443});
    let service = json!({
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"clusterIP": address, "ipFamilyPolicy": "SingleStack", "ports": [port]},
    });
    create("", "services", "default", service)?;
    if !advertise.is_loopback() {
        let port = json!({"name": "https", "port": 6443});
        let endpoints = json!({
            "metadata": {"name": "kubernetes", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": [{"ip": advertise.to_string()}], "ports": [port]}],
        });
        create("", "endpoints", "default", endpoints)?;
    }
    Ok(())
}

//! Ingresses of `extensions` and `networking.k8s.io/v1beta1`, kept as `networking.k8s.io/v1`
//! (pkg/apis/networking/v1beta1/conversion.go, Kubernetes 1.20).

use serde_json::{Map, Value, json};

use super::rename;

fn backends(ingress: &mut Value) -> impl Iterator<Item = &mut Value> {
    let rules = ingress.pointer_mut("/spec/rules").and_then(Value::as_array_mut).into_iter().flatten();
    rules
        .filter_map(|rule| rule.pointer_mut("/http/paths").and_then(Value::as_array_mut))
        .flatten()
        .filter_map(|path| path.get_mut("backend"))
}

fn with_service(backend: &mut Value) {
    let Some(map) = backend.as_object_mut() else { return };
    let name = map.swap_remove("serviceName");
    let port = map.swap_remove("servicePort");
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
    let port = match port {
        Some(Value::String(name)) if !name.is_empty() => json!({"name": name}),
        Some(Value::Number(number)) if number.as_i64() != Some(0) => json!({"number": number}),
        _ => json!({}),
    };
    if !name.is_empty() || port.as_object().is_some_and(|port| !port.is_empty()) {
        map.insert("service".to_owned(), json!({"name": name, "port": port}));
    }
}

fn without_service(backend: &mut Value) {
    let Some(map) = backend.as_object_mut() else { return };
    let Some(service) = map.swap_remove("service") else { return };
    let at = |pointer: &str| service.pointer(pointer).cloned();
    put(map, "serviceName", at("/name"));
    put(map, "servicePort", at("/port/name").or_else(|| at("/port/number")));
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value);
    }
}

/// As `networking.k8s.io/v1` has it.
pub(super) fn to_stable(ingress: &mut Value) {
    if let Some(spec) = ingress.get_mut("spec") {
        rename(spec, &[("backend", "defaultBackend")]);
        if let Some(found) = spec.get_mut("defaultBackend") {
            with_service(found);
        }
    }
    backends(ingress).for_each(with_service);
}

/// As the beta versions have it.
pub(super) fn from_stable(ingress: &mut Value) {
    if let Some(spec) = ingress.get_mut("spec") {
        if let Some(found) = spec.get_mut("defaultBackend") {
            without_service(found);
        }
        rename(spec, &[("defaultBackend", "backend")]);
    }
    backends(ingress).for_each(without_service);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_went() {
        let beta = json!({"spec": {
            "backend": {"serviceName": "a", "servicePort": 80},
            "rules": [{"http": {"paths": [{"path": "/", "backend": {"serviceName": "b", "servicePort": "web"}}]}}],
        }});
        let mut ingress = beta.clone();
        to_stable(&mut ingress);
        assert_eq!(ingress["spec"]["defaultBackend"], json!({"service": {"name": "a", "port": {"number": 80}}}));
        from_stable(&mut ingress);
        assert_eq!(ingress, beta);
    }
}

//! Ingresses and their classes (pkg/apis/networking/validation/validation.go, Kubernetes 1.20), in the words of the
//! version that is kept.

use super::at::{At, Causes};
use super::{containers, words};
use crate::status::quoted;

/// What is wrong with an Ingress.
pub fn ingress(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    let (rules, default) = (spec.child("rules"), spec.child("defaultBackend"));
    if rules.is_empty() && !default.is_set() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        causes.push(spec.invalid("[]networking.IngressRule(nil)", detail));
    }
    if default.is_set() {
        backend(&default, causes);
    }
    for rule in rules.items() {
        let host = rule.child("host");
        if !host.text().is_empty() {
            if words::ip(host.text()).is_empty() {
                causes.push(host.wrong("must be a DNS name, not an IP address"));
            }
            host.check(host_rule(host.text()), causes);
        }
        let http = rule.child("http");
        if http.is_set() {
            if http.child("paths").is_empty() {
                causes.push(http.child("paths").required(""));
            }
            http.child("paths").items().for_each(|one| path(&one, causes));
        }
    }
    for tls in spec.child("tls").items() {
        for host in tls.child("hosts").items() {
            host.check(host_rule(host.text()), causes);
        }
        tls.child("secretName").check_given(words::subdomain, causes);
    }
    if spec.child("ingressClassName").is_set() {
        spec.child("ingressClassName").check(words::subdomain, causes);
    }
}

/// What is wrong with a new Ingress alone: its class is named twice.
pub fn new_ingress(at: &At<'_>, causes: &mut Causes) {
    let named = at.down("metadata.annotations").key("kubernetes.io/ingress.class");
    if named.is_set() && at.down("spec.ingressClassName").is_set() {
        let place = At::new(named.value(), "annotations.kubernetes.io/ingress.class");
        causes.push(place.wrong("can not be set when the class field is also set"));
    }
}

fn host_rule(host: &str) -> fn(&str) -> Vec<String> {
    if host.contains('*') { words::wildcard } else { words::subdomain }
}

fn path(at: &At<'_>, causes: &mut Causes) {
    let (path, kind) = (at.child("path"), at.child("pathType"));
    match kind.text() {
        "" if !kind.is_set() => {
            causes.push(kind.required("pathType must be specified"));
            return;
        }
        "Exact" | "Prefix" => {
            if !path.text().starts_with('/') {
                causes.push(path.wrong("must be an absolute path"));
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|part| path.text().contains(part)) {
                causes.push(path.wrong(&format!("must not contain '{part}'")));
            }
            for end in ["/..", "/."].into_iter().filter(|end| path.text().ends_with(end)) {
                causes.push(path.wrong(&format!("cannot end with '{end}'")));
            }
        }
        "ImplementationSpecific" => {
            if !path.text().is_empty() && !path.text().starts_with('/') {
                causes.push(path.wrong("must be an absolute path"));
            }
        }
        _ => causes.push(kind.unsupported(&["Exact", "ImplementationSpecific", "Prefix"])),
    }
    backend(&at.child("backend"), causes);
}

fn backend(at: &At<'_>, causes: &mut Causes) {
    let (resource, service) = (at.child("resource"), at.child("service"));
    if resource.is_set() && service.is_set() {
        causes.push(at.invalid("\"\"", "cannot set both resource and service backends"));
        return;
    }
    if resource.is_set() {
        reference(&resource, causes);
        return;
    }
    if !service.is_set() {
        causes.push(at.invalid("\"\"", "resource or service backend is required"));
        return;
    }
    service.child("name").check_required(words::label_1035, causes);
    let (name, number) = (service.down("port.name"), service.down("port.number"));
    let numbered = number.int().unwrap_or(0) != 0;
    if !name.text().is_empty() && numbered {
        causes.push(at.invalid("\"\"", "cannot set both port name & port number"));
    } else if !name.text().is_empty() {
        name.check(words::port_name, causes);
    } else if numbered {
        containers::port(&number, causes);
    } else {
        causes.push(at.required("port name or number is required"));
    }
}

fn reference(at: &At<'_>, causes: &mut Causes) {
    if at.child("apiGroup").is_set() {
        at.child("apiGroup").check(words::subdomain, causes);
    }
    for field in ["kind", "name"] {
        let field_at = at.child(field);
        if field_at.text().is_empty() {
            causes.push(field_at.required(&format!("{field} is required")));
        } else {
            field_at.check(words::path_segment, causes);
        }
    }
}

/// What is wrong with a class of Ingresses.
pub fn class(at: &At<'_>, causes: &mut Causes) {
    let controller = at.down("spec.controller");
    if controller.text().len() > 250 {
        causes.push(controller.too_long(250));
    }
    if controller.text().is_empty() {
        causes.push(controller.required(""));
    } else {
        match controller.text().split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty()) {
            None => causes.push(controller.wrong("must be a domain-prefixed path (such as \"acme.io/foo\")")),
            Some((host, path)) => {
                causes.extend(words::subdomain(host).iter().map(|fault| controller.invalid(quoted(host), fault)));
                let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
                if !path.chars().all(allowed) {
                    let detail = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                    causes.push(controller.invalid(quoted(path), detail));
                }
            }
        }
    }
    let parameters = at.down("spec.parameters");
    if parameters.is_set() {
        reference(&parameters, causes);
    }
}

/// What of a class may not change has changed.
pub fn class_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let controller = at.down("spec.controller");
    controller.immutable(before.down("spec.controller").value(), quoted(controller.text()), causes);
}

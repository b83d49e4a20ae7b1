//! Roles, bindings and webhooks (pkg/apis/rbac/validation, pkg/apis/admissionregistration/validation, Kubernetes
//! 1.20).

use super::at::{At, Causes};
use super::{go, meta, words};
use crate::status::quoted;

const GROUP: &str = "rbac.authorization.k8s.io";

/// What is wrong with a role.
pub fn role(namespaced: bool, at: &At<'_>, causes: &mut Causes) {
    for rule in at.child("rules").items() {
        policy_rule(namespaced, &rule, causes);
    }
    let aggregation = at.child("aggregationRule");
    if aggregation.is_set() {
        let selectors = aggregation.child("clusterRoleSelectors");
        if selectors.is_empty() {
            let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            causes.push(selectors.required(detail));
        }
        for selector in selectors.items() {
            meta::selector(&selector, causes);
            if !meta::is_usable(&selector) {
                causes.push(selector.invalid("\"null\"", "invalid label selector."));
            }
        }
    }
}

fn policy_rule(namespaced: bool, at: &At<'_>, causes: &mut Causes) {
    if at.child("verbs").is_empty() {
        causes.push(at.child("verbs").required("verbs must contain at least one value"));
    }
    let paths = at.child("nonResourceURLs");
    let names_resources = ["apiGroups", "resources", "resourceNames"].iter().any(|field| !at.child(field).is_empty());
    if !paths.is_empty() {
        let shown = go::strings(paths.value());
        if namespaced {
            causes.push(paths.invalid(&shown, "namespaced rules cannot apply to non-resource URLs"));
        }
        if names_resources {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            causes.push(paths.invalid(&shown, detail));
        }
        return;
    }
    if at.child("apiGroups").is_empty() {
        causes.push(at.child("apiGroups").required("resource rules must supply at least one api group"));
    }
    if at.child("resources").is_empty() {
        causes.push(at.child("resources").required("resource rules must supply at least one resource"));
    }
}

/// What is wrong with a binding.
pub fn binding(namespaced: bool, at: &At<'_>, causes: &mut Causes) {
    let reference = at.child("roleRef");
    if reference.child("apiGroup").text() != GROUP {
        causes.push(reference.child("apiGroup").unsupported(&[GROUP]));
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&reference.child("kind").text()) {
        causes.push(reference.child("kind").unsupported(kinds));
    }
    reference.child("name").check_required(words::path_segment, causes);
    for subject in at.child("subjects").items() {
        let (name, group) = (subject.child("name"), subject.child("apiGroup"));
        if name.text().is_empty() {
            causes.push(name.required(""));
        }
        match subject.child("kind").text() {
            "ServiceAccount" => {
                name.check_given(words::subdomain, causes);
                if !group.text().is_empty() {
                    causes.push(group.unsupported(&[""]));
                }
                if !namespaced && subject.child("namespace").text().is_empty() {
                    causes.push(subject.child("namespace").required(""));
                }
            }
            "User" | "Group" => {
                if group.text() != GROUP {
                    causes.push(group.unsupported(&[GROUP]));
                }
            }
            _ => causes.push(subject.child("kind").unsupported(&["ServiceAccount", "User", "Group"])),
        }
    }
}

/// What of a binding may not change has changed.
pub fn binding_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let reference = at.child("roleRef");
    if reference.value() != before.child("roleRef").value() {
        causes.push(reference.invalid(go::role_ref(reference.value()), "cannot change roleRef"));
    }
}

/// What is wrong with a configuration of webhooks.
pub fn webhooks(at: &At<'_>, mutating: bool, causes: &mut Causes) {
    let mut names: Vec<&str> = Vec::new();
    for hook in at.child("webhooks").items() {
        webhook(&hook, mutating, causes);
        review_versions(&hook.child("admissionReviewVersions"), causes);
        let name = hook.child("name");
        if !name.text().is_empty() {
            if names.contains(&name.text()) {
                causes.push(name.duplicate(quoted(name.text())));
            }
            names.push(name.text());
        }
    }
}

fn webhook(at: &At<'_>, mutating: bool, causes: &mut Causes) {
    let name = at.child("name");
    let faults = words::subdomain(name.text());
    if name.text().is_empty() {
        causes.push(name.required(""));
    } else if !faults.is_empty() {
        causes.push(name.wrong(&faults.join(",")));
    } else if name.text().split('.').count() < 3 {
        causes.push(name.wrong("should be a domain with at least three segments separated by dots"));
    }
    at.child("rules").items().for_each(|rule| webhook_rule(&rule, causes));
    let known = |field: &str, known: &[&str], causes: &mut Causes| {
        let field = at.child(field);
        if field.is_set() && !known.contains(&field.text()) {
            causes.push(field.unsupported(known));
        }
    };
    known("failurePolicy", &["Fail", "Ignore"], causes);
    known("matchPolicy", &["Equivalent", "Exact"], causes);
    let effects = at.child("sideEffects");
    if !effects.is_set() {
        causes.push(effects.required("must specify one of None, NoneOnDryRun"));
    }
    known("sideEffects", &["None", "NoneOnDryRun"], causes);
    let timeout = at.child("timeoutSeconds");
    if timeout.int().is_some_and(|seconds| !(1..=30).contains(&seconds)) {
        causes.push(timeout.wrong("the timeout value must be between 1 and 30 seconds"));
    }
    meta::selector(&at.child("namespaceSelector"), causes);
    meta::selector(&at.child("objectSelector"), causes);
    if mutating {
        known("reinvocationPolicy", &["IfNeeded", "Never"], causes);
    }
    let config = at.child("clientConfig");
    let (url, service) = (config.child("url"), config.child("service"));
    if url.is_set() == service.is_set() {
        causes.push(config.required("exactly one of url or service is required"));
    } else if url.is_set() {
        webhook_url(&url, causes);
    } else {
        webhook_service(&service, causes);
    }
}

fn webhook_rule(at: &At<'_>, causes: &mut Causes) {
    let operations = at.child("operations");
    if operations.is_empty() {
        causes.push(operations.required(""));
    }
    let has_all = |at: &At<'_>| at.len() > 1 && at.items().any(|item| item.text() == "*");
    if has_all(&operations) {
        let shown = go::list("admissionregistration.OperationType", operations.value());
        causes.push(operations.invalid(shown, "if '*' is present, must not specify other operations"));
    }
    let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    for operation in operations.items().filter(|operation| !known.contains(&operation.text())) {
        causes.push(operation.unsupported(&known));
    }
    for (field, words) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        let field_at = at.child(field);
        if field_at.is_empty() {
            causes.push(field_at.required(""));
        }
        if has_all(&field_at) {
            let detail = format!("if '*' is present, must not specify other {words}");
            causes.push(field_at.invalid(go::strings(field_at.value()), &detail));
        }
        if field == "apiVersions" {
            for version in field_at.items().filter(|version| version.text().is_empty()) {
                causes.push(version.required(""));
            }
        }
    }
    resources(&at.child("resources"), causes);
    let scope = at.child("scope");
    if scope.is_set() && !["*", "Cluster", "Namespaced"].contains(&scope.text()) {
        causes.push(scope.unsupported(&["*", "Cluster", "Namespaced"]));
    }
}

fn resources(at: &At<'_>, causes: &mut Causes) {
    if at.is_empty() {
        causes.push(at.required(""));
    }
    let (mut all_below, mut below_all): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut plain = false;
    for resource in at.items() {
        let name = resource.text();
        if name.is_empty() {
            causes.push(resource.required(""));
            continue;
        }
        let Some((own, sub)) = name.split_once('/') else {
            plain = name != "*";
            continue;
        };
        if all_below.contains(&own) {
            causes.push(resource.wrong(&format!("if '{own}/*' is present, must not specify {name}")));
        }
        if below_all.contains(&sub) {
            causes.push(resource.wrong(&format!("if '*/{sub}' is present, must not specify {name}")));
        }
        if sub == "*" {
            all_below.push(own);
        }
        if own == "*" {
            below_all.push(sub);
        }
    }
    let has = |name: &str| at.items().any(|resource| resource.text() == name);
    if at.len() > 1 && has("*/*") {
        let detail = "if '*/*' is present, must not specify other resources";
        causes.push(at.invalid(go::strings(at.value()), detail));
    }
    if has("*") && plain {
        let detail = "if '*' is present, must not specify other resources without subresources";
        causes.push(at.invalid(go::strings(at.value()), detail));
    }
}

fn webhook_url(at: &At<'_>, causes: &mut Causes) {
    let form = "; desired format: https://host[/path]";
    let (scheme, rest) = at.text().split_once("://").unwrap_or(("", at.text()));
    if scheme != "https" {
        causes.push(at.invalid(quoted(scheme), &format!("'https' is the only allowed URL scheme{form}")));
    }
    let (authority, tail) = match rest.find(['/', '?', '#']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let (user, host) = authority.split_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if host.is_empty() || scheme.is_empty() {
        causes.push(at.invalid("\"\"", &format!("host must be provided{form}")));
    }
    if let Some(user) = user {
        causes.push(at.invalid(quoted(user), "user information is not permitted in the URL"));
    }
    let (tail, fragment) = tail.split_once('#').unwrap_or((tail, ""));
    if !fragment.is_empty() {
        causes.push(at.invalid(quoted(fragment), "fragments are not permitted in the URL"));
    }
    let query = tail.split_once('?').map_or("", |(_, query)| query);
    if !query.is_empty() {
        causes.push(at.invalid(quoted(query), "query parameters are not permitted in the URL"));
    }
}

/// The original mixes up name and namespace here.
fn webhook_service(at: &At<'_>, causes: &mut Causes) {
    if at.child("namespace").text().is_empty() {
        causes.push(at.child("name").required("service name is required"));
    }
    if at.child("name").text().is_empty() {
        causes.push(at.child("namespace").required("service namespace is required"));
    }
    let port = at.child("port");
    if port.int().is_some_and(|port| !(1..=65535).contains(&port)) {
        causes.push(port.wrong("port is not valid: must be between 1 and 65535, inclusive"));
    }
    let path = at.child("path");
    if matches!(path.text(), "" | "/") {
        return;
    }
    if path.text() == "//" {
        causes.push(path.wrong("segment[0] may not be empty"));
        return;
    }
    if !path.text().starts_with('/') {
        causes.push(path.wrong("must start with a '/'"));
    }
    let inner = path.text().get(1..).unwrap_or_default();
    for (index, step) in inner.strip_suffix('/').unwrap_or(inner).split('/').enumerate() {
        if step.is_empty() {
            causes.push(path.wrong(&format!("segment[{index}] may not be empty")));
            continue;
        }
        let faults = words::subdomain(step);
        causes.extend(faults.iter().map(|fault| path.wrong(&format!("segment[{index}]: {fault}"))));
    }
}

fn review_versions(at: &At<'_>, causes: &mut Causes) {
    if at.is_empty() {
        causes.push(at.required("must specify one of v1, v1beta1"));
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for version in at.items() {
        if seen.contains(&version.text()) {
            causes.push(version.wrong("duplicate version"));
            continue;
        }
        seen.push(version.text());
        version.check(words::label_1035, causes);
    }
    if !seen.iter().any(|version| ["v1", "v1beta1"].contains(version)) {
        causes.push(at.invalid(go::strings(at.value()), "must include at least one of v1, v1beta1"));
    }
}

//! Amounts of resources (pkg/apis/core/validation and pkg/apis/core/helper, Kubernetes 1.20).

use super::at::{At, Causes};
use super::words;
use crate::quantity::Quantity;
use crate::status::quoted;

const CONTAINER: &[&str] = &["cpu", "ephemeral-storage", "memory"];
const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
/// What a quota can name without a prefix.
const QUOTA: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
/// What is counted in whole numbers.
const WHOLE: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// The quantity at a place; zero where there is none.
pub fn quantity(at: &At<'_>) -> Quantity {
    Quantity::parse(at.text()).unwrap_or_else(|_| Quantity::whole(0))
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Names of the project itself, with or without its domain.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.split('/').next().is_some_and(|prefix| prefix.ends_with("kubernetes.io"))
}

fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && words::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Whether more may be asked for than there is.
fn overcommits(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

fn name(at: &At<'_>, name: &str, standard: impl Fn(&str) -> bool, detail: &str, causes: &mut Causes) -> bool {
    let faults = words::qualified_name(name);
    causes.extend(faults.iter().map(|fault| at.invalid(quoted(name), fault)));
    if faults.is_empty() && !name.contains('/') && !standard(name) {
        causes.push(at.invalid(quoted(name), detail));
        return false;
    }
    faults.is_empty()
}

fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || is_huge_pages(name) || name.starts_with("requests.hugepages-")
}

/// The name of a resource, wherever it is.
pub fn resource_name(at: &At<'_>, given: &str, causes: &mut Causes) -> bool {
    name(at, given, is_standard, "must be a standard resource type or fully qualified", causes)
}

/// The name of a resource of a container.
pub fn container_resource_name(at: &At<'_>, given: &str, causes: &mut Causes) {
    resource_name(at, given, causes);
    if !given.contains('/') {
        if !CONTAINER.contains(&given) && !is_huge_pages(given) {
            causes.push(at.invalid(quoted(given), "must be a standard resource for containers"));
        }
    } else if !is_native(given) && !is_extended(given) {
        causes.push(at.invalid(quoted(given), "doesn't follow extended resource name standard"));
    }
}

/// The name of a resource in a quota.
pub fn quota_resource_name(at: &At<'_>, given: &str, causes: &mut Causes) {
    let fits = resource_name(at, given, causes);
    let standard = QUOTA.contains(&given) || is_huge_pages(given) || given.starts_with("requests.hugepages-");
    if (fits || !words::qualified_name(given).is_empty()) && given.contains('/') {
        return;
    }
    if !given.contains('/') && !standard {
        causes.push(at.invalid(quoted(given), "must be a standard resource for quota"));
    }
}

/// The amount of a resource: not negative, and whole where it is counted.
pub fn amount(at: &At<'_>, name: &str, causes: &mut Causes) {
    let amount = quantity(at);
    if amount.nano() < 0 {
        causes.push(at.invalid(quoted(at.text()), "must be greater than or equal to 0"));
    }
    if (WHOLE.contains(&name) || is_extended(name)) && amount.nano() % 1_000_000_000 != 0 {
        causes.push(at.invalid(amount.go_syntax(), "must be an integer"));
    }
}

/// Limits and requests of a container.
pub fn requirements(at: &At<'_>, causes: &mut Causes) {
    let (limits, requests) = (at.child("limits"), at.child("requests"));
    for (name, limit) in limits.entries() {
        container_resource_name(&limit, name, causes);
        amount(&limit, name, causes);
    }
    for (name, request) in requests.entries() {
        container_resource_name(&request, name, causes);
        amount(&request, name, causes);
        let limit = limits.key(name);
        if limit.is_set() {
            let (asked, most) = (quantity(&request), quantity(&limit));
            if asked != most && !overcommits(name) {
                let detail = format!("must be equal to {name} limit");
                causes.push(requests.invalid(quoted(request.text()), &detail));
            } else if asked > most {
                let detail = format!("must be less than or equal to {name} limit");
                causes.push(requests.invalid(quoted(request.text()), &detail));
            }
        } else if !overcommits(name) {
            causes.push(limits.required("Limit must be set for non overcommitable resources"));
        }
    }
    let names = || limits.entries().chain(requests.entries()).map(|(name, _)| name);
    if names().any(is_huge_pages) && !names().any(|name| name == "cpu" || name == "memory") {
        causes.push(at.forbidden("HugePages require cpu or memory"));
    }
}

const REFERENCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const BYTES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// A reference to a resource of a container.
pub fn reference(at: &At<'_>, in_volume: bool, causes: &mut Causes) {
    let resource = at.child("resource");
    if in_volume && at.child("containerName").text().is_empty() {
        causes.push(at.child("containerName").required(""));
    } else if resource.text().is_empty() {
        causes.push(resource.required(""));
    } else if !REFERENCES.contains(&resource.text()) {
        causes.push(resource.unsupported(REFERENCES));
    }
    let divisor = at.child("divisor");
    if quantity(&divisor).nano() == 0 {
        return;
    }
    let (known, detail) = match resource.text() {
        "limits.cpu" | "requests.cpu" => {
            (&["1m", "1"][..], "only divisor's values 1m and 1 are supported with the cpu resource".to_owned())
        }
        "limits.memory" | "requests.memory" => (BYTES, bytes_detail("memory")),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (BYTES, bytes_detail("local ephemeral storage")),
        _ => return,
    };
    if !known.contains(&divisor.text()) {
        causes.push(divisor.invalid(quoted(resource.text()), &detail));
    }
}

fn bytes_detail(kind: &str) -> String {
    format!("only divisor's values {} are supported with the {kind} resource", BYTES.join(", "))
}

/// A limit of what can be asked for in a namespace.
pub fn limit_range(at: &At<'_>, causes: &mut Causes) {
    let mut kinds: Vec<&str> = Vec::new();
    for limit in at.down("spec.limits").items() {
        let kind = limit.child("type");
        let standard = |name: &str| ["Pod", "Container", "PersistentVolumeClaim"].contains(&name);
        name(&kind, kind.text(), standard, "must be a standard limit type or fully qualified", causes);
        if kinds.contains(&kind.text()) {
            causes.push(kind.duplicate(quoted(kind.text())));
        }
        kinds.push(kind.text());
        one_limit(&limit, kind.text(), causes);
    }
}

fn one_limit(limit: &At<'_>, kind: &str, causes: &mut Causes) {
    let mut names: Vec<&str> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let amounts = limit.child(field);
        if kind == "Pod" && field.starts_with("default") {
            if !amounts.is_empty() {
                causes.push(amounts.forbidden("may not be specified when `type` is 'Pod'"));
            }
            continue;
        }
        if field == "maxLimitRequestRatio" && kind == "PersistentVolumeClaim" {
            let bounded = ["min", "max"].iter().any(|field| limit.child(field).key("storage").is_set());
            if !bounded {
                let detail = "either minimum or maximum storage value is required, but neither was provided";
                causes.push(limit.child("limits").required(detail));
            }
        }
        for (name, amount) in amounts.entries() {
            if matches!(kind, "Pod" | "Container") {
                container_resource_name(&amount, name, causes);
            } else {
                resource_name(&amount, name, causes);
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    for name in names {
        let at = |field: &str| limit.child(field).key(name);
        let (min, max, default, request) = (at("min"), at("max"), at("default"), at("defaultRequest"));
        let compare = |field: &At<'_>, shown: &At<'_>, less: &At<'_>, more: &At<'_>, words: [&str; 2]| {
            let (small, large) = (quantity(less), quantity(more));
            (less.is_set() && more.is_set() && small > large).then(|| {
                let detail = format!("{} {small} is greater than {} {large}", words[0], words[1]);
                field.invalid(quantity(shown).go_syntax(), &detail)
            })
        };
        causes.extend(compare(&min, &min, &min, &max, ["min value", "max value"]));
        causes.extend(compare(&request, &request, &min, &request, ["min value", "default request value"]));
        causes.extend(compare(&request, &request, &request, &max, ["default request value", "max value"]));
        causes.extend(compare(
            &request,
            &request,
            &request,
            &default,
            ["default request value", "default limit value"],
        ));
        causes.extend(compare(&default, &min, &min, &default, ["min value", "default value"]));
        causes.extend(compare(&default, &max, &default, &max, ["default value", "max value"]));
        let ratio = at("maxLimitRequestRatio");
        if ratio.is_set() && quantity(&ratio) < Quantity::whole(1) {
            let detail = format!("ratio {} is less than 1", quantity(&ratio));
            causes.push(ratio.invalid(quantity(&ratio).go_syntax(), &detail));
        }
    }
}

const SCOPES: &[&str] = &["BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "PriorityClass"];
/// What quotas of pods of no quality count.
const POD_RESOURCES: &[&str] =
    &["pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

fn scope_fits(scope: &str, name: &str) -> bool {
    match scope {
        "BestEffort" => name == "pods",
        _ => POD_RESOURCES.contains(&name) || is_huge_pages(name),
    }
}

/// A quota.
pub fn quota(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    hard(&spec.child("hard"), causes);
    let scopes = spec.child("scopes");
    let shown = super::go::list("core.ResourceQuotaScope", scopes.value());
    for scope in scopes.items() {
        if !SCOPES.contains(&scope.text()) {
            causes.push(scopes.invalid(&shown, "unsupported scope"));
        }
        for (name, _) in spec.child("hard").entries() {
            if QUOTA.contains(&name) && !scope_fits(scope.text(), name) {
                causes.push(scopes.invalid(&shown, "unsupported scope applied to resource"));
            }
        }
    }
    for [one, other] in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        let has = |name: &str| scopes.items().any(|scope| scope.text() == name);
        if has(one) && has(other) {
            causes.push(scopes.invalid(&shown, "conflicting scopes"));
        }
    }
    hard(&at.down("status.hard"), causes);
    hard(&at.down("status.used"), causes);
}

/// Amounts of a quota.
pub fn hard(at: &At<'_>, causes: &mut Causes) {
    for (name, given) in at.entries() {
        quota_resource_name(&given, name, causes);
        amount(&given, name, causes);
    }
}

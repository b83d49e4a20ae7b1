//! Metadata, labels and selectors (apimachinery's `api/validation/objectmeta.go`, Kubernetes 1.20).

use serde_json::Value;

use super::at::{At, Causes};
use super::{go, words};
use crate::registry::Resource;
use crate::status::quoted;

/// The most that all annotations of an object may hold.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// The rule for names of `resource`.
fn name_rule(resource: &Resource) -> fn(&str) -> Vec<String> {
    match &*resource.full_name {
        "namespaces" => words::label,
        "services" => words::label_1035,
        "events" | "poddisruptionbudgets.policy" | "apiservices.apiregistration.k8s.io" => words::path_segment,
        _ if resource.group == "rbac.authorization.k8s.io" => words::path_segment,
        _ => words::subdomain,
    }
}

/// What is wrong with the metadata of a new object, or of an old one that is judged as if it were new.
pub fn object(resource: &Resource, at: &At<'_>, causes: &mut Causes) {
    judge(name_rule(resource), is_plain(resource), at, causes);
}

/// What every update looks at first, whatever the kind: what no object's metadata may have, and no successor's.
pub fn common(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    judge(words::path_segment, true, at, causes);
    update(at, before, causes);
}

/// `plain` leaves out the rules for finalizers that only kinds of Kubernetes itself have.
fn judge(rule: fn(&str) -> Vec<String>, plain: bool, at: &At<'_>, causes: &mut Causes) {
    let meta = at.child("metadata");
    let prefix = meta.child("generateName");
    if !prefix.text().is_empty() {
        // What is appended ends with a letter or digit.
        let given = prefix.text();
        let masked = match given.char_indices().rev().nth(1) {
            Some((at, _)) if given.ends_with('-') => format!("{}a", given.get(..at).unwrap_or_default()),
            _ => given.to_owned(),
        };
        causes.extend(rule(&masked).iter().map(|fault| prefix.invalid(quoted(prefix.text()), fault)));
    }
    let name = meta.child("name");
    if name.text().is_empty() {
        causes.push(name.required("name or generateName is required"));
    } else {
        name.check(rule, causes);
    }
    labels(&meta.child("labels"), causes);
    annotations(&meta.child("annotations"), causes);
    owners(&meta.child("ownerReferences"), causes);
    finalizers(plain, &meta.child("finalizers"), causes);
    managers(&meta.child("managedFields"), causes);
}

/// What is wrong with labels.
pub fn labels(at: &At<'_>, causes: &mut Causes) {
    for (key, value) in at.entries() {
        causes.extend(words::qualified_name(key).iter().map(|fault| at.invalid(quoted(key), fault)));
        let value = value.text();
        causes.extend(words::label_value(value).iter().map(|fault| at.invalid(quoted(value), fault)));
    }
}

/// What is wrong with annotations.
pub fn annotations(at: &At<'_>, causes: &mut Causes) {
    let mut size = 0;
    for (key, value) in at.entries() {
        causes.extend(words::qualified_name(&key.to_lowercase()).iter().map(|fault| at.invalid(quoted(key), fault)));
        size += key.len() + value.text().len();
    }
    if size > MOST_ANNOTATIONS {
        causes.push(at.too_long(MOST_ANNOTATIONS));
    }
}

fn owners(at: &At<'_>, causes: &mut Causes) {
    let mut controller = "";
    for owner in at.items() {
        let named = |field: &str| At::new(owner.child(field).value(), format!("{}.{field}", at.path()));
        let version = owner.child("apiVersion").text().rsplit('/').next().unwrap_or_default();
        if version.is_empty() {
            causes.push(named("apiVersion").wrong("version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if named(field).text().is_empty() {
                causes.push(named(field).wrong(&format!("{field} must not be empty")));
            }
        }
        if owner.child("controller").is_true() {
            let name = owner.child("name").text();
            if controller.is_empty() {
                controller = name;
            } else {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {controller} and {name}"
                );
                causes.push(at.invalid(owner_list(at.value()), &detail));
            }
        }
    }
}

fn owner_list(owners: &Value) -> String {
    let one = |owner: &Value| {
        let text = |key: &str| quoted(owner.get(key).and_then(Value::as_str).unwrap_or_default());
        let flag = |key: &str| if owner.get(key).is_some() { "(*bool)(0xc000000000)" } else { "(*bool)(nil)" };
        format!(
            "v1.OwnerReference{{APIVersion:{}, Kind:{}, Name:{}, UID:{}, Controller:{}, BlockOwnerDeletion:{}}}",
            text("apiVersion"),
            text("kind"),
            text("name"),
            text("uid"),
            flag("controller"),
            flag("blockOwnerDeletion"),
        )
    };
    let all: Vec<String> = owners.as_array().into_iter().flatten().map(one).collect();
    format!("[]v1.OwnerReference{{{}}}", all.join(", "))
}

/// Groups whose kinds are checked by apimachinery's rules alone, without those of the core group.
const PLAIN_GROUPS: &[&str] =
    &["coordination.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io"];

fn is_plain(resource: &Resource) -> bool {
    resource.custom.is_some() || PLAIN_GROUPS.contains(&&*resource.group)
}

fn finalizers(plain: bool, at: &At<'_>, causes: &mut Causes) {
    let known = |name: &str| at.items().any(|item| item.text() == name);
    for item in at.items() {
        let name = item.text();
        causes.extend(words::qualified_name(name).iter().map(|fault| at.invalid(quoted(name), fault)));
    }
    if known("orphan") && known("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(at.invalid(go::strings(at.value()), detail));
    }
    if !plain {
        own_finalizers(at, causes);
    }
}

/// What kinds of Kubernetes itself ask of finalizers besides (`validateKubeFinalizerName`).
fn own_finalizers(at: &At<'_>, causes: &mut Causes) {
    for item in at.items() {
        let standard = ["kubernetes", "orphan", "foregroundDeletion"].contains(&item.text());
        if !item.text().contains('/') && !standard {
            causes.push(item.wrong("name is neither a standard finalizer name nor is it fully qualified"));
        }
    }
}

/// What is wrong with the metadata of an object of `resource` as the successor of `before`.
pub fn successor(resource: &Resource, at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    update(at, before, causes);
    if !is_plain(resource) {
        own_finalizers(&at.child("metadata").child("finalizers"), causes);
    }
}

fn update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    let (meta, old) = (at.child("metadata"), before.child("metadata"));
    if old.child("deletionTimestamp").is_set() {
        let known: Vec<&str> = old.child("finalizers").items().map(|item| item.text()).collect();
        let mut new: Vec<String> = meta
            .child("finalizers")
            .items()
            .filter(|item| !known.contains(&item.text()))
            .map(|item| quoted(item.text()))
            .collect();
        new.sort();
        new.dedup();
        if !new.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                new.join(", ")
            );
            causes.push(meta.child("finalizers").forbidden(&detail));
        }
    }
    let revision = meta.child("resourceVersion");
    if revision.text().is_empty() {
        causes.push(revision.invalid(quoted(""), "must be specified for an update"));
    }
    for field in ["name", "namespace", "uid"] {
        let given = meta.child(field);
        if given.text() != old.child(field).text() {
            causes.push(given.invalid(quoted(given.text()), "field is immutable"));
        }
    }
    let deleted = meta.child("deletionTimestamp");
    deleted.immutable(old.child("deletionTimestamp").value(), go::time(deleted.text()), causes);
    let grace = meta.child("deletionGracePeriodSeconds");
    grace.immutable(old.child("deletionGracePeriodSeconds").value(), go::pointer(grace.value()), causes);
    labels(&meta.child("labels"), causes);
    annotations(&meta.child("annotations"), causes);
    owners(&meta.child("ownerReferences"), causes);
    managers(&meta.child("managedFields"), causes);
}

/// What is wrong with who owns what.
fn managers(at: &At<'_>, causes: &mut Causes) {
    for entry in at.items() {
        let operation = entry.child("operation").text();
        if !["Apply", "Update"].contains(&operation) {
            let at = At::new(entry.value(), format!("{}.operation", at.path()));
            causes.push(at.invalid(quoted(operation), "must be `Apply` or `Update`"));
        }
    }
}

/// What is wrong with a selector of labels.
pub fn selector(at: &At<'_>, causes: &mut Causes) {
    labels(&at.child("matchLabels"), causes);
    for expression in at.child("matchExpressions").items() {
        let values = expression.child("values");
        match expression.child("operator").text() {
            "In" | "NotIn" => {
                if values.is_empty() {
                    causes.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    causes.push(values.forbidden(detail));
                }
            }
            _ => causes.push(expression.child("operator").wrong("not a valid selector operator")),
        }
        expression.child("key").check(words::qualified_name, causes);
    }
}

/// Whether the selector can be used at all: its operators fit their values.
pub fn is_usable(at: &At<'_>) -> bool {
    let mut causes = Causes::new();
    for expression in at.child("matchExpressions").items() {
        let lone = At::new(expression.value(), "");
        let known = ["In", "NotIn", "Exists", "DoesNotExist"].contains(&lone.child("operator").text());
        let needs = ["In", "NotIn"].contains(&lone.child("operator").text());
        if !known || needs == lone.child("values").is_empty() {
            causes.push(lone.required(""));
        }
        lone.child("key").check(words::qualified_name, &mut causes);
    }
    causes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::a_time_of_deletion(
        json!({"deletionTimestamp": "2001-01-01T00:00:00Z"}),
        "metadata.deletionTimestamp: Invalid value: 2001-01-01 00:00:00 +0000 UTC: field is immutable"
    )]
    #[case::time_to_end(
        json!({"deletionGracePeriodSeconds": 5}),
        "metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable"
    )]
    #[case::an_unknown_operation(
        json!({"managedFields": [{"manager": "x", "operation": "Other"}]}),
        "metadata.managedFields.operation: Invalid value: \"Other\": must be `Apply` or `Update`"
    )]
    fn refuses_in_a_successor(#[case] metadata: Value, #[case] expected: &str) {
        let (before, mut after) = (json!({"metadata": {}}), json!({"metadata": metadata}));
        after["metadata"]["resourceVersion"] = json!("1");
        let mut causes = Causes::new();
        update(&At::root(&after), &At::root(&before), &mut causes);
        let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(texts, [expected]);
    }
}

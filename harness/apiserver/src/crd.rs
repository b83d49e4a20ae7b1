//! `CustomResourceDefinition`s: their own rules, and the resources that they make served.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::registry::{CUSTOM_VERBS, Resource, Subresource, group_resource};
use crate::status::{Cause, quoted};

/// A column that `kubectl get` shows of a custom resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrinterColumn {
    /// Heading.
    pub name: String,
    /// Type, as `string` or `date`.
    pub kind: String,
    /// Format, mostly empty.
    pub format: String,
    /// 0 is always shown, above only with `-o wide`.
    pub priority: i64,
    /// Where the value is, in Kubernetes' JSON path dialect.
    pub path: String,
}

/// Where the numbers of the scale subresource are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePaths {
    /// Wanted replicas, as `.spec.replicas`.
    pub spec_replicas: String,
    /// Present replicas, as `.status.replicas`.
    pub status_replicas: String,
}

/// The rules of one version of a custom resource.
#[derive(Debug, Clone)]
pub struct CustomVersion {
    /// The structural schema, if there is one.
    pub schema: Option<Arc<Value>>,
    /// Printer columns.
    pub columns: Vec<PrinterColumn>,
    /// The scale subresource.
    pub scale: Option<ScalePaths>,
    /// `group/version` in which objects are stored.
    pub storage_version: String,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Fills in what the original does: names, conversion, list kind.
pub fn fill_defaults(crd: &mut Value) {
    let kind = text(crd, "/spec/names/kind").to_owned();
    if let Some(Value::Object(names)) = crd.pointer_mut("/spec/names") {
        names.entry("singular").or_insert_with(|| Value::from(kind.to_lowercase()));
        names.entry("listKind").or_insert_with(|| Value::from(format!("{kind}List")));
    }
    if let Some(Value::Object(spec)) = crd.get_mut("spec") {
        spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
        if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
            spec.remove("preserveUnknownFields");
        }
    }
}

/// The status of an accepted definition: names taken, served at once (the original takes a moment longer).
pub fn fill_status(crd: &mut Value, now: &str) {
    let stored: Vec<Value> = versions(crd)
        .filter(|version| version.get("storage") == Some(&Value::Bool(true)))
        .filter_map(|version| version.get("name").cloned())
        .collect();
    let mut stored_versions: Vec<Value> =
        crd.pointer("/status/storedVersions").and_then(Value::as_array).cloned().unwrap_or_default();
    for version in stored {
        if !stored_versions.contains(&version) {
            stored_versions.push(version);
        }
    }
    let names = crd.pointer("/spec/names").cloned().unwrap_or_default();
    let conditions = crd.pointer("/status/conditions").cloned().unwrap_or_else(|| {
        let condition = |kind: &str, reason: &str, message: &str| {
            json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message})
        };
        Value::from(vec![
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ])
    });
    if let Some(map) = crd.as_object_mut() {
        let status = json!({"conditions": conditions, "acceptedNames": names, "storedVersions": stored_versions});
        map.insert("status".to_owned(), status);
    }
}

fn versions(crd: &Value) -> impl Iterator<Item = &Value> {
    crd.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten()
}

/// What is wrong with a definition.
#[must_use]
pub fn validate(crd: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (name, group) = (text(crd, "/metadata/name"), text(crd, "/spec/group"));
    if name != format!("{}.{group}", text(crd, "/spec/names/plural")) {
        causes.push(Cause::invalid("metadata.name", quoted(name), "must be spec.names.plural+\".\"+spec.group"));
    }
    for (field, pointer) in [
        ("spec.group", "/spec/group"),
        ("spec.scope", "/spec/scope"),
        ("spec.names.plural", "/spec/names/plural"),
        ("spec.names.kind", "/spec/names/kind"),
    ] {
        if text(crd, pointer).is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    let scope = text(crd, "/spec/scope");
    if !scope.is_empty() && scope != "Cluster" && scope != "Namespaced" {
        let supported = [quoted("Cluster"), quoted("Namespaced")];
        causes.push(Cause::unsupported("spec.scope", quoted(scope), &supported));
    }
    let storage = versions(crd).filter(|version| version.get("storage") == Some(&Value::Bool(true))).count();
    if storage != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", "[]apiextensions.CustomResourceDefinitionVersion", detail));
    }
    for (index, version) in versions(crd).enumerate() {
        let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            None => causes.push(Cause::required(field, "schemas are required")),
            Some(schema) if text(schema, "/type").is_empty() => {
                causes.push(Cause::required(format!("{field}.type"), "must not be empty at the root"));
            }
            Some(_) => {}
        }
    }
    causes
}

/// The resources that a definition makes served, one a served version.
#[must_use]
pub fn resources(crd: &Value) -> Vec<Arc<Resource>> {
    let (group, plural) = (text(crd, "/spec/group"), text(crd, "/spec/names/plural"));
    let storage = versions(crd)
        .find(|version| version.get("storage") == Some(&Value::Bool(true)))
        .map(|version| text(version, "/name").to_owned())
        .unwrap_or_default();
    versions(crd)
        .filter(|version| version.get("served") == Some(&Value::Bool(true)))
        .map(|version| {
            let kind = text(crd, "/spec/names/kind").to_owned();
            let scale = version.pointer("/subresources/scale").map(|scale| ScalePaths {
                spec_replicas: text(scale, "/specReplicasPath").to_owned(),
                status_replicas: text(scale, "/statusReplicasPath").to_owned(),
            });
            let mut subresources = Vec::new();
            let verbs: &'static [&'static str] = &["get", "patch", "update"];
            if version.pointer("/subresources/status").is_some() {
                subresources.push(Subresource { name: "status", kind: kind.clone(), group_version: None, verbs });
            }
            if scale.is_some() {
                let group_version = Some(("autoscaling", "v1"));
                subresources.push(Subresource { name: "scale", kind: "Scale".to_owned(), group_version, verbs });
            }
            Arc::new(Resource {
                group: group.to_owned(),
                version: text(version, "/name").to_owned(),
                plural: plural.to_owned(),
                singular: text(crd, "/spec/names/singular").to_owned(),
                list_kind: text(crd, "/spec/names/listKind").to_owned(),
                short_names: texts(crd.pointer("/spec/names/shortNames")),
                categories: texts(crd.pointer("/spec/names/categories")),
                namespaced: text(crd, "/spec/scope") == "Namespaced",
                verbs: CUSTOM_VERBS,
                subresources,
                type_name: None,
                custom: Some(CustomVersion {
                    schema: version.pointer("/schema/openAPIV3Schema").cloned().map(Arc::new),
                    columns: columns(version),
                    scale,
                    storage_version: format!("{group}/{storage}"),
                }),
                full_name: group_resource(plural, group),
                hub: None,
                kind,
            })
        })
        .collect()
}

/// The printer columns of a version; without any, the age.
fn columns(version: &Value) -> Vec<PrinterColumn> {
    let given = version.get("additionalPrinterColumns").and_then(Value::as_array).filter(|given| !given.is_empty());
    let Some(given) = given else {
        return vec![PrinterColumn {
            name: "Age".to_owned(),
            kind: "date".to_owned(),
            format: String::new(),
            priority: 0,
            path: ".metadata.creationTimestamp".to_owned(),
        }];
    };
    given
        .iter()
        .map(|column| PrinterColumn {
            name: text(column, "/name").to_owned(),
            kind: text(column, "/type").to_owned(),
            format: text(column, "/format").to_owned(),
            priority: column.get("priority").and_then(Value::as_i64).unwrap_or(0),
            path: text(column, "/jsonPath").to_owned(),
        })
        .collect()
}

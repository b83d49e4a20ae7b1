//! What a definition may say (`pkg/apis/apiextensions/validation` of Kubernetes 1.20).

use std::collections::BTreeMap;

use serde_json::Value;

use super::demands::Demands;
use super::internal::Internal;
use super::model::{Column, Definition, Names, ScalePaths, Status, Subresources, Validation, Version};
use super::{approval, conversion};
use crate::custom::path::Path;
use crate::custom::schema::{Schema, syntax, unreadable, validate_defaults, validate_schema, validate_structural};
use crate::go;
use crate::names;
use crate::status::Cause;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// What is wrong with a new definition, sent in `version`, apart from its metadata.
#[must_use]
pub fn validate(version: &str, object: &Value, definition: &Definition) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let spec = &definition.spec;
    if name != format!("{}.{}", spec.names.plural, spec.group) {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", go::quoted(name), detail));
    }
    let demands = Demands::of(version, spec, None);
    spec_rules(spec, demands, &mut causes);
    rest(object, None, definition, demands, &mut causes);
    causes
}

/// What is wrong with a definition, sent in `version`, that replaces `old`, apart from its metadata.
#[must_use]
pub fn validate_update(
    version: &str,
    (object, definition): (&Value, &Definition),
    (old_object, old): (&Value, &Definition),
) -> Vec<Cause> {
    let mut causes = Vec::new();
    let demands = Demands::of(version, &definition.spec, Some(&old.spec));
    spec_rules(&definition.spec, demands, &mut causes);
    let (new, before) = (&definition.spec, &old.spec);
    let mut fixed = Vec::new();
    if old.is_true("Established") {
        fixed.push(("scope", &new.scope, &before.scope));
        fixed.push(("names.kind", &new.names.kind, &before.names.kind));
    }
    fixed.push(("group", &new.group, &before.group));
    fixed.push(("names.plural", &new.names.plural, &before.names.plural));
    for (field, new, before) in fixed {
        if new != before {
            let place = Path::new("spec").child(field);
            causes.push(Cause::invalid(place, go::quoted(new), "field is immutable"));
        }
    }
    rest(object, Some(old_object), definition, demands, &mut causes);
    causes
}

/// What is wrong with the status that replaces a definition's.
#[must_use]
pub fn validate_status(status: &Status) -> Vec<Cause> {
    let mut causes = Vec::new();
    name_rules(&Path::new("status.acceptedNames"), &status.accepted_names, &mut causes);
    causes
}

fn rest(object: &Value, old: Option<&Value>, definition: &Definition, demands: Demands, causes: &mut Vec<Cause>) {
    status_rules(definition, causes);
    if demands.whole {
        causes.extend(approval::validate(object, old, &definition.spec.group));
    }
    if demands.known_fields && definition.spec.preserve_unknown_fields {
        let detail = "cannot set to true, set x-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", true, detail));
    }
}

fn status_rules(definition: &Definition, causes: &mut Vec<Cause>) {
    causes.extend(validate_status(&definition.status));
    let place = Path::new("status.storedVersions");
    let stored = &definition.status.stored_versions;
    if stored.is_empty() {
        causes.push(Cause::invalid(&place, "[]string(nil)", "must have at least one stored version"));
        return;
    }
    // The original strikes out what it finds: the second of two versions of one name does not find its own.
    let mut left: BTreeMap<&str, usize> = stored.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    for own in &Internal::of(&definition.spec).versions {
        let found = left.remove(own.version.name.as_str()).is_some();
        if own.version.storage && !found {
            let detail = format!("must have the storage version {}", own.version.name);
            causes.push(Cause::invalid(&place, own.shown(), &detail));
        }
    }
    // In the original these come in any order.
    for (name, index) in left {
        causes.push(Cause::invalid(place.index(index), go::quoted(name), "must appear in spec.versions"));
    }
}

fn spec_rules(spec: &super::model::Spec, demands: Demands, causes: &mut Vec<Cause>) {
    let path = Path::new("spec");
    let internal = Internal::of(spec);
    group_and_scope(&path, spec, causes);
    if internal.validation.is_none_or(|validation| validation.schema.is_none()) {
        for (index, own) in internal.versions.iter().enumerate() {
            let prunes = own.version.served && !spec.preserve_unknown_fields;
            if own.validation.is_none_or(|validation| validation.schema.is_none()) && (demands.schemas || prunes) {
                let place = path.child("versions").index(index).child("schema").child("openAPIV3Schema");
                let why =
                    if demands.schemas { "schemas are required" } else { "because otherwise all fields are pruned" };
                causes.push(Cause::required(place, why));
            }
        }
    }
    let mut schemas = spec.versions.iter().filter_map(|version| version.schema.as_ref()?.schema.as_ref());
    let may_default = demands.laxity.no_defaults.is_none();
    if may_default
        && spec.preserve_unknown_fields
        && schemas.any(|schema| schema.any(&|schema| schema.default.is_some()))
    {
        let detail = "must be false in order to use defaults in the schema";
        causes.push(Cause::invalid(path.child("preserveUnknownFields"), true, detail));
    }
    versions(&path, &internal, demands, causes);
    for (field, given) in [
        ("plural", &spec.names.plural),
        ("singular", &spec.names.singular),
        ("kind", &spec.names.kind),
        ("listKind", &spec.names.list_kind),
    ] {
        if given.is_empty() {
            causes.push(Cause::required(path.child("names").child(field), ""));
        }
    }
    name_rules(&path.child("names"), &spec.names, causes);
    schema_rules(&path.child("validation"), internal.validation, internal.has_status(), demands, causes);
    subresource_rules(&path.child("subresources"), internal.subresources, causes);
    column_rules(&path, internal.columns, causes);
    conversion::validate(&path.child("conversion"), spec, causes);
}

fn group_and_scope(path: &Path, spec: &super::model::Spec, causes: &mut Vec<Cause>) {
    let place = path.child("group");
    let faults = names::subdomain(&spec.group);
    if spec.group.is_empty() {
        causes.push(Cause::required(&place, ""));
    } else if !faults.is_empty() {
        causes.push(Cause::invalid(&place, go::quoted(&spec.group), &faults.join(",")));
    } else if !spec.group.contains('.') {
        let detail = "should be a domain with at least one dot";
        causes.push(Cause::invalid(&place, go::quoted(&spec.group), detail));
    }
    one_of(&path.child("scope"), &spec.scope, &["Cluster", super::model::NAMESPACED], causes);
}

/// `value` is there, and one of `accepted`.
pub(super) fn one_of(path: &Path, value: &str, accepted: &[&str], causes: &mut Vec<Cause>) {
    if value.is_empty() {
        causes.push(Cause::required(path, ""));
    } else if !accepted.contains(&value) {
        let supported: Vec<String> = accepted.iter().map(|name| go::quoted(name)).collect();
        causes.push(Cause::unsupported(path, go::quoted(value), &supported));
    }
}

fn versions(path: &Path, internal: &Internal<'_>, demands: Demands, causes: &mut Vec<Cause>) {
    let list = path.child("versions");
    for (index, own) in internal.versions.iter().enumerate() {
        let place = list.index(index);
        let faults = names::label_1035(&own.version.name);
        if !faults.is_empty() {
            causes.push(Cause::invalid(place.child("name"), go::quoted(&own.version.name), &faults.join(",")));
        }
        deprecation(&place, own.version, causes);
        let has_status = own.version.subresources.as_ref().is_some_and(|found| found.status.is_some());
        schema_rules(&place.child("schema"), own.validation, has_status, demands, causes);
        subresource_rules(&place.child("subresources"), own.subresources, causes);
        column_rules(&place, own.columns, causes);
    }
    let named = |name: &str| internal.versions.iter().filter(|own| own.version.name == name).count();
    if internal.versions.iter().any(|own| named(&own.version.name) > 1) {
        causes.push(Cause::invalid(&list, internal.versions_shown(), "must contain unique version names"));
    }
    if internal.versions.iter().filter(|own| own.version.storage).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid(&list, internal.versions_shown(), detail));
    }
    // The internal form names the first version once more.
    if let Some(first) = internal.versions.first().map(|own| &own.version.name).filter(|name| !name.is_empty()) {
        let faults = names::label_1035(first);
        if !faults.is_empty() {
            causes.push(Cause::invalid(path.child("version"), go::quoted(first), &faults.join(",")));
        }
    }
}

fn deprecation(path: &Path, version: &Version, causes: &mut Vec<Cause>) {
    let Some(warning) = &version.deprecation_warning else { return };
    let mut faults = Vec::new();
    if version.deprecated {
        if warning.len() > 256 {
            faults.push("must be <= 256 characters long".to_owned());
        }
        if warning.is_empty() {
            faults.push("must not be an empty string".to_owned());
        }
        let hidden = |c: &char| c.is_control() || (c.is_whitespace() && *c != ' ');
        if let Some((index, _)) = warning.char_indices().find(|(_, c)| hidden(c)) {
            faults.push(format!(
                "must only contain printable UTF-8 characters; non-printable character found at index {index}"
            ));
        }
    } else {
        faults.push("can only be set for deprecated versions".to_owned());
    }
    let place = path.child("deprecationWarning");
    causes.extend(faults.iter().map(|fault| Cause::invalid(&place, go::quoted(warning), fault)));
}

/// What names of kinds may do more than others.
const MIXED: &str = "may have mixed case, but should otherwise match: ";

fn name_rules(path: &Path, names: &Names, causes: &mut Vec<Cause>) {
    let mut check = |place: Path, text: &str, prefix: &str| {
        let faults = names::label_1035(&if prefix.is_empty() { text.to_owned() } else { text.to_lowercase() });
        if !faults.is_empty() {
            causes.push(Cause::invalid(place, go::quoted(text), &format!("{prefix}{}", faults.join(","))));
        }
    };
    for (field, text, prefix) in [
        ("plural", &names.plural, ""),
        ("singular", &names.singular, ""),
        ("kind", &names.kind, MIXED),
        ("listKind", &names.list_kind, MIXED),
    ] {
        if !text.is_empty() {
            check(path.child(field), text, prefix);
        }
    }
    for (index, name) in names.short_names.iter().enumerate() {
        check(path.child("shortNames").index(index), name, "");
    }
    if !names.kind.is_empty() && names.kind == names.list_kind {
        let detail = "kind and listKind may not be the same";
        causes.push(Cause::invalid(path.child("listKind"), go::quoted(&names.list_kind), detail));
    }
    for (index, category) in names.categories.iter().enumerate() {
        let faults = names::label_1035(category);
        if !faults.is_empty() {
            let place = path.child("categories").index(index);
            causes.push(Cause::invalid(place, go::quoted(category), &faults.join(",")));
        }
    }
}

fn schema_rules(
    path: &Path,
    validation: Option<&Validation>,
    has_status: bool,
    demands: Demands,
    causes: &mut Vec<Cause>,
) {
    let Some(schema) = validation.and_then(|validation| validation.schema.as_ref()) else { return };
    let mut found = Vec::new();
    let place = path.child("openAPIV3Schema");
    if has_status {
        found.extend(root_beside_status(path, schema));
    }
    if schema.nullable {
        found.push(Cause::forbidden(place.child("nullable"), "nullable cannot be true at the root"));
    }
    validate_schema(&place, schema, demands.laxity, &mut found);
    if let Some(text) = unreadable(schema) {
        if found.is_empty() {
            found.push(Cause::invalid(&place, "\"\"", &text));
        }
    } else if demands.structural {
        let structural = validate_structural(&place, schema);
        if structural.is_empty() {
            validate_defaults(&place, schema, true, &mut found);
        }
        found.extend(structural);
    }
    causes.append(&mut found);
}

/// With a status of its own, the schema of an object must leave that of the status whole.
fn root_beside_status(path: &Path, schema: &Schema) -> Option<Cause> {
    const ALLOWED: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields]";
    // The original looks at the fields in their order, and stops at the first.
    let first = !schema.id.is_empty() || !schema.schema.is_empty() || schema.reference.is_some();
    if !first && !schema.kind.is_empty() && schema.kind != "object" {
        let detail =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        return Some(Cause::invalid(path.child("openAPIV3Schema.type"), go::quoted(&schema.kind), detail));
    }
    let strange = first
        || schema.nullable
        || schema.default.is_some()
        || !schema.allowed.is_empty()
        || schema.max_properties.is_some()
        || schema.min_properties.is_some()
        || !schema.all_of.is_empty()
        || !schema.one_of.is_empty()
        || !schema.any_of.is_empty()
        || schema.not.is_some()
        || schema.additional_properties.is_some()
        || !schema.pattern_properties.is_empty()
        || !schema.dependencies.is_empty()
        || schema.additional_items.is_some()
        || !schema.definitions.is_empty()
        || schema.embedded_resource
        || schema.int_or_string
        || !schema.list_map_keys.is_empty()
        || schema.list_type.is_some()
        || schema.map_type.is_some();
    let detail =
        format!("only {ALLOWED} fields are allowed at the root of the schema if the status subresource is enabled");
    strange.then(|| Cause::invalid(path.child("openAPIV3Schema"), syntax(schema), &detail))
}

fn subresource_rules(path: &Path, subresources: Option<&Subresources>, causes: &mut Vec<Cause>) {
    let Some(scale) = subresources.and_then(|subresources| subresources.scale.as_ref()) else { return };
    let ScalePaths { spec_replicas_path, status_replicas_path, label_selector_path } = scale;
    for (field, given, roots, detail) in [
        ("scale.specReplicasPath", spec_replicas_path, &[".spec."][..], "should be a json path under .spec"),
        ("scale.statusReplicasPath", status_replicas_path, &[".status."], "should be a json path under .status"),
    ] {
        if given.is_empty() {
            causes.push(Cause::required(path.child(field), ""));
        } else {
            causes.extend(scale_path(&path.child(field), given, roots, detail));
        }
    }
    if let Some(given) = label_selector_path.as_deref().filter(|given| !given.is_empty()) {
        let detail = "should be a json path under either .spec or .status";
        causes.extend(scale_path(&path.child("scale.labelSelectorPath"), given, &[".spec.", ".status."], detail));
    }
}

fn scale_path(path: &Path, given: &str, roots: &[&str], detail: &str) -> Option<Cause> {
    simple_path(path, given).or_else(|| {
        let elsewhere = !roots.iter().any(|root| given.starts_with(root));
        elsewhere.then(|| Cause::invalid(path, go::quoted(given), detail))
    })
}

fn simple_path(path: &Path, given: &str) -> Option<Cause> {
    let detail = "must be a simple json path starting with .";
    (!given.starts_with('.')).then(|| Cause::invalid(path, go::quoted(given), detail))
}

fn column_rules(path: &Path, columns: &[Column], causes: &mut Vec<Cause>) {
    for (index, column) in columns.iter().enumerate() {
        let place = path.child("additionalPrinterColumns").index(index);
        if column.name.is_empty() {
            causes.push(Cause::required(place.child("name"), ""));
        }
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        if column.kind.is_empty() {
            causes.push(Cause::required(place.child("type"), &types));
        } else if !COLUMN_TYPES.contains(&column.kind.as_str()) {
            causes.push(Cause::invalid(place.child("type"), go::quoted(&column.kind), &types));
        }
        if !column.format.is_empty() && !COLUMN_FORMATS.contains(&column.format.as_str()) {
            let formats = format!("must be one of {}", COLUMN_FORMATS.join(","));
            causes.push(Cause::invalid(place.child("format"), go::quoted(&column.format), &formats));
        }
        if column.json_path.is_empty() {
            causes.push(Cause::required(place.child("JSONPath"), ""));
        } else {
            causes.extend(simple_path(&place.child("JSONPath"), &column.json_path));
        }
    }
}

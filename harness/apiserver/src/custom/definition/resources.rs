//! The resources that a definition makes served.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{Column, Definition, NAMESPACED, ScalePaths, Version};
use crate::custom::columns::PrinterColumn;
use crate::custom::schema::{Schema, prune_defaults, strip_unsupported_formats};
use crate::custom::webhook::Converter;
use crate::managed::CustomTypes;
use crate::registry::{CUSTOM_VERBS, Resource, Subresource, group_resource, version_rank};
use crate::webhooks::Reach;

/// What a version demands of its objects.
#[derive(Debug)]
pub struct VersionRules {
    /// The schema, its defaults pruned.
    pub shape: Schema,
    /// The schema as objects are held to it.
    pub values: Schema,
}

/// What all versions of a custom resource share.
#[derive(Debug)]
pub struct Family {
    /// `group/version` in which objects are stored.
    pub storage_version: String,
    /// The versions, by `group/version`.
    pub versions: BTreeMap<String, VersionRules>,
    /// What the fields of objects are to server-side apply.
    pub types: CustomTypes,
    /// Converts between the versions, where that takes more than another name.
    pub converter: Option<Arc<Converter>>,
}

/// The rules of one version of a custom resource.
#[derive(Debug, Clone)]
pub struct CustomVersion {
    /// What all versions share.
    pub family: Arc<Family>,
    /// Printer columns.
    pub columns: Vec<PrinterColumn>,
    /// The scale subresource.
    pub scale: Option<ScalePaths>,
    /// The definition is going away: nothing new may be created.
    pub terminating: bool,
    /// What users of a deprecated version are told.
    pub warning: Option<String>,
}

impl CustomVersion {
    /// `group/version` in which objects are stored.
    #[must_use]
    pub fn storage_version(&self) -> &str {
        &self.family.storage_version
    }
}

fn schema_of(version: &Version) -> Option<&Schema> {
    version.schema.as_ref().and_then(|validation| validation.schema.as_ref())
}

/// The resources of a definition whose names were accepted, one a served version.
#[must_use]
pub fn of(definition: &Definition, reach: &Reach) -> Vec<Arc<Resource>> {
    if !definition.is_true("NamesAccepted") && !definition.is_true("Established") {
        return Vec::new();
    }
    let group = &definition.spec.group;
    let rules = |version: &Version| {
        let schema = schema_of(version)?;
        Some(VersionRules { shape: prune_defaults(schema), values: strip_unsupported_formats(schema) })
    };
    let named = |version: &Version| format!("{group}/{}", version.name);
    let versions = definition.spec.versions.iter().filter_map(|version| Some((named(version), rules(version)?)));
    let typed = definition.spec.versions.iter().map(|version| {
        let schema = schema_of(version).and_then(|schema| serde_json::to_value(schema).ok());
        (named(version), schema.map(Arc::new))
    });
    let family = Arc::new(Family {
        storage_version: format!("{group}/{}", definition.storage_version()),
        versions: versions.collect(),
        types: CustomTypes::new(typed, definition.spec.preserve_unknown_fields),
        converter: Converter::of(definition, reach),
    });
    let served = definition.spec.versions.iter().filter(|version| version.served);
    served.map(|version| Arc::new(resource(definition, version, &family))).collect()
}

fn resource(definition: &Definition, version: &Version, family: &Arc<Family>) -> Resource {
    let (spec, names) = (&definition.spec, &definition.status.accepted_names);
    let given = version.subresources.as_ref();
    let scale = given.and_then(|subresources| subresources.scale.clone());
    let verbs: &'static [&'static str] = &["get", "patch", "update"];
    let mut subresources = Vec::new();
    if given.is_some_and(|subresources| subresources.status.is_some()) {
        subresources.push(Subresource { name: "status", kind: names.kind.clone(), group_version: None, verbs });
    }
    if scale.is_some() {
        let group_version = Some(("autoscaling", "v1"));
        subresources.push(Subresource { name: "scale", kind: "Scale".to_owned(), group_version, verbs });
    }
    Resource {
        group: spec.group.clone(),
        version: version.name.clone(),
        plural: names.plural.clone(),
        singular: names.singular.clone(),
        kind: names.kind.clone(),
        list_kind: names.list_kind.clone(),
        short_names: names.short_names.clone(),
        categories: names.categories.clone(),
        namespaced: spec.scope == NAMESPACED,
        verbs: CUSTOM_VERBS,
        subresources,
        type_name: None,
        custom: Some(CustomVersion {
            family: Arc::clone(family),
            columns: columns(&version.additional_printer_columns),
            scale,
            terminating: definition.is_true("Terminating"),
            warning: warning(definition, version),
        }),
        full_name: group_resource(&names.plural, &spec.group),
        hub: None,
    }
}

/// The columns of a version; without any, the age (apiextensions' `pkg/apiserver/helpers.go`, Kubernetes 1.20).
fn columns(given: &[Column]) -> Vec<PrinterColumn> {
    if given.is_empty() { PrinterColumn::age() } else { PrinterColumn::all(given) }
}

/// What users of a deprecated version are told: the definition's words, or the original's.
fn warning(definition: &Definition, version: &Version) -> Option<String> {
    if !version.deprecated {
        return None;
    }
    if let Some(warning) = &version.deprecation_warning {
        return Some(warning.clone());
    }
    let (group, kind) = (&definition.spec.group, &definition.spec.names.kind);
    let text = format!("{group}/{} {kind} is deprecated", version.name);
    let mut better: Vec<&Version> = definition
        .spec
        .versions
        .iter()
        .filter(|other| other.served && !other.deprecated && version_rank(&other.name) < version_rank(&version.name))
        .collect();
    better.sort_by_key(|other| version_rank(&other.name));
    Some(better.first().map_or_else(|| text.clone(), |best| format!("{text}; use {group}/{} {kind}", best.name)))
}

//! The form in which the original judges a definition. What all versions have in common is said once, for the whole
//! (`Convert_v1_CustomResourceDefinitionSpec_To_apiextensions_CustomResourceDefinitionSpec`, Kubernetes 1.20), and so
//! faults of a definition with one version are told of `spec.validation`, not of `spec.versions[0].schema`.

use super::model::{Column, Spec, Subresources, Validation, Version};
use crate::go;

/// The Go type of a version.
const VERSION: &str = "apiextensions.CustomResourceDefinitionVersion";

/// What is said once, and what each version says itself.
#[derive(Debug)]
pub struct Internal<'a> {
    /// The schema of all versions.
    pub validation: Option<&'a Validation>,
    /// The subresources of all versions.
    pub subresources: Option<&'a Subresources>,
    /// The columns of all versions.
    pub columns: &'a [Column],
    /// The versions.
    pub versions: Vec<InternalVersion<'a>>,
}

/// A version, and what it does not share with the others.
#[derive(Debug)]
pub struct InternalVersion<'a> {
    /// The version.
    pub version: &'a Version,
    /// Its own schema.
    pub validation: Option<&'a Validation>,
    /// Its own subresources.
    pub subresources: Option<&'a Subresources>,
    /// Its own columns.
    pub columns: &'a [Column],
}

/// Whether all versions say the same.
fn is_shared<T: PartialEq>(spec: &Spec, part: impl Fn(&Version) -> &T) -> bool {
    let mut parts = spec.versions.iter().map(&part);
    let Some(first) = parts.next() else { return true };
    parts.all(|other| other == first)
}

impl<'a> Internal<'a> {
    /// The internal form of `spec`.
    #[must_use]
    pub fn of(spec: &'a Spec) -> Self {
        let schemas = is_shared(spec, |version| &version.schema);
        let subresources = is_shared(spec, |version| &version.subresources);
        let columns = is_shared(spec, |version| &version.additional_printer_columns);
        let first = spec.versions.first();
        Self {
            validation: first.filter(|_| schemas).and_then(|version| version.schema.as_ref()),
            subresources: first.filter(|_| subresources).and_then(|version| version.subresources.as_ref()),
            columns: first.filter(|_| columns).map(|version| &*version.additional_printer_columns).unwrap_or_default(),
            versions: spec
                .versions
                .iter()
                .map(|version| InternalVersion {
                    version,
                    validation: version.schema.as_ref().filter(|_| !schemas),
                    subresources: version.subresources.as_ref().filter(|_| !subresources),
                    columns: if columns { &[] } else { &version.additional_printer_columns },
                })
                .collect(),
        }
    }

    /// Whether some version has a status of its own.
    #[must_use]
    pub fn has_status(&self) -> bool {
        let has = |subresources: Option<&Subresources>| subresources.is_some_and(|found| found.status.is_some());
        has(self.subresources) || self.versions.iter().any(|version| has(version.subresources))
    }

    /// The versions in Go's syntax, as faults of the list show it. Of pointers Go shows the address: they are left out.
    #[must_use]
    pub fn versions_shown(&self) -> String {
        if self.versions.is_empty() {
            return format!("[]{VERSION}(nil)");
        }
        let versions: Vec<String> = self.versions.iter().map(InternalVersion::shown).collect();
        format!("[]{VERSION}{{{}}}", versions.join(", "))
    }
}

impl InternalVersion<'_> {
    /// The version in Go's syntax.
    #[must_use]
    pub fn shown(&self) -> String {
        let version = self.version;
        let fields = [
            ("Name", go::quoted(&version.name)),
            ("Served", version.served.to_string()),
            ("Storage", version.storage.to_string()),
            ("Deprecated", version.deprecated.to_string()),
            ("DeprecationWarning", pointer("*string", version.deprecation_warning.is_some())),
            ("Schema", pointer("*apiextensions.CustomResourceValidation", self.validation.is_some())),
            ("Subresources", pointer("*apiextensions.CustomResourceSubresources", self.subresources.is_some())),
            ("AdditionalPrinterColumns", columns(self.columns)),
        ];
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{VERSION}{{{}}}", fields.join(", "))
    }
}

fn pointer(kind: &str, given: bool) -> String {
    format!("({kind})({})", if given { "" } else { "nil" })
}

fn columns(columns: &[Column]) -> String {
    const KIND: &str = "apiextensions.CustomResourceColumnDefinition";
    if columns.is_empty() {
        return format!("[]{KIND}(nil)");
    }
    let shown = columns.iter().map(|column| {
        let quoted = go::quoted;
        format!(
            "{KIND}{{Name:{}, Type:{}, Format:{}, Description:{}, Priority:{}, JSONPath:{}}}",
            quoted(&column.name),
            quoted(&column.kind),
            quoted(&column.format),
            quoted(&column.description),
            column.priority,
            quoted(&column.json_path)
        )
    });
    format!("[]{KIND}{{{}}}", shown.collect::<Vec<_>>().join(", "))
}

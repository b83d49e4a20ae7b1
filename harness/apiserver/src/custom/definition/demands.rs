//! What is asked of a definition: less of one that is sent as `apiextensions.k8s.io/v1beta1`, and nothing new of one
//! that was there before it was asked (`pkg/apis/apiextensions/validation/validation.go` of Kubernetes 1.20.2).

use super::model::Spec;
use crate::custom::path::Path;
use crate::custom::schema::{Laxity, Schema, has_strange_type, validate_structural};

/// Why a definition of the older version has no defaults.
const NO_DEFAULTS: &str =
    "(cannot set default values in apiextensions.k8s.io/v1beta1 CRDs, must use apiextensions.k8s.io/v1)";

/// What is asked of one definition.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a demand of its own, as in the original")]
pub(super) struct Demands {
    /// It is sent in the version that asks for everything.
    pub whole: bool,
    /// Every version has a schema.
    pub schemas: bool,
    /// Schemas are structural.
    pub structural: bool,
    /// `spec.preserveUnknownFields` is not true.
    pub known_fields: bool,
    /// What a schema may have all the same.
    pub laxity: Laxity,
}

fn schemas(spec: &Spec) -> impl Iterator<Item = &Schema> {
    spec.versions.iter().filter_map(|version| version.schema.as_ref()?.schema.as_ref())
}

fn any(spec: &Spec, holds: impl Fn(&Schema) -> bool) -> bool {
    schemas(spec).any(|schema| schema.any(&holds))
}

fn has_defaults(spec: &Spec) -> bool {
    any(spec, |schema| schema.default.is_some())
}

fn has_extensions(spec: &Spec) -> bool {
    any(spec, |schema| {
        schema.embedded_resource
            || schema.preserve_unknown_fields.is_some()
            || schema.int_or_string
            || !schema.list_map_keys.is_empty()
            || schema.list_type.is_some()
            || schema.map_type.is_some()
    })
}

impl Demands {
    /// What is asked of `spec`, sent in `version` to replace `old`.
    pub fn of(version: &str, spec: &Spec, old: Option<&Spec>) -> Self {
        let whole = version != "v1beta1";
        let was = |holds: &dyn Fn(&Spec) -> bool| old.is_some_and(holds);
        let unstructured =
            |old: &Spec| schemas(old).any(|schema| !validate_structural(&Path::new("spec"), schema).is_empty());
        let may_default = whole || was(&has_defaults);
        Self {
            whole,
            schemas: whole && !was(&|old| schemas(old).count() < old.versions.len()),
            structural: (whole && !was(&unstructured))
                || !spec.preserve_unknown_fields
                || (may_default && has_defaults(spec))
                || has_extensions(spec),
            known_fields: whole && !was(&|old| old.preserve_unknown_fields),
            laxity: Laxity {
                any_type: !whole || was(&|old| any(old, has_strange_type)),
                no_defaults: (!may_default).then_some(NO_DEFAULTS),
            },
        }
    }
}

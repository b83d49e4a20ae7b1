//! Schemas of custom resources (`JSONSchemaProps` of `apiextensions.k8s.io/v1`): what a definition may say in them, and
//! what they do to objects: validation, pruning and defaults.

mod defaults;
mod embedded;
mod formats;
#[cfg(test)]
mod laws;
mod lists;
mod mail;
mod model;
mod pattern;
mod prune;
mod rules;
mod shown;
mod structural;
mod validate;
mod verdict;

pub(super) use formats::is_request_uri;
pub(super) use model::{is_false, or_default};

pub use defaults::{fill_defaults, prune_defaults, prune_nulls, validate_defaults};
pub use embedded::{Strictness, coerce, validate_embedded};
pub use lists::validate_lists;
pub use model::{Dependency, Items, Schema, SchemaOrBool};
pub use prune::prune;
pub use rules::{Laxity, has_strange_type, validate_schema};
pub use shown::syntax;
pub use structural::{unreadable, validate_structural};
pub use validate::{Validator, strip_unsupported_formats};

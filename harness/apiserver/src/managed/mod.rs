//! Who owns which fields of an object, and applying configurations on the server's side: `metadata.managedFields` and
//! `application/apply-patch+yaml` with the semantics of structured-merge-diff v4.0.2, as kube-apiserver 1.20.2 has them.
//!
//! A set of paths ([`set`]) is written as `FieldsV1` ([`codec`]). What a path's value is to this is said by a schema
//! ([`schema`]), made of the table of types ([`builtin`]) or of a definition ([`structural`]). By it objects are
//! checked ([`validate`]), compared and merged ([`compare`]). [`update`] and [`apply`] say who owns what afterwards,
//! [`tracking`] what is done of this for a request.

mod apply;
mod builtin;
mod codec;
mod compare;
mod elements;
mod entries;
mod fields;
mod path;
mod reconcile;
mod schema;
mod set;
mod settle;
mod structural;
mod tracking;
mod trail;
mod update;
mod validate;
mod walk;

#[cfg(test)]
mod laws;

pub use structural::CustomTypes;
pub use tracking::{Application, LONGEST_MANAGER, Sent, Tracker, manager, take};

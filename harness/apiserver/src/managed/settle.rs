//! What a change of an object takes from those who own its fields.

use std::borrow::Cow;
use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::Value;
use thiserror::Error;

use super::compare::{Comparison, compare, compare_fitting};
use super::entries::{Manager, Managers, Owned};
use super::path::Element;
use super::reconcile::{Live, reconcile};
use super::schema::ObjectType;
use super::set::Set;
use super::trail::Violations;
use crate::fields::at;

/// The versions of a kind.
pub trait Versions {
    /// What objects of `api_version` are; `None` for a version that is not known.
    fn object_type(&self, api_version: &str) -> Option<ObjectType<'_>>;

    /// `object`, which is of the version that is written, as it is in `api_version`. Without rules of its own a kind's
    /// versions differ in nothing but their name.
    fn form<'v>(&self, object: &'v Value, api_version: &str) -> Cow<'v, Value> {
        let _ = api_version;
        Cow::Borrowed(object)
    }
}

/// Someone else owns what is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who.
    pub manager: Manager,
    /// What.
    pub path: Vec<Element>,
}

/// Why an object's change was not settled.
#[derive(Debug, Error)]
pub enum Unsettled {
    /// The objects do not fit their schema.
    #[error("failed to compare objects: {0}")]
    Violations(#[from] Violations),
    /// Others own what is to be changed; never empty.
    #[error("{} conflicts", .0.len())]
    Conflicts(Vec<Conflict>),
}

/// What differs between `before` and `after`. `metadata.managedFields` of what is stored does not count.
///
/// # Errors
/// What does not fit the schema.
pub fn difference(kind: ObjectType<'_>, before: &Value, after: &Value) -> Result<Comparison, Violations> {
    Ok(counted(compare(kind, before, after)?, before))
}

/// The same where `after` is known to fit.
///
/// # Errors
/// What of `before` does not fit the schema.
pub fn difference_of_fitting(kind: ObjectType<'_>, before: &Value, after: &Value) -> Result<Comparison, Violations> {
    Ok(counted(compare_fitting(kind, before, after)?, before))
}

fn counted(mut found: Comparison, before: &Value) -> Comparison {
    if at(before, "/metadata/managedFields").is_some() {
        found.removed.remove(&Set::of([[Element::field("metadata"), Element::field("managedFields")]]));
    }
    found
}

/// Brings what everyone owns to the schema of today. Who owns fields of a version that is no more is forgotten.
pub fn bring_up_to_date(versions: &impl Versions, live: &Value, managers: &mut Managers) {
    let mut known: BTreeMap<String, Option<Live<'_>>> = BTreeMap::new();
    let mut kept = BTreeMap::new();
    for (manager, owned) in std::mem::take(&mut managers.owned) {
        let live = known.entry(owned.api_version.clone()).or_insert_with(|| {
            let kind = versions.object_type(&owned.api_version)?;
            Some(Live::new(kind, versions.form(live, &owned.api_version)))
        });
        if let Some(live) = live {
            let set = reconcile(live, owned.set);
            kept.insert(manager, Owned { set, ..owned });
        }
    }
    managers.owned = kept;
}

/// Takes what changed from everyone but `writer`.
///
/// # Errors
/// Without `force`, when someone owns it.
pub fn settle(
    versions: &impl Versions,
    (before, after): (&Value, &Value),
    changes: &Comparison,
    api_version: &str,
    managers: &mut Managers,
    writer: &Manager,
    force: bool,
) -> Result<(), Unsettled> {
    let taken = |changes: &Comparison| Change {
        written: changes.modified.clone().union(&changes.added),
        removed: changes.removed.clone(),
    };
    let mut by_version = BTreeMap::from([(api_version.to_owned(), taken(changes))]);
    let mut conflicts = Vec::new();
    for (manager, owned) in managers.owned.iter().filter(|(manager, _)| *manager != writer) {
        let change = match by_version.entry(owned.api_version.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => {
                let Some(kind) = versions.object_type(&owned.api_version) else { continue };
                let (before, after) = (versions.form(before, slot.key()), versions.form(after, slot.key()));
                slot.insert(taken(&difference(kind, &before, &after)?))
            }
        };
        if !force {
            let contested = owned.set.intersection(&change.written).overwritten_paths();
            conflicts.extend(contested.into_iter().map(|path| Conflict { manager: manager.clone(), path }));
        }
    }
    if !conflicts.is_empty() {
        return Err(Unsettled::Conflicts(conflicts));
    }
    for (_, owned) in managers.owned.iter_mut().filter(|(manager, _)| *manager != writer) {
        if let Some(change) = by_version.get(&owned.api_version) {
            owned.set.remove(&change.written);
            owned.set.remove(&change.removed);
        }
    }
    managers.owned.retain(|_, owned| !owned.set.is_empty());
    Ok(())
}

struct Change {
    written: Set,
    removed: Set,
}

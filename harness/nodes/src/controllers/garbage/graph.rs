//! Who owns whom, as far as it has been seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::cache::Key;

/// Keeps an owner until its dependents are gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Keeps an owner until its dependents forget it.
pub(super) const ORPHAN: &str = "orphan";

/// A kind, by its place in the list of them.
pub(super) type Place = usize;

/// An object's UID.
pub(super) type Uid = String;

/// What an object that is being deleted waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Waits {
    /// For nothing that the garbage collector does.
    #[default]
    Nothing,
    /// For its dependents to be gone.
    Deletion,
    /// For its dependents to forget it.
    Orphans,
}

/// An object with owners, or one that waits for its dependents.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    pub(super) place: Place,
    pub(super) key: Key,
    pub(super) owners: Vec<OwnerReference>,
    pub(super) waits: Waits,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// An object with owners: are they there?
    Dependent(Uid),
    /// An object that is being deleted and waits for its dependents.
    Owner(Uid),
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Dependent(uid) | Self::Owner(uid)) = self;
        uid.fmt(f)
    }
}

/// All objects that were seen; more than their UIDs only of those that own or are owned.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    /// Every object that is there: its kind and namespace, which most of them share.
    seen: HashMap<u128, (Place, u32)>,
    namespaces: BTreeMap<String, u32>,
    objects: BTreeMap<Uid, Object>,
    dependents: BTreeMap<Uid, BTreeSet<Uid>>,
}

pub(super) fn waits(meta: &ObjectMeta) -> Waits {
    let has = |finalizer: &str| meta.finalizers.iter().flatten().any(|one| one == finalizer);
    match meta.deletion_timestamp {
        Some(_) if has(ORPHAN) => Waits::Orphans,
        Some(_) if has(FOREGROUND) => Waits::Deletion,
        _ => Waits::Nothing,
    }
}

/// UIDs are random enough for a short form.
fn short(uid: &str) -> u128 {
    u128::from_str_radix(&uid.replace('-', ""), 16)
        .unwrap_or_else(|_| uid.bytes().fold(1, |sum, byte| sum.wrapping_mul(131).wrapping_add(u128::from(byte))))
}

impl Graph {
    /// Takes in an object as it is now; what is to be done about it.
    pub(super) fn observe(&mut self, place: Place, meta: &ObjectMeta) -> Vec<Work> {
        let uid = meta.uid.clone().unwrap_or_default();
        let namespace = self.number(meta.namespace.as_deref().unwrap_or_default());
        self.seen.insert(short(&uid), (place, namespace));
        let (owners, waits) = (meta.owner_references.clone().unwrap_or_default(), waits(meta));
        let before = self.objects.get(&uid);
        let (had, waited) = before.map(|old| (old.owners.clone(), old.waits)).unwrap_or_default();
        if owners.is_empty() && waits == Waits::Nothing && before.is_none() {
            return Vec::new();
        }
        let mut work = Vec::new();
        if owners != had {
            for owner in &had {
                self.forget(&owner.uid, &uid);
                // An owner that waits for this one may wait no longer.
                work.extend(self.waiting(&owner.uid));
            }
            for owner in &owners {
                self.dependents.entry(owner.uid.clone()).or_default().insert(uid.clone());
            }
            if !owners.is_empty() {
                work.push(Work::Dependent(uid.clone()));
            }
        }
        if waits != waited && waits != Waits::Nothing {
            work.push(Work::Owner(uid.clone()));
        }
        if owners.is_empty() && waits == Waits::Nothing {
            self.objects.remove(&uid);
        } else {
            let key = Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
            self.objects.insert(uid, Object { place, key, owners, waits });
        }
        work
    }

    /// Takes in that an object is gone.
    pub(super) fn remove(&mut self, uid: &str) -> Vec<Work> {
        self.seen.remove(&short(uid));
        let mut work: Vec<_> = self.dependents.get(uid).into_iter().flatten().cloned().map(Work::Dependent).collect();
        if let Some(object) = self.objects.remove(uid) {
            for owner in &object.owners {
                self.forget(&owner.uid, uid);
                work.extend(self.waiting(&owner.uid));
            }
        }
        work
    }

    /// All that may be to do, whatever was done before.
    pub(super) fn work(&self) -> Vec<Work> {
        let dependents = self.objects.iter().filter(|(_, object)| !object.owners.is_empty());
        let owners = self.objects.iter().filter(|(_, object)| object.waits != Waits::Nothing);
        let dependents = dependents.map(|(uid, _)| Work::Dependent(uid.clone()));
        dependents.chain(owners.map(|(uid, _)| Work::Owner(uid.clone()))).collect()
    }

    /// The objects of a kind that are not among those `present`.
    pub(super) fn missing(&self, place: Place, present: &BTreeSet<Uid>) -> Vec<Uid> {
        let present: BTreeSet<_> = present.iter().map(|uid| short(uid)).collect();
        let gone = self.seen.iter().filter(|(uid, (of, _))| *of == place && !present.contains(uid));
        gone.map(|(uid, _)| uuid::Uuid::from_u128(*uid).to_string()).collect()
    }

    /// The object with that UID, if it owns or is owned.
    pub(super) fn get(&self, uid: &str) -> Option<&Object> {
        self.objects.get(uid)
    }

    /// The kind and namespace of the object with that UID, whatever it is.
    pub(super) fn whereabouts(&self, uid: &str) -> Option<(Place, &str)> {
        let (place, number) = self.seen.get(&short(uid))?;
        let name = self.namespaces.iter().find(|(_, known)| *known == number)?.0;
        Some((*place, name))
    }

    /// The objects that name this one as an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Uid> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    fn waiting(&self, uid: &str) -> Option<Work> {
        let waits = self.objects.get(uid).is_some_and(|owner| owner.waits != Waits::Nothing);
        waits.then(|| Work::Owner(uid.to_owned()))
    }

    fn forget(&mut self, owner: &str, dependent: &str) {
        if let Some(dependents) = self.dependents.get_mut(owner) {
            dependents.remove(dependent);
            if dependents.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }

    fn number(&mut self, namespace: &str) -> u32 {
        if let Some(number) = self.namespaces.get(namespace) {
            return *number;
        }
        let number = u32::try_from(self.namespaces.len()).unwrap_or(u32::MAX);
        self.namespaces.insert(namespace.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const A: &str = "00000000-0000-0000-0000-00000000000a";
    const B: &str = "00000000-0000-0000-0000-00000000000b";

    fn meta(uid: &str, owner: Option<&str>, more: &Value) -> ObjectMeta {
        let mut meta = json!({"uid": uid, "name": uid, "namespace": "ns"});
        if let Some(owner) = owner {
            meta["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": owner}]);
        }
        for (key, value) in more.as_object().unwrap() {
            meta[key] = value.clone();
        }
        serde_json::from_value(meta).unwrap()
    }

    fn going(finalizer: &str) -> Value {
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [finalizer]})
    }

    #[test]
    fn looks_at_dependents_when_they_come_and_when_their_owner_goes() {
        let mut graph = Graph::default();
        assert_eq!(graph.observe(0, &meta(A, None, &json!({}))), []);
        assert_eq!(graph.observe(1, &meta(B, Some(A), &json!({}))), [Work::Dependent(B.to_owned())]);
        assert_eq!(graph.observe(1, &meta(B, Some(A), &json!({"labels": {}}))), []);
        assert_eq!(graph.whereabouts(A), Some((0, "ns")));
        assert_eq!(graph.remove(A), [Work::Dependent(B.to_owned())]);
        assert_eq!(graph.whereabouts(A), None);
    }

    #[test]
    fn looks_at_an_owner_that_waits_until_the_last_dependent_is_gone() {
        let mut graph = Graph::default();
        graph.observe(0, &meta(B, Some(A), &json!({})));
        assert_eq!(graph.observe(0, &meta(A, None, &going(FOREGROUND))), [Work::Owner(A.to_owned())]);
        assert_eq!(graph.dependents(A), [B]);
        assert_eq!(graph.remove(B), [Work::Owner(A.to_owned())]);
        assert_eq!(graph.dependents(A), Vec::<Uid>::new());
    }

    #[test]
    fn tells_all_that_may_be_to_do() {
        let mut graph = Graph::default();
        graph.observe(0, &meta(A, None, &going(FOREGROUND)));
        graph.observe(0, &meta(B, Some(A), &json!({})));
        assert_eq!(graph.work(), [Work::Dependent(B.to_owned()), Work::Owner(A.to_owned())]);
    }

    #[test]
    fn looks_at_an_owner_that_waits_when_a_dependent_forgets_it() {
        let mut graph = Graph::default();
        graph.observe(0, &meta(B, Some(A), &json!({})));
        graph.observe(0, &meta(A, None, &going(ORPHAN)));
        assert_eq!(graph.observe(0, &meta(B, None, &json!({}))), [Work::Owner(A.to_owned())]);
        assert_eq!(graph.get(B), None);
    }

    #[test]
    fn finds_what_a_new_list_misses() {
        let mut graph = Graph::default();
        graph.observe(0, &meta(A, None, &json!({})));
        graph.observe(1, &meta(B, None, &json!({})));
        assert_eq!(graph.missing(0, &BTreeSet::new()), [A]);
        assert_eq!(graph.missing(0, &BTreeSet::from([A.to_owned()])), Vec::<Uid>::new());
    }
}

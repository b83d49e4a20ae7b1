//! Which names a definition gets: those that no other definition of its group has
//! (apiextensions' naming controller, Kubernetes 1.20).

use std::collections::BTreeSet;

use super::model::{Definition, Names};
use crate::go;

/// The names that the definitions of a group have.
#[derive(Debug, Default)]
pub struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// The names of `definitions`, all of one group.
    pub fn of<'a>(definitions: impl Iterator<Item = &'a Definition>) -> Self {
        let mut taken = Self::default();
        for names in definitions.map(|definition| &definition.status.accepted_names) {
            taken.resources.extend([names.plural.clone(), names.singular.clone()]);
            taken.resources.extend(names.short_names.iter().cloned());
            taken.kinds.extend([names.kind.clone(), names.list_kind.clone()]);
        }
        taken
    }
}

fn is_free(wanted: &str, own: &str, taken: &BTreeSet<String>) -> Result<(), String> {
    if wanted == own || !taken.contains(wanted) {
        return Ok(());
    }
    Err(format!("{} is already in use", go::quoted(wanted)))
}

/// Accepts what names are free, and says so in the conditions. Tells whether there was anything to do.
pub fn accept(definition: &mut Definition, taken: &Taken, now: &str) -> bool {
    let wanted = definition.spec.names.clone();
    if wanted == definition.status.accepted_names {
        return false;
    }
    let before = definition.clone();
    let own = definition.status.accepted_names.clone();
    let mut conflict: Option<(&str, String)> = None;
    let mut take = |reason: &'static str, wanted: &str, own: &str, taken: &BTreeSet<String>| {
        let found = is_free(wanted, own, taken);
        let accepted = if found.is_ok() { wanted } else { own }.to_owned();
        conflict = found.err().map(|text| (reason, text)).or(conflict.take());
        accepted
    };
    let plural = take("PluralConflict", &wanted.plural, &own.plural, &taken.resources);
    let singular = take("SingularConflict", &wanted.singular, &own.singular, &taken.resources);
    let shorts = short_names(&wanted, &own, &taken.resources);
    let short_names = match shorts {
        Ok(()) => wanted.short_names.clone(),
        Err(_) => own.short_names.clone(),
    };
    let kind = take("KindConflict", &wanted.kind, &own.kind, &taken.kinds);
    let list_kind = take("ListKindConflict", &wanted.list_kind, &own.list_kind, &taken.kinds);
    // The last conflict found is the one that is told, and short names come before kinds.
    let conflict = match (conflict, shorts) {
        (Some(found), _) if found.0.ends_with("KindConflict") => Some(found),
        (_, Err(text)) => Some(("ShortNamesConflict", text)),
        (found, Ok(())) => found,
    };
    definition.status.accepted_names =
        Names { plural, singular, short_names, kind, list_kind, categories: wanted.categories };
    tell(definition, conflict.as_ref(), now);
    *definition != before
}

fn short_names(wanted: &Names, own: &Names, taken: &BTreeSet<String>) -> Result<(), String> {
    if wanted.short_names == own.short_names {
        return Ok(());
    }
    let new = wanted.short_names.iter().filter(|name| !own.short_names.contains(name));
    let mut faults: Vec<String> = Vec::new();
    for text in new.filter_map(|name| is_free(name, "", taken).err()) {
        if !faults.contains(&text) {
            faults.push(text);
        }
    }
    match faults.as_slice() {
        [] => Ok(()),
        [fault] => Err(fault.clone()),
        faults => Err(format!("[{}]", faults.join(", "))),
    }
}

fn tell(definition: &mut Definition, conflict: Option<&(&str, String)>, now: &str) {
    let accepted = conflict.is_none();
    let (status, reason, message) = match conflict {
        None => ("True", "NoConflicts", "no conflicts found"),
        Some((reason, text)) => ("False", *reason, text.as_str()),
    };
    definition.set_condition("NamesAccepted", status, reason, message, now);
    if definition.is_true("Established") {
        return;
    }
    if accepted {
        let message = "the initial names have been accepted";
        definition.set_condition("Established", "False", "Installing", message, now);
    } else if !definition.status.conditions.iter().any(|condition| condition.kind == "Established") {
        definition.set_condition("Established", "False", "NotAccepted", "not all names are accepted", now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(plural: &str, kind: &str, short: &[&str]) -> Definition {
        let names = Names {
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            short_names: short.iter().map(|name| (*name).to_owned()).collect(),
            ..Names::default()
        };
        let mut definition = Definition::default();
        definition.spec.names = names;
        definition
    }

    fn accepted(mut definition: Definition) -> Definition {
        accept(&mut definition, &Taken::default(), "now");
        definition
    }

    #[test]
    fn accepts_names_that_are_free() {
        let definition = accepted(definition("things", "Thing", &["th"]));
        assert_eq!(definition.status.accepted_names, definition.spec.names);
        let reasons: Vec<&str> = definition.status.conditions.iter().map(|found| found.reason.as_str()).collect();
        assert_eq!(reasons, ["NoConflicts", "Installing"]);
    }

    #[test]
    fn tells_the_last_conflict() {
        let first = accepted(definition("things", "Thing", &["th"]));
        let mut second = definition("others", "Thing", &["th"]);
        assert!(accept(&mut second, &Taken::of([&first].into_iter()), "now"));
        let condition = second.status.conditions.first().cloned().unwrap_or_default();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "ListKindConflict"));
        assert_eq!(condition.message, "\"ThingList\" is already in use");
        assert_eq!(
            (second.status.accepted_names.plural.as_str(), second.status.accepted_names.kind.as_str()),
            ("others", "")
        );
    }

    #[test]
    fn leaves_accepted_names_alone() {
        let mut definition = accepted(definition("things", "Thing", &[]));
        assert!(!accept(&mut definition, &Taken::default(), "later"));
    }
}

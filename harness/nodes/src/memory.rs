//! What a program would still know if its process went on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// What a program knows while it is at rest: enough for another one to go on where it is. A cluster whose programs all
/// rest can be kept ([`Nodes::snapshot`](crate::Nodes::snapshot)); one with a program that never says so cannot.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Inner>>);

/// What a program has kept, by the name of what of it did.
pub(crate) type Kept = BTreeMap<&'static str, Value>;

/// The program itself, beside the parts of it that have a memory of their own.
const ITSELF: &str = "";

#[derive(Default)]
struct Inner {
    before: Option<Kept>,
    /// By part; nothing from one that is amid something.
    kept: BTreeMap<&'static str, Option<Tell>>,
}

type Tell = Arc<dyn Fn() -> Value + Send + Sync>;

impl Memory {
    /// That of a program that goes on from `before`.
    #[must_use]
    pub fn going_on_from(before: Value) -> Self {
        Self::of(Kept::from([(ITSELF, before)]))
    }

    pub(crate) fn of(before: Kept) -> Self {
        Self(Arc::new(Mutex::new(Inner { before: Some(before), kept: BTreeMap::new() })))
    }

    /// What the program kept that this one goes on from; none for one that has just been started.
    #[must_use]
    pub fn of_before(&self) -> Option<Value> {
        self.lock().before.as_ref()?.get(ITSELF).cloned()
    }

    /// The program is at rest, and one that knows `value` can go on from here.
    pub fn keep(&self, value: Value) {
        self.lock().kept.insert(ITSELF, Some(Arc::new(move || value.clone())));
    }

    /// The program is amid something that nobody else can finish.
    pub fn forget(&self) {
        self.lock().kept.insert(ITSELF, None);
    }

    /// The memory of a part of the program, which is amid something at first.
    #[must_use]
    pub fn part(&self, name: &'static str) -> Part {
        let part = Part { memory: self.clone(), name };
        part.forget();
        part
    }

    /// What the program has kept, if it and all of its parts have.
    pub(crate) fn kept(&self) -> Option<Kept> {
        let kept = self.lock().kept.clone();
        if !kept.contains_key(ITSELF) {
            return None;
        }
        kept.into_iter().map(|(name, tell)| Some((name, tell?()))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory of a part of a program, while it lives: what has ended, nobody goes on with.
pub struct Part {
    memory: Memory,
    name: &'static str,
}

impl Part {
    /// What the part kept that this one goes on from: once, since whatever comes after it begins anew.
    #[must_use]
    pub fn take_before(&self) -> Option<Value> {
        self.memory.lock().before.as_mut()?.remove(self.name)
    }

    /// The part is at rest, and one that knows what `tell` says when it is asked can go on from here.
    pub fn keep(&self, tell: impl Fn() -> Value + Send + Sync + 'static) {
        self.memory.lock().kept.insert(self.name, Some(Arc::new(tell)));
    }

    /// The part is amid something that nobody else can finish.
    pub fn forget(&self) {
        self.memory.lock().kept.insert(self.name, None);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.memory.lock().kept.remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_the_program_and_its_parts_know_while_all_rest() {
        let memory = Memory::default();
        assert_eq!(memory.kept(), None, "nothing was said");
        memory.keep(json!(1));
        let part = memory.part("part");
        assert_eq!(memory.kept(), None, "the part is amid something");
        part.keep(|| json!(2));
        let before = memory.kept().unwrap();
        let after = Memory::of(before);
        assert_eq!((after.of_before(), after.part("part").take_before()), (Some(json!(1)), Some(json!(2))));
        assert_eq!(after.part("part").take_before(), None, "another one begins anew");
        memory.forget();
        assert_eq!(memory.kept(), None, "the program is amid something");
    }

    #[test]
    fn goes_on_with_no_part_that_has_ended() {
        let memory = Memory::default();
        memory.keep(json!(1));
        drop(memory.part("part"));
        let after = Memory::of(memory.kept().unwrap());
        assert_eq!(after.part("part").take_before(), None);
    }
}

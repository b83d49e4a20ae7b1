//! What a program would still know if its process went on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// What a program knows while it is at rest: enough for another one to go on where it is. A cluster whose programs all
/// rest can be kept ([`Nodes::snapshot`](crate::Nodes::snapshot)); one with a program that never says so cannot.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    before: Option<Value>,
    kept: Option<Value>,
}

impl Memory {
    /// That of a program that goes on from `before`.
    #[must_use]
    pub fn going_on_from(before: Value) -> Self {
        Self(Arc::new(Mutex::new(Inner { before: Some(before), kept: None })))
    }

    /// What the program kept that this one goes on from; none for one that has just been started.
    #[must_use]
    pub fn of_before(&self) -> Option<Value> {
        self.lock().before.clone()
    }

    /// The program is at rest, and one that knows `value` can go on from here.
    pub fn keep(&self, value: Value) {
        self.lock().kept = Some(value);
    }

    /// The program is amid something that nobody else can finish.
    pub fn forget(&self) {
        self.lock().kept = None;
    }

    /// What the program has kept.
    pub(crate) fn kept(&self) -> Option<Value> {
        self.lock().kept.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

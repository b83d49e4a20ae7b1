//! One file per check: a function from a [`view::ClusterView`] to a [`Finding`] with evidence.
//!
//! The oracle shares no rule with its subject: checks parse what a cluster answers and compare it with what the pages
//! promise; they never call the code that renders or validates.

mod budget;
mod call;
pub mod catalogue;
mod context;
mod finding;
mod read;
mod settle;
#[cfg(test)]
mod testing;
pub mod view;

pub use call::{ArgSpec, CallError, CheckEntry, Clusters, run};
pub use catalogue::catalogue;
pub use context::{CheckContext, Facts, NoWait, StepFact, ValidationFact, Waiter};
pub use finding::Finding;

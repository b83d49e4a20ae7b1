//! The scenario file: model, parser with positions, lint, selection; events and the report's types. No I/O.

pub mod event;
pub mod known;
pub mod mask;
pub mod model;
pub mod parse;
pub mod plan;
pub mod problem;
pub mod repeat;
pub mod report;
pub mod requirement;
pub mod schema;
pub mod select;
pub mod skip;

pub use known::{ArgSpec, CheckSignature, Known};
pub use mask::Masker;
pub use parse::{BUILT_IN, DEFAULT_TIMEOUT, check_set, parse};
pub use plan::{Cell, Release, Shard, plan};
pub use problem::Problem;
pub use report::Report;
pub use select::{Selection, Selector};
pub use skip::SkipReason;

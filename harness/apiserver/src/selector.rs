//! Label and field selectors: what they demand, how they are read, and what the original says to those it cannot read.

mod fields;
mod labels;
mod lexer;

pub use fields::{FieldSelector, RawFieldSelector};
pub use labels::LabelSelector;

//! Events to terminal, JSON, JUnit and a summary in Markdown.

mod failure;
mod json;
mod junit;
mod list;
mod markdown;
mod merge;
mod parity;
mod table;
mod terminal;
mod text;
mod write;

pub use json::to_json;
pub use junit::{JunitError, to_junit};
pub use list::list_table;
pub use markdown::to_markdown;
pub use merge::{MergeError, merge};
pub use parity::{Difference, Parity, Reason, Side};
pub use terminal::{Terminal, TerminalOptions};
pub use write::{WriteError, write};

#[cfg(test)]
mod fixture;

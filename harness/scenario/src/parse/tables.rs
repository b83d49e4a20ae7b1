//! The words and numbers that the parser takes, for whoever tells of the format.

pub use super::console::{CONSOLE_ACTS, EDIT_MODES};
pub use super::scenario::{API_VERSION, FREQUENCIES, KIND, MOST_NODES, PRESENCE, ROLES, SECRETS};
pub use super::step::CLUSTERS;
pub use super::variables::BUILT_IN;

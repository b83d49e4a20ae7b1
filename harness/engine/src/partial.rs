//! Objects in part, as steps give them: what the wait for one and its explanation have in common.

use serde_json::Value;

/// What items of lists are told apart by: conditions by their type; containers, ports and subjects by their name.
const IDENTITIES: [&str; 2] = ["type", "name"];

/// The key by which `item` is told from others of its list, and what it is there.
pub fn identity(item: &Value) -> Option<(&'static str, &Value)> {
    IDENTITIES.into_iter().find_map(|key| Some((key, item.get(key)?)))
}

/// A value as kubectl prints it: text without quotes.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

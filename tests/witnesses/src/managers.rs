//! The order of `metadata.managedFields`. A server sorts the entries of one operation by time, in whole seconds, before
//! it looks at the manager (1.20, apimachinery `managedfields`, `sortEncodedManagedFields`), so that the second that
//! ends between two writes on one server alone turns them round. Here they are sorted by what they say.

use serde_json::Value;

/// How clients show the field: in JSON, in YAML, by `kubectl describe`.
const HEADERS: [&str; 3] = ["\"managedFields\": [", "managedFields:", "Managed Fields:"];

/// `text` with the entries of every `managedFields` in an order of their own. Times must be gone from it.
pub fn ordered(text: &str) -> String {
    let mut ordered = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        ordered.push_str(&on_one_line(line).unwrap_or_else(|| line.to_owned()));
        let Some(first) = lines.peek().copied().filter(|_| HEADERS.contains(&line.trim())) else { continue };
        let (depth, opening) = (indentation(first), first_word(first));
        // The items of a list are as deep as its field in YAML, and deeper elsewhere.
        let is_inside = |line: &&str| {
            let this = indentation(line);
            this > depth || (this == depth && (opening != "-" || first_word(line) == opening))
        };
        let mut entries: Vec<String> = Vec::new();
        while let Some(line) = lines.next_if(is_inside) {
            let begins = indentation(line) == depth && first_word(line) == opening;
            match entries.last_mut().filter(|_| !begins) {
                Some(entry) => entry.push_str(line),
                None => entries.push(line.to_owned()),
            }
        }
        ordered.push_str(&sorted(&entries));
    }
    ordered
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

/// The entries in order, with JSON's commas between them where they were.
fn sorted(entries: &[String]) -> String {
    let separator = if entries.iter().any(|entry| entry.ends_with(",\n")) { ",\n" } else { "\n" };
    let mut entries: Vec<&str> = entries.iter().map(|entry| entry.trim_end_matches(['\n', ','])).collect();
    entries.sort_unstable();
    entries.join(separator) + "\n"
}

/// A line that is JSON as servers write it, with nothing between its parts.
fn on_one_line(line: &str) -> Option<String> {
    let mut value = line.contains("\"managedFields\":[").then(|| serde_json::from_str(line).ok())??;
    sort_within(&mut value);
    Some(value.to_string() + if line.ends_with('\n') { "\n" } else { "" })
}

fn sort_within(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(entries)) = fields.get_mut("managedFields") {
                entries.sort_by_cached_key(Value::to_string);
            }
            fields.values_mut().for_each(sort_within);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_within),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::json(
        "{\n \"managedFields\": [\n  {\n   \"manager\": \"b\"\n  },\n  {\n   \"manager\": \"a\"\n  }\n ],\n \"name\": \"x\"\n}\n",
        "{\n \"managedFields\": [\n  {\n   \"manager\": \"a\"\n  },\n  {\n   \"manager\": \"b\"\n  }\n ],\n \"name\": \"x\"\n}\n"
    )]
    #[case::yaml(
        "  managedFields:\n  - manager: b\n    time: TIME\n  - manager: a\n    time: TIME\n  name: x\n",
        "  managedFields:\n  - manager: a\n    time: TIME\n  - manager: b\n    time: TIME\n  name: x\n"
    )]
    #[case::description(
        "  Managed Fields:\n    API Version:  v1\n    Manager:  b\n    API Version:  v1\n    Manager:  a\n  Self Link:  /x\n",
        "  Managed Fields:\n    API Version:  v1\n    Manager:  a\n    API Version:  v1\n    Manager:  b\n  Self Link:  /x\n"
    )]
    #[case::one_line(
        "{\"managedFields\":[{\"manager\":\"b\"},{\"manager\":\"a\"}],\"name\":\"x\"}",
        "{\"managedFields\":[{\"manager\":\"a\"},{\"manager\":\"b\"}],\"name\":\"x\"}"
    )]
    #[case::other_lists("  args:\n  - b\n  - a\n", "  args:\n  - b\n  - a\n")]
    fn sorts_entries(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(ordered(text), expected);
    }

    #[test]
    fn keeps_what_entries_say_apart() {
        let shown = |field: &str| format!("  managedFields:\n  - manager: a\n    {field}: {{}}\n");
        assert_ne!(ordered(&shown("f:data")), ordered(&shown("f:metadata")));
    }
}

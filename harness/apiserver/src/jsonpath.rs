//! The part of Kubernetes' JSON path that printer columns and scale paths use: fields, indices and one-key filters.

use serde_json::Value;

/// The first value at `path`, as `.spec.x`, `.status.conditions[?(@.type=="Ready")].status` or `.metadata.labels.a\.b`.
#[must_use]
pub fn first<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (bracket, after) = split_bracket(inner)?;
            found = found.into_iter().flat_map(|value| step(value, bracket)).collect();
            rest = after;
        } else {
            let (name, after) = split_name(rest.strip_prefix('.').unwrap_or(rest));
            if !name.is_empty() {
                found = found.into_iter().filter_map(|value| value.get(&name)).collect();
            }
            rest = after;
        }
        if found.is_empty() {
            return None;
        }
    }
    found.first().copied()
}

/// A field's name, dots after a backslash included, and what follows it.
fn split_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, next)| next)),
            '.' | '[' => return (name, text.get(at..).unwrap_or_default()),
            _ => name.push(c),
        }
    }
    (name, "")
}

fn split_bracket(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quote) = (1, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    return Some((text.get(..at)?, text.get(at + 1..)?));
                }
            }
            _ => {}
        }
    }
    None
}

fn step<'a>(value: &'a Value, bracket: &str) -> Vec<&'a Value> {
    let unquoted = |text: &str| text.trim().trim_matches(|c| c == '"' || c == '\'').to_owned();
    let items = || value.as_array().into_iter().flatten();
    if bracket == "*" {
        return items().collect();
    }
    if let Ok(index) = bracket.parse::<i64>() {
        let length = i64::try_from(items().count()).unwrap_or(0);
        let index = if index < 0 { index + length } else { index };
        return usize::try_from(index).ok().and_then(|index| value.get(index)).into_iter().collect();
    }
    if let Some(filter) = bracket.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let Some((path, wanted)) = filter.split_once("==") else { return Vec::new() };
        let (path, wanted) = (path.trim().trim_start_matches('@'), unquoted(wanted));
        let holds = |item: &&Value| match first(item, path) {
            Some(Value::String(text)) => *text == wanted,
            Some(other) => format!("{other}") == wanted,
            None => false,
        };
        return items().filter(holds).collect();
    }
    value.get(unquoted(bracket)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(".spec.a", Some(json!(1)))]
    #[case(".spec.none", None)]
    #[case(".items[1].name", Some(json!("y")))]
    #[case(".items[?(@.name==\"y\")].ok", Some(json!(true)))]
    #[case(".labels.a\\.b/c", Some(json!("z")))]
    #[case(".labels['a.b/c']", Some(json!("z")))]
    fn finds_values(#[case] path: &str, #[case] expected: Option<Value>) {
        let object = json!({
            "spec": {"a": 1},
            "items": [{"name": "x"}, {"name": "y", "ok": true}],
            "labels": {"a.b/c": "z"},
        });
        assert_eq!(first(&object, path).cloned(), expected);
    }
}

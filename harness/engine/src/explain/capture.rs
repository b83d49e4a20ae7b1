//! A value out of a command's output, by the scenario's own pattern.

use super::quote::{Names, quoted};

/// Takes the pattern's first group, or all of its match, out of `$output`.
pub fn captured(pattern: &str) -> String {
    match around_group(pattern) {
        Some(pattern) => format!("grep -oP -- {} <<<\"$output\" | head -n 1", quoted(&pattern, &Names::none())),
        // What PCRE's \K and lookahead cannot say, Perl does.
        None => format!(
            "PATTERN={} perl -0777 -ne 'print defined $1 ? $1 : $& if /$ENV{{PATTERN}}/m' <<<\"$output\"",
            quoted(pattern, &Names::none())
        ),
    }
}

/// `before(group)after` as a pattern that matches nothing but the group; none where it has another form.
fn around_group(pattern: &str) -> Option<String> {
    let mut opens = Vec::new();
    let mut groups = Vec::new();
    let (mut escaped, mut class) = (false, false);
    for (at, character) in pattern.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => opens.push(at),
            ')' if !class => groups.push((opens.pop()?, at)),
            '|' if !class && opens.is_empty() => return None,
            _ => {}
        }
    }
    match groups.as_slice() {
        [] => Some(pattern.to_owned()),
        [(open, close)] => {
            let (first, group, last) = (&pattern[..*open], &pattern[open + 1..*close], &pattern[close + 1..]);
            let plain = !group.starts_with('?') && !last.starts_with(['*', '+', '?', '{']);
            let last = if last.is_empty() { String::new() } else { format!("(?={last})") };
            plain.then(|| format!("{first}\\K(?:{group}){last}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"jwtSecret: "?([^"\s]+)"?"#, Some(r#"jwtSecret: "?\K(?:[^"\s]+)(?="?)"#))]
    #[case("[0-9]+", Some("[0-9]+"))]
    #[case(r"a\(b", Some(r"a\(b"))]
    #[case("(a)(b)", None)]
    #[case("(a)|b", None)]
    #[case("(a)+", None)]
    #[case("(?:a)b", None)]
    fn says_a_group_without_groups(#[case] pattern: &str, #[case] expected: Option<&str>) {
        assert_eq!(around_group(pattern).as_deref(), expected);
    }
}

//! Text as words of a POSIX shell, with a scenario's variables as the shell's.

use std::collections::BTreeSet;

use scenario::model::Scenario;

/// The scenario's variables; `${name}` with any other name belongs to the shell already.
pub struct Names(BTreeSet<String>);

impl Names {
    /// Those that steps capture, and `others`.
    pub fn of<'n>(scenario: &'n Scenario, others: impl Iterator<Item = &'n String>) -> Self {
        let captured = scenario.steps.iter().flat_map(|step| step.capture.keys());
        Self(captured.chain(others).cloned().collect())
    }

    /// None.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// The variable that `text` begins with, with its `${}`.
    fn first<'t>(&self, text: &'t str) -> Option<&'t str> {
        let inner = text.strip_prefix("${")?;
        let end = inner.find('}')?;
        self.0.contains(&inner[..end]).then(|| &text[..end + 3])
    }
}

/// `text` as one word.
pub fn quoted(text: &str, names: &Names) -> String {
    let mut word = String::from("'");
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(variable) = names.first(rest) {
            word.extend(["'\"", variable, "\"'"]);
            rest = &rest[variable.len()..];
            continue;
        }
        if character == '\'' {
            word += r"'\''";
        } else {
            word.push(character);
        }
        rest = &rest[character.len_utf8()..];
    }
    word + "'"
}

/// `text` as one word, without quotes where it needs none.
pub fn word(text: &str, names: &Names) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-/:@".contains(character);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quoted(text, names) }
}

/// A command line in which variables stood for their values before any shell saw it: in single quotes, too.
pub fn in_shell(command: &str, names: &Names) -> String {
    let mut line = String::new();
    let mut quote = None;
    let mut rest = command;
    while let Some(character) = rest.chars().next() {
        if let Some(variable) = names.first(rest) {
            if quote == Some('\'') {
                line.extend(["'\"", variable, "\"'"]);
            } else {
                line += variable;
            }
            rest = &rest[variable.len()..];
            continue;
        }
        let escaped = character == '\\' && quote != Some('\'');
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        let length = character.len_utf8() + if escaped { rest.chars().nth(1).map_or(0, char::len_utf8) } else { 0 };
        line += &rest[..length];
        rest = &rest[length..];
    }
    line
}

/// Whether a command line is one command with its arguments, before which another word can be put.
pub fn is_simple(command: &str) -> bool {
    let (mut quote, mut depth) = (None, 0_u32);
    let mut characters = command.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '$') if characters.peek() == Some(&'(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, '|' | ';' | '&' | '\n' | '<' | '>' | '{' | '#') if depth == 0 => return false,
            _ => {}
        }
    }
    // An assignment before the command is the shell's, too.
    command.split_whitespace().next().is_some_and(|first| !first.contains('='))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn names() -> Names {
        Names(["secret".to_owned()].into())
    }

    #[rstest]
    #[case("a ${secret} b", r#"'a '"${secret}"' b'"#)]
    #[case("it's ${OTHER}", r"'it'\''s ${OTHER}'")]
    fn quotes_all_but_variables(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(quoted(text, &names()), expected);
    }

    #[rstest]
    #[case("echo ${secret} \"${secret}\"", "echo ${secret} \"${secret}\"")]
    #[case("echo '{\"a\": \"${secret}\"}'", "echo '{\"a\": \"'\"${secret}\"'\"}'")]
    #[case(r"echo \' ${secret} '${HOME}'", r"echo \' ${secret} '${HOME}'")]
    fn takes_variables_out_of_single_quotes(#[case] command: &str, #[case] expected: &str) {
        assert_eq!(in_shell(command, &names()), expected);
    }

    #[rstest]
    #[case("kubectl logs $(kubectl get pod | head) -l 'a|b'", true)]
    #[case("kubectl get cm | grep a", false)]
    #[case("a; b", false)]
    #[case("A=b c", false)]
    fn knows_one_command(#[case] command: &str, #[case] simple: bool) {
        assert_eq!(is_simple(command), simple);
    }
}

//! YAML as Go's `yaml.v2` reads and words it.

use serde_json::Value;

/// A text that is not YAML, in the words of `yaml.v2`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("yaml: {0}")]
pub struct YamlError(String);

/// Reads one YAML document as JSON, as `yaml.Unmarshal` does; an empty document is `null`.
///
/// # Errors
/// [`YamlError`] in Go's words.
pub fn read(text: &[u8]) -> Result<Value, YamlError> {
    let text = std::str::from_utf8(text).map_err(|_| YamlError("invalid leading UTF-8 octet".to_owned()))?;
    serde_yaml::from_str(text).map_err(|error| YamlError(words(&error)))
}

/// Both parsers are libyaml's, so the problem has the same words; only the place is told differently. Go leaves out
/// the line of a problem in the first line, and counts from zero where the parser (not the scanner) noticed it.
fn words(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let line = error.location().map_or(0, |place| place.line());
    let noticed_by_parser = problem.starts_with("did not find expected");
    match (line, noticed_by_parser) {
        (0 | 1, _) => problem,
        (line, true) => format!("line {}: {problem}", line - 1),
        (line, false) => format!("line {line}: {problem}"),
    }
}

/// `text` as `yaml.v2` writes a string: plain, `'…'` where the text begins with or holds an indicator, `"…"` where
/// a plain text would be read as something else.
#[must_use]
pub fn scalar(text: &str) -> String {
    if reads_as_other_type(text) || text.chars().any(|c| c.is_control() || c == '\u{feff}') {
        return serde_json::Value::String(text.to_owned()).to_string();
    }
    if plain_is_allowed(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

fn reads_as_other_type(text: &str) -> bool {
    const WORDS: [&str; 28] = [
        "", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "y", "Y", "yes", "Yes",
        "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "<<",
    ];
    const FLOATS: [&str; 12] =
        [".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"];
    WORDS.contains(&text) || FLOATS.contains(&text) || is_number(text) || is_date(text)
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    if text.len() > digits.len() + 1 || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let plain = digits.replace('_', "");
    let radix = |prefix: &str, radix: u32| {
        plain.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    // `1:30:00` counted in sixties was a number in YAML 1.1, and yaml.v2 still quotes it.
    let sexagesimal =
        digits.contains(':') && digits.split(':').all(|part| !part.is_empty() && part.parse::<f64>().is_ok());
    radix("0x", 16) || radix("0o", 8) || radix("0b", 2) || plain.parse::<f64>().is_ok() || sexagesimal
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let day = bytes.get(..10).is_some_and(|day| {
        day.iter().enumerate().all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
    });
    day && (bytes.len() == 10 || matches!(bytes[10], b'T' | b't' | b' '))
}

fn plain_is_allowed(text: &str) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let second_is_space = text.chars().nth(1).is_none_or(char::is_whitespace);
    let forbidden_start = "#,[]{}&*!|>'\"%@`".contains(first) || ("-?:".contains(first) && second_is_space);
    let document_mark = text.starts_with("---") || text.starts_with("...");
    let padded = text.starts_with(' ') || text.ends_with(' ');
    !forbidden_start
        && !document_mark
        && !padded
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a: b: c", "yaml: mapping values are not allowed in this context")]
    #[case("a: 1\nb: c: d", "yaml: line 2: mapping values are not allowed in this context")]
    #[case("authentication:\n  jwtSecret: \"a\"b\"\n", "yaml: line 1: did not find expected key")]
    fn words_a_syntax_error_as_go_does(#[case] text: &str, #[case] words: &str) {
        assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), words);
    }

    #[rstest]
    #[case("gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU", "gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU")]
    #[case("*", "'*'")]
    #[case("", "\"\"")]
    #[case("12345678901234567890123456789012", "\"12345678901234567890123456789012\"")]
    #[case("true", "\"true\"")]
    #[case("1e3", "\"1e3\"")]
    #[case("a: b", "'a: b'")]
    #[case("it's", "it's")]
    #[case("http://x.svc:9090", "http://x.svc:9090")]
    #[case("alpine:3.14", "alpine:3.14")]
    #[case("v1.1.0", "v1.1.0")]
    #[case("2026-11-22", "\"2026-11-22\"")]
    fn writes_strings_as_go_does(#[case] text: &str, #[case] written: &str) {
        assert_eq!(scalar(text), written);
    }
}

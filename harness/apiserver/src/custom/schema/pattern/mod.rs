//! Regular expressions of Go (RE2's syntax, `regexp/syntax` of Go 1.19) on Rust's engine: both match in the same way,
//! but read some expressions differently. In Go `\d`, `\w`, `\s` and `\b` know ASCII alone, `[` inside of a class is a
//! character, `\Q…\E` quotes, and there are no verbose mode, no set operations and no `(?<name>…)`.

mod class;
mod translate;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::Regex;

/// What is wrong with an expression, in the words of Go's parser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {what}: `{which}`")]
pub struct PatternError {
    /// The kind of fault, as `missing closing )`.
    pub what: &'static str,
    /// The part of the expression.
    pub which: String,
}

type Compiled = Arc<Result<Regex, PatternError>>;

/// The expressions used so far: a schema's are asked for with every object.
static COMPILED: LazyLock<Mutex<HashMap<String, Compiled>>> = LazyLock::new(Mutex::default);

fn compile(pattern: &str) -> Result<Regex, PatternError> {
    let translated = translate::translate(pattern)?;
    // What Go's parser takes and Rust's does not is left: names of Unicode classes.
    let unknown = |_| PatternError { what: "invalid character class range", which: pattern.to_owned() };
    Regex::new(&translated).map_err(unknown)
}

fn compiled(pattern: &str) -> Compiled {
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(known.entry(pattern.to_owned()).or_insert_with(|| Arc::new(compile(pattern))))
}

/// Whether Go would take `pattern` for a regular expression.
///
/// # Errors
/// What Go says is wrong with it.
pub fn check(pattern: &str) -> Result<(), PatternError> {
    compiled(pattern).as_ref().as_ref().map(|_| ()).map_err(Clone::clone)
}

/// Whether `pattern` is found in `text`.
///
/// # Errors
/// What Go says is wrong with the pattern.
pub fn matches(pattern: &str, text: &str) -> Result<bool, PatternError> {
    compiled(pattern).as_ref().as_ref().map(|regex| regex.is_match(text)).map_err(Clone::clone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("^a+$", "aaa", true)]
    #[case(r"^\d+$", "12", true)]
    #[case(r"^\d+$", "\u{0661}", false)]
    #[case(r"^\w$", "é", false)]
    #[case(r"^[\w.]+$", "a.b", true)]
    #[case(r"^[^\s]+$", "a b", false)]
    #[case(r"^[a[]+$", "a[", true)]
    #[case(r"^[a&&b]+$", "a&b", true)]
    #[case(r"^[]a]+$", "]a", true)]
    #[case(r"^\Qa.b\E$", "a.b", true)]
    #[case(r"^\Qa.b\E$", "axb", false)]
    #[case(r"^[[:alpha:]]+$", "ab", true)]
    #[case(r"^\x41\x{42}\103$", "ABC", true)]
    #[case(r"^a{2,3}$", "aaaa", false)]
    #[case(r"^a{,3}$", "a{,3}", true)]
    #[case(r"(?i)^AB$", "ab", true)]
    #[case(r"^(?P<x>a)$", "a", true)]
    #[case(r"\bfoo\b", "a foo b", true)]
    #[case(r"\bé", "aé", true)]
    #[case(r"^\p{Greek}+$", "αβ", true)]
    #[case(r"^\p{^Greek}$", "a", true)]
    #[case(r"^\pL\PL$", "a1", true)]
    #[case(r"^a#b $", "a#b ", true)]
    fn matches_as_go(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, text), Ok(expected));
    }

    #[rstest]
    #[case("a(b", "missing closing ): `a(b`")]
    #[case("a)b", "unexpected ): `a)b`")]
    #[case("[a", "missing closing ]: `[a`")]
    #[case("[z-a]", "invalid character class range: `z-a`")]
    #[case("*a", "missing argument to repetition operator: `*`")]
    #[case("a**", "invalid nested repetition operator: `**`")]
    #[case("a{1001}", "invalid repeat count: `{1001}`")]
    #[case(r"\y", r"invalid escape sequence: `\y`")]
    #[case("a\\", "trailing backslash at end of expression: ``")]
    #[case("(?<n>a)", "invalid or unsupported Perl syntax: `(?<`")]
    #[case("(?=a)", "invalid or unsupported Perl syntax: `(?=`")]
    #[case("(?P<n", "invalid named capture: `(?P<n`")]
    fn words_faults_as_go(#[case] pattern: &str, #[case] expected: &str) {
        assert_eq!(check(pattern).unwrap_err().to_string(), format!("error parsing regexp: {expected}"));
    }
}

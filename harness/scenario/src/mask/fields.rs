//! Secrets that nobody named, known by where they stand: fields of YAML and JSON, flags, headers, private keys, tokens.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// Names of fields whose value is a secret. `client-certificate-data` is here because it stands beside a key and tells who
/// may use it; `kubeconfig` holds all of them.
const NAMES: &str = concat!(
    r"jwt_?secret|client[_-]?key[_-]?data|client[_-]?certificate[_-]?data|client[_-]?secret|tls\.key|ca\.key|",
    r"(?:access|refresh|id)[_-]?token|token|[\w.-]*(?:password|passwd|passphrase)",
);

/// `name:`, `"name" :`, `name=`; group 1 is what stands before it on its line, group 2 the separator.
static FIELD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(&format!(r#"(?i)(^[ \t]*(?:- +|\? +)*|[^A-Za-z0-9_])["']?(?:{NAMES})["']?[ \t]*([:=])[ \t]*"#))
});

/// `--token VALUE`.
static FLAG: LazyLock<Option<Regex>> = LazyLock::new(|| compile(r"--(?:token|password)[ \t]+([^\s-][^\s]*)"));

/// The credential of a header, whoever's it is.
static HEADER: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r#"(?i)authorization["']?[ \t]*[:=][ \t]*["']?(?:bearer|basic)[ \t]+([^\s"',\\]+)"#));

/// RFC 7519: header and payload are JSON objects in base64url, so that both begin with `eyJ`.
static JWT: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"eyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*"));

/// RFC 7468: the body is base64, which holds no hyphen. A body that was cut off counts too.
static PRIVATE_KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----([^-]*)"));

/// A kubeconfig as one field's value, in base64 (`spec.connection.kubeconfig` of a Cluster).
static KUBECONFIG: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r#"kubeconfig["']?[ \t]*:[ \t]*["']?([A-Za-z0-9+/]{64,}=*)"#));

/// All patterns stand above and a test compiles each.
fn compile(pattern: &str) -> Option<Regex> {
    regex::bytes::RegexBuilder::new(pattern).multi_line(true).build().ok()
}

/// The pieces of a text that are secrets by where they stand.
pub fn secrets(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for captures in all(&FIELD, text) {
        found.extend(field(text, &captures));
    }
    for pattern in [&FLAG, &HEADER, &PRIVATE_KEY, &KUBECONFIG] {
        for captures in all(pattern, text) {
            found.extend(captures.get(1).map(|value| trimmed(text, value.range())));
        }
    }
    for captures in all(&JWT, text) {
        found.extend(captures.get(0).map(|value| value.range()));
    }
    found.retain(|range| is_secret(&text[range.clone()]));
    found
}

fn all<'t>(pattern: &'static LazyLock<Option<Regex>>, text: &'t [u8]) -> impl Iterator<Item = Captures<'t>> {
    pattern.as_ref().into_iter().flat_map(move |pattern| pattern.captures_iter(text))
}

/// Neither nothing, nor a variable or a placeholder (`<none>`, `<secret>`), nor masked already.
fn is_secret(value: &[u8]) -> bool {
    let masked = value
        .strip_prefix(b"sha256:")
        .is_some_and(|digits| digits.len() == 8 && digits.iter().all(u8::is_ascii_hexdigit));
    let placeholder = value.starts_with(b"<") && value.ends_with(b">");
    !masked && !placeholder && !is_variable(value) && !matches!(value, b"" | b"~" | b"null" | b"true" | b"false")
}

/// `$TOKEN`, `${jwtSecret}`, `$(kubectl …`: the command, not what comes of it.
fn is_variable(value: &[u8]) -> bool {
    match value {
        [b'$', b'(', ..] => true,
        // Outside quotes a value ends before the closing brace.
        [b'$', b'{', name @ ..] => {
            let name = name.strip_suffix(b"}").unwrap_or(name);
            !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        }
        [b'$', name @ ..] => !name.is_empty() && name.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_'),
        _ => false,
    }
}

/// The value of a field whose name and separator were found.
fn field(text: &[u8], captures: &Captures<'_>) -> Option<Range<usize>> {
    let (whole, before, separator) = (captures.get(0)?, captures.get(1)?, captures.get(2)?);
    let value = whole.end();
    // The pattern tries the beginning of a line first.
    let begins_line = before.as_bytes().iter().all(|byte| matches!(byte, b' ' | b'\t' | b'-' | b'?'))
        && before.start().checked_sub(1).is_none_or(|previous| text.get(previous) == Some(&b'\n'));
    let is_yaml = separator.as_bytes() == b":";
    match text.get(value)? {
        b'"' => Some(quoted(text, value + 1, b'"')),
        b'\'' => Some(quoted(text, value + 1, b'\'')),
        // Below the key, in an escape that another view undoes, or no value at all: `==`.
        b'\r' | b'\n' | b'{' | b'[' | b'\\' | b'=' => None,
        b'|' | b'>' if begins_line && is_yaml => Some(block(text, before.end() - before.start(), value)),
        _ if begins_line && is_yaml => Some(rest_of_line(text, value)),
        _ => {
            let word = word(text, value);
            // In a sentence a word may follow: "failed to parse token: signature is invalid".
            let in_map =
                before.as_bytes().iter().any(|byte| b"{,&?\"'".contains(byte)) || follows_comma(text, before.start());
            let sentence = is_yaml && !in_map && text[word.clone()].iter().all(u8::is_ascii_alphabetic);
            (!sentence).then_some(word)
        }
    }
}

/// Up to white space, a closing bracket or quote, or an escape of JSON that ends a line or a text.
fn word(text: &[u8], start: usize) -> Range<usize> {
    let mut end = start;
    while let Some(byte) = text.get(end) {
        let escape = *byte == b'\\' && text.get(end + 1).is_some_and(|next| b"nrt\"".contains(next));
        if escape || byte.is_ascii_whitespace() || b",}])\"'&;`".contains(byte) {
            break;
        }
        end += 1;
    }
    start..end
}

/// Whether the last character before is a comma or an opening brace, as in `{a: 1, b: 2}`.
fn follows_comma(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{,".contains(byte))
}

/// Up to the closing quote, or to the end of the text when it was cut off.
fn quoted(text: &[u8], start: usize, quote: u8) -> Range<usize> {
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 2,
            // YAML doubles a single quote to write one.
            _ if *byte == quote && quote == b'\'' && text.get(at + 1) == Some(&quote) => at += 2,
            _ if *byte == quote => break,
            _ => at += 1,
        }
    }
    start..at.min(text.len())
}

/// A plain scalar ends at its line's end, or where a comment begins.
fn rest_of_line(text: &[u8], start: usize) -> Range<usize> {
    let line = text[start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let length = line.windows(2).position(|pair| pair == b" #").unwrap_or(line.len());
    trimmed(text, start..start + length)
}

/// A block scalar: the lines below that are indented further than the key.
fn block(text: &[u8], indentation: usize, header: usize) -> Range<usize> {
    let mut end = header;
    for (index, line) in text[header..].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let spaces = line.iter().take_while(|byte| **byte == b' ').count();
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if index > 0 && !blank && spaces <= indentation {
            break;
        }
        end += line.len();
    }
    let first_line = text[header..end].iter().position(|byte| *byte == b'\n').map_or(end, |length| header + length + 1);
    trimmed(text, first_line..end)
}

fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let blank = |byte: &&u8| byte.is_ascii_whitespace();
    let before = piece.iter().take_while(blank).count();
    let after = piece[before..].iter().rev().take_while(blank).count();
    range.start + before..range.end - after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_every_pattern() {
        for pattern in [&FIELD, &FLAG, &HEADER, &JWT, &PRIVATE_KEY, &KUBECONFIG] {
            assert!(pattern.is_some());
        }
    }
}

//! The forms that a secret takes in output.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Shortest run of base64 that is looked into: it holds a field name and a value.
const SHORTEST_RUN: usize = 24;

/// A longer secret, such as a token, fills whole runs of base64, into which [`decoded_runs`] looks; all its forms would
/// take a megabyte.
const LONGEST_TWICE: usize = 128;

/// The secret as it is, escaped, in base64, and each of these in base64 once more. Escapes outside base64 need no form
/// here: [`super::view`] undoes them.
pub fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut plain = vec![secret.to_vec()];
    plain.extend(escapes(secret));
    let once: Vec<Vec<u8>> = plain.iter().flat_map(|form| base64_forms(form)).collect();
    let mut twice = Vec::new();
    if secret.len() <= LONGEST_TWICE {
        twice.extend(once.iter().flat_map(|form| base64_forms(form)));
    }
    let mut forms = plain;
    forms.extend(once);
    forms.extend(twice);
    forms.sort_unstable();
    forms.dedup();
    forms.retain(|form| form.len() >= super::SHORTEST_SECRET);
    forms
}

/// JSON as most write it, JSON as Go writes it, and two ways of URLs.
fn escapes(secret: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(secret) else {
        return Vec::new();
    };
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_start_matches('"');
    let json = json.strip_suffix('"').unwrap_or(json);
    // encoding/json of Go escapes these three for the sake of HTML.
    let go = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let percent = percent_encode(secret, "%20");
    let form = percent_encode(secret, "+");
    [json.to_owned(), go, percent, form].into_iter().map(String::into_bytes).filter(|form| form != secret).collect()
}

/// RFC 3986: all but unreserved characters; `space` stands for a space.
fn percent_encode(bytes: &[u8], space: &str) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(*byte));
            }
            b' ' => encoded.push_str(space),
            byte => {
                encoded.push('%');
                for digit in [byte >> 4, byte & 15] {
                    encoded.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    encoded
}

/// Base64 in both alphabets: whole, with and without padding; and, for a secret in the midst of an encoded text, the
/// characters that depend on the secret alone, for each of the three ways it can lie on the groups of three bytes.
fn base64_forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms: Vec<String> =
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().map(|engine| engine.encode(bytes)).collect();
    for offset in 0..3 {
        let mut shifted = vec![0; offset];
        shifted.extend_from_slice(bytes);
        // Six bits a character: the first that holds no bit of what stands before, the last that holds none of what follows.
        let first = (offset * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&shifted);
            forms.extend(encoded.get(first..last).map(str::to_owned));
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(String::into_bytes).collect()
}

/// The runs of base64 in `text` that decode to text, and that text.
pub fn decoded_runs(text: &str) -> Vec<(Range<usize>, String)> {
    let bytes = text.as_bytes();
    let mut runs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
            .count();
        let padding = bytes[at + length..].iter().take(2).take_while(|byte| **byte == b'=').count();
        if length >= SHORTEST_RUN
            && let Some(decoded) = decode(&bytes[at..at + length])
        {
            runs.push((at..at + length + padding, decoded));
        }
        at += (length + padding).max(1);
    }
    runs
}

/// Whatever part of a run decodes; its end may be cut off.
fn decode(run: &[u8]) -> Option<String> {
    let run = if run.len() % 4 == 1 { &run[..run.len() - 1] } else { run };
    let standard: Vec<u8> = run
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let decoded = lenient.decode(standard).ok()?;
    match String::from_utf8(decoded) {
        Ok(text) => Some(text),
        // A run that was cut may end within a character.
        Err(error) if error.utf8_error().error_len().is_none() => {
            let valid = error.utf8_error().valid_up_to();
            String::from_utf8(error.into_bytes()[..valid].to_vec()).ok()
        }
        Err(_) => None,
    }
}

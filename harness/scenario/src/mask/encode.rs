//! The forms that a secret takes in output.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Shortest run of base64 that is looked into: it holds a field name and a value.
const SHORTEST_RUN: usize = 24;

/// A longer secret, such as a token, fills whole runs of base64, into which [`texts`] looks; all its forms would
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

/// The runs of base64 in `bytes`, with their padding, that are long enough to hold a field.
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            let length = bytes[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
                .count();
            let padding = bytes[at + length..].iter().take(2).take_while(|byte| **byte == b'=').count();
            at += (length + padding).max(1);
            if length >= SHORTEST_RUN {
                return Some(start..start + length + padding);
            }
        }
        None
    })
}

/// The texts that a run decodes to, and the part of the run that each comes from. Words may stand before the encoded text
/// without anything in between, as on the line above it, so that it may begin at any of four places in a group.
pub fn texts(run: &[u8]) -> Vec<(Range<usize>, String)> {
    let digits: Vec<u8> = run
        .iter()
        .take_while(|byte| **byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let mut texts = Vec::new();
    for shift in 0..4 {
        let decoded = digits.get(shift..).and_then(decode).unwrap_or_default();
        let mut at = 0;
        for chunk in decoded.utf8_chunks() {
            let text = chunk.valid();
            let end = at + text.len();
            if text.len() >= super::SHORTEST_SECRET {
                let last = shift + (end * 4).div_ceil(3);
                // A run that was cut may end within a character.
                let last = if decoded.len() - end < 4 { run.len() } else { last };
                texts.push((shift + at * 4 / 3..last, text.to_owned()));
                if shift == 0 && at == 0 && last == run.len() {
                    return texts;
                }
            }
            at = end + chunk.invalid().len();
        }
    }
    texts
}

/// Whatever part of a run decodes; its end may be cut off.
fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let digits = if digits.len() % 4 == 1 { &digits[..digits.len() - 1] } else { digits };
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    lenient.decode(digits).ok()
}

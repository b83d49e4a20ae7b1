//! base64 as Go's `encoding/base64` reads it, with its errors, which KubeSphere passes on.

/// The first byte of a base64 text that does not belong there, counted as Go's `encoding/base64` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub struct CorruptBase64(pub usize);

/// Decodes `text` as Go's `base64.StdEncoding` does: padded, with line breaks ignored.
///
/// # Errors
/// [`CorruptBase64`] with the position that Go reports.
pub fn decode_base64(text: &[u8]) -> Result<Vec<u8>, CorruptBase64> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let mut quantum = [0_u8; 4];
    let mut filled = 0;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        at += 1;
        match value_of(byte) {
            Some(value) => {
                quantum[filled] = value;
                filled += 1;
                if filled == 4 {
                    push(&mut decoded, quantum, 3);
                    filled = 0;
                }
            }
            None if is_break(byte) => {}
            None if byte != b'=' || filled < 2 => return Err(CorruptBase64(at - 1)),
            None => {
                if filled == 2 {
                    at = skip_breaks(text, at);
                    match text.get(at) {
                        None => return Err(CorruptBase64(text.len())),
                        Some(b'=') => at += 1,
                        Some(_) => return Err(CorruptBase64(at - 1)),
                    }
                }
                at = skip_breaks(text, at);
                if at < text.len() {
                    return Err(CorruptBase64(at));
                }
                quantum[filled..].fill(0);
                push(&mut decoded, quantum, filled - 1);
                return Ok(decoded);
            }
        }
    }
    if filled == 0 { Ok(decoded) } else { Err(CorruptBase64(at - filled)) }
}

fn value_of(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn skip_breaks(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| is_break(*byte)) {
        at += 1;
    }
    at
}

fn push(decoded: &mut Vec<u8>, quantum: [u8; 4], bytes: usize) {
    let bits = quantum.iter().fold(0_u32, |bits, value| bits << 6 | u32::from(*value));
    decoded.extend_from_slice(&bits.to_be_bytes()[1..=bytes]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("aGVsbG8gd29ybGQ=", "hello world")]
    #[case("aGVsbG8=\n", "hello")]
    #[case("aGVs\nbG8=", "hello")]
    #[case("aA==", "h")]
    #[case("", "")]
    fn decodes_base64(#[case] text: &str, #[case] decoded: &str) {
        assert_eq!(decode_base64(text.as_bytes()).unwrap(), decoded.as_bytes());
    }

    #[rstest]
    #[case("%%% not base64", 0)]
    #[case("apiVersion: v1\n", 10)]
    #[case("aGV", 0)]
    #[case("aGVsb", 4)]
    #[case("aGVsbG8", 4)]
    #[case("aA=", 3)]
    #[case("aGVsbG8=x", 8)]
    fn reports_the_position_that_go_reports(#[case] text: &str, #[case] position: usize) {
        assert_eq!(decode_base64(text.as_bytes()), Err(CorruptBase64(position)));
    }
}

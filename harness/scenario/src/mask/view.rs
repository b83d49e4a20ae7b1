//! A text with its escapes undone, in which every byte knows where it comes from. What is found in a view is replaced in
//! the text.

use std::borrow::Cow;
use std::ops::Range;

use super::{Digest, Span};

/// How many layers of escapes are undone: JSON in JSON in a log line, or in a URL.
const LAYERS: usize = 3;

/// Bytes, and for each the offset in the text at which it begins; one offset more for the end.
pub struct View<'t> {
    bytes: Cow<'t, [u8]>,
    /// None for the text itself.
    starts: Option<Vec<usize>>,
    layers: usize,
}

impl<'t> View<'t> {
    /// The text, and the text with the escapes of JSON and of URLs undone, in turn, as far as there are any.
    pub fn all(text: &'t str) -> Vec<Self> {
        let mut views = vec![Self {
            bytes: Cow::Borrowed(text.as_bytes()),
            starts: None,
            layers: 0,
        }];
        let mut next = 0;
        while let Some(view) = views.get(next) {
            if view.layers < LAYERS {
                let undone: Vec<Self> = [
                    view.undo(b'\\', json_escape),
                    view.undo(b'%', percent_escape),
                ]
                .into_iter()
                .flatten()
                .collect();
                views.extend(undone);
            }
            next += 1;
        }
        views
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The piece of the text that this piece of the view comes from.
    pub fn span(&self, range: Range<usize>, digest: Digest) -> Span {
        Span {
            start: self.start(range.start),
            end: self.start(range.end),
            digest,
        }
    }

    fn start(&self, at: usize) -> usize {
        match &self.starts {
            Some(starts) => starts
                .get(at)
                .or(starts.last())
                .copied()
                .unwrap_or_default(),
            None => at,
        }
    }

    /// None when there is nothing to undo.
    fn undo(&self, sign: u8, escape: Escape) -> Option<Self> {
        if !self.bytes.contains(&sign) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut starts = Vec::with_capacity(self.bytes.len() + 1);
        let mut changed = false;
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let start = self.start(at);
            let length = if *byte == sign {
                escape(&self.bytes[at..], &mut bytes)
            } else {
                0
            };
            if length == 0 {
                bytes.push(*byte);
            }
            changed |= length > 0;
            starts.resize(bytes.len(), start);
            at += length.max(1);
        }
        starts.push(self.start(at));
        changed.then(|| Self {
            bytes: Cow::Owned(bytes),
            starts: Some(starts),
            layers: self.layers + 1,
        })
    }
}

/// Appends what the escape at the beginning stands for, and tells its length; 0 when there is none.
type Escape = fn(&[u8], &mut Vec<u8>) -> usize;

/// RFC 8259, section 7.
fn json_escape(bytes: &[u8], undone: &mut Vec<u8>) -> usize {
    let plain = match bytes.get(1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(b'u') => return unicode_escape(bytes, undone),
        _ => return 0,
    };
    undone.push(plain);
    2
}

/// `\u0041`, and two of them for a character beyond the first plane.
fn unicode_escape(bytes: &[u8], undone: &mut Vec<u8>) -> usize {
    let unit = |at: usize| match bytes.get(at..at + 6) {
        Some([b'\\', b'u', digits @ ..]) => digits.iter().try_fold(0_u16, |unit, digit| {
            let digit = char::from(*digit)
                .to_digit(16)
                .and_then(|digit| u16::try_from(digit).ok())?;
            Some(unit << 4 | digit)
        }),
        _ => None,
    };
    let units = [unit(0), unit(6)];
    let Some(Ok(character)) = char::decode_utf16(units.into_iter().map_while(|unit| unit)).next()
    else {
        return 0;
    };
    undone.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    6 * character.len_utf16()
}

/// RFC 3986, section 2.1.
fn percent_escape(bytes: &[u8], undone: &mut Vec<u8>) -> usize {
    let digit = |at: usize| {
        char::from(*bytes.get(at)?)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    match (digit(1), digit(2)) {
        (Some(high), Some(low)) => {
            undone.push(high << 4 | low);
            3
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::quotes(r#"a\"b\\c\/d"#, r#"a"b\c/d"#)]
    #[case::line_ends(r"a\nb\tc", "a\nb\tc")]
    #[case::unicode(r"\u0041\u00e9\ud83d\ude00", "Aé😀")]
    #[case::half_a_pair(r"\ud83dx\t", "\\ud83dx\t")]
    #[case::no_escape(r"\d+\n", "\\d+\n")]
    fn undoes_escapes_of_json(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(View::all(text)[1].bytes(), expected.as_bytes());
    }

    #[test]
    fn undoes_escapes_of_urls() {
        assert_eq!(View::all("a%2Bb%2fc%zz%4")[1].bytes(), b"a+b/c%zz%4");
    }

    #[test]
    fn undoes_escapes_within_escapes() {
        let texts: Vec<Vec<u8>> = View::all(r#"{\\\"a\\\":1}"#)
            .iter()
            .map(|view| view.bytes().to_vec())
            .collect();
        assert!(texts.contains(&br#"{"a":1}"#.to_vec()));
    }

    #[test]
    fn finds_the_way_back_to_the_text() {
        let text = r"x\u0041bc%20y";
        let views = View::all(text);
        let at = views[1]
            .bytes()
            .windows(3)
            .position(|window| window == b"Abc")
            .unwrap_or_default();
        let span = views[1].span(at..at + 3, Digest([0; 4]));
        assert_eq!(&text[span.start..span.end], r"\u0041bc");
    }

    #[test]
    fn views_a_text_without_escapes_once() {
        assert_eq!(View::all("plain").len(), 1);
    }
}

//! A text with its escapes undone or its lines joined, in which every byte knows where it comes from. What is found in a
//! view is replaced in the text.

use std::borrow::Cow;
use std::ops::Range;

use super::{Digest, Span};

/// How many layers of escapes are undone: JSON in JSON in a log line, or in a URL.
const LAYERS: usize = 3;

/// A text as it is, with escapes undone, and each of these with its lines joined.
pub struct Views<'t>(Vec<View<'t>>);

/// What lines are in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// As they are.
    Kept,
    /// One, as before a tool wrapped it; a field's name and value have lost their place.
    Joined,
}

struct View<'t> {
    bytes: Cow<'t, [u8]>,
    lines: Lines,
    /// The view that this one was made of; the text itself has none.
    parent: usize,
    pieces: Vec<Piece>,
    layers: usize,
}

/// Where bytes of a view come from.
#[derive(Clone, Copy)]
struct Piece {
    /// Where the piece begins in the view, and in its parent.
    start: usize,
    parent_start: usize,
    /// Whether the bytes stand for one escape; else they stand for themselves.
    is_escape: bool,
}

impl<'t> Views<'t> {
    /// The text, and the text with the escapes of JSON and of URLs undone, in turn, as far as there are any; then all of
    /// them without line ends.
    pub fn of(text: &'t str) -> Self {
        let bytes = Cow::Borrowed(text.as_bytes());
        let mut views = vec![View { bytes, lines: Lines::Kept, parent: 0, pieces: Vec::new(), layers: 0 }];
        let mut next = 0;
        while let Some(view) = views.get(next) {
            if view.layers < LAYERS {
                let undone = [view.undo(next, b'\\', json_escape), view.undo(next, b'%', percent_escape)];
                views.extend(undone.into_iter().flatten());
            }
            next += 1;
        }
        let joined: Vec<View<'_>> =
            views.iter().enumerate().filter_map(|(number, view)| view.join_lines(number)).collect();
        views.extend(joined);
        Self(views)
    }

    /// The bytes of each view, with what [`Views::span`] needs to find the way back.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8], Lines)> {
        self.0.iter().enumerate().map(|(number, view)| (number, view.bytes.as_ref(), view.lines))
    }

    /// The piece of the text that a piece of a view comes from.
    pub fn span(&self, number: usize, range: Range<usize>, digest: Digest) -> Span {
        let range = self.in_text(number, range);
        Span { start: range.start, end: range.end, digest }
    }

    fn in_text(&self, number: usize, range: Range<usize>) -> Range<usize> {
        match self.0.get(number) {
            Some(view) if number > 0 => {
                let end = match view.lines {
                    Lines::Kept => view.in_parent(range.end),
                    // A line end that follows is no part of the piece.
                    Lines::Joined => range.end.checked_sub(1).map_or(0, |last| view.in_parent(last) + 1),
                };
                self.in_text(view.parent, view.in_parent(range.start)..end)
            }
            _ => range,
        }
    }
}

impl View<'_> {
    fn in_parent(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.start <= at);
        match after.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            Some(piece) if piece.is_escape => piece.parent_start,
            Some(piece) => piece.parent_start + (at - piece.start),
            None => at,
        }
    }

    /// None when there is nothing to undo.
    fn undo<'u>(&self, number: usize, sign: u8, escape: Escape) -> Option<View<'u>> {
        let parent = &self.bytes;
        let mut bytes = Vec::new();
        let mut pieces = Vec::new();
        let mut at = 0;
        let mut literal = 0;
        while let Some(found) = parent[at..].iter().position(|byte| *byte == sign) {
            at += found;
            let copied = bytes.len();
            bytes.extend_from_slice(&parent[literal..at]);
            let start = bytes.len();
            let length = escape(&parent[at..], &mut bytes);
            if length == 0 {
                bytes.truncate(copied);
                at += 1;
                continue;
            }
            pieces.push(Piece { start: copied, parent_start: literal, is_escape: false });
            pieces.push(Piece { start, parent_start: at, is_escape: true });
            at += length;
            literal = at;
        }
        if pieces.is_empty() {
            return None;
        }
        pieces.push(Piece { start: bytes.len(), parent_start: literal, is_escape: false });
        bytes.extend_from_slice(&parent[literal..]);
        let bytes = Cow::Owned(bytes);
        Some(View { bytes, lines: Lines::Kept, parent: number, pieces, layers: self.layers + 1 })
    }

    /// None when there is one line. `base64` wraps at 76 characters, PEM at 64, YAML where it likes, and indents.
    fn join_lines<'u>(&self, number: usize) -> Option<View<'u>> {
        let parent = &self.bytes;
        let mut bytes = Vec::new();
        let mut pieces = Vec::new();
        let mut literal = 0;
        let mut at = 0;
        while let Some(found) = parent[at..].iter().position(|byte| *byte == b'\n') {
            let line = &parent[literal..at + found];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            // YAML in double quotes and shells continue a line in this way.
            let line = line.strip_suffix(b"\\").unwrap_or(line);
            at += found + 1;
            at += parent[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
            if !blank(line.last()) && !blank(parent.get(at)) {
                pieces.push(Piece { start: bytes.len(), parent_start: literal, is_escape: false });
                bytes.extend_from_slice(line);
                literal = at;
            }
        }
        if pieces.is_empty() {
            return None;
        }
        pieces.push(Piece { start: bytes.len(), parent_start: literal, is_escape: false });
        bytes.extend_from_slice(&parent[literal..]);
        Some(View { bytes: Cow::Owned(bytes), lines: Lines::Joined, parent: number, pieces, layers: self.layers })
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
            let digit = char::from(*digit).to_digit(16).and_then(|digit| u16::try_from(digit).ok())?;
            Some(unit << 4 | digit)
        }),
        _ => None,
    };
    let units = [unit(0), unit(6)];
    let Some(Ok(character)) = char::decode_utf16(units.into_iter().map_while(|unit| unit)).next() else {
        return 0;
    };
    undone.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    6 * character.len_utf16()
}

/// RFC 3986, section 2.1.
fn percent_escape(bytes: &[u8], undone: &mut Vec<u8>) -> usize {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
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

    fn all(text: &str) -> Vec<Vec<u8>> {
        Views::of(text).iter().map(|(_, bytes, _)| bytes.to_vec()).collect()
    }

    #[rstest]
    #[case::quotes(r#"a\"b\\c\/d"#, r#"a"b\c/d"#)]
    #[case::line_ends(r"a\nb\tc", "a\nb\tc")]
    #[case::unicode(r"\u0041\u00e9\ud83d\ude00", "Aé😀")]
    #[case::half_a_pair(r"\ud83dx\t", "\\ud83dx\t")]
    #[case::no_escape(r"\d+\n", "\\d+\n")]
    fn undoes_escapes_of_json(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(all(text)[1], expected.as_bytes());
    }

    #[test]
    fn undoes_escapes_of_urls() {
        assert_eq!(all("a%2Bb%2fc%zz%4")[1], b"a+b/c%zz%4");
    }

    #[test]
    fn undoes_escapes_within_escapes() {
        assert!(all(r#"{\\\"a\\\":1}"#).contains(&br#"{"a":1}"#.to_vec()));
    }

    #[rstest]
    #[case::escape_inside(r"x\u0041bc%20y", "Abc", r"\u0041bc")]
    #[case::escape_at_the_end(r"xyz\n", "yz\n", r"yz\n")]
    #[case::escape_before(r"\nxyz", "xyz", "xyz")]
    #[case::two_layers(r"a\\nb%41c\\n", "bAc", "b%41c")]
    #[case::no_escape_in_front(r"\d\nxyz", "xyz", "xyz")]
    #[case::lines("ab\n  cd\r\nef\ngh", "bcdef", "b\n  cd\r\nef")]
    #[case::lines_in_escapes(r"ab\ncd%41\nx", "bcd", r"b\ncd")]
    #[case::continued_line("ab\\\ncd", "bc", "b\\\nc")]
    fn finds_the_way_back_to_the_text(#[case] text: &str, #[case] wanted: &str, #[case] expected: &str) {
        let views = Views::of(text);
        let found = views.iter().find_map(|(number, bytes, _)| {
            let at = bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes())?;
            Some(views.span(number, at..at + wanted.len(), Digest([0; 4])))
        });
        let span = found.expect("a view");
        assert_eq!(&text[span.start..span.end], expected);
    }

    #[rstest]
    #[case::blank_line("ab\n\ncd")]
    #[case::blank_line_with_spaces("ab\n  \ncd")]
    #[case::last_line("ab\n")]
    #[case::first_line("\nab")]
    fn joins_no_line_with_nothing(#[case] text: &str) {
        assert_eq!(all(text).len(), 1);
    }

    #[test]
    fn views_a_text_without_escapes_once() {
        assert_eq!(all("plain").len(), 1);
    }
}

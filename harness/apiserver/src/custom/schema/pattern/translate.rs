//! Reading a regular expression of Go, and writing it for Rust.

use super::PatternError;
use super::class;

/// `pattern` in Rust's syntax.
///
/// # Errors
/// The first fault, as Go's parser tells it.
pub fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut reader = Reader { whole: pattern, at: 0, out: String::with_capacity(pattern.len()), depth: 0 };
    reader.expression()?;
    Ok(reader.out)
}

pub(super) struct Reader<'a> {
    whole: &'a str,
    at: usize,
    pub(super) out: String,
    depth: usize,
}

pub(super) fn fault<T>(what: &'static str, which: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError { what, which: which.into() })
}

impl<'a> Reader<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.whole.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn skip(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// What was read since `start`.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.whole.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Writes a character that stands for itself.
    pub(super) fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn expression(&mut self) -> Result<(), PatternError> {
        // Whether there is something that can be repeated, and the repetition just read.
        let (mut repeatable, mut repetition): (bool, Option<usize>) = (false, None);
        while let Some(c) = self.peek() {
            let start = self.at;
            if let Some(bounds) = self.repetition()? {
                if let Some(first) = repetition {
                    return fault("invalid nested repetition operator", self.since(first));
                }
                if !repeatable {
                    return fault("missing argument to repetition operator", self.since(start));
                }
                self.out.push_str(bounds);
                repetition = Some(start);
                continue;
            }
            repetition = None;
            repeatable = true;
            match c {
                '(' => repeatable = self.group()?,
                '|' => {
                    self.next();
                    self.out.push('|');
                    repeatable = false;
                }
                ')' if self.depth == 0 => return fault("unexpected )", self.whole),
                ')' => {
                    self.next();
                    self.depth -= 1;
                    self.out.push(')');
                }
                '^' | '$' | '.' => {
                    self.next();
                    self.out.push(c);
                }
                '[' => class::class(self)?,
                '\\' => self.escape()?,
                _ => {
                    self.next();
                    self.literal(c);
                }
            }
        }
        if self.depth > 0 { fault("missing closing )", self.whole) } else { Ok(()) }
    }

    /// A repetition operator, lazy ones included.
    fn repetition(&mut self) -> Result<Option<&'a str>, PatternError> {
        let start = self.at;
        match self.peek() {
            Some('*' | '+' | '?') => drop(self.next()),
            Some('{') => {
                let Some((least, most)) = self.bounds() else {
                    self.at = start;
                    return Ok(None);
                };
                let too_many = |count: Option<u32>| count.is_none_or(|count| count > 1000);
                let turned = most.flatten().zip(least).is_some_and(|(most, least)| least > most);
                if too_many(least) || most.is_some_and(too_many) || turned {
                    return fault("invalid repeat count", self.since(start));
                }
            }
            _ => return Ok(None),
        }
        self.skip("?");
        Ok(Some(self.since(start)))
    }

    /// `{n}`, `{n,}` or `{n,m}`; a count that is too large for a number is `None`.
    #[allow(clippy::option_option, reason = "an absent bound is something else than one too large")]
    fn bounds(&mut self) -> Option<(Option<u32>, Option<Option<u32>>)> {
        let text = self.rest();
        let inner = text.get(1..text.find('}')?)?;
        let number = |digits: &str| {
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let plain = digits.len() == 1 || !digits.starts_with('0');
            (whole && plain).then(|| digits.parse::<u32>().ok())
        };
        let bounds = match inner.split_once(',') {
            None => (number(inner)?, None),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        self.at += inner.len() + 2;
        Some(bounds)
    }

    /// The beginning of a group; flags alone are nothing that can be repeated.
    fn group(&mut self) -> Result<bool, PatternError> {
        let start = self.at;
        if !self.skip("(?") {
            self.next();
            self.depth += 1;
            self.out.push('(');
            return Ok(false);
        }
        if self.skip("P<") {
            let Some(end) = self.rest().find('>') else {
                return fault("invalid named capture", self.whole.get(start..).unwrap_or_default());
            };
            let name = self.rest().get(..end).unwrap_or_default();
            self.at += end + 1;
            let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if name.is_empty() || !word {
                return fault("invalid named capture", self.since(start));
            }
            // Nobody asks for the group, and Go's names may begin with a digit.
            self.out.push('(');
            self.depth += 1;
            return Ok(false);
        }
        let mut flags = String::new();
        while let Some(c) = self.next() {
            let unset = flags.contains('-');
            match c {
                'i' | 'm' | 's' | 'U' => flags.push(c),
                '-' if !unset => flags.push('-'),
                ':' | ')' if !flags.ends_with('-') => {
                    self.out.push_str("(?");
                    self.out.push_str(&flags);
                    self.out.push(c);
                    self.depth += usize::from(c == ':');
                    return Ok(false);
                }
                _ => break,
            }
        }
        fault("invalid or unsupported Perl syntax", self.since(start))
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        for (text, translated) in [("\\A", "\\A"), ("\\z", "\\z"), ("\\b", "(?-u:\\b)"), ("\\B", "(?-u:\\B)")] {
            if self.skip(text) {
                self.out.push_str(translated);
                return Ok(());
            }
        }
        if self.skip("\\Q") {
            let quoted = self.rest();
            let end = quoted.find("\\E");
            let quoted = quoted.get(..end.unwrap_or(quoted.len())).unwrap_or_default();
            self.at += quoted.len() + if end.is_some() { 2 } else { 0 };
            self.out.push_str(&regex::escape(quoted));
            return Ok(());
        }
        if let Some(set) = class::named(self)? {
            self.out.push_str(&set);
            return Ok(());
        }
        let c = self.character()?;
        self.literal(c);
        Ok(())
    }

    /// An escape that stands for one character.
    pub(super) fn character(&mut self) -> Result<char, PatternError> {
        let start = self.at;
        self.next();
        let Some(c) = self.next() else { return fault("trailing backslash at end of expression", "") };
        let digits = |reader: &mut Self, most: usize, radix: u32| {
            let text = reader.rest();
            let length = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len()).min(most);
            reader.at += length;
            text.get(..length).unwrap_or_default()
        };
        let code = match c {
            '1'..='7' if !matches!(self.peek(), Some('0'..='7')) => None,
            '0'..='7' => {
                let more = digits(self, 2, 8);
                u32::from_str_radix(&format!("{c}{more}"), 8).ok()
            }
            'x' if self.skip("{") => {
                let hex = digits(self, usize::MAX, 16);
                let closed = self.skip("}");
                u32::from_str_radix(hex, 16).ok().filter(|_| closed)
            }
            'x' => {
                Some(digits(self, 2, 16)).filter(|hex| hex.len() == 2).and_then(|hex| u32::from_str_radix(hex, 16).ok())
            }
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' => Some(u32::from(c)),
            _ => None,
        };
        match code.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => fault("invalid escape sequence", self.since(start)),
        }
    }
}

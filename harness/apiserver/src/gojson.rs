//! What Go's `encoding/json` says to JSON that it cannot read (Go 1.15): the first wrong byte, and what was due there.

use std::fmt::Write as _;

/// Where the reader is within a list or an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    ObjectKey,
    ObjectValue,
    Array,
}

/// Checks that `bytes` are one JSON value.
///
/// # Errors
/// The decoder's text.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    Reader { bytes, at: 0 }.document()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Result<u8, String> {
        self.bytes.get(self.at).copied().ok_or_else(|| "unexpected end of JSON input".to_owned())
    }

    fn wrong<T>(&self, context: &str) -> Result<T, String> {
        let byte = self.peek()?;
        Err(format!("invalid character {} {context}", shown(byte)))
    }

    fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Result<(), String> {
        let mut open: Vec<Within> = Vec::new();
        // Each round reads one value, or the end of a list or an object that is empty.
        'values: loop {
            self.skip_blanks();
            match self.peek()? {
                b'{' => {
                    self.at += 1;
                    open.push(Within::ObjectKey);
                    self.skip_blanks();
                    if self.peek()? != b'}' {
                        self.key()?;
                        self.to_value(&mut open)?;
                        continue 'values;
                    }
                    self.at += 1;
                    open.pop();
                }
                b'[' => {
                    self.at += 1;
                    self.skip_blanks();
                    if self.peek()? != b']' {
                        open.push(Within::Array);
                        continue 'values;
                    }
                    self.at += 1;
                }
                _ => self.scalar()?,
            }
            // A value has ended: what encloses it goes on or ends as well.
            loop {
                self.skip_blanks();
                let Some(within) = open.last().copied() else { break 'values };
                match (within, self.peek()?) {
                    (Within::Array, b',') => {
                        self.at += 1;
                        continue 'values;
                    }
                    (Within::Array, b']') | (Within::ObjectValue, b'}') => {
                        self.at += 1;
                        open.pop();
                    }
                    (Within::Array, _) => return self.wrong("after array element"),
                    (Within::ObjectValue, b',') => {
                        self.at += 1;
                        self.skip_blanks();
                        self.key()?;
                        self.to_value(&mut open)?;
                        continue 'values;
                    }
                    _ => return self.wrong("after object key:value pair"),
                }
            }
        }
        if self.at < self.bytes.len() { self.wrong("after top-level value") } else { Ok(()) }
    }

    fn key(&mut self) -> Result<(), String> {
        if self.peek()? != b'"' {
            return self.wrong("looking for beginning of object key string");
        }
        self.string()
    }

    fn to_value(&mut self, open: &mut [Within]) -> Result<(), String> {
        self.skip_blanks();
        if self.peek()? != b':' {
            return self.wrong("after object key");
        }
        self.at += 1;
        if let Some(last) = open.last_mut() {
            *last = Within::ObjectValue;
        }
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), String> {
        match self.peek()? {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.wrong("looking for beginning of value"),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            if self.peek()? != expected {
                return self.wrong(&format!("in literal {word} (expecting '{}')", char::from(expected)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..0x20 => return self.wrong("in string literal"),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.peek()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek()?.is_ascii_hexdigit() {
                        return self.wrong("in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.wrong("in string escape code"),
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// One digit at least, or the text about what is there.
    fn some_digits(&mut self, context: &str) -> Result<(), String> {
        if !self.peek()?.is_ascii_digit() {
            return self.wrong(context);
        }
        self.digits();
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.some_digits("in numeric literal")?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(())
    }
}

/// A byte as the decoder quotes it: as the character of its number.
fn shown(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => r#"'"'"#.to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        7 => r"'\a'".to_owned(),
        8 => r"'\b'".to_owned(),
        11 => r"'\v'".to_owned(),
        12 => r"'\f'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 | 0xad => format!("'\\u00{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

/// The first bytes of a body, as messages about it show them (`summarizeData` of apiserver's handlers).
#[must_use]
pub fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let (start, cut) = match body.get(..SHOWN) {
        Some(start) if body.len() > SHOWN => (start, " ..."),
        _ => (body, ""),
    };
    match start.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{cut}", String::from_utf8_lossy(start)),
        Some(_) => {
            let mut hex = String::with_capacity(SHOWN * 2 + 4);
            for byte in start {
                // Writing to a text does not fail.
                let _ = write!(hex, "{byte:02x}");
            }
            hex + cut
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "unexpected end of JSON input")]
    #[case("{", "unexpected end of JSON input")]
    #[case("{\"a\":", "unexpected end of JSON input")]
    #[case("{a", "invalid character 'a' looking for beginning of object key string")]
    #[case("{\"a\" 1", "invalid character '1' after object key")]
    #[case("{\"a\":1 2", "invalid character '2' after object key:value pair")]
    #[case("{\"a\":1,}", "invalid character '}' looking for beginning of object key string")]
    #[case("[1 2]", "invalid character '2' after array element")]
    #[case("[1,]", "invalid character ']' looking for beginning of value")]
    #[case("{}x", "invalid character 'x' after top-level value")]
    #[case("tru!", "invalid character '!' in literal true (expecting 'e')")]
    #[case("-x", "invalid character 'x' in numeric literal")]
    #[case("1.x", "invalid character 'x' after decimal point in numeric literal")]
    #[case("1ex", "invalid character 'x' in exponent of numeric literal")]
    #[case("\"\\x\"", "invalid character 'x' in string escape code")]
    #[case("\"\n\"", "invalid character '\\n' in string literal")]
    #[case("'", "invalid character '\\'' looking for beginning of value")]
    fn tells_the_first_wrong_byte(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(check(text.as_bytes()), Err(expected.to_owned()));
    }

    #[rstest]
    #[case("", "<empty>")]
    #[case("{\"a\"", "{\"a\"")]
    #[case("[1]", "5b315d")]
    #[case("{\"metadata\":{\"name\":\"a-long-name\"}}", "{\"metadata\":{\"name\":\"a-long-na ...")]
    fn sums_up_bodies(#[case] body: &str, #[case] expected: &str) {
        assert_eq!(summary(body.as_bytes()), expected);
    }

    proptest! {
        #[test]
        fn agrees_with_another_reader(text in "[\\[\\]{}:,\"a0.e+-]{0,12}") {
            prop_assert_eq!(check(text.as_bytes()).is_ok(), serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}

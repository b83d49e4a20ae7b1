//! Syntax errors of JSON in the words of Go's `encoding/json`.

/// Why Go's decoder refuses a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// There is nothing.
    #[error("EOF")]
    Empty,
    /// It stops in the middle.
    #[error("unexpected EOF")]
    Ended,
    /// A character does not belong there.
    #[error("invalid character {character} {place}")]
    Character {
        /// The character as Go quotes it.
        character: String,
        /// Where, in Go's words.
        place: String,
    },
}

/// Checks that `text` begins with one JSON value, as a Go decoder that reads one value does.
///
/// # Errors
/// [`JsonError`] in Go's words.
pub fn check(text: &[u8]) -> Result<(), JsonError> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_space();
    if scanner.at == text.len() {
        return Err(JsonError::Empty);
    }
    scanner.value(0)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Go refuses deeper nesting as well.
const DEEPEST: usize = 10_000;
/// Our own limit, since this scanner recurses.
const DEEPEST_HERE: usize = 200;

impl Scanner<'_> {
    fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.text.get(self.at).copied().ok_or(JsonError::Ended)
    }

    fn refuse<T>(&self, place: impl Into<String>) -> Result<T, JsonError> {
        let byte = self.peek()?;
        let character = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => r#"'"'"#.to_owned(),
            b'\n' => r"'\n'".to_owned(),
            b'\r' => r"'\r'".to_owned(),
            b'\t' => r"'\t'".to_owned(),
            0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
            _ => format!("'{}'", char::from(byte)),
        };
        Err(JsonError::Character { character, place: place.into() })
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek()? {
            _ if depth > DEEPEST_HERE => Err(JsonError::Character {
                character: "'['".to_owned(),
                place: format!("exceeded max depth of {DEEPEST}"),
            }),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.refuse("looking for beginning of value"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            if self.peek()? != b'"' {
                return self.refuse("looking for beginning of object key string");
            }
            self.string()?;
            self.skip_space();
            if self.peek()? != b':' {
                return self.refuse("after object key");
            }
            self.at += 1;
            self.value(depth + 1)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.refuse("after object key:value pair"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.refuse("after array element"),
            }
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.peek()?.is_ascii_hexdigit() {
                                    return self.refuse("in \\u hexadecimal character escape");
                                }
                            }
                            self.at += 1;
                        }
                        _ => return self.refuse("in string escape code"),
                    }
                }
                0..0x20 => return self.refuse("in string literal"),
                _ => self.at += 1,
            }
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        for expected in word.bytes() {
            if self.peek()? != expected {
                return self.refuse(format!("in literal {word} (expecting '{}')", char::from(expected)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek()? == b'-' {
            self.at += 1;
            if !self.peek()?.is_ascii_digit() {
                return self.refuse("in numeric literal");
            }
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits();
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !self.peek()?.is_ascii_digit() {
                return self.refuse("after decimal point in numeric literal");
            }
            self.digits();
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            if !self.peek()?.is_ascii_digit() {
                return self.refuse("in exponent of numeric literal");
            }
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "EOF")]
    #[case("  ", "EOF")]
    #[case("{", "unexpected EOF")]
    #[case("{not json}", "invalid character 'n' looking for beginning of object key string")]
    #[case("hello", "invalid character 'h' looking for beginning of value")]
    #[case("{\"a\" 1}", "invalid character '1' after object key")]
    #[case("{\"a\":1 2}", "invalid character '2' after object key:value pair")]
    #[case("[1 2]", "invalid character '2' after array element")]
    #[case("nul!", "invalid character '!' in literal null (expecting 'l')")]
    fn words_a_syntax_error_as_go_does(#[case] text: &str, #[case] words: &str) {
        assert_eq!(check(text.as_bytes()).unwrap_err().to_string(), words);
    }

    #[rstest]
    #[case(r#"{"a":[1,-2.5e3,"x\u00e9",true,null]}"#)]
    #[case("[]")]
    #[case("{} trailing text is not read")]
    fn accepts_what_go_accepts(#[case] text: &str) {
        check(text.as_bytes()).unwrap();
    }
}

//! Addresses of mail, as Go's `net/mail.ParseAddress` reads them: one address of RFC 5322, with or without a name.

/// Whether `text` is one address.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let mut reader = Reader { rest: text };
    reader.address() && reader.at_end()
}

struct Reader<'a> {
    rest: &'a str,
}

/// Characters of an atom.
fn is_atom(c: char, dot: bool) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (dot && c == '.') || !c.is_ascii()
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn at_end(&mut self) -> bool {
        while self.comment() {}
        self.rest.is_empty()
    }

    /// Skips space and one comment.
    fn comment(&mut self) -> bool {
        self.space();
        if !self.take('(') {
            return false;
        }
        let mut depth = 1;
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => drop(chars.next()),
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return true;
            }
        }
        false
    }

    fn address(&mut self) -> bool {
        self.space();
        let start = self.rest;
        if self.spec() {
            return true;
        }
        self.rest = start;
        if !self.rest.starts_with('<') && !self.phrase() {
            return false;
        }
        self.space();
        self.take('<') && self.spec() && self.take('>')
    }

    /// `local@domain`.
    fn spec(&mut self) -> bool {
        self.space();
        let local = if self.rest.starts_with('"') {
            self.quoted().is_some_and(|text| !text.is_empty())
        } else {
            self.atom(true)
        };
        if !local || !self.take('@') {
            return false;
        }
        self.space();
        if self.rest.starts_with('[') {
            return false;
        }
        self.atom(true)
    }

    /// One or more words.
    fn phrase(&mut self) -> bool {
        let mut words = 0;
        loop {
            self.space();
            let word = if self.rest.starts_with('"') { self.quoted().is_some() } else { self.atom(true) };
            if !word {
                return words > 0;
            }
            words += 1;
        }
    }

    fn atom(&mut self, dot: bool) -> bool {
        let length = self.rest.find(|c| !is_atom(c, dot)).unwrap_or(self.rest.len());
        let (atom, rest) = self.rest.split_at(length);
        let whole = !atom.is_empty() && !atom.starts_with('.') && !atom.ends_with('.') && !atom.contains("..");
        if whole {
            self.rest = rest;
        }
        whole
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.strip_prefix('"')?.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 2..)?;
                    return Some(text);
                }
                '\\' => text.push(chars.next()?.1),
                _ if c == '\t' || c == ' ' || !c.is_control() => text.push(c),
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a@b", true)]
    #[case("a.b+c@d-e.f", true)]
    #[case("\"a b\"@c", true)]
    #[case("Name <a@b>", true)]
    #[case("\"Name, X\" <a@b>", true)]
    #[case("a@b (note)", true)]
    #[case("a@b c", false)]
    #[case("a..b@c", false)]
    #[case("a@b.", false)]
    #[case("@b", false)]
    #[case("a", false)]
    #[case("", false)]
    fn reads_one_address(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_address(text), expected);
    }
}

//! The words of a label selector (`labels.Lexer` of apimachinery, Kubernetes 1.20).

/// A kind of word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The end.
    End,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// `!`.
    Not,
    /// `==`.
    DoubleEquals,
    /// `=`.
    Equals,
    /// `>`.
    Greater,
    /// A key or a value.
    Identifier,
    /// `in`.
    In,
    /// `<`.
    Less,
    /// `!=`.
    NotEquals,
    /// `notin`.
    NotIn,
    /// `(`.
    Open,
}

/// A word and how it was written.
pub type Word<'a> = (Token, &'a str);

const SYMBOLS: &[(&str, Token)] = &[
    ("!=", Token::NotEquals),
    ("==", Token::DoubleEquals),
    (")", Token::Close),
    (",", Token::Comma),
    ("!", Token::Not),
    ("=", Token::Equals),
    (">", Token::Greater),
    ("<", Token::Less),
    ("(", Token::Open),
];

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_symbol(c: char) -> bool {
    "=!(),><".contains(c)
}

/// The words of `text`, the end included. A NUL ends it, as in the original.
#[must_use]
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut rest = text.split('\0').next().unwrap_or_default();
    let mut words = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_blank);
        if rest.is_empty() {
            words.push((Token::End, ""));
            return words;
        }
        let (length, token) = match SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
            Some((symbol, token)) => (symbol.len(), Some(*token)),
            None => (rest.find(|c| is_symbol(c) || is_blank(c)).unwrap_or(rest.len()), None),
        };
        let (word, after) = rest.split_at(length);
        let token = token.unwrap_or(match word {
            "in" => Token::In,
            "notin" => Token::NotIn,
            _ => Token::Identifier,
        });
        words.push((token, word));
        rest = after;
    }
}

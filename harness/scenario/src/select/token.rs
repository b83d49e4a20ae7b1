//! The words and signs of an expression, each with its place.

use super::error::{ExpressionError, Span};

/// A word or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A key, a value or `in`.
    Word(String),
    /// A value in quotes.
    Quoted(String),
    /// One of [`SIGNS`].
    Sign(&'static str),
}

/// Longer ones first: `<=` begins with `<`.
const SIGNS: [&str; 13] = ["&&", "||", "==", "!=", "=~", ">=", "<=", ">", "<", "!", "(", ")", ","];

/// Splits `text`.
pub fn tokens(text: &str) -> Result<Vec<(Token, Span)>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (token, length) = if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else if first == '"' || first == '\'' {
            let Some(end) = rest[1..].find(first) else {
                let help = format!("end it with {first}");
                return Err(ExpressionError::new(text, at..text.len(), "a quoted value does not end", help));
            };
            (Token::Quoted(rest[1..=end].to_owned()), end + 2)
        } else {
            let length = rest.find(|character: char| !of_word(character)).unwrap_or(rest.len());
            if length == 0 {
                return Err(stray(text, at..at + first.len_utf8(), first));
            }
            (Token::Word(rest[..length].to_owned()), length)
        };
        tokens.push((token, at..at + length));
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// What names, releases, labels and globs are made of.
fn of_word(character: char) -> bool {
    character.is_alphanumeric() || "._-/*?[]:@+".contains(character)
}

fn stray(text: &str, at: Span, character: char) -> ExpressionError {
    let help = match character {
        '=' => "write `==`".to_owned(),
        '&' => "write `&&`".to_owned(),
        '|' => "write `||`".to_owned(),
        _ => "put a value with other characters in quotes".to_owned(),
    };
    ExpressionError::new(text, at, format!("\"{character}\" means nothing here"), help)
}

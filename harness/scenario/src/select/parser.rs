//! Reads an expression, by recursive descent.

use super::error::{ExpressionError, Span};
use super::expression::{Expression, Key, Test};
use super::keys::Keys;
use super::token::{Token, tokens};
use crate::model::Comparison;
use crate::requirement::parse_release;

/// How deep parentheses and negations may go: nobody writes as many, and every one takes a frame of the stack.
const DEEPEST: usize = 64;

/// Reads an expression over cells.
///
/// `part == import && release >= 3.3.0 && !(variant in (negative, edge))`: comparisons joined by `&&` and `||`, of which
/// `&&` binds tighter, negated by `!`, in parentheses where needed. Keys are `name`, `release`, a label (`part`, or
/// `label.part` where it would be taken for another key) and a parameter (`params.secret`). Values stand as they are, or in
/// single or double quotes.
///
/// | comparison | holds when the cell's value |
/// |---|---|
/// | `key == value`, `key != value` | is this one, is not this one (or is not there) |
/// | `key =~ pattern` | is described as a whole by this glob, as names on the command line are |
/// | `key in (a, b)` | is one of these |
/// | `key` | is there |
/// | `release >= 3.3.0`, also `<=`, `>`, `<` | compares so, as a version |
///
/// # Errors
/// What is wrong, where, and what to write.
pub fn parse_expression(text: &str, keys: &Keys) -> Result<Expression, ExpressionError> {
    let mut parser = Parser { text, keys, tokens: tokens(text)?, next: 0, depth: 0 };
    let expression = parser.any()?;
    if let Some((_, at)) = parser.tokens.get(parser.next) {
        let help = "join comparisons with `&&` or `||`, and put a value with spaces in quotes";
        return Err(parser.error(at.clone(), "the expression goes on after its end", help));
    }
    Ok(expression)
}

struct Parser<'a> {
    text: &'a str,
    keys: &'a Keys,
    tokens: Vec<(Token, Span)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expression, ExpressionError> {
        let mut parts = vec![self.all()?];
        while self.takes("||") {
            parts.push(self.all()?);
        }
        Ok(single(parts).unwrap_or_else(Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, ExpressionError> {
        let mut parts = vec![self.unary()?];
        while self.takes("&&") {
            parts.push(self.unary()?);
        }
        Ok(single(parts).unwrap_or_else(Expression::All))
    }

    fn unary(&mut self) -> Result<Expression, ExpressionError> {
        if self.depth == DEEPEST {
            let message = format!("more than {DEEPEST} parentheses and negations inside each other");
            return Err(self.error(self.here(), message, "write it flatter"));
        }
        self.depth += 1;
        let expression = if self.takes("!") {
            self.unary().map(|inner| Expression::Not(Box::new(inner)))
        } else if self.takes("(") {
            let inner = self.any();
            inner.and_then(|inner| self.require(")", "close the parenthesis").map(|()| inner))
        } else {
            self.comparison()
        };
        self.depth -= 1;
        expression
    }

    fn comparison(&mut self) -> Result<Expression, ExpressionError> {
        let (key, key_at) = self.key()?;
        if self.takes("==") {
            return Ok(Expression::Is(key.clone(), self.equal_to_one(&key, false)?));
        }
        if self.takes("!=") {
            let equal = Expression::Is(key.clone(), self.equal_to_one(&key, false)?);
            return Ok(Expression::Not(Box::new(equal)));
        }
        if self.takes("=~") {
            return Ok(Expression::Is(key, Test::Like(self.value("a glob, as import-*")?.0)));
        }
        if self.peek() == Some(&Token::Word("in".to_owned())) {
            self.next += 1;
            return Ok(Expression::Is(key.clone(), self.equal_to_one(&key, true)?));
        }
        let ordered = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Newer),
            ("<", Comparison::Older),
        ];
        for (sign, comparison) in ordered {
            if self.takes(sign) {
                if key != Key::Release {
                    let help = "compare with `==`, `!=`, `=~` or `in (a, b)`";
                    return Err(self.error(key_at, format!("only release has an order, not \"{key}\""), help));
                }
                return Ok(Expression::Is(key, Test::Compares(vec![(comparison, self.release()?)])));
            }
        }
        Ok(Expression::Is(key, Test::Present))
    }

    fn key(&mut self) -> Result<(Key, Span), ExpressionError> {
        let at = self.here();
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return Err(self.error(at, self.instead_of("a comparison"), "write it as `part == import`"));
        };
        let key = self
            .keys
            .find(&word)
            .map_err(|help| self.error(at.clone(), format!("there is no key \"{word}\""), help))?;
        self.next += 1;
        Ok((key, at))
    }

    /// One value, or several in parentheses; releases for the key `release`.
    fn equal_to_one(&mut self, key: &Key, several: bool) -> Result<Test, ExpressionError> {
        let (mut values, mut releases) = (Vec::new(), Vec::new());
        if several {
            self.require("(", "write it as `in (a, b)`")?;
        }
        loop {
            if *key == Key::Release {
                releases.push((Comparison::Exactly, self.release()?));
            } else {
                values.push(self.value("a value")?.0);
            }
            if !several || !self.takes(",") {
                break;
            }
        }
        if several {
            self.require(")", "write it as `in (a, b)`")?;
        }
        Ok(if *key == Key::Release { Test::Compares(releases) } else { Test::OneOf(values) })
    }

    fn value(&mut self, what: &str) -> Result<(String, Span), ExpressionError> {
        let at = self.here();
        let Some(Token::Word(value) | Token::Quoted(value)) = self.peek().cloned() else {
            let help = format!("write {what} here, in quotes if it has other characters than letters and digits");
            return Err(self.error(at, self.instead_of(what), help));
        };
        self.next += 1;
        Ok((value, at))
    }

    fn release(&mut self) -> Result<[u32; 3], ExpressionError> {
        let (text, at) = self.value("a release")?;
        parse_release(&text).ok_or_else(|| {
            self.error(at, format!("\"{text}\" is no release"), "write it as 3.3.2, or compare with `=~ 3.3.*`")
        })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.next += usize::from(found);
        found
    }

    fn require(&mut self, sign: &'static str, help: &str) -> Result<(), ExpressionError> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.error(self.here(), self.instead_of(&format!("\"{sign}\"")), help))
    }

    /// Where the next word or sign stands, or would.
    fn here(&self) -> Span {
        self.tokens.get(self.next).map_or(self.text.len()..self.text.len(), |(_, at)| at.clone())
    }

    fn instead_of(&self, wanted: &str) -> String {
        match self.tokens.get(self.next) {
            Some((_, at)) => format!("{wanted} is missing before \"{}\"", &self.text[at.clone()]),
            None => format!("{wanted} is missing at the end"),
        }
    }

    fn error(&self, at: Span, message: impl Into<String>, help: impl Into<String>) -> ExpressionError {
        ExpressionError::new(self.text, at, message, help)
    }
}

/// The only one of `parts`; else all of them back.
fn single(mut parts: Vec<Expression>) -> Result<Expression, Vec<Expression>> {
    match parts.pop() {
        Some(only) if parts.is_empty() => Ok(only),
        last => {
            parts.extend(last);
            Err(parts)
        }
    }
}

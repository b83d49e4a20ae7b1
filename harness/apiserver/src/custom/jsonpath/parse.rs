//! Reading a path.

use serde_json::Value;

use super::{Filter, Node, Slice};

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(String);

fn error<T>(text: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError(text.into()))
}

/// Reads what stands inside of braces; a closing brace ends it.
pub(super) fn action(text: &str) -> Result<Vec<Node>, ParseError> {
    let mut reader = Reader { rest: text, nodes: Vec::new() };
    reader.action()?;
    Ok(reader.nodes)
}

struct Reader<'a> {
    rest: &'a str,
    nodes: Vec<Node>,
}

/// Whether a field ends before `c`.
fn ends_field(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.take(text.len());
        }
        found
    }

    fn action(&mut self) -> Result<(), ParseError> {
        loop {
            let Some(c) = self.rest.chars().next() else { return Ok(()) };
            if self.skip("[?(") {
                self.filter()?;
                continue;
            }
            if self.skip("..") {
                if self.nodes.last() == Some(&Node::Recursive) {
                    return error("invalid multiple recursive descent");
                }
                self.nodes.push(Node::Recursive);
                if self.rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()) {
                    self.field();
                }
                continue;
            }
            match c {
                '}' => return Ok(()),
                '\r' | '\n' => return error("unclosed action"),
                ' ' | '@' | '$' => drop(self.take(1)),
                '[' => self.list()?,
                '"' | '\'' => self.quote(c)?,
                '.' => {
                    self.take(1);
                    self.field();
                }
                '+' | '-' => self.number()?,
                _ if c.is_numeric() => self.number()?,
                _ if c == '_' || c.is_alphabetic() => self.word(),
                _ => return error(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c))),
            }
        }
    }

    fn field(&mut self) {
        let mut length = 0;
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            length = at;
            if ends_field(c) {
                break;
            }
            if c == '\\' {
                chars.next();
            }
            length = self.rest.len() - chars.as_str().len();
        }
        let name = self.take(length);
        self.nodes.push(if name == "*" { Node::Wildcard } else { Node::Field(name.replace('\\', "")) });
    }

    fn word(&mut self) {
        let length = self.rest.find(ends_field).unwrap_or(self.rest.len());
        let word = self.take(length);
        self.nodes.push(match word {
            "true" | "false" => Node::Constant(Value::from(word == "true")),
            _ => Node::Word(word.to_owned()),
        });
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let signed = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest.get(signed..).unwrap_or_default();
        let length = digits.find(|c: char| c != '.' && !c.is_numeric()).unwrap_or(digits.len());
        let text = self.take(signed + length);
        let whole = text.parse::<i64>().map(Value::from);
        match whole.or_else(|_| text.parse::<f64>().map(Value::from)) {
            Ok(number) => {
                self.nodes.push(Node::Constant(number));
                Ok(())
            }
            Err(_) => error(format!("cannot parse number {text}")),
        }
    }

    fn quote(&mut self, quote: char) -> Result<(), ParseError> {
        let mut chars = self.rest.char_indices().skip(1);
        let mut text = String::new();
        let mut escaped = false;
        let length = loop {
            let Some((at, c)) = chars.next().filter(|(_, c)| *c != '\n') else {
                return error("unterminated quoted string");
            };
            match c {
                _ if escaped => {
                    text.push(unescaped(c));
                    escaped = false;
                }
                '\\' => escaped = true,
                _ if c == quote => break at + 1,
                _ => text.push(c),
            }
        };
        self.take(length);
        self.nodes.push(Node::Text(text));
        Ok(())
    }

    fn list(&mut self) -> Result<(), ParseError> {
        let end = self.rest.find([']', '\n']);
        let Some(end) = end.filter(|end| self.rest.get(*end..).is_some_and(|rest| rest.starts_with(']'))) else {
            return error("unterminated array");
        };
        let taken = self.take(end + 1);
        let inner = taken.get(1..end).unwrap_or_default();
        let inner = if inner == "*" { ":" } else { inner };
        if inner.contains(',') {
            let parts = inner.split(',').map(|part| action(&format!("[{}]", part.trim_matches(' '))));
            self.nodes.push(Node::Union(parts.collect::<Result<_, _>>()?));
            return Ok(());
        }
        let key = inner.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|key| !key.contains('\''));
        if let Some(key) = key {
            self.nodes.extend(action(&format!(".{key}"))?);
            return Ok(());
        }
        self.nodes.push(Node::Slice(slice(inner)?));
        Ok(())
    }

    fn filter(&mut self) -> Result<(), ParseError> {
        let Some(end) = filter_end(self.rest) else { return error("unterminated filter") };
        let inner = self.take(end);
        self.take(1);
        if !self.skip("]") {
            return error("unclosed array expect ]");
        }
        let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let start = inner.find(is_operator).filter(|start| *start > 0);
        let compared = start.map(|start| inner.split_at(start)).and_then(|(left, rest)| {
            let length = rest.find(|c| !is_operator(c))?;
            let (operator, right) = rest.split_at(length);
            Some((left, operator, right))
        });
        let (left, operator, right) = compared.unwrap_or((inner, "exists", ""));
        let filter = Filter { left: action(left)?, right: action(right)?, operator: operator.to_owned() };
        self.nodes.push(Node::Filter(filter));
        Ok(())
    }
}

/// Where the parenthesis is that ends a filter: parentheses inside of quotes do not.
fn filter_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut closed = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (c, quote) {
            ('\n', _) => return None,
            ('"' | '\'', None) => quote = Some(c),
            (_, Some(open)) if c == open && before != '\\' => closed = true,
            (')', None) => return Some(at),
            (')', Some(_)) if closed => return Some(at),
            _ => {}
        }
        before = c;
    }
    None
}

fn unescaped(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        other => other,
    }
}

fn slice(text: &str) -> Result<Slice, ParseError> {
    let invalid = || ParseError(format!("invalid array index {text}"));
    let parts: Vec<&str> = text.split(':').collect();
    let number = |text: &str| -> Result<Option<i64>, ParseError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        match text {
            "" => Ok(None),
            _ if !digits.bytes().all(|byte| byte.is_ascii_digit()) => Err(invalid()),
            _ => text.parse().map(Some).map_err(|_| ParseError(format!("array index {text} is not a number"))),
        }
    };
    match parts.as_slice() {
        [index] => {
            let start = number(index)?;
            Ok(Slice { start, end: Some(start.unwrap_or(0) + 1), single: true, step: None })
        }
        [start, end] => Ok(Slice { start: number(start)?, end: number(end)?, single: false, step: None }),
        [start, end, step] => {
            Ok(Slice { start: number(start)?, end: number(end)?, single: false, step: number(step)? })
        }
        _ => Err(invalid()),
    }
}

//! Classes of characters: `[a-z]`, `\d`, `\pL`.

use std::fmt::Write as _;

use super::PatternError;
use super::translate::{Reader, fault};

/// The Perl classes, which in Go know ASCII alone: what stands inside of brackets.
const PERL: [(&str, &str); 3] = [("d", "0-9"), ("s", "\\t\\n\\x0C\\r "), ("w", "0-9A-Za-z_")];

/// Reads `\d`, `\pL` and their kin, if one is next.
///
/// # Errors
/// A class without an end or a name.
pub fn named(reader: &mut Reader<'_>) -> Result<Option<String>, PatternError> {
    for (name, inside) in PERL {
        if reader.skip(&format!("\\{name}")) {
            return Ok(Some(format!("[{inside}]")));
        }
        if reader.skip(&format!("\\{}", name.to_uppercase())) {
            return Ok(Some(format!("[^{inside}]")));
        }
    }
    let start = reader.position();
    let mut negated = reader.skip("\\P");
    if !negated && !reader.skip("\\p") {
        return Ok(None);
    }
    let name = if reader.skip("{") {
        let rest = reader.rest();
        let Some(end) = rest.find('}') else {
            return fault("invalid character class range", format!("{}{rest}", reader.since(start)));
        };
        let name = rest.get(..end).unwrap_or_default();
        reader.skip(name);
        reader.skip("}");
        name.to_owned()
    } else {
        reader.next().map(String::from).unwrap_or_default()
    };
    let name = name.strip_prefix('^').map_or(name.as_str(), |rest| {
        negated = !negated;
        rest
    });
    let word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !word {
        return fault("invalid character class range", reader.since(start));
    }
    Ok(Some(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' })))
}

/// Reads `[…]`.
///
/// # Errors
/// A class without an end, and a range that is turned round.
pub fn class(reader: &mut Reader<'_>) -> Result<(), PatternError> {
    let whole = reader.rest();
    reader.next();
    let mut out = String::from("[");
    if reader.skip("^") {
        out.push('^');
    }
    let mut first = true;
    loop {
        match reader.peek() {
            None => return fault("missing closing ]", whole),
            Some(']') if !first => break,
            _ => {}
        }
        first = false;
        if reader.rest().starts_with("[:")
            && let Some(end) = reader.rest().find(":]")
        {
            let name = reader.rest().get(..end + 2).unwrap_or_default();
            if !is_posix(name) {
                return fault("invalid character class range", name);
            }
            reader.skip(name);
            out.push_str(name);
            continue;
        }
        if let Some(set) = named(reader)? {
            out.push_str(&set);
            continue;
        }
        let start = reader.position();
        let low = member(reader, whole)?;
        let ranged = reader.rest().starts_with('-') && !reader.rest().starts_with("-]") && reader.rest().len() > 1;
        let high = if ranged {
            reader.next();
            member(reader, whole)?
        } else {
            low
        };
        if high < low {
            return fault("invalid character class range", reader.since(start));
        }
        // A String takes every write.
        let _ = write!(out, "\\x{{{:x}}}-\\x{{{:x}}}", u32::from(low), u32::from(high));
    }
    reader.next();
    out.push(']');
    reader.out.push_str(&out);
    Ok(())
}

fn is_posix(name: &str) -> bool {
    let inner = name.trim_start_matches("[:").trim_end_matches(":]");
    let inner = inner.strip_prefix('^').unwrap_or(inner);
    matches!(
        inner,
        "alnum"
            | "alpha"
            | "ascii"
            | "blank"
            | "cntrl"
            | "digit"
            | "graph"
            | "lower"
            | "print"
            | "punct"
            | "space"
            | "upper"
            | "word"
            | "xdigit"
    )
}

fn member(reader: &mut Reader<'_>, whole: &str) -> Result<char, PatternError> {
    if reader.peek() == Some('\\') {
        return reader.character();
    }
    match reader.next() {
        Some(c) => Ok(c),
        None => fault("missing closing ]", whole),
    }
}

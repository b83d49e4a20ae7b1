//! Formats of texts, as kube-openapi's `strfmt` judges them in Kubernetes 1.20: with Go's own parsers and with the
//! patterns of govalidator.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::mail;

/// A pattern of this file.
type Pattern = LazyLock<Option<Regex>>;

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: Pattern = LazyLock::new(|| Regex::new($text).ok());
    };
}

pattern!(
    HOSTNAME,
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
);
pattern!(UUID, r"(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$");
pattern!(UUID3, r"(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$");
pattern!(UUID4, r"(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$");
pattern!(UUID5, r"(?i-u)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$");
pattern!(
    CREDIT_CARD,
    r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$"
);
pattern!(SOCIAL_SECURITY, r"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$");
pattern!(HEX_COLOR, r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$");
pattern!(
    RGB_COLOR,
    r"^rgb\([\t\n\f\r ]*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])[\t\n\f\r ]*,[\t\n\f\r ]*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])[\t\n\f\r ]*,[\t\n\f\r ]*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])[\t\n\f\r ]*\)$"
);
pattern!(BASE64, r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$");
pattern!(TIME_OF_DAY, r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$");
pattern!(DURATION_PART, r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)");

fn fits(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// A format that is checked.
type Check = fn(&str) -> bool;

/// The formats, by their names without dashes.
const FORMATS: &[(&str, Check)] = &[
    ("bsonobjectid", |text| text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())),
    ("uri", is_request_uri),
    ("email", mail::is_address),
    ("hostname", is_hostname),
    ("ipv4", |text| is_ip(text) && text.contains('.')),
    ("ipv6", |text| is_ip(text) && text.contains(':')),
    ("cidr", is_cidr),
    ("mac", is_mac),
    ("uuid", |text| fits(&UUID, text)),
    ("uuid3", |text| fits(&UUID3, text)),
    ("uuid4", |text| fits(&UUID4, text)),
    ("uuid5", |text| fits(&UUID5, text)),
    ("isbn", |text| is_isbn10(text) || is_isbn13(text)),
    ("isbn10", is_isbn10),
    ("isbn13", is_isbn13),
    ("creditcard", is_credit_card),
    ("ssn", |text| text.len() == 11 && fits(&SOCIAL_SECURITY, text)),
    ("hexcolor", |text| fits(&HEX_COLOR, text)),
    ("rgbcolor", |text| fits(&RGB_COLOR, text)),
    ("byte", |text| fits(&BASE64, text)),
    ("password", |_| true),
    ("date", is_date),
    ("duration", is_duration),
    ("datetime", is_date_time),
];

fn find(format: &str) -> Option<Check> {
    let name = format.replace('-', "");
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, check)| *check)
}

/// Whether `format` is one that texts are checked against.
#[must_use]
pub fn is_known(format: &str) -> bool {
    find(format).is_some()
}

/// Whether `text` has `format`; one that is not known holds for everything.
#[must_use]
pub fn holds(format: &str, text: &str) -> bool {
    find(format).is_none_or(|check| check(text))
}

/// A name of a host: the pattern, and the limits of DNS.
fn is_hostname(text: &str) -> bool {
    fits(&HOSTNAME, text) && text.len() <= 255 && text.split('.').all(|label| label.len() <= 63)
}

/// Go's `net.ParseIP`: no leading zeros in IPv4 addresses since 1.17, no zones.
fn is_ip(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    digits && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
}

/// Go's `net.ParseMAC`: 6, 8 or 20 bytes as pairs after `:` or `-`, or as groups of four digits after `.`.
fn is_mac(text: &str) -> bool {
    let groups = |separator: char, size: usize| {
        let groups: Vec<&str> = text.split(separator).collect();
        let whole =
            groups.iter().all(|group| group.len() == size && group.bytes().all(|byte| byte.is_ascii_hexdigit()));
        whole && matches!(groups.len() * size / 2, 6 | 8 | 20)
    };
    groups(':', 2) || groups('-', 2) || groups('.', 4)
}

/// Go's `url.ParseRequestURI`: an absolute URI or an absolute path.
pub(in crate::custom) fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let Some((scheme, rest)) = scheme(text) else { return false };
    let (path, _) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.starts_with('/') {
        // An opaque URI, as `mailto:a@b`; without a scheme there is nothing to call.
        return !scheme.is_empty();
    }
    let has_authority = path.starts_with("//") && (!scheme.is_empty() || !path.starts_with("///"));
    let (authority, path) = match path.strip_prefix("//").filter(|_| has_authority) {
        Some(rest) => rest.find('/').map_or((rest, ""), |at| rest.split_at(at)),
        None => ("", path),
    };
    is_authority(authority) && escapes_are_whole(path)
}

/// The scheme of a URI and what follows; no scheme where the text has none.
fn scheme(text: &str) -> Option<(&str, &str)> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at > 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            ':' => return None,
            _ => break,
        }
    }
    Some(("", text))
}

fn is_authority(authority: &str) -> bool {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user_fits = user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte));
    let is_port = |port: &str| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let host_fits = if let Some(inner) = host.strip_prefix('[') {
        inner.rfind(']').is_some_and(|at| inner.get(at + 1..).is_some_and(is_port))
    } else {
        let port = host.rfind(':').and_then(|at| host.get(at..)).unwrap_or_default();
        is_port(port)
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80 || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte))
    };
    user_fits && host_fits && escapes_are_whole(user) && !host.contains('%')
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())))
}

fn without(text: &str, drop: impl Fn(char) -> bool) -> Vec<u32> {
    text.chars().filter(|c| !drop(*c)).map(|c| c.to_digit(10).unwrap_or(u32::from(c))).collect()
}

fn is_separator(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ' | '-')
}

fn is_isbn10(text: &str) -> bool {
    let digits = without(text, is_separator);
    let [first @ .., last] = digits.as_slice() else { return false };
    let last = if *last == u32::from('X') { 10 } else { *last };
    if first.len() != 9 || last > 10 || first.iter().any(|digit| *digit > 9) {
        return false;
    }
    let sum: u32 = first.iter().zip(1..).map(|(digit, factor)| digit * factor).sum();
    (sum + 10 * last).is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let digits = without(text, is_separator);
    let [first @ .., last] = digits.as_slice() else { return false };
    if first.len() != 12 || digits.iter().any(|digit| *digit > 9) {
        return false;
    }
    let sum: u32 = first.iter().zip([1, 3].iter().cycle()).map(|(digit, factor)| digit * factor).sum();
    *last == (10 - sum % 10) % 10
}

/// The pattern, and the check digit of ISO/IEC 7812.
fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let weight = |(at, digit): (usize, u32)| match (at % 2, digit * 2) {
        (0, _) => digit,
        (_, doubled) => doubled % 10 + doubled / 10,
    };
    let sum: u32 = digits.chars().rev().filter_map(|digit| digit.to_digit(10)).enumerate().map(weight).sum();
    fits(&CREDIT_CARD, &digits) && sum.is_multiple_of(10)
}

/// `2006-01-02`, and a day that exists.
fn is_date(text: &str) -> bool {
    let shape = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    text.len() == 10 && shape && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    if text.len() < 4 {
        return false;
    }
    let text = text.to_lowercase();
    let mut parts = text.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let Some(found) = TIME_OF_DAY.as_ref().and_then(|pattern| pattern.captures(time)) else { return false };
    let at_most = |group: usize, most: &str| found.get(group).is_some_and(|part| part.as_str() <= most);
    is_date(date) && at_most(1, "23") && at_most(2, "59") && at_most(3, "59")
}

/// Units of time and their other names; the last of each may be followed by more letters (`strfmt/duration.go`).
const UNITS: [&[&str]; 8] = [
    &["ns", "nano"],
    &["us", "µs", "micro"],
    &["ms", "milli"],
    &["s", "sec"],
    &["m", "min"],
    &["h", "hr", "hour"],
    &["d", "day"],
    &["w", "wk", "week"],
];

/// A duration of Go, or of Scala.
fn is_duration(text: &str) -> bool {
    if is_go_duration(text) {
        return true;
    }
    let Some(pattern) = DURATION_PART.as_ref() else { return false };
    let mut found = false;
    for part in pattern.captures_iter(text) {
        let group = |group: usize| part.get(group).map(|part| part.as_str()).unwrap_or_default();
        if group(1).parse::<i64>().is_err() {
            return false;
        }
        let unit = group(2).to_lowercase();
        found |= UNITS.iter().any(|names| {
            names.contains(&unit.as_str()) || names.last().is_some_and(|longest| unit.starts_with(longest))
        });
    }
    found
}

/// Go's `time.ParseDuration`.
fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        if digits.matches('.').count() > 1 || !digits.contains(|c: char| c.is_ascii_digit()) {
            return false;
        }
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        if !matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h") {
            return false;
        }
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("date", "2020-02-29", true)]
    #[case("date", "2021-02-29", false)]
    #[case("date", "2020-2-9", false)]
    #[case("date-time", "2020-01-01T00:00:00Z", true)]
    #[case("date-time", "2020-01-01t23:59:59.5+01:00", true)]
    #[case("date-time", "2020-01-01T24:00:00Z", false)]
    #[case("date-time", "2020-01-01 00:00:00Z", false)]
    #[case("email", "a@b.c", true)]
    #[case("email", "A B <a@b>", true)]
    #[case("email", "a@", false)]
    #[case("hostname", "a-b.example.com", true)]
    #[case("hostname", "a_b", false)]
    #[case("hostname", "x..y", false)]
    #[case("ipv4", "10.0.0.1", true)]
    #[case("ipv4", "10.0.0.01", false)]
    #[case("ipv4", "::1", false)]
    #[case("ipv6", "::1", true)]
    #[case("cidr", "10.0.0.0/8", true)]
    #[case("cidr", "10.0.0.0/33", false)]
    #[case("mac", "00:00:5e:00:53:01", true)]
    #[case("mac", "0000.5e00.5301", true)]
    #[case("mac", "00:00:5e", false)]
    #[case("uri", "https://example.com/a?b=c", true)]
    #[case("uri", "/a", true)]
    #[case("uri", "a/b", false)]
    #[case("uri", "https://ex ample.com", false)]
    #[case("uuid", "123E4567-e89b-12d3-a456-426614174000", true)]
    #[case("uuid", "123", false)]
    #[case("uuid4", "123e4567-e89b-42d3-a456-426614174000", true)]
    #[case("uuid4", "123e4567-e89b-12d3-a456-426614174000", false)]
    #[case("byte", "YWJj", true)]
    #[case("byte", "", false)]
    #[case("byte", "a", false)]
    #[case("duration", "1h2m", true)]
    #[case("duration", "3 days", true)]
    #[case("duration", "1x", false)]
    #[case("isbn10", "0-321-75104-3", true)]
    #[case("isbn", "978-0321751041", true)]
    #[case("isbn13", "978-0321751042", false)]
    #[case("creditcard", "4012 8888 8888 1881", true)]
    #[case("creditcard", "4012 8888 8888 1882", false)]
    #[case("ssn", "123-45-6789", true)]
    #[case("ssn", "123456789", false)]
    #[case("hexcolor", "#FFF", true)]
    #[case("rgbcolor", "rgb(1, 2, 255)", true)]
    #[case("rgbcolor", "rgb(1,2,256)", false)]
    #[case("bsonobjectid", "507f1f77bcf86cd799439011", true)]
    #[case("password", "", true)]
    #[case("anything-else", "x", true)]
    fn judges_formats(#[case] format: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(holds(format, text), expected);
    }
}

//! Rules for single words (apimachinery's `util/validation`, Kubernetes 1.20): each names what is wrong.

use std::net::{IpAddr, Ipv4Addr};

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// A rule's message with its examples and its expression.
fn expression(message: &str, pattern: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{pattern}')");
    }
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or "))
}

fn too_long(text: &str, most: usize) -> Option<String> {
    (text.len() > most).then(|| format!("must be no more than {most} characters"))
}

fn is_lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_lower) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// `my-name`.
pub fn label(text: &str) -> Vec<String> {
    let message = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    let fault = (!is_label(text)).then(|| expression(message, LABEL, &["my-name", "123-abc"]));
    too_long(text, 63).into_iter().chain(fault).collect()
}

/// `example.com`.
pub fn subdomain(text: &str) -> Vec<String> {
    let message = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
    let fault = (!is_subdomain(text)).then(|| expression(message, &subdomain_pattern(), &["example.com"]));
    too_long(text, 253).into_iter().chain(fault).collect()
}

fn subdomain_pattern() -> String {
    format!("{LABEL}(\\.{LABEL})*")
}

/// `*.example.com`.
pub fn wildcard(text: &str) -> Vec<String> {
    let message = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    let fits = text.strip_prefix("*.").is_some_and(is_subdomain);
    let pattern = format!("\\*\\.{}", subdomain_pattern());
    let fault = (!fits).then(|| expression(message, &pattern, &["*.example.com"]));
    too_long(text, 253).into_iter().chain(fault).collect()
}

/// `my-name`, beginning with a letter.
pub fn label_1035(text: &str) -> Vec<String> {
    let message = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    let fits = is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    let fault = (!fits).then(|| expression(message, "[a-z]([-a-z0-9]*[a-z0-9])?", &["my-name", "abc-123"]));
    too_long(text, 63).into_iter().chain(fault).collect()
}

/// A segment of a path.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    let illegal = ['/', '%'].into_iter().filter(|illegal| text.contains(*illegal));
    illegal.map(|illegal| format!("may not contain '{illegal}'")).collect()
}

const WORD: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// `example.com/MyName`, the prefix optional.
pub fn qualified_name(text: &str) -> Vec<String> {
    let message = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let examples = ["MyName", "my.name", "123-abc"];
    let parts: Vec<&str> = text.split('/').collect();
    let (prefix, name) = match *parts.as_slice() {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            let rule = expression(message, WORD, &examples);
            let more = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a qualified name {rule} {more}")];
        }
    };
    let mut faults = Vec::new();
    match prefix {
        Some("") => faults.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => faults.extend(subdomain(prefix).iter().map(|fault| format!("prefix part {fault}"))),
        None => {}
    }
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else {
        faults.extend(too_long(name, 63).map(|fault| format!("name part {fault}")));
    }
    if !is_word(name) {
        faults.push(format!("name part {}", expression(message, WORD, &examples)));
    }
    faults
}

/// The value of a label.
pub fn label_value(text: &str) -> Vec<String> {
    let message = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let fits = text.is_empty() || is_word(text);
    let fault = (!fits).then(|| expression(message, &format!("({WORD})?"), &["MyValue", "my_value", "12345"]));
    too_long(text, 63).into_iter().chain(fault).collect()
}

/// The name of a port.
pub fn port_name(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = too_long(text, 15).into_iter().collect();
    if text.is_empty() || !text.chars().all(is_lower) {
        faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.contains(|c: char| c.is_ascii_lowercase()) {
        faults.push("must contain at least one letter or number (a-z, 0-9)".to_owned());
    }
    if text.contains("--") {
        faults.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        faults.push("must not begin or end with a hyphen".to_owned());
    }
    faults
}

/// What may not begin a name that could become a path.
fn upward(text: &str) -> Option<String> {
    match text {
        "." | ".." => Some(format!("must not be '{text}'")),
        _ if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// The name of a variable of an environment.
pub fn variable(text: &str) -> Vec<String> {
    let message = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit";
    let fits = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        && !text.starts_with(|c: char| c.is_ascii_digit());
    let examples = ["my.env-name", "MY_ENV.NAME", "MyEnvName1"];
    let fault = (!fits).then(|| expression(message, "[-._a-zA-Z][-._a-zA-Z0-9]*", &examples));
    fault.into_iter().chain(upward(text)).collect()
}

/// The key of a `ConfigMap` or Secret.
pub fn data_key(text: &str) -> Vec<String> {
    let message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let fault = (!fits).then(|| expression(message, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    too_long(text, 253).into_iter().chain(fault).chain(upward(text)).collect()
}

/// The name of an HTTP header.
pub fn header(text: &str) -> Vec<String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let message = "a valid HTTP header must consist of alphanumeric characters or '-'";
    (!fits).then(|| expression(message, "[-A-Za-z0-9]+", &["X-Header-Name"])).into_iter().collect()
}

/// `25%`.
pub fn percent(text: &str) -> Vec<String> {
    let fits = text.strip_suffix('%').is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    let message = "a valid percent string must be a numeric string followed by an ending '%'";
    (!fits).then(|| expression(message, "[0-9]+%", &["1%", "93%"])).into_iter().collect()
}

/// An IP address.
pub fn ip(text: &str) -> Vec<String> {
    match text.parse::<IpAddr>() {
        Ok(_) => Vec::new(),
        Err(_) => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()],
    }
}

/// An IP address that others can reach.
pub fn reachable_ip(text: &str) -> Vec<String> {
    let Ok(ip) = text.parse::<IpAddr>() else { return vec!["must be a valid IP address".to_owned()] };
    let (local, multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments().first().is_some_and(|s| s & 0xff0f == 0xff02)),
    };
    let faults = [
        (ip.is_unspecified(), "may not be unspecified (0.0.0.0)"),
        (ip.is_loopback(), "may not be in the loopback range (127.0.0.0/8)"),
        (local, "may not be in the link-local range (169.254.0.0/16)"),
        (multicast, "may not be in the link-local multicast range (224.0.0.0/24)"),
    ];
    faults.iter().filter(|(applies, _)| *applies).map(|(_, fault)| (*fault).to_owned()).collect()
}

/// A range of addresses in CIDR notation.
pub fn cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    let most = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
    (length <= most && !length.to_string().is_empty()).then_some((address, length))
}

/// Whether the range `outer` holds the range `inner` and is wider.
pub fn is_within(outer: (IpAddr, u8), inner: (IpAddr, u8)) -> bool {
    let masked = |address: IpAddr| match address {
        IpAddr::V4(ip) => Some(u32::from(ip).checked_shr(32 - u32::from(outer.1)).unwrap_or(0).into()),
        IpAddr::V6(ip) => u128::from(ip).checked_shr(128 - u32::from(outer.1)).or(Some(0)),
    };
    let same_family = matches!((outer.0, inner.0), (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)));
    same_family && outer.1 < inner.1 && masked(outer.0) == masked(inner.0)
}

/// Whether `address` is one of the first sixteen bits `prefix`.
pub fn is_in_range(address: &str, prefix: [u8; 2]) -> bool {
    address.parse::<Ipv4Addr>().is_ok_and(|ip| ip.octets().starts_with(&prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::subdomain(subdomain, "a-b.c", "a..b")]
    #[case::label(label, "1a", "a.b")]
    #[case::label_1035(label_1035, "a1", "1a")]
    #[case::key(qualified_name, "example.com/Name", "/a")]
    #[case::value(label_value, "", "-a")]
    #[case::port(port_name, "http-1", "80")]
    #[case::variable(variable, "A.B", "1A")]
    #[case::data(data_key, "tls.crt", "..a")]
    #[case::percent(percent, "10%", "10")]
    #[case::wildcard(wildcard, "*.a.b", "a.b")]
    #[case::ip(ip, "::1", "1.2.3")]
    #[case::reachable(reachable_ip, "10.0.0.1", "127.0.0.1")]
    fn judges(#[case] rule: fn(&str) -> Vec<String>, #[case] right: &str, #[case] wrong: &str) {
        assert!(rule(right).is_empty() && !rule(wrong).is_empty());
    }

    #[rstest]
    #[case("10.0.0.0/8", "10.1.0.0/16", true)]
    #[case("10.0.0.0/8", "11.0.0.0/16", false)]
    #[case("10.0.0.0/16", "10.0.0.0/16", false)]
    fn compares_ranges(#[case] outer: &str, #[case] inner: &str, #[case] expected: bool) {
        assert_eq!(cidr(outer).zip(cidr(inner)).is_some_and(|(outer, inner)| is_within(outer, inner)), expected);
    }
}

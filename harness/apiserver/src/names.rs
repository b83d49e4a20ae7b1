//! Rules for what paths and selectors name (apimachinery's `validation` package, Kubernetes 1.20); those for objects
//! are in `validation`.

use serde_json::Value;

use crate::status::{Cause, quoted};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const KEY_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn label(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push("must be no more than 63 characters".to_owned());
    }
    if !is_label(text) {
        faults.push(LABEL.to_owned());
    }
    faults
}

/// What is wrong with `text` as a DNS subdomain.
pub fn subdomain(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 253 {
        faults.push("must be no more than 253 characters".to_owned());
    }
    if !text.split('.').all(is_label) {
        faults.push(SUBDOMAIN.to_owned());
    }
    faults
}

/// Whether `text` can be the name of a namespace.
pub fn is_namespace_name(text: &str) -> bool {
    text.len() <= 63 && is_label(text)
}

/// Whether `text` can be the name of most objects, `ServiceAccount`s among them.
pub fn is_object_name(text: &str) -> bool {
    subdomain(text).is_empty()
}

/// What is wrong with `text` as a DNS-1035 label.
pub fn label_1035(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push("must be no more than 63 characters".to_owned());
    }
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        faults.push(LABEL_1035.to_owned());
    }
    faults
}

/// What is wrong with `text` as a segment of a path: RBAC's rule, and that of every path (`IsValidPathSegmentName`).
#[must_use]
pub fn path_segment(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text == "." || text == ".." {
        faults.push(format!("may not be '{text}'"));
    }
    for illegal in ['/', '%'] {
        if text.contains(illegal) {
            faults.push(format!("may not contain '{illegal}'"));
        }
    }
    faults
}

fn qualified_name(text: &str) -> Option<String> {
    let (prefix, own) = text.split_once('/').map_or((None, text), |(prefix, own)| (Some(prefix), own));
    if let Some(prefix) = prefix
        && (prefix.is_empty() || !prefix.split('.').all(is_label))
    {
        return Some(format!("prefix part {SUBDOMAIN}"));
    }
    if own.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if own.len() > 63 {
        return Some("name part must be no more than 63 characters".to_owned());
    }
    (!is_word(own)).then(|| KEY_NAME.to_owned())
}

/// What is wrong with `text` as the key of a label (`IsQualifiedName`).
#[must_use]
pub fn label_key_faults(text: &str) -> Vec<String> {
    const HINT: &str = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    let mut parts = text.split('/');
    let (prefix, own) = match (parts.next(), parts.next(), parts.next()) {
        (Some(own), None, _) => (None, own),
        (Some(prefix), Some(own), None) => (Some(prefix), own),
        _ => return vec![format!("a qualified name {}{HINT}", KEY_NAME.trim_start_matches("name part "))],
    };
    let mut faults = Vec::new();
    match prefix {
        Some("") => faults.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => faults.extend(subdomain(prefix).iter().map(|fault| format!("prefix part {fault}"))),
        None => {}
    }
    if own.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if own.len() > 63 {
        faults.push("name part must be no more than 63 characters".to_owned());
    }
    if !is_word(own) {
        faults.push(KEY_NAME.to_owned());
    }
    faults
}

/// What is wrong with `text` as the value of a label (`IsValidLabelValue`).
#[must_use]
pub fn label_value_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push("must be no more than 63 characters".to_owned());
    }
    if !text.is_empty() && !is_word(text) {
        faults.push(LABEL_VALUE.to_owned());
    }
    faults
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// What is wrong with the labels at `field`.
pub fn labels(labels: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        if let Some(fault) = qualified_name(key) {
            causes.push(Cause::invalid(field, quoted(key), &fault));
        }
        let value = value.as_str().unwrap_or_default();
        if value.len() > 63 {
            causes.push(Cause::invalid(field, quoted(value), "must be no more than 63 characters"));
        }
        if !value.is_empty() && !is_word(value) {
            causes.push(Cause::invalid(field, quoted(value), LABEL_VALUE));
        }
    }
}

/// What is wrong with the metadata at `field` of an object inside of another: its name need not be there, and its kind
/// is not known.
pub fn embedded_metadata(metadata: &Value, field: &str, causes: &mut Vec<Cause>) {
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default();
    for key in ["generateName", "name"] {
        let given = text(key);
        let faults = if given.is_empty() { Vec::new() } else { path_segment(given) };
        causes.extend(faults.iter().map(|fault| Cause::invalid(format!("{field}.{key}"), quoted(given), fault)));
    }
    let namespace = text("namespace");
    if !namespace.is_empty() {
        let place = format!("{field}.namespace");
        causes.extend(label(namespace).iter().map(|fault| Cause::invalid(&*place, quoted(namespace), fault)));
    }
    labels(metadata.get("labels"), &format!("{field}.labels"), causes);
    for key in metadata.get("annotations").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key) {
        if let Some(fault) = qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid(format!("{field}.annotations"), quoted(key), &fault));
        }
    }
    for finalizer in metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        if let Some(fault) = qualified_name(finalizer) {
            causes.push(Cause::invalid(format!("{field}.finalizers"), quoted(finalizer), &fault));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a", true)]
    #[case("a-b.c", true)]
    #[case("A_b", false)]
    #[case("-a", false)]
    #[case("a..b", false)]
    fn judges_subdomains(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(subdomain(text).is_empty(), fits);
    }

    #[rstest]
    #[case("app", true)]
    #[case("app.kubernetes.io/name", true)]
    #[case("-a", false)]
    #[case("/a", false)]
    #[case("a/", false)]
    fn judges_label_keys(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(label_key_faults(text).is_empty(), fits);
    }
}

//! Rules for names and labels (apimachinery's `validation` package, Kubernetes 1.20).

use serde_json::Value;

use crate::registry::Resource;
use crate::status::{Cause, quoted};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const KEY_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DATA_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

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

/// What is wrong with `name` as a container's name.
pub fn container_name(field: &str, name: &str) -> Vec<Cause> {
    if name.is_empty() {
        return vec![Cause::required(field, "")];
    }
    label(name).iter().map(|fault| Cause::invalid(field, quoted(name), fault)).collect()
}

fn subdomain(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 253 {
        faults.push("must be no more than 253 characters".to_owned());
    }
    if !text.split('.').all(is_label) {
        faults.push(SUBDOMAIN.to_owned());
    }
    faults
}

fn label_1035(text: &str) -> Vec<String> {
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

/// What is wrong with `text` as a name of `resource`.
fn name(resource: &Resource, text: &str) -> Vec<String> {
    match (&*resource.group, &*resource.plural) {
        ("", "namespaces") => label(text),
        ("", "services") => label_1035(text),
        ("rbac.authorization.k8s.io", _) => path_segment(text),
        _ => subdomain(text),
    }
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

/// What is wrong with the keys of a map of data at `field`.
pub fn data_keys(data: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    for key in data.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key) {
        let fits = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !fits {
            causes.push(Cause::invalid(format!("{field}[{key}]"), quoted(key), DATA_KEY));
        }
    }
}

/// What is wrong with an object's metadata.
pub fn metadata(resource: &Resource, object: &Value, causes: &mut Vec<Cause>) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let given = text("/metadata/name");
    if given.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        causes.extend(name(resource, given).iter().map(|fault| Cause::invalid("metadata.name", quoted(given), fault)));
    }
    labels(object.pointer("/metadata/labels"), "metadata.labels", causes);
    for key in
        object.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key)
    {
        if let Some(fault) = qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", quoted(key), &fault));
        }
    }
    for finalizer in object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        if let Some(fault) = qualified_name(finalizer) {
            causes.push(Cause::invalid("metadata.finalizers", quoted(finalizer), &fault));
        } else if !finalizer.contains('/')
            && resource.group.is_empty()
            && !["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer)
        {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid("metadata.finalizers[0]", quoted(finalizer), detail));
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
        assert_eq!(qualified_name(text).is_none(), fits);
    }
}

//! The cluster controller's change to a cluster's `kubesphere.yaml`: the document goes through a typed structure, so
//! keys come out in the structure's order, unknown ones are lost and values are respelled
//! (kubesphere v3.3.2, `pkg/apiserver/config`; seen on v3.3.2).

use std::fmt::Write as _;

use serde_json::Value;

use crate::apiserver::settings::{duration_of, text_of};
use crate::member::go_yaml::{self, YamlError};

/// Sections of the structure in its order. A section whose fields are listed keeps those alone, in this order; of the
/// others, which a default installation does not have, the order inside is kept as it comes.
const SECTIONS: [(&str, Option<&[&str]>); 24] = [
    ("devops", None),
    ("sonarQube", None),
    ("kubernetes", None),
    ("servicemesh", None),
    ("network", Some(&["enableNetworkPolicy", "nsnpOptions", "weaveScopeHost", "ippoolType"])),
    ("ldap", None),
    ("redis", None),
    ("cache", None),
    ("s3", None),
    ("openpitrix", None),
    ("monitoring", Some(&["endpoint"])),
    ("logging", None),
    ("authentication", None),
    ("authorization", None),
    ("multicluster", None),
    ("events", None),
    ("auditing", None),
    ("alerting", None),
    ("notification", Some(&["endpoint"])),
    ("kubeedge", None),
    ("edgeruntime", None),
    ("metering", None),
    ("gateway", Some(&["watchesPath", "namespace", "repository", "tag"])),
    ("gpu", Some(&["kinds"])),
];
/// The last section, with its fields.
const TERMINAL: (&str, Option<&[&str]>) = ("terminal", Some(&["image", "timeout"]));

/// The `multicluster.clusterName` in `document`, empty if none.
#[must_use]
pub fn cluster_name(document: &Value) -> String {
    text_of(&document["multicluster"]["clusterName"])
}

/// `text` with `multicluster.clusterName` set to `name`; `None` when it has that name already.
///
/// # Errors
/// [`YamlError`] when the text is not YAML.
pub fn with_cluster_name(text: &str, name: &str) -> Result<Option<String>, YamlError> {
    let document = go_yaml::read(text.as_bytes())?;
    if cluster_name(&document) == name {
        return Ok(None);
    }
    let mut fields = Vec::new();
    for (section, known) in SECTIONS.into_iter().chain([TERMINAL]) {
        let value = &document[section];
        let node = match section {
            "multicluster" => Some(multicluster(value, name)),
            _ if !value.is_object() => None,
            "authentication" => Some(authentication(value)),
            _ => Some(match known {
                Some(known) => select(value, known),
                None => Node::from(value),
            }),
        };
        fields.extend(node.map(|node| (section, node)));
    }
    let mut written = String::new();
    Node::map(fields).write(&mut written, 0);
    Ok(Some(written))
}

fn multicluster(value: &Value, name: &str) -> Node {
    let mut fields = vec![("enable", Node::Scalar(value["enable"].as_bool().unwrap_or(false).to_string()))];
    for field in ["proxyPublishService", "proxyPublishAddress", "agentImage"] {
        fields.extend(string_unless_empty(value, field));
    }
    fields.extend(
        duration_of(&value["clusterControllerResyncPeriod"])
            .filter(|period| !period.is_zero())
            .map(|period| ("clusterControllerResyncPeriod", duration(period))),
    );
    fields.extend(string_unless_empty(value, "hostClusterName"));
    fields.push(("clusterName", Node::string(name)));
    fields.extend(string_unless_empty(value, "clusterRole"));
    Node::map(fields)
}

fn authentication(value: &Value) -> Node {
    let mut fields = vec![
        ("authenticateRateLimiterMaxTries", number(&value["authenticateRateLimiterMaxTries"])),
        ("authenticateRateLimiterDuration", duration_in(value, "authenticateRateLimiterDuration")),
        ("maximumClockSkew", duration_in(value, "maximumClockSkew")),
        ("loginHistoryRetentionPeriod", duration_in(value, "loginHistoryRetentionPeriod")),
        ("multipleLogin", Node::Scalar(value["multipleLogin"].as_bool().unwrap_or(false).to_string())),
        ("jwtSecret", Node::string(&text_of(&value["jwtSecret"]))),
        ("oauthOptions", oauth_options(&value["oauthOptions"])),
    ];
    fields.extend(string_unless_empty(value, "kubectlImage"));
    Node::map(fields)
}

fn oauth_options(value: &Value) -> Node {
    if !value.is_object() {
        return Node::Scalar("null".to_owned());
    }
    let mut fields = Vec::new();
    fields.extend(string_unless_empty(value, "issuer"));
    for list in ["identityProviders", "clients"] {
        if value[list].as_array().is_some_and(|items| !items.is_empty()) {
            fields.push((list, Node::from(&value[list])));
        }
    }
    fields.push(("accessTokenMaxAge", duration_in(value, "accessTokenMaxAge")));
    fields.push(("accessTokenInactivityTimeout", duration_in(value, "accessTokenInactivityTimeout")));
    Node::map(fields)
}

fn select(value: &Value, known: &[&'static str]) -> Node {
    let zero = |value: &Value| matches!(value, Value::Null) || value == "" || value == false || value == 0;
    Node::map(
        known.iter().filter(|field| !zero(&value[**field])).map(|field| (*field, Node::from(&value[*field]))).collect(),
    )
}

fn string_unless_empty<'a>(value: &Value, field: &'a str) -> Option<(&'a str, Node)> {
    Some(text_of(&value[field])).filter(|text| !text.is_empty()).map(|text| (field, Node::string(&text)))
}

fn duration_in(value: &Value, field: &str) -> Node {
    duration(duration_of(&value[field]).unwrap_or_default())
}

fn duration(length: std::time::Duration) -> Node {
    Node::Scalar(kubesphere::duration::spell(length))
}

fn number(value: &Value) -> Node {
    Node::Scalar(value.as_u64().unwrap_or_default().to_string())
}

/// YAML as `yaml.v2` lays it out: two spaces, lists at their key's own depth.
enum Node {
    Scalar(String),
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
}

impl Node {
    fn map(fields: Vec<(&str, Self)>) -> Self {
        Self::Map(fields.into_iter().map(|(key, node)| (go_yaml::scalar(key), node)).collect())
    }

    fn string(text: &str) -> Self {
        Self::Scalar(go_yaml::scalar(text))
    }

    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::string(text),
            Value::Object(fields) => {
                Self::Map(fields.iter().map(|(k, v)| (go_yaml::scalar(k), Self::from(v))).collect())
            }
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Scalar(value.to_string()),
        }
    }

    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        match self {
            Self::Scalar(text) => out.push_str(text),
            Self::Map(fields) => {
                for (key, node) in fields {
                    // Writing to a String cannot fail.
                    let _infallible = match node {
                        Self::Scalar(text) => writeln!(out, "{indent}{key}: {text}"),
                        Self::Map(inner) if inner.is_empty() => writeln!(out, "{indent}{key}: {{}}"),
                        Self::List(inner) if inner.is_empty() => writeln!(out, "{indent}{key}: []"),
                        Self::Map(_) | Self::List(_) => writeln!(out, "{indent}{key}:"),
                    };
                    match node {
                        Self::Map(_) => node.write(out, depth + 1),
                        Self::List(_) => node.write(out, depth),
                        Self::Scalar(_) => {}
                    }
                }
            }
            Self::List(items) => {
                for item in items {
                    let mut text = String::new();
                    item.write(&mut text, depth + 1);
                    let _infallible = writeln!(out, "{indent}- {}", text.trim());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use super::*;

    const MEMBER: &str = include_str!("../../tests/data/kubesphere-member.yaml");
    const MEMBER_REWRITTEN: &str = include_str!("../../tests/data/kubesphere-member-rewritten.yaml");
    const HOST: &str = include_str!("../../tests/data/kubesphere-host.yaml");
    const HOST_REWRITTEN: &str = include_str!("../../tests/data/kubesphere-host-rewritten.yaml");

    #[rstest]
    #[case::member(MEMBER, "member1", MEMBER_REWRITTEN)]
    #[case::host(HOST, "host", HOST_REWRITTEN)]
    fn writes_what_the_real_controller_wrote(#[case] before: &str, #[case] name: &str, #[case] after: &str) {
        assert_eq!(with_cluster_name(before, name).unwrap().unwrap(), after);
    }

    #[test]
    fn leaves_a_document_with_the_name_alone() {
        assert_eq!(with_cluster_name(MEMBER_REWRITTEN, "member1").unwrap(), None);
    }

    #[test]
    fn changes_only_the_name_of_a_rewritten_document() {
        let renamed = with_cluster_name(MEMBER_REWRITTEN, "member2").unwrap().unwrap();
        assert_eq!(renamed, MEMBER_REWRITTEN.replace("member1", "member2"));
    }

    #[test]
    fn adds_the_section_where_there_is_none() {
        let rewritten = with_cluster_name("network:\n  ippoolType: none\n", "m").unwrap().unwrap();
        assert_eq!(rewritten, "network:\n  ippoolType: none\nmulticluster:\n  enable: false\n  clusterName: m\n");
    }

    #[rstest]
    #[case::plain("\"gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU\"", Some("gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU"))]
    #[case::digits_stay_quoted("\"12345678901234567890123456789012\"", Some("\"12345678901234567890123456789012\""))]
    #[case::a_quote_inside_is_not_parsed("\"a\"b\"", None)]
    fn prints_a_secret_as_yaml_needs_it(#[case] before: &str, #[case] after: Option<&str>) {
        let text = format!("authentication:\n  jwtSecret: {before}\n");
        let rewritten = with_cluster_name(&text, "m").ok().flatten();
        assert_eq!(rewritten.is_some(), after.is_some());
        for (rewritten, after) in rewritten.iter().zip(after) {
            assert!(rewritten.contains(&format!("\n  jwtSecret: {after}\n")), "{rewritten}");
        }
    }

    #[test]
    fn says_as_go_does_why_it_cannot_parse() {
        let error = with_cluster_name("authentication:\n  jwtSecret: \"a\"b\"\n", "m").unwrap_err();
        assert!(error.to_string().ends_with("did not find expected key"), "{error}");
    }

    #[test]
    fn leaves_out_authentication_where_there_is_none() {
        let rewritten = with_cluster_name("terminal:\n  timeout: 600\n", "m").unwrap().unwrap();
        assert!(!rewritten.contains("authentication"), "{rewritten}");
    }

    #[test]
    fn keeps_nested_lists_in_shape() {
        let text = "network:\n  ippoolType: none\nevents:\n  a:\n  - b: 1\n    c: [x, '*']\n";
        let rewritten = with_cluster_name(text, "m").unwrap().unwrap();
        assert!(rewritten.contains("events:\n  a:\n  - b: 1\n    c:\n    - x\n    - '*'\n"), "{rewritten}");
    }
}

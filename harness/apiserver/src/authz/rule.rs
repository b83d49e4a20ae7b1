//! One rule of a role: what it allows, and which rules it covers (Kubernetes 1.20, `evaluation_helpers.go` and
//! `policy_comparator.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ask;
use crate::status::quoted;

/// A rule; every list may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// What may be done.
    pub verbs: Vec<String>,
    /// In which API groups.
    pub api_groups: Vec<String>,
    /// With which resources, or `resource/subresource`.
    pub resources: Vec<String>,
    /// With which objects; none for all.
    pub resource_names: Vec<String>,
    /// With which paths that are no resources.
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

fn has(set: &[String], wanted: &str) -> bool {
    set.iter().any(|found| found == wanted)
}

fn has_all(set: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|wanted| has(set, wanted))
}

/// Whether `pattern` covers `path`; a star at its end stands for anything.
fn covers_path(pattern: &str, path: &str) -> bool {
    pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}

/// Texts as Go's `%q` writes a list of them.
#[must_use]
pub fn quoted_list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(" "))
}

impl Rule {
    /// The rules of a role.
    pub fn of_role(role: &Value) -> Vec<Self> {
        let rules = role.get("rules").and_then(Value::as_array).into_iter().flatten();
        rules.map(|rule| Self::deserialize(rule).unwrap_or_default()).collect()
    }

    fn covers_resource(&self, resource: &str, subresource: &str) -> bool {
        let combined = if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
        self.resources.iter().any(|found| {
            found == "*"
                || *found == combined
                || (!subresource.is_empty() && found.strip_prefix("*/") == Some(subresource))
        })
    }

    /// Whether the rule allows what is asked.
    #[must_use]
    pub fn allows(&self, ask: &Ask) -> bool {
        let any = |set: &[String], wanted: &str| has(set, "*") || has(set, wanted);
        match ask {
            Ask::Resource { verb, group, resource, subresource, name, .. } => {
                any(&self.verbs, verb)
                    && any(&self.api_groups, group)
                    && self.covers_resource(resource, subresource)
                    && (self.resource_names.is_empty() || has(&self.resource_names, name))
            }
            Ask::Path { verb, path } => {
                any(&self.verbs, verb) && self.non_resource_urls.iter().any(|pattern| covers_path(pattern, path))
            }
        }
    }

    /// The rule as rules of one verb, one resource and one name, or one verb and one path.
    fn broken_down(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let names: Vec<Vec<String>> = if self.resource_names.is_empty() {
            vec![Vec::new()]
        } else {
            self.resource_names.iter().map(one).collect()
        };
        let mut parts = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    parts.extend(names.iter().map(|name| Self {
                        verbs: one(verb),
                        api_groups: one(group),
                        resources: one(resource),
                        resource_names: name.clone(),
                        non_resource_urls: Vec::new(),
                    }));
                }
            }
        }
        for url in &self.non_resource_urls {
            parts.extend(self.verbs.iter().map(|verb| Self {
                verbs: one(verb),
                non_resource_urls: one(url),
                ..Self::default()
            }));
        }
        parts
    }

    /// Whether this rule covers a broken down one.
    fn covers(&self, part: &Self) -> bool {
        let resource = |wanted: &String| {
            has(&self.resources, "*")
                || has(&self.resources, wanted)
                || wanted.split_once('/').is_some_and(|(_, sub)| has(&self.resources, &format!("*/{sub}")))
        };
        let path = |wanted: &String| self.non_resource_urls.iter().any(|pattern| covers_path(pattern, wanted));
        let named = if part.resource_names.is_empty() {
            self.resource_names.is_empty()
        } else {
            self.resource_names.is_empty() || has_all(&self.resource_names, &part.resource_names)
        };
        (has(&self.verbs, "*") || has_all(&self.verbs, &part.verbs))
            && (has(&self.api_groups, "*") || has_all(&self.api_groups, &part.api_groups))
            && part.resources.iter().all(resource)
            && part.non_resource_urls.iter().all(path)
            && named
    }

    /// The rule as refusals name it.
    #[must_use]
    pub fn compact(&self) -> String {
        let parts: Vec<String> = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ]
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(key, list)| format!("{key}:{}", quoted_list(list)))
        .collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// What of `wanted` nobody with the rules `held` holds, as refusals name it: sorted, with the verbs of one resource
/// together.
#[must_use]
pub fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<String> {
    let parts = wanted.iter().flat_map(Rule::broken_down);
    let parts = parts.filter(|part| !held.iter().any(|rule| rule.covers(part)));
    let mut described = BTreeSet::new();
    let mut simple: BTreeMap<[Vec<String>; 3], Rule> = BTreeMap::new();
    for part in parts {
        if !part.non_resource_urls.is_empty() {
            described.insert(part.compact());
            continue;
        }
        let key = [part.api_groups.clone(), part.resources.clone(), part.resource_names.clone()];
        match simple.get_mut(&key) {
            Some(rule) => rule.verbs.extend(part.verbs),
            None => {
                simple.insert(key, part);
            }
        }
    }
    described.extend(simple.values().map(Rule::compact));
    described.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn rule(groups: &[&str], resources: &[&str], names: &[&str], verbs: &[&str]) -> Rule {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Rule {
            verbs: own(verbs),
            api_groups: own(groups),
            resources: own(resources),
            resource_names: own(names),
            non_resource_urls: Vec::new(),
        }
    }

    fn paths(urls: &[&str], verbs: &[&str]) -> Rule {
        Rule { non_resource_urls: urls.iter().map(|url| (*url).to_owned()).collect(), ..rule(&[], &[], &[], verbs) }
    }

    #[rstest]
    #[case(rule(&[""], &["pods"], &[], &["get", "list"]), &[])]
    #[case(rule(&[""], &["pods"], &["a"], &["get"]), &[])]
    #[case(
        rule(&[""], &["pods", "secrets"], &[], &["get", "delete"]),
        &[
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}"#,
            r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}"#,
        ],
    )]
    #[case(rule(&["apps"], &["deployments/scale"], &[], &["get"]), &[])]
    #[case(
        rule(&["apps"], &["deployments/status"], &["a"], &["get"]),
        &[r#"{APIGroups:["apps"], Resources:["deployments/status"], ResourceNames:["a"], Verbs:["get"]}"#],
    )]
    #[case(paths(&["/api/x"], &["get"]), &[])]
    #[case(
        paths(&["/metrics", "/api/*"], &["get", "post"]),
        &[
            r#"{NonResourceURLs:["/api/*"], Verbs:["post"]}"#,
            r#"{NonResourceURLs:["/metrics"], Verbs:["get"]}"#,
            r#"{NonResourceURLs:["/metrics"], Verbs:["post"]}"#,
        ],
    )]
    fn names_what_is_missing(#[case] wanted: Rule, #[case] expected: &[&str]) {
        let held = [
            rule(&[""], &["pods"], &[], &["get", "list"]),
            rule(&["*"], &["*/scale"], &[], &["*"]),
            paths(&["/api/*"], &["get"]),
        ];
        assert_eq!(missing(&held, &[wanted]), expected);
    }
}

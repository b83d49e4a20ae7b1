//! The edge of what is served: which requests kube-apiserver 1.20 would answer and this server does not.
//!
//! What lies inside is the registry's table, which `surface.toml` repeats for readers. A request beyond that is a
//! miss only if the original knows it: what the original does not know either gets the original's own refusal, so
//! that a client that probes (a newer kubectl, a controller whose definition is not there yet) misses nothing.

/// The group versions in the discovery of kube-apiserver 1.20.2, besides the core group's `v1`.
const GROUP_VERSIONS: &[(&str, &[&str])] = &[
    ("admissionregistration.k8s.io", STABLE_AND_BETA),
    ("apiextensions.k8s.io", STABLE_AND_BETA),
    ("apiregistration.k8s.io", STABLE_AND_BETA),
    ("apps", &["v1"]),
    ("authentication.k8s.io", STABLE_AND_BETA),
    ("authorization.k8s.io", STABLE_AND_BETA),
    ("autoscaling", &["v1", "v2beta1", "v2beta2"]),
    ("batch", STABLE_AND_BETA),
    ("certificates.k8s.io", STABLE_AND_BETA),
    ("coordination.k8s.io", STABLE_AND_BETA),
    ("discovery.k8s.io", &["v1beta1"]),
    ("events.k8s.io", STABLE_AND_BETA),
    ("extensions", &["v1beta1"]),
    ("flowcontrol.apiserver.k8s.io", &["v1beta1"]),
    ("networking.k8s.io", STABLE_AND_BETA),
    ("node.k8s.io", STABLE_AND_BETA),
    ("policy", &["v1beta1"]),
    ("rbac.authorization.k8s.io", STABLE_AND_BETA),
    ("scheduling.k8s.io", STABLE_AND_BETA),
    ("storage.k8s.io", STABLE_AND_BETA),
];
const STABLE_AND_BETA: &[&str] = &["v1", "v1beta1"];

/// First segments of the other paths that kube-apiserver 1.20.2 answers.
const PATHS: &[&str] = &[".well-known", "debug", "index.html", "logs", "metrics", "openid"];

/// Whether the original serves resources in this group version; an empty version asks for the group.
#[must_use]
pub fn original_serves(group: &str, version: &str) -> bool {
    if group.is_empty() {
        return version.is_empty() || version == "v1";
    }
    GROUP_VERSIONS.iter().any(|(name, versions)| *name == group && (version.is_empty() || versions.contains(&version)))
}

/// Whether the original answers this path, which is none of its API groups'.
#[must_use]
pub fn original_answers(path: &str) -> bool {
    path.split('/').nth(1).is_some_and(|first| PATHS.contains(&first))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::registry::{Registry, Resource};
    use crate::{negotiate, patch};
    use rstest::rstest;

    fn list(names: &[&str]) -> String {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        format!("[{}]", quoted.join(", "))
    }

    /// The rows of one resource, as `surface.toml` has them.
    fn rows(resource: &Resource) -> Vec<String> {
        let mut rows = vec![
            format!("[resources.\"{}/{}\"]", resource.full_name, resource.version),
            format!("kind = \"{}\"", resource.kind),
            format!("namespaced = {}", resource.namespaced),
            format!("verbs = {}", list(resource.verbs)),
        ];
        let (answered, listed): (Vec<_>, Vec<_>) =
            resource.subresources.iter().partition(|sub| resource.answers(sub.name));
        rows.extend(answered.iter().map(|sub| format!("subresources.{} = {}", sub.name, list(sub.verbs))));
        if !listed.is_empty() {
            let names: Vec<&str> = listed.iter().map(|sub| sub.name).collect();
            rows.push(format!("listed-only = {}", list(&names)));
        }
        rows
    }

    #[test]
    fn is_what_the_checked_in_list_says() {
        let mut expected = vec![
            "[media-types.built-in]".to_owned(),
            format!("object = {}", list(negotiate::accepted(false))),
            format!("patch = {}", list(patch::accepted(false))),
            "[media-types.custom]".to_owned(),
            format!("object = {}", list(negotiate::accepted(true))),
            format!("patch = {}", list(patch::accepted(true))),
        ];
        expected.extend(Registry::new(Vec::new()).resources().flat_map(|resource| rows(resource)));
        let checked_in: Vec<&str> = include_str!("../surface.toml")
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        for (number, (listed, served)) in checked_in.iter().zip(&expected).enumerate() {
            assert_eq!(listed, served, "row {number}: left is surface.toml, right is what the code serves");
        }
        assert_eq!(checked_in.len(), expected.len(), "surface.toml, should be:\n{}", expected.join("\n"));
    }

    #[test]
    fn holds_nothing_that_the_original_does_not_serve() {
        for resource in Registry::new(Vec::new()).resources() {
            assert!(original_serves(&resource.group, &resource.version), "{}", resource.full_name);
        }
    }

    #[rstest]
    #[case("", "v1", true)]
    #[case("", "v2", false)]
    #[case("batch", "", true)]
    #[case("rbac.authorization.k8s.io", "v1beta1", true)]
    #[case("policy", "v1", false)]
    #[case("snapshot.storage.k8s.io", "v1", false)]
    fn knows_the_groups_of_the_original(#[case] group: &str, #[case] version: &str, #[case] expected: bool) {
        assert_eq!(original_serves(group, version), expected);
    }

    #[rstest]
    #[case("/metrics", true)]
    #[case("/.well-known/openid-configuration", true)]
    #[case("/openapi/v3", false)]
    #[case("/kapis/version", false)]
    #[case("/", false)]
    fn knows_the_other_paths_of_the_original(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(original_answers(path), expected);
    }
}

//! The edge of what is served: which requests kube-apiserver 1.20 would answer and this server does not.
//!
//! What lies inside is the registry's table, which `surface.toml` repeats for readers: it has every resource of the
//! original, some of whose subresources are only listed. What the original does not know either gets its own refusal,
//! so that a client that probes (a newer kubectl, a controller whose definition is not there yet) misses nothing.

/// First segments of the other paths that kube-apiserver 1.20.2 answers.
const PATHS: &[&str] = &[".well-known", "debug", "index.html", "logs", "metrics", "openid"];

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

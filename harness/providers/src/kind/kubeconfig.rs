//! The kubeconfig that kind writes for its administrator.

use std::path::Path;

use crate::access::Access;
use crate::provider::Missing;

/// Reads the kubeconfig at `path`, which kind has written, and sees that it leads somewhere.
pub(super) fn read(path: &Path) -> Result<String, Missing> {
    let no_use = |doing: &str, reason: String| {
        Missing::new(
            format!(
                "cannot {doing} the kubeconfig {} that `kind create cluster` has written: {reason}",
                path.display()
            ),
            "see that there is room in TMPDIR, and what `kind create cluster --kubeconfig FILE` writes when called by hand",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| no_use("read", error.to_string()))?;
    let usable = Access::of(&text).and_then(|access| access.endpoint());
    usable.map_err(|error| no_use("use", error.to_string()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing(None, "cannot read the kubeconfig")]
    #[case::empty(Some(""), "no context named \"\"")]
    #[case::no_yaml(Some("a: ["), "not YAML")]
    #[case::no_address(
        Some(
            "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], clusters: [{name: a, cluster: {server: '-'}}], users: [{name: a, user: {}}]}"
        ),
        "no scheme or no host"
    )]
    fn says_what_is_wrong_with_it(#[case] content: Option<&str>, #[case] expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains(&path.display().to_string()), "{said}");
        assert!(said.contains("by hand"), "{said}");
    }
}

//! References of images as a container runtime resolves them, and its words when there is no such image.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Images that are on nodes already.
#[derive(Default)]
pub(crate) struct Pulled(Mutex<BTreeSet<(String, String)>>);

impl Pulled {
    /// Those that `pulled` names, by node.
    pub(super) fn of(pulled: BTreeSet<(String, String)>) -> Self {
        Self(Mutex::new(pulled))
    }

    pub(crate) fn all(&self) -> BTreeSet<(String, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn has(&self, node: &str, image: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(node.to_owned(), image.to_owned()))
    }

    pub(super) fn add(&self, node: &str, image: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((node.to_owned(), image.to_owned()));
    }
}

/// What a container wants of its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Always,
    IfNotPresent,
    Never,
}

impl Policy {
    pub(super) fn of(policy: Option<&str>) -> Self {
        match policy {
            Some("Always") => Self::Always,
            Some("Never") => Self::Never,
            _ => Self::IfNotPresent,
        }
    }
}

/// The reference with its registry and tag (github.com/docker/distribution, `reference`).
pub(super) fn whole(image: &str) -> String {
    let has_host =
        image.split_once('/').is_some_and(|(host, _)| host.contains('.') || host.contains(':') || host == "localhost");
    let named = if has_host {
        image.to_owned()
    } else if image.contains('/') {
        format!("docker.io/{image}")
    } else {
        format!("docker.io/library/{image}")
    };
    let tagged = named.contains('@') || named.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if tagged { named } else { format!("{named}:latest") }
}

/// What is wrong with a reference, if anything.
pub(super) fn flaw(image: &str) -> Option<&'static str> {
    let repository = image.split('@').next().unwrap_or(image);
    let repository = match repository.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => repository,
    };
    if repository.is_empty() || image.chars().any(char::is_whitespace) {
        Some("invalid reference format")
    } else if repository.chars().any(|letter| letter.is_ascii_uppercase()) {
        Some("invalid reference format: repository name must be lowercase")
    } else {
        None
    }
}

/// containerd's words when a registry has no such image.
pub(super) fn not_found(image: &str) -> String {
    let image = whole(image);
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \
         \"{image}\": {image}: not found"
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nginx", "docker.io/library/nginx:latest")]
    #[case("kubesphere/ks-installer:v3.3.2", "docker.io/kubesphere/ks-installer:v3.3.2")]
    #[case("localhost:5000/a", "localhost:5000/a:latest")]
    #[case("quay.io/a/b@sha256:00", "quay.io/a/b@sha256:00")]
    fn completes_references(#[case] image: &str, #[case] expected: &str) {
        assert_eq!(whole(image), expected);
    }

    #[rstest]
    #[case("nginx:V1", None)]
    #[case("Nginx", Some("invalid reference format: repository name must be lowercase"))]
    #[case("a b", Some("invalid reference format"))]
    fn finds_flaws(#[case] image: &str, #[case] expected: Option<&str>) {
        assert_eq!(flaw(image), expected);
    }
}

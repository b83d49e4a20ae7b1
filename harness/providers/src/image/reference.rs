//! Names of images as containers have them.

use std::fmt;

/// An image's repository and tag, without the registry's host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// As `kubesphere/ks-installer`.
    pub repository: String,
    /// As `v3.3.2`.
    pub tag: String,
}

impl Reference {
    /// Reads `[HOST/]REPOSITORY[:TAG][@DIGEST]`, as in a container's `image`. The tag is `latest` where there is none
    /// (distribution/reference v2.8, `normalize.go`, which also tells hosts from repositories so); nothing where there
    /// is only a digest, which does not say what the image is.
    #[must_use]
    pub fn parse(image: &str) -> Option<Self> {
        let (name, pinned) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
        let (name, tag) = match name.rsplit_once(':') {
            // A colon before a slash belongs to the host's port.
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ if pinned => return None,
            _ => (name, "latest"),
        };
        let repository = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
            _ => name,
        };
        Some(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

/// Whether `tag` is one: distribution-spec v1.0, `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(super) fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().enumerate().all(|(at, byte)| word(byte) || (at > 0 && matches!(byte, b'.' | b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_repository_and_tag() {
        for (image, expected) in [
            ("kubesphere/ks-installer:v3.3.2", Some("kubesphere/ks-installer:v3.3.2")),
            ("docker.io/kubesphere/tower:v0.2.0", Some("kubesphere/tower:v0.2.0")),
            ("localhost:5000/kubesphere/tower", Some("kubesphere/tower:latest")),
            ("localhost/tower:v1@sha256:00", Some("tower:v1")),
            ("kubesphere/tower@sha256:00", None),
        ] {
            assert_eq!(Reference::parse(image).map(|read| read.to_string()).as_deref(), expected, "{image}");
        }
    }

    #[test]
    fn knows_tags() {
        for tag in ["v3.3.2", "_", "3", &"a".repeat(128)] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", ".v1", "-v1", "v1+2", "sha256:00", &"a".repeat(129)] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}

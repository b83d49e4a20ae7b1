//! What the path of a request asks for (distribution-spec v1.0, "Endpoints").

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// Whether this is a registry (end-1).
    Base,
    /// A manifest (end-3).
    Manifest {
        /// Where.
        repository: &'a str,
        /// Its tag or digest.
        reference: &'a str,
    },
    /// A blob (end-2).
    Blob {
        /// Where.
        repository: &'a str,
        /// Its digest.
        digest: &'a str,
    },
}

impl<'a> Route<'a> {
    /// Reads `path`; nothing where it is no endpoint of the pull category.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        if matches!(rest, "" | "/") {
            return Some(Self::Base);
        }
        // A repository's name has slashes of its own: the end of the path says what it is about.
        let (rest, last) = rest.strip_prefix('/')?.rsplit_once('/')?;
        let (repository, kind) = rest.rsplit_once('/')?;
        match kind {
            "manifests" => Some(Self::Manifest { repository, reference: last }),
            "blobs" => Some(Self::Blob { repository, digest: last }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_endpoints_of_a_pull() {
        assert_eq!(Route::of("/v2/"), Some(Route::Base));
        assert_eq!(Route::of("/v2"), Some(Route::Base));
        let manifest = Route::Manifest { repository: "kubesphere/tower", reference: "v0.2.0" };
        assert_eq!(Route::of("/v2/kubesphere/tower/manifests/v0.2.0"), Some(manifest));
        let blob = Route::Blob { repository: "a/manifests/b", digest: "sha256:00" };
        assert_eq!(Route::of("/v2/a/manifests/b/blobs/sha256:00"), Some(blob));
        for path in ["/", "/v1/", "/v2x", "/v2/tower", "/v2/manifests/v1", "/v2/tower/tags/list"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}

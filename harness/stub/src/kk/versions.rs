//! Which versions of KubeSphere `kk` installs (kubekey v3.0.13, `cmd/kk/pkg/version/kubesphere/version_enum.go`).

/// The released ones, oldest first.
const STABLE: [&str; 11] =
    ["v2.1.1", "v3.0.0", "v3.1.0", "v3.1.1", "v3.2.0", "v3.2.1", "v3.3.0", "v3.3.1", "v3.3.2", "v3.4.0", "v3.4.1"];

/// The newest one, which `--with-kubesphere` without a version means.
pub fn latest() -> &'static str {
    STABLE.last().copied().unwrap_or_default()
}

/// Whether `kk` installs `version`: a released one, one of the daily builds, or an early build of a released one.
pub fn is_supported(version: &str) -> bool {
    let is_daily =
        version.starts_with("nightly-") || version == "latest" || version == "master" || version.contains("release");
    let base = version.split(['-', '+']).next().unwrap_or_default();
    STABLE.contains(&version) || is_daily || STABLE.contains(&format!("v{}", base.trim_start_matches('v')).as_str())
}

/// `version` with a `v` in front, if it looks like a version at all.
pub fn normalized(version: &str) -> Option<String> {
    let digits = version.strip_prefix('v').unwrap_or(version);
    let mut parts = digits.splitn(3, '.');
    let is_number = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.chars().all(|digit| digit.is_ascii_digit()))
    };
    let [major, minor, patch] = [parts.next(), parts.next(), parts.next()];
    let patch = patch.and_then(|patch| patch.split(|c: char| !c.is_ascii_digit()).next());
    (is_number(major) && is_number(minor) && is_number(patch)).then(|| format!("v{digits}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("v3.3.2", true)]
    #[case("3.3.2", true)]
    #[case("v3.3.2-rc.1", true)]
    #[case("nightly-20230101", true)]
    #[case("latest", true)]
    #[case("v4.1.0", false)]
    #[case("v3.3.9", false)]
    #[case("", false)]
    fn knows_what_it_installs(#[case] version: &str, #[case] supported: bool) {
        assert_eq!(is_supported(version), supported);
    }

    #[rstest]
    #[case("3.4.1", Some("v3.4.1"))]
    #[case("v3.4.1-rc.0", Some("v3.4.1-rc.0"))]
    #[case("3.4", None)]
    #[case("newest", None)]
    fn puts_a_v_in_front(#[case] version: &str, #[case] expected: Option<&str>) {
        assert_eq!(normalized(version).as_deref(), expected);
    }
}

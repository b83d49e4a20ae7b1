//! Which versions are on their way out, as the original warns who asks for them (`zz_generated.prerelease-lifecycle.go`
//! of k8s.io/api, Kubernetes 1.20).

use crate::registry::Resource;

/// The minor release since which a version of a kind is deprecated; all of these went with 1.22.
fn since(resource: &Resource) -> Option<u32> {
    if resource.version != "v1beta1" || resource.custom.is_some() {
        return None;
    }
    match (&*resource.group, &*resource.kind) {
        ("extensions", _) | ("scheduling.k8s.io", _) => Some(14),
        ("admissionregistration.k8s.io" | "apiextensions.k8s.io", _) => Some(16),
        ("rbac.authorization.k8s.io", _) | ("storage.k8s.io", "CSINode") => Some(17),
        (
            "apiregistration.k8s.io"
            | "authentication.k8s.io"
            | "authorization.k8s.io"
            | "certificates.k8s.io"
            | "coordination.k8s.io"
            | "networking.k8s.io"
            | "storage.k8s.io",
            _,
        ) => Some(19),
        _ => None,
    }
}

/// The value of the `Warning` header for a request of `resource`.
#[must_use]
pub fn warning(resource: &Resource) -> Option<String> {
    if &*resource.full_name == "componentstatuses" {
        return Some("299 - \"v1 ComponentStatus is deprecated in v1.19+\"".to_owned());
    }
    let since = since(resource)?;
    let group = if resource.group == "extensions" { "networking.k8s.io" } else { &resource.group };
    // The original names the list here.
    let kind = if resource.kind == "IngressClass" { "IngressClassList" } else { &resource.kind };
    let api_version = resource.api_version();
    Some(format!(
        "299 - \"{api_version} {} is deprecated in v1.{since}+, unavailable in v1.22+; use {group}/v1 {kind}\"",
        resource.kind
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::registry::Registry;
    use rstest::rstest;

    #[rstest]
    #[case(
        "extensions",
        "v1beta1",
        "ingresses",
        Some(
            "299 - \"extensions/v1beta1 Ingress is deprecated in v1.14+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress\""
        )
    )]
    #[case("batch", "v1beta1", "cronjobs", None)]
    #[case("apps", "v1", "deployments", None)]
    fn warns_of_what_goes(
        #[case] group: &str,
        #[case] version: &str,
        #[case] plural: &str,
        #[case] expected: Option<&str>,
    ) {
        let registry = Registry::new(Vec::new());
        let resource = registry.find(group, version, plural).unwrap();
        assert_eq!(warning(resource).as_deref(), expected);
    }
}

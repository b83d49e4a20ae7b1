//! Version profiles of `KubeKey` (`kk`), which installs KubeSphere with manifests of its own.

/// A version of `KubeKey` and what is particular to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubeKey {
    /// Version without `v`, as `3.0.13`.
    pub version: &'static str,
    /// Value of the label `app` in its manifest of the installer, whatever KubeSphere it installs (kubekey,
    /// `pkg/version/kubesphere/templates/installer.go` of each version).
    pub installer_label: &'static str,
    /// It deletes the lines of its manifest that have `zone` in them, unless it is told a zone (`pkg/kubesphere/tasks.go`
    /// of v2.2.2 and newer).
    pub deletes_zone: bool,
}

impl KubeKey {
    /// v2.0.0.
    pub const V2_0_0: Self = Self::old("2.0.0");
    /// v2.1.0.
    pub const V2_1_0: Self = Self::old("2.1.0");
    /// v2.2.2.
    pub const V2_2_2: Self = Self::new("2.2.2");
    /// v2.3.1.
    pub const V2_3_1: Self = Self::new("2.3.1");
    /// v3.0.0.
    pub const V3_0_0: Self = Self::new("3.0.0");
    /// v3.0.13.
    pub const V3_0_13: Self = Self::new("3.0.13");

    /// Every known version, oldest first.
    pub const ALL: [Self; 6] = [Self::V2_0_0, Self::V2_1_0, Self::V2_2_2, Self::V2_3_1, Self::V3_0_0, Self::V3_0_13];

    const fn old(version: &'static str) -> Self {
        Self { version, installer_label: "ks-install", deletes_zone: false }
    }

    const fn new(version: &'static str) -> Self {
        Self { version, installer_label: "ks-installer", deletes_zone: true }
    }

    /// The profile of `version`, with or without a leading `v`.
    #[must_use]
    pub fn find(version: &str) -> Option<Self> {
        let wanted = version.strip_prefix('v').unwrap_or(version);
        Self::ALL.into_iter().find(|kubekey| kubekey.version == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_the_installer_by_its_own_version() {
        let label = |version| KubeKey::find(version).unwrap().installer_label;
        assert_eq!(["v2.0.0", "v2.1.0"].map(label), ["ks-install"; 2]);
        assert_eq!(["v2.2.2", "v2.3.1", "v3.0.0", "3.0.13"].map(label), ["ks-installer"; 4]);
    }
}

//! Release profiles: everything that differs between the KubeSphere versions. A new release is a new row in
//! [`Release::all`].

use std::fmt;

use crate::kubekey::KubeKey;

/// What a profile rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The control plane of this version was observed running.
    Observed,
    /// Its sources were read.
    Source,
}

/// Something that not every release has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// The installer writes `multicluster.clusterRole` for every role (from v3.3.0), not for a host alone.
    MulticlusterBlockAlways,
    /// ks-apiserver and ks-controller-manager reload a changed configuration in place (from v3.3.0); before, the
    /// installer restarts their Deployments.
    HotReload,
    /// `Cluster.status.uid`, `PUT …/kubeconfig` and the certificate condition (from v3.3.0).
    ClusterUid,
    /// `oauthOptions` of the `ClusterConfiguration` reach a member, too (from v3.3.0).
    MemberOauthOptions,
    /// The `ClusterConfiguration` has `terminal`, `servicemesh.istio` and `edgeruntime`, before there was `kubeedge`
    /// (from v3.3.0).
    Terminal,
    /// The cluster controller writes a Cluster's name into the cluster's own configuration (from v3.3.0).
    ClusterNameWritten,
    /// At every resync the cluster controller asks for the cluster's version first, and calls it not Ready in words of
    /// its own when there is no answer (up to v3.2.1).
    ReadyProbe,
    /// A kubeconfig without client certificate becomes Ready (from v3.4.0).
    TokenKubeconfig,
    /// A conflict during the join is tried again at once, without conditions (from v3.4.0).
    JoinConflictRetried,
    /// A webhook looks at updates of Clusters (from v3.4.0).
    ClusterWebhook,
    /// Validation reads a configuration into nothing, so that a missing section is nil (from v3.3.0); before, into
    /// the defaults (kubesphere, `pkg/kapis/cluster/v1alpha1/handler.go`).
    BlankConfiguration,
    /// ks-apiserver answers `/healthz` (from v3.4.0).
    Healthz,
    /// The `ClusterConfiguration` has `events.ruler` and the CPU of Jenkins (from v3.4.0).
    EventsRuler,
    /// Rules of alerting are objects, which the installer may write (from v3.4.0).
    AlertingRules,
    /// The namespace of federated monitoring is a federated namespace itself (from v3.4.0).
    FederatedMonitoring,
    /// A running ks-apiserver checks a configuration before it works with it, and ends when it does not hold (from
    /// v3.4.0).
    ReloadChecked,
    /// Requests for members go through a filter that words its refusals as Kubernetes does (from v3.4.0).
    DispatchFilter,
    /// Validation refuses a member whose role is not `member` (from v3.4.1).
    MemberRoleChecked,
}

/// A KubeSphere version and what is particular to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Version without `v`, as `3.3.2`.
    pub version: &'static str,
    /// The commit of kubesphere behind the tag, where it was looked up.
    pub commit: Option<&'static str>,
    /// Value of the label `app` of the installer's Deployment and Pod.
    pub installer_label: &'static str,
    /// Tag of `kubesphere/tower`.
    pub tower_tag: &'static str,
    /// Tag of `kubesphere/kubefed`.
    pub kubefed_tag: &'static str,
    /// Tag of `kubesphere/nginx-ingress-controller` in the gateway's settings.
    pub gateway_tag: &'static str,
    /// Arguments of tower (ks-installer, `roles/ks-multicluster`).
    pub tower_args: &'static [&'static str],
    /// What the chart `ks-core` says of its own version, which stays behind the release (ks-installer v3.3.2 and v3.4.1,
    /// `roles/ks-core/ks-core/files/ks-core/Chart.yaml`).
    pub chart_version: &'static str,
    /// The `KubeKey` that its documentation downloads.
    pub kubekey: KubeKey,
    /// The oldest Kubernetes that the installer accepts, as (major, minor).
    pub oldest_kubernetes: (u32, u32),
    /// The newest Kubernetes that the release's documentation names (KubeSphere documentation of 3.2, 3.3 and 3.4,
    /// "Prerequisites" of installing on Kubernetes), as (major, minor).
    pub newest_kubernetes: (u32, u32),
    /// What this profile rests on.
    pub basis: Basis,
    features: &'static [Feature],
}

const V3_2: &[Feature] = &[Feature::ReadyProbe];
const V3_3: &[Feature] = &[
    Feature::MulticlusterBlockAlways,
    Feature::HotReload,
    Feature::ClusterUid,
    Feature::ClusterNameWritten,
    Feature::MemberOauthOptions,
    Feature::Terminal,
    Feature::BlankConfiguration,
];
const V3_4_0: &[Feature] = &[
    Feature::MulticlusterBlockAlways,
    Feature::HotReload,
    Feature::ClusterUid,
    Feature::ClusterNameWritten,
    Feature::MemberOauthOptions,
    Feature::Terminal,
    Feature::BlankConfiguration,
    Feature::TokenKubeconfig,
    Feature::JoinConflictRetried,
    Feature::ClusterWebhook,
    Feature::Healthz,
    Feature::EventsRuler,
    Feature::AlertingRules,
    Feature::FederatedMonitoring,
    Feature::ReloadChecked,
    Feature::DispatchFilter,
];
const V3_4_1: &[Feature] = &[
    Feature::MulticlusterBlockAlways,
    Feature::HotReload,
    Feature::ClusterUid,
    Feature::ClusterNameWritten,
    Feature::MemberOauthOptions,
    Feature::Terminal,
    Feature::BlankConfiguration,
    Feature::TokenKubeconfig,
    Feature::JoinConflictRetried,
    Feature::ClusterWebhook,
    Feature::Healthz,
    Feature::EventsRuler,
    Feature::AlertingRules,
    Feature::FederatedMonitoring,
    Feature::ReloadChecked,
    Feature::DispatchFilter,
    Feature::MemberRoleChecked,
];

static RELEASES: [Release; 4] = [
    Release {
        version: "3.2.1",
        commit: None,
        installer_label: "ks-install",
        tower_tag: "v0.2.0",
        kubefed_tag: "v0.8.1",
        gateway_tag: "v0.48.1",
        tower_args: &["--leader-elect=true"],
        chart_version: "v3.1.0",
        kubekey: KubeKey::V2_1_0,
        oldest_kubernetes: (1, 19),
        newest_kubernetes: (1, 22),
        basis: Basis::Source,
        features: V3_2,
    },
    Release {
        version: "3.3.2",
        commit: Some("d938161ad3c7103dc0976b691d54b6ec55dc3f83"),
        installer_label: "ks-installer",
        tower_tag: "v0.2.0",
        kubefed_tag: "v0.8.1",
        gateway_tag: "v1.1.0",
        tower_args: &["--leader-elect=true"],
        chart_version: "v3.1.0",
        kubekey: KubeKey::V3_0_13,
        oldest_kubernetes: (1, 19),
        newest_kubernetes: (1, 24),
        basis: Basis::Observed,
        features: V3_3,
    },
    Release {
        version: "3.4.0",
        commit: None,
        installer_label: "ks-installer",
        tower_tag: "v0.2.1",
        kubefed_tag: "v0.8.1",
        gateway_tag: "v1.3.1",
        tower_args: &[],
        chart_version: "v3.3.2",
        kubekey: KubeKey::V3_0_13,
        oldest_kubernetes: (1, 19),
        newest_kubernetes: (1, 26),
        basis: Basis::Source,
        features: V3_4_0,
    },
    Release {
        version: "3.4.1",
        commit: Some("3e0493a1c5e1c4413a7b77e8b408d428220ed929"),
        installer_label: "ks-installer",
        tower_tag: "v0.2.1",
        kubefed_tag: "v0.8.1",
        gateway_tag: "v1.3.1",
        tower_args: &[],
        chart_version: "v3.3.2",
        kubekey: KubeKey::V3_0_13,
        oldest_kubernetes: (1, 19),
        newest_kubernetes: (1, 26),
        basis: Basis::Observed,
        features: V3_4_1,
    },
];

/// A version that no profile describes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no profile of KubeSphere {version:?}; choose one of {}", known())]
pub struct UnknownRelease {
    /// The version asked for.
    pub version: String,
}

fn known() -> String {
    RELEASES.iter().map(|release| release.version).collect::<Vec<_>>().join(", ")
}

impl Release {
    /// Every known release, oldest first.
    #[must_use]
    pub fn all() -> &'static [Release] {
        &RELEASES
    }

    /// The newest of them.
    #[must_use]
    pub fn newest() -> &'static Release {
        let [.., newest] = &RELEASES;
        newest
    }

    /// The profile of `version`, with or without a leading `v`.
    ///
    /// # Errors
    /// [`UnknownRelease`] when there is none.
    pub fn find(version: &str) -> Result<&'static Release, UnknownRelease> {
        let wanted = version.strip_prefix('v').unwrap_or(version);
        RELEASES
            .iter()
            .find(|release| release.version == wanted)
            .ok_or_else(|| UnknownRelease { version: version.to_owned() })
    }

    /// The profile of the tag in `image`, as `kubesphere/ks-installer:v3.3.2`.
    ///
    /// # Errors
    /// [`UnknownRelease`] when the image has no tag or the tag is no known version.
    pub fn of_image(image: &str) -> Result<&'static Release, UnknownRelease> {
        let name = image.split('@').next().unwrap_or(image);
        let tag = name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/')).unwrap_or_default();
        Self::find(tag)
    }

    /// The version as tags and labels spell it, `v3.3.2`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("v{}", self.version)
    }

    /// An image of this release, as `kubesphere/ks-apiserver:v3.3.2`.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("kubesphere/{name}:{}", self.tag())
    }

    /// Whether it supports Kubernetes `version`, as `v1.20.2`.
    #[must_use]
    pub fn supports_kubernetes(&self, version: &str) -> bool {
        let mut parts = version.trim_start_matches('v').split(['.', '-', '+']).map_while(|part| part.parse().ok());
        let (Some(major), Some(minor)) = (parts.next(), parts.next()) else { return false };
        (self.oldest_kubernetes..=self.newest_kubernetes).contains(&(major, minor))
    }

    /// The oldest and the newest Kubernetes that it supports, as `1.19` and `1.24`.
    #[must_use]
    pub fn kubernetes(&self) -> (String, String) {
        let text = |(major, minor): (u32, u32)| format!("{major}.{minor}");
        (text(self.oldest_kubernetes), text(self.newest_kubernetes))
    }

    /// Whether it has `feature`.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_release_by_version_and_by_image() {
        assert_eq!(Release::find("3.3.2").unwrap().tag(), "v3.3.2");
        assert_eq!(Release::find("v3.4.1").unwrap().version, "3.4.1");
        assert_eq!(Release::of_image("localhost:5000/kubesphere/ks-installer:v3.2.1").unwrap().version, "3.2.1");
    }

    #[test]
    fn names_the_known_releases_for_an_unknown_one() {
        for error in [Release::find("3.5").unwrap_err(), Release::of_image("localhost:5000/x").unwrap_err()] {
            assert!(error.to_string().ends_with("choose one of 3.2.1, 3.3.2, 3.4.0, 3.4.1"), "{error}");
        }
    }

    #[test]
    fn knows_the_kubernetes_versions_it_supports() {
        let release = Release::find("3.3.2").unwrap();
        let supported = ["v1.19.0", "v1.20.2", "v1.24.17", "v1.22.3+k3s1"];
        assert!(supported.iter().all(|version| release.supports_kubernetes(version)));
        let others = ["v1.18.20", "v1.25.0", "v2.20.0", "latest", ""];
        assert!(others.iter().all(|version| !release.supports_kubernetes(version)));
    }

    #[test]
    fn labels_the_installer_as_its_version_did() {
        let labels: Vec<_> = Release::all().iter().map(|release| release.installer_label).collect();
        assert_eq!(labels, ["ks-install", "ks-installer", "ks-installer", "ks-installer"]);
    }
}

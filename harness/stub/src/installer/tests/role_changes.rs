//! What a later change of the role does, row by row.

use rstest::rstest;

use super::*;

const RELEASES: [&str; 4] = ["3.2.1", "3.3.2", "3.4.0", "3.4.1"];

/// What only a host has.
pub const OF_A_HOST: [&str; 4] = [
    "/api/v1/namespaces/kube-federation-system",
    "/apis/apps/v1/namespaces/kubesphere-system/deployments/tower",
    "/apis/apps/v1/namespaces/kube-federation-system/deployments/kubefed-controller-manager",
    "/apis/apps/v1/namespaces/kube-federation-system/deployments/kubefed-admission-webhook",
];

impl Installation {
    /// Sets one role after the other, each in a run of its own.
    async fn takes_roles(&self, roles: &[&str]) {
        for name in roles {
            let banners = self.lines().iter().filter(|line| line.contains(BANNER)).count();
            self.apply(role(name), BANNER, banners + 1).await;
        }
    }

    fn is_noted_as_host(&self) -> bool {
        self.fake.get(CONFIGURATION).unwrap()["status"]["multicluster"]["status"] == "enabled"
    }
}

#[rstest]
#[case::none_to_host(&["none", "host"], "host", true, false)]
#[case::host_to_none(&["host", "none"], "none", true, false)]
#[case::host_to_none_to_host(&["host", "none", "host"], "host", true, false)]
#[case::host_to_member(&["host", "member"], "member", true, true)]
#[case::member_to_none(&["member", "none"], "none", false, false)]
#[case::member_to_host(&["member", "host"], "host", true, false)]
#[tokio::test]
async fn change(#[case] roles: &[&str], #[case] last: &str, #[case] has_been_host: bool, #[case] max_age: bool) {
    for version in RELEASES {
        let installation = Installation::of(version, &Fake::new(), Behaviour::default());
        installation.takes_roles(roles).await;
        let config = installation.config();
        if installation.release.has(kubesphere::Feature::MulticlusterBlockAlways) {
            assert_eq!(config.cluster_role(), Some(&ClusterRole::from(last)), "{version}");
        }
        assert_eq!(config.multicluster_enabled(), last == "host", "{version}");
        assert_eq!(installation.text().contains("accessTokenMaxAge: 0"), max_age, "{version}");
        assert_eq!(installation.is_noted_as_host(), has_been_host, "{version}");
        for path in OF_A_HOST {
            assert_eq!(installation.fake.get(path).is_some(), has_been_host, "{version} {path}");
        }
    }
}

#[tokio::test]
async fn host_to_none_to_host_installs_nothing_again() {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    installation.takes_roles(&["host", "none"]).await;
    installation.fake.remove(OF_A_HOST[1]);
    installation.takes_roles(&["host"]).await;
    assert_eq!(installation.fake.get(OF_A_HOST[1]), None);
}

#[tokio::test]
async fn secret_of_a_member_that_changes_reaches_secret_and_config() {
    let installation = Installation::start(&Fake::new(), Behaviour::default());
    installation.takes_roles(&["member"]).await;
    installation.apply(json!({"authentication": {"jwtSecret": "changed"}}), BANNER, 2).await;
    assert_eq!(installation.secret().as_deref(), Some("changed"));
    assert_eq!(installation.config().jwt_secret().unwrap().expose(), "changed");
}

#[rstest]
#[case::before_v3_4(&["3.2.1", "3.3.2"], false)]
#[case::from_v3_4(&["3.4.0", "3.4.1"], true)]
#[tokio::test]
async fn host_federates_the_namespace_of_monitoring(#[case] versions: &[&str], #[case] federates: bool) {
    let path = "/apis/types.kubefed.io/v1beta1/namespaces/kubesphere-monitoring-federated/federatednamespaces/\
                kubesphere-monitoring-federated";
    for version in versions {
        let installation = Installation::of(version, &Fake::new(), Behaviour::default());
        installation.takes_roles(&["host"]).await;
        assert_eq!(installation.fake.get(path).is_some(), federates, "{version}");
    }
}

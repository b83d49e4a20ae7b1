//! What each defect fails.

use std::fs;

use engine::{Deviation, DeviationKind};
use libtest_mimic::{Failed, Trial};

use super::{Ran, run, scenario, trial};

/// A cell that fails for defects that do not touch each other: each is noticed by a check of its own.
struct Run {
    release: &'static str,
    scenario: &'static str,
    kills: &'static [Kill],
}

/// A defect and who notices it.
struct Kill {
    defect: Deviation,
    by: By,
    /// In the message of that check or step.
    cause: &'static str,
}

/// Who notices.
enum By {
    Check(&'static str),
    Step(&'static str),
}

const HOST: &str = "host/host-post-install-kubectl.yaml";
const HOST_INSTALLED: &str = "host/host-pre-install-k8s.yaml";
const MEMBER: &str = "member/member-post-install-kubectl.yaml";
const IMPORT: &str = "import/import-form.yaml";
const SECRET: &str = "jwt-secret/jwt-get.yaml";
const UPDATE: &str = "after-import/update-kubeconfig.yaml";

/// Patience that only a cell that fails needs.
const SHORTER: [(&str, &str); 5] = [
    ("retry: 5m", "retry: 2s"),
    ("retry: 1m", "retry: 1s"),
    ("within: 20m", "within: 3m"),
    ("within: 10m", "within: 3m"),
    ("within: 5m", "within: 150s"),
];

const fn on(scenario: &'static str, kills: &'static [Kill]) -> Run {
    Run { release: "3.4.1", scenario, kills }
}

/// On the release before the webhook of 3.4, which would refuse first.
const fn without_webhook(scenario: &'static str, kills: &'static [Kill]) -> Run {
    Run { release: "3.3.2", scenario, kills }
}

const fn check(defect: Deviation, name: &'static str, cause: &'static str) -> Kill {
    Kill { defect, by: By::Check(name), cause }
}

const fn step(defect: Deviation, name: &'static str, cause: &'static str) -> Kill {
    Kill { defect, by: By::Step(name), cause }
}

#[rustfmt::skip]
const RUNS: &[Run] = {
    use Deviation as D;
    &[
        on(HOST, &[
            check(D::RoleIgnored, "cluster-role-in-effect", "kubesphere-config has clusterRole: none, not clusterRole: host"),
            check(D::TowerMissing, "multicluster-components", "Deployment kubesphere-system/tower is not there"),
        ]),
        on(HOST, &[
            check(D::HostAsMember, "cluster-role-in-effect", "kubesphere-config has clusterRole: member, enable: false, not clusterRole: host"),
            check(D::MulticlusterNotNoted, "multicluster-components", "status.multicluster of the ClusterConfiguration is not there"),
        ]),
        on(HOST, &[
            check(D::ConfigNeverRewritten, "cluster-role-in-effect", "ks-installer has printed its banner all the same"),
        ]),
        on(HOST, &[
            check(D::BannerEarly, "cluster-role-in-effect", "ks-installer has printed its banner all the same"),
        ]),
        on(HOST, &[
            step(D::OrdersTakenOnce, "watch the installer", "got nothing of it within"),
        ]),
        on(HOST, &[
            check(D::HostClusterMissing, "host-cluster-object", "but there is none;"),
            check(D::ConfigzDenies, "configz-multicluster", "tells multicluster: false, not true"),
        ]),
        on(HOST, &[
            check(D::HostClusterMisnamed, "host-cluster-object", "but it is named host-cluster;"),
        ]),
        on(HOST, &[
            check(D::HostClusterUnlabelled, "host-cluster-object", "with label cluster-role.kubesphere.io/host, but there is none;"),
        ]),
        on(HOST, &[
            check(D::HostClusterUnmanaged, "host-cluster-object", "it has no label kubesphere.io/managed=true"),
        ]),
        on("host/host-post-install-name-kubectl.yaml", &[
            check(D::HostNameIgnored, "host-cluster-object", "but it is named host;"),
        ]),
        on("host/host-only-one.yaml", &[
            step(D::SecondHostAccepted, "read what ks-controller-manager says to that", "got nothing of it within"),
        ]),
        on(HOST_INSTALLED, &[
            step(D::InstallerSilent, "watch the installer", "got nothing of it within"),
        ]),
        on(HOST_INSTALLED, &[
            step(D::InstallerMislabelled, "watch the installer", "the command ended first, with exit code 1"),
        ]),
        on(HOST_INSTALLED, &[
            check(D::TaskFailed, "no-failed-task", "`task monitoring status is failed  (1/4)`"),
            check(D::BannerWithoutAccount, "banner-content", "says `Account: `, not `Account: admin`"),
        ]),
        on(SECRET, &[
            check(D::SecretTruncated, "jwt-secret-sources-agree", "Secret kubesphere-secret (32 characters) and kubesphere-config (31 characters)"),
            check(D::SecretLineTwice, "documented-jwt-command", "2 lines; a person cannot tell which one to copy"),
        ]),
        on(SECRET, &[
            check(D::ConfigOnOneLine, "documented-jwt-command", "makes kubectl print the whole document on one line"),
        ]),
        on(MEMBER, &[
            check(D::MemberAsHost, "cluster-role-in-effect", "kubesphere-config has clusterRole: host, enable: true, not clusterRole: member"),
        ]),
        on(MEMBER, &[
            check(D::SecretIgnored, "jwt-secret-equal", "host and member have different jwtSecrets"),
            check(D::MemberTokensExpire, "member-token-setting", "accessTokenMaxAge is absent, so 2h, not 0"),
            check(D::TowerOnMember, "no-multicluster-components", "Deployment kubesphere-system/tower is there, which belongs to a host"),
        ]),
        on(MEMBER, &[
            check(D::KeptSecretStale, "jwt-secret-sources-agree", "member cluster: Secret kubesphere-secret (32 characters) and kubesphere-config (32 characters) hold different"),
            check(D::OldSecretServed, "token-signed-with-shared-secret", "member cluster: its token is not signed with jwtSecret in kubesphere-config"),
        ]),
        on("member/member-pre-install-linux.yaml", &[
            check(D::KubekeyDropsSecret, "jwt-secret-equal", "host and member have different jwtSecrets"),
        ]),
        on("import/import-unreachable-kubeconfig.yaml", &[
            step(D::ValidationSkipped, "paste a kubeconfig whose server is the loopback address", "got Cluster member1 created"),
        ]),
        on("import/import-jwt-mismatch.yaml", &[
            step(D::ValidationOfSecretSkipped, "add the cluster", "got Cluster member1 created"),
        ]),
        on("import/import-role-forgotten.yaml", &[
            step(D::ValidationOfRoleSkipped, "add the cluster", "got Cluster member1 created"),
        ]),
        on("import/import-twice.yaml", &[
            step(D::DuplicateAccepted, "add it again under another name", "got Cluster member2 created"),
        ]),
        on(IMPORT, &[
            check(D::FinalizerMissing, "import-succeeded", "finalizer finalizer.cluster.kubesphere.io is missing"),
            check(D::TokenIgnored, "dispatch-reaches-member", "answers 200 although the token is forged"),
            check(D::JoinWithoutAccount, "member-side-of-join", "ServiceAccount kube-federation-system/member1-kubesphere is not there"),
            check(D::JoinWithoutToken, "host-side-of-join", "Secret kube-federation-system/member1-secret has no token"),
        ]),
        on(IMPORT, &[
            check(D::UidMissing, "import-succeeded", "status.uid is absent, but kube-system of the member has"),
            check(D::DispatchedToItself, "dispatch-reaches-member", "answers with other nodes: host-node1, host-node2; the member has member-node1"),
            check(D::JoinWithoutRights, "member-side-of-join", "ClusterRole kubefed-controller-manager:member1-kubesphere is not there"),
            check(D::JoinUnregistered, "host-side-of-join", "KubeFedCluster kube-federation-system/member1 is not there"),
        ]),
        on(IMPORT, &[
            check(D::NodesMiscounted, "import-succeeded", "status.nodeCount is 2, but the member has 1"),
            check(D::EndpointOfHost, "dispatch-reaches-member", "x509: certificate signed by unknown authority"),
            check(D::NameUnwritten, "member-side-of-join", "multicluster.clusterName in kubesphere-config is absent, not member1"),
        ]),
        on(IMPORT, &[
            check(D::JoinSkipped, "member-side-of-join", "Namespace kube-federation-system is not there"),
        ]),
        on(IMPORT, &[
            check(D::MemberHiddenFromNode, "kubeconfig-reachable", "host node host-node1 does not reach https://172.18.2.2:6443: it stops at TCP"),
        ]),
        on(UPDATE, &[
            check(D::UpdateNotStored, "kubeconfig-stored", "another one for the same server"),
        ]),
        without_webhook(UPDATE, &[
            check(D::UpdateAltered, "kubeconfig-stored", ":6444, not for https://"),
        ]),
        without_webhook("after-import/update-kubeconfig-of-another-cluster.yaml", &[
            step(D::UpdateOfAnotherAccepted, "paste the host's kubeconfig", "got kubeconfig of member1 updated"),
        ]),
        on("after-import/remove-cluster.yaml", &[
            step(D::RegistrationKept, "see that kubefed knows it no more", "expected exit code 1, got exit code 0"),
        ]),
        on("after-import/kubeconfig-patch-refused.yaml", &[
            step(D::WebhookAcceptsAll, "give it a kubeconfig that leads nowhere", "expected exit code 1, got exit code 0"),
        ]),
    ]
};

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![trial("every defect is noticed".to_owned(), every_defect_is_noticed)];
    trials.extend(RUNS.iter().map(|run| {
        let scenario = run.scenario.rsplit('/').next().unwrap_or_default().trim_end_matches(".yaml");
        let defects: Vec<_> = run.kills.iter().map(|kill| kill.defect.id()).collect();
        trial(format!("{scenario} notices {}", defects.join(", ")), || run.notices())
    }));
    trials
}

fn every_defect_is_noticed() -> Result<(), Failed> {
    let noticed: Vec<_> = RUNS.iter().flat_map(|run| run.kills).map(|kill| kill.defect).collect();
    let defects = Deviation::ALL.iter().filter(|deviation| deviation.kind() == DeviationKind::Defect);
    let unnoticed: Vec<_> = defects.filter(|defect| !noticed.contains(defect)).map(|defect| defect.id()).collect();
    if unnoticed.is_empty() { Ok(()) } else { Err(format!("no cell is known to fail for {unnoticed:?}").into()) }
}

impl Run {
    fn notices(&self) -> Result<(), Failed> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shorter.yaml");
        let text = fs::read_to_string(scenario(self.scenario)).unwrap();
        let text = SHORTER.iter().fold(text, |text, (long, short)| text.replace(long, short));
        fs::write(&path, text).unwrap();
        let defects: Vec<_> = self.kills.iter().map(|kill| kill.defect).collect();
        let ran = run(&path, self.release, &defects);
        ran.is("failed")?;
        self.kills.iter().try_for_each(|kill| kill.shows_in(&ran))
    }
}

impl Kill {
    fn shows_in(&self, ran: &Ran) -> Result<(), Failed> {
        let (kind, name) = match self.by {
            By::Check(name) => ("checks", name),
            By::Step(name) => ("steps", name),
        };
        let failed =
            ran.cell[kind].as_array().unwrap().iter().find(|one| one["result"] == "failed" && one["name"] == name);
        // What a step lacks is in the cell's reason, what a check does in its message.
        let told = match self.by {
            By::Check(_) => failed.map(|check| check["message"].to_string()),
            By::Step(_) => failed.map(|_| ran.cell["reason"].to_string()),
        };
        match told {
            Some(told) if told.contains(self.cause) => Ok(()),
            Some(told) => Err(ran.failed(&format!("{name} fails, but with {told}, and not with {:?}", self.cause))),
            None => Err(ran.failed(&format!("{name} does not fail for {}", self.defect.id()))),
        }
    }
}

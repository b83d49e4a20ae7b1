//! The table of deviations: the one source of their IDs, kinds and descriptions.

/// What the suite has to make of a deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviationKind {
    /// KubeSphere would be broken: some scenario has to fail.
    Defect,
    /// KubeSphere may be like that: every scenario has to pass.
    Benign,
}

macro_rules! deviations {
    ($($kind:ident $variant:ident $id:literal $about:literal;)+) => {
        /// One thing that the stand-in does otherwise than the original, on purpose.
        #[expect(clippy::doc_markdown, reason = "a command line shows the descriptions, too")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Deviation {
            $(#[doc = $about] $variant,)+
        }

        impl Deviation {
            /// All of them: first the defects, then what is benign.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its ID, as on the command line.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)+
                }
            }

            /// Whether scenarios have to fail for it.
            #[must_use]
            pub fn kind(self) -> DeviationKind {
                match self {
                    $(Self::$variant => DeviationKind::$kind,)+
                }
            }

            /// What it is, in a line.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about,)+
                }
            }
        }
    };
}

deviations! {
    Defect RoleIgnored "role-ignored"
        "ks-installer applies role none, whatever the ClusterConfiguration says";
    Defect HostAsMember "host-as-member"
        "ks-installer gives a host the configuration of a member";
    Defect MemberAsHost "member-as-host"
        "ks-installer gives a member the configuration of a host";
    Defect HostNameIgnored "host-name-ignored"
        "ks-installer does not hand on hostClusterName";
    Defect SecretIgnored "secret-ignored"
        "ks-installer keeps the generated jwtSecret, whatever the ClusterConfiguration says";
    Defect SecretTruncated "secret-truncated"
        "ks-installer loses the last character of the jwtSecret on its way into kubesphere-config";
    Defect KeptSecretStale "kept-secret-stale"
        "ks-installer puts a new jwtSecret into kubesphere-config and not into Secret kubesphere-secret";
    Defect SecretLineTwice "secret-line-twice"
        "ks-installer keeps a second copy of kubesphere.yaml in kubesphere-config";
    Defect ConfigOnOneLine "config-on-one-line"
        "ks-controller-manager leaves a trailing blank in kubesphere-config, so that kubectl prints it on one line";
    Defect ConfigNeverRewritten "config-never-rewritten"
        "ks-installer leaves a kubesphere-config that is there as it is";
    Defect MemberTokensExpire "member-tokens-expire"
        "ks-installer does not give a member accessTokenMaxAge: 0";
    Defect BannerEarly "banner-early"
        "ks-installer prints its banner a minute before it writes kubesphere-config";
    Defect BannerWithoutAccount "banner-without-account"
        "the banner does not name the account";
    Defect InstallerSilent "installer-silent"
        "ks-installer prints nothing";
    Defect InstallerMislabelled "installer-mislabelled"
        "the manifest of ks-installer gives its pod another label app";
    Defect OrdersTakenOnce "orders-taken-once"
        "ks-installer does not run again when the ClusterConfiguration is edited";
    Defect TaskFailed "task-failed"
        "the task of the monitoring fails, and ks-installer prints its banner all the same";
    Defect TowerMissing "tower-missing"
        "ks-installer gives a host no tower";
    Defect MulticlusterNotNoted "multicluster-not-noted"
        "ks-installer does not note in the ClusterConfiguration that multi-cluster management is enabled";
    Defect TowerOnMember "tower-on-member"
        "ks-installer gives a member tower, which belongs to a host";
    Defect KubekeyDropsSecret "kubekey-drops-secret"
        "KubeKey empties the jwtSecret of config-sample.yaml";
    Defect OldSecretServed "old-secret-served"
        "ks-apiserver works on with its first jwtSecret when kubesphere-config changes";
    Defect ConfigzDenies "configz-denies"
        "ks-apiserver tells that multi-cluster management is off";
    Defect TokenIgnored "token-ignored"
        "ks-apiserver takes everybody for admin, whatever the token";
    Defect ValidationSkipped "validation-skipped"
        "the host's validation accepts every kubeconfig";
    Defect ValidationOfSecretSkipped "validation-of-secret-skipped"
        "the host's validation accepts a member with another jwtSecret";
    Defect ValidationOfRoleSkipped "validation-of-role-skipped"
        "the host's validation of 3.4.1 accepts a cluster that is no member";
    Defect DuplicateAccepted "duplicate-accepted"
        "the host's validation accepts a cluster that is imported already";
    Defect UpdateNotStored "update-not-stored"
        "the host accepts a new kubeconfig and does not store it";
    Defect UpdateAltered "update-altered"
        "the host stores a new kubeconfig with another port in its server";
    Defect UpdateOfAnotherAccepted "update-of-another-accepted"
        "the host accepts the kubeconfig of another cluster as a new one";
    Defect DispatchedToItself "dispatched-to-itself"
        "the host answers requests for a member itself";
    Defect HostClusterMissing "host-cluster-missing"
        "ks-controller-manager makes no Cluster for the host";
    Defect HostClusterMisnamed "host-cluster-misnamed"
        "ks-controller-manager names the host's Cluster host-cluster, whatever its configuration says";
    Defect HostClusterUnlabelled "host-cluster-unlabelled"
        "the host's Cluster has no label cluster-role.kubesphere.io/host";
    Defect HostClusterUnmanaged "host-cluster-unmanaged"
        "the host's Cluster has no label kubesphere.io/managed";
    Defect SecondHostAccepted "second-host-accepted"
        "ks-controller-manager does not complain of a second Cluster that is called a host";
    Defect JoinSkipped "join-skipped"
        "an imported Cluster becomes Federated and Ready without joining";
    Defect JoinWithoutAccount "join-without-account"
        "a join makes no ServiceAccount on the member";
    Defect JoinWithoutRights "join-without-rights"
        "a join gives its ServiceAccount on the member no rights";
    Defect JoinWithoutToken "join-without-token"
        "a join stores an empty token on the host";
    Defect JoinUnregistered "join-unregistered"
        "a join makes no KubeFedCluster on the host";
    Defect FinalizerMissing "finalizer-missing"
        "ks-controller-manager puts no finalizer on Clusters";
    Defect UidMissing "uid-missing"
        "a Cluster's status has no uid";
    Defect NodesMiscounted "nodes-miscounted"
        "a Cluster's status counts a node too many";
    Defect EndpointOfHost "endpoint-of-host"
        "a Cluster is stored with the address of the host's API server";
    Defect NameUnwritten "name-unwritten"
        "the host does not write a Cluster's name into the member's kubesphere-config";
    Defect RegistrationKept "registration-kept"
        "the KubeFedCluster stays on the host when its Cluster is removed";
    Defect WebhookAcceptsAll "webhook-accepts-all"
        "the webhook of ks-controller-manager accepts every kubeconfig";
    Defect MemberHiddenFromNode "member-hidden-from-node"
        "the host's first of several nodes does not reach the member's API server (simulated nodes only)";

    Benign FirstJoinAccountRace "first-join-account-race"
        "a member's first join loses its ServiceAccount to the member's token controller; the resync joins it";
    Benign FirstJoinTokenRace "first-join-token-race"
        "a member's first join reads its token before the member's token controller wrote it; the resync joins it";
    Benign SecretUnquoted "secret-unquoted"
        "the jwtSecret stands in kubesphere-config without quotes where YAML allows it";
    Benign SecretOfOtherForm "secret-of-other-form"
        "a generated jwtSecret has 48 characters, also - and _";
    Benign ConfigReordered "config-reordered"
        "the sections of kubesphere-config come in another order";
    Benign ConfigWithUnknownKeys "config-with-unknown-keys"
        "kubesphere-config has sections and keys that nobody knows";
    Benign InstallerTalkative "installer-talkative"
        "ks-installer prints warnings and a failure that its playbook ignores";
    Benign InstallerSlow "installer-slow"
        "each task of ks-installer takes half a minute";
    Benign ReloadSlow "reload-slow"
        "programs work with a changed kubesphere-config after half a minute";
    Benign ControllerRestarts "controller-restarts"
        "ks-controller-manager ends once at a changed kubesphere-config, and is started again";
    Benign HostClusterLate "host-cluster-late"
        "ks-controller-manager makes the host's Cluster a minute later";
    Benign ResyncLong "resync-long"
        "ks-controller-manager looks at Clusters again every four minutes";
    Benign ClusterDecorated "cluster-decorated"
        "Clusters have labels, annotations and a condition that nobody asked for";
    Benign ConditionsReordered "conditions-reordered"
        "a Cluster's conditions come in another order";
    Benign TokenWithMoreClaims "token-with-more-claims"
        "tokens have claims that nobody knows";
    Benign WebhookKeyStronger "webhook-key-stronger"
        "the webhook's certificate has a P-384 key";
    Benign NodeMore "node-more"
        "every cluster has a node more than the scenario asks for";
}

impl Deviation {
    /// The deviation with this ID.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|deviation| deviation.id() == id)
    }

    /// Its place in a set.
    pub(super) fn bit(self) -> u128 {
        const { assert!(Self::ALL.len() <= 128, "a set has 128 bits") };
        1 << (self as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn has_ids_that_are_words_with_hyphens_and_differ() {
        let ids: BTreeSet<_> = Deviation::ALL.iter().map(|deviation| deviation.id()).collect();
        assert_eq!(ids.len(), Deviation::ALL.len());
        assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')), "{ids:?}");
    }

    #[test]
    fn lists_defects_first() {
        assert!(Deviation::ALL.is_sorted_by_key(|deviation| deviation.kind() == DeviationKind::Benign));
    }
}

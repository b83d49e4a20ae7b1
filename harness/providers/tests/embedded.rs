//! Two clusters are two identities, and nothing of a cluster stays when it is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::Api;
use kube::api::ListParams;
use kube::runtime::wait::await_condition;
use providers::embedded::Embedded;
use providers::leases::Lease;
use providers::{Cluster, Pair, PairPlan, Provider as _};

struct Place {
    lease: Lease,
    _directories: [tempfile::TempDir; 2],
}

impl Place {
    fn new() -> Self {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let lease = Lease::begin(directories[0].path(), directories[1].path(), "test").unwrap();
        Self { lease, _directories: directories }
    }

    /// The same plan, seed and all, each time.
    async fn pair(&self) -> Pair {
        let plan = PairPlan { host_nodes: 2, member_nodes: Some(1), seed: 7, behaviour: stub::Behaviour::default() };
        Embedded.create(&self.lease, &plan).await.unwrap()
    }
}

fn clusters(pairs: &[Pair]) -> Vec<&dyn Cluster> {
    pairs.iter().flat_map(|pair| [pair.host.as_ref(), pair.member.as_deref().unwrap()]).collect()
}

async fn service_account_token(cluster: &dyn Cluster) -> Vec<u8> {
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client(), "default");
    let has_token = |account: Option<&ServiceAccount>| account.is_some_and(|account| account.secrets.is_some());
    await_condition(accounts, "default", has_token).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), "default");
    let list = secrets.list(&ListParams::default()).await.unwrap();
    list.items.into_iter().find_map(|secret| secret.data?.remove("token")).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_never_share_an_identity() {
    let place = Place::new();
    let pairs = [place.pair().await, place.pair().await];
    let (mut authorities, mut uids, mut machines, mut tokens, mut keys) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for cluster in clusters(&pairs) {
        let identity = cluster.identity().await.unwrap();
        authorities.insert(identity.authority);
        uids.insert(identity.kube_system_uid);
        machines.extend(identity.machine_ids);
        tokens.insert(service_account_token(cluster).await);
        keys.extend(cluster.secrets());
    }
    assert_eq!((authorities.len(), uids.len(), machines.len(), tokens.len(), keys.len()), (4, 4, 6, 4, 4));
    for pair in pairs {
        pair.destroy().await;
    }
    place.lease.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_does_not_know_the_other_ones_credentials() {
    let place = Place::new();
    let pair = place.pair().await;
    let member = pair.member.as_ref().unwrap();
    // The member's server with the host's client certificate, and the other way round with its authority.
    let (host, other) = (pair.host.admin_kubeconfig(), member.admin_kubeconfig());
    let part = |text: &str, key: &str| text.lines().find(|line| line.contains(key)).unwrap().trim().to_owned();
    let crossed = other
        .replace(&part(other, "client-certificate-data"), &part(host, "client-certificate-data"))
        .replace(&part(other, "client-key-data"), &part(host, "client-key-data"));
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&crossed).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
    let client = kube::Client::try_from(config.unwrap()).unwrap();
    let namespaces: Api<Namespace> = Api::all(client);
    let refused = namespaces.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 401), "{refused}");
    pair.destroy().await;
    place.lease.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroyed_pair_listens_no_more() {
    let place = Place::new();
    let pair = place.pair().await;
    let clients: Vec<_> = [&pair.host, pair.member.as_ref().unwrap()].map(|cluster| cluster.client()).into();
    pair.destroy().await;
    for client in clients {
        assert!(client.apiserver_version().await.is_err());
    }
    place.lease.end().await.unwrap();
}

//! What an installation generates differs between the clusters of a pair, and between cells, which have seeds of their
//! own.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kubesphere::Release;
use providers::embedded::Embedded;
use providers::leases::Lease;
use providers::{Cluster, ClusterShape, PairPlan, Provider as _, Restore};
use scenario::model::{Given, GivenCluster, GivenKubesphere, SyncFrequency};

async fn generated(cluster: &dyn Cluster) -> Vec<u8> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), "kubesphere-system");
    secrets.get("kubesphere-secret").await.unwrap().data.unwrap().remove("secret").unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_never_share_a_generated_secret() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let lease = Lease::begin(directories[0].path(), directories[1].path(), "test").unwrap();
    let installed = GivenCluster { kubesphere: GivenKubesphere::Installed, ..GivenCluster::default() };
    let given = Given { host: installed.clone(), member: Some(installed) };
    let release = Release::find("3.3.2").unwrap();
    let mut secrets = BTreeSet::new();
    for _ in 0..2 {
        let shape = ClusterShape { nodes: 1, sync_frequency: SyncFrequency::Short };
        let behaviour = stub::Behaviour::default();
        let plan = PairPlan { host: shape, member: Some(shape), seed: 7, behaviour, restore: Restore::default() };
        let pair = Embedded::default().create(&lease, &plan).await.unwrap();
        engine::install(&pair, &given, release).await.unwrap();
        secrets.insert(generated(pair.host.as_ref()).await);
        secrets.insert(generated(pair.member.as_deref().unwrap()).await);
        pair.destroy().await.unwrap();
    }
    lease.end().await.unwrap();
    assert_eq!(secrets.len(), 4);
    assert!(secrets.iter().all(|secret| secret.len() == 32));
}

//! `KubeKey` installs KubeSphere on a cluster that is there already.

use kubesphere::KubeKey;
use nodes::clock::Clock;
use serde_json::json;
use stub::kk::{World, run};
use tokio_util::sync::CancellationToken;

use crate::fixture::Alone;

async fn kk(line: &str, directory: &std::path::Path, cluster: &crate::fixture::Cluster) -> String {
    let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let mut out = Vec::new();
    let world = World {
        kubekey: KubeKey::V3_0_13,
        behaviour: stub::Behaviour::default(),
        stub_image: None,
        client: Ok(cluster.client.clone()),
        directory,
        out: &mut out,
        clock: Clock::real(),
        stop: CancellationToken::new(),
    };
    run(&arguments, world).await.unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_the_banner_of_the_installer_that_it_starts() {
    let alone = Alone::start(stub::programs()).await;
    let directory = tempfile::tempdir().unwrap();
    kk("create config --with-kubesphere v3.3.2", directory.path(), &alone.cluster).await;
    let path = directory.path().join("config-sample.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("clusterRole: none", "clusterRole: host")).unwrap();
    let progress = alone.progress();
    let out = kk("create cluster -f config-sample.yaml", directory.path(), &alone.cluster).await;
    drop(progress);
    assert!(out.starts_with("Please wait for the installation to complete: \n#####"), "{out}");
    assert!(out.contains("Welcome to KubeSphere!") && out.contains("Password: P@88w0rd"), "{out}");
    assert!(out.contains("-l 'app in (ks-install, ks-installer)'"), "{out}");
    let path = "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer";
    let configuration = alone.cluster.get(path).await;
    assert_eq!(configuration["spec"]["multicluster"], json!({"clusterRole": "host"}));
    alone.stop().await;
}

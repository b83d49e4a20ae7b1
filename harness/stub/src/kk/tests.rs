//! `kk` as a whole, as far as it needs no running installer.

use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::installer::fake::Fake;

struct Ran {
    result: Result<(), KkError>,
    out: String,
}

async fn kk(line: &str, directory: &Path, client: Result<kube::Client, String>) -> Ran {
    let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let mut out = Vec::new();
    let world = World {
        kubekey: KubeKey::V3_0_13,
        behaviour: Behaviour::default(),
        stub_image: None,
        client,
        directory,
        out: &mut out,
        clock: Clock::real(),
        stop: CancellationToken::new(),
    };
    let result = run(&arguments, world).await;
    Ran { result, out: String::from_utf8(out).unwrap() }
}

fn nobody() -> Result<kube::Client, String> {
    Err("there is no cluster".to_owned())
}

#[tokio::test]
async fn writes_config_sample() {
    let directory = tempfile::tempdir().unwrap();
    let ran = kk("create config --with-kubesphere v3.3.2", directory.path(), nobody()).await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert_eq!(ran.out, "Generate KubeKey config file successfully\n");
    let text = fs::read_to_string(directory.path().join("config-sample.yaml")).unwrap();
    assert!(text.contains("\nkind: Cluster\n"), "{text}");
    assert!(text.contains("\n---\napiVersion: installer.kubesphere.io/v1alpha1\n"), "{text}");
    assert!(text.contains("    version: v3.3.2\n"), "{text}");
}

#[tokio::test]
async fn writes_no_second_document_unless_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    kk("create config -f mine.yaml", directory.path(), nobody()).await.result.unwrap();
    let text = fs::read_to_string(directory.path().join("mine.yaml")).unwrap();
    assert!(!text.contains("ClusterConfiguration"), "{text}");
    let ran = kk("create cluster -f mine.yaml", directory.path(), nobody()).await;
    ran.result.unwrap();
    assert!(ran.out.ends_with("kubectl get pod -A\n\n"), "{}", ran.out);
}

#[rstest]
#[case::no_label("    version: v3.3.2\n", "    other: v3.3.2\n", "Unknown version", 1)]
#[case::unsupported("version: v3.3.2", "version: v3.9.9", "Unsupported KubeSphere version: v3.9.9", 1)]
#[case::no_labels("  labels:\n    version: v3.3.2\n", "", "panic: interface conversion: interface {} is nil", 2)]
#[tokio::test]
async fn refuses_a_file(#[case] from: &str, #[case] to: &str, #[case] beginning: &str, #[case] code: u8) {
    let directory = tempfile::tempdir().unwrap();
    kk("create config --with-kubesphere v3.3.2", directory.path(), nobody()).await.result.unwrap();
    let path = directory.path().join("config-sample.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(from, to)).unwrap();
    let error = kk("create cluster -f config-sample.yaml", directory.path(), nobody()).await.result.unwrap_err();
    assert!(error.to_string().starts_with(beginning), "{error}");
    assert_eq!(error.exit_code(), code);
}

#[rstest]
#[case("create config --with-kubesphere v9.9.9", "Unsupported KubeSphere version: v9.9.9")]
#[case("create cluster --with-kubesphere newest", "Unsupported Kubesphere Version: newest")]
#[case("create cluster -f nothing.yaml", "Unable to open the given cluster configuration file: open ")]
#[case("create cluster --with-kubesphere v3.1.0", "no profile of KubeSphere")]
#[case("create cluster --with-kubesphere v3.3.2", "Pipeline[CreateClusterPipeline] execute failed: ")]
#[tokio::test]
async fn fails(#[case] line: &str, #[case] beginning: &str) {
    let directory = tempfile::tempdir().unwrap();
    let error = kk(line, directory.path(), nobody()).await.result.unwrap_err().to_string();
    assert!(error.starts_with(beginning), "{error}");
}

/// Applies `config-sample.yaml` with `change` in it, without an installer to wait for.
async fn applied(change: (&str, &str)) -> (Arc<Fake>, serde_json::Value) {
    const CONFIGURATION: &str =
        "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer";
    let directory = tempfile::tempdir().unwrap();
    kk("create config --with-kubesphere v3.3.2", directory.path(), nobody()).await.result.unwrap();
    let path = directory.path().join("config-sample.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(change.0));
    fs::write(&path, text.replace(change.0, change.1)).unwrap();
    let fake = Fake::new();
    let install = kk("create cluster -f config-sample.yaml", directory.path(), Ok(fake.client()));
    let there = fake.until(CONFIGURATION);
    let configuration = tokio::select! {
        ran = install => panic!("{:?} {}", ran.result, ran.out),
        configuration = there => configuration,
    };
    (fake, configuration)
}

#[tokio::test]
async fn installs_what_the_second_document_says() {
    let (fake, configuration) = applied(("clusterRole: none", "clusterRole: host")).await;
    assert_eq!(configuration["spec"]["multicluster"], serde_json::json!({"clusterRole": "host"}));
    assert_eq!(configuration["metadata"]["labels"]["version"], "v3.3.2");
    assert_eq!(configuration["spec"]["etcd"]["endpointIps"], "192.0.2.11");
    for key in ["zone", "local_registry", "namespace_override"] {
        assert!(configuration["spec"].get(key).is_none(), "{key}");
    }
    let deployment = fake.get("/apis/apps/v1/namespaces/kubesphere-system/deployments/ks-installer").unwrap();
    assert_eq!(deployment["metadata"]["labels"], serde_json::json!({"app": "ks-installer", "version": "v3.3.2"}));
    assert!(fake.get("/api/v1/namespaces/kubesphere-monitoring-system").is_some());
}

#[tokio::test]
async fn loses_a_host_name_with_zone_in_it() {
    let change = ("    clusterRole: none", "    hostClusterName: zone-a\n    clusterRole: host");
    let (_, configuration) = applied(change).await;
    assert_eq!(configuration["spec"]["multicluster"], serde_json::json!({"clusterRole": "host"}));
}

#[tokio::test]
async fn loses_a_secret_with_zone_in_it_and_leaves_the_section_null() {
    let (_, configuration) = applied(("    jwtSecret: \"\"", "    jwtSecret: ozone8")).await;
    assert_eq!(configuration["spec"]["authentication"], serde_json::Value::Null);
}

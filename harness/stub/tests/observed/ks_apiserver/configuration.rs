//! When ks-apiserver works with which configuration, and when it ends.

use http::Method;
use kubesphere::Feature;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::{Cluster, MEMBER_CONFIG, Plan, SECRET, World};

const CONFIG_PATH: &str = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";
const PODS: &str = "/api/v1/namespaces/kubesphere-system/pods";
const REFUSED: &str = "JWT secret MUST not be empty";

async fn configure(cluster: &Cluster, text: &str) {
    cluster.patch(CONFIG_PATH, &json!({"data": {"kubesphere.yaml": text}})).await;
}

/// The pod of ks-apiserver, if there is one, and what its kubelet says of the container.
async fn container(cluster: &Cluster) -> (String, Value) {
    let pods = cluster.get(PODS).await;
    let pod = pods["items"].as_array().unwrap().iter().find(|pod| pod["metadata"]["labels"]["app"] == "ks-apiserver");
    let pod = pod.cloned().unwrap_or_default();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    (name, pod["status"]["containerStatuses"][0].clone())
}

fn empty_secret() -> String {
    MEMBER_CONFIG.replace(SECRET, "")
}

fn no_authentication() -> String {
    MEMBER_CONFIG.replace("authentication:\n", "others:\n")
}

fn no_yaml() -> String {
    "a: b: c".to_owned()
}

async fn start(version: &str) -> World {
    Plan::new(version).start().await
}

async fn believes(cluster: &Cluster, token: &str) -> bool {
    let authorization = format!("Bearer {token}");
    let got = cluster.ask(Method::GET, "/api/v1/nodes", &[("authorization", authorization.as_str())], "").await;
    got.status == Some(200)
}

#[rstest]
#[case::empty_secret(empty_secret())]
#[case::no_authentication(no_authentication())]
#[case::no_yaml(no_yaml())]
#[tokio::test(flavor = "multi_thread")]
async fn running_one_ends_from_v3_4(#[case] config: String, #[values("v3.4.0", "v3.4.1")] version: &str) {
    let world = start(version).await;
    let member = &world.member;
    configure(member, &config).await;
    member
        .until("kubectl shows a container in a crash loop", async || {
            let (_, status) = container(member).await;
            status["restartCount"].as_u64() >= Some(2) && status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })
        .await;
    let (pod, status) = container(member).await;
    let code = status["lastState"]["terminated"]["exitCode"].as_u64();
    let (wanted, words) = if config == no_yaml() { (255, "Failed to load configuration") } else { (1, REFUSED) };
    assert_eq!(code, Some(wanted), "{pod}: {status}");
    assert!(member.logs().await.contains(words));
    configure(member, MEMBER_CONFIG).await;
    member.until_ks_apiserver_listens(true).await;
    world.stop().await;
}

#[rstest]
#[case::empty_secret(empty_secret(), true)]
#[case::no_authentication(no_authentication(), true)]
#[case::no_yaml(no_yaml(), false)]
#[tokio::test(flavor = "multi_thread")]
async fn running_v3_3_2_goes_on(#[case] config: String, #[case] is_loaded: bool) {
    let world = start("v3.3.2").await;
    let member = &world.member;
    let token = member.token("admin").await;
    configure(member, &config).await;
    // ks-controller-manager reads it, too, and has words of its own.
    let words = if is_loaded { "config changed, the server" } else { "not YAML" };
    member.until("it has read the configuration", async || member.logs().await.contains(words)).await;
    assert_eq!(believes(member, &token).await, !is_loaded);
    assert_eq!(container(member).await.1["restartCount"], 0);
    world.stop().await;
}

#[rstest]
#[case::empty_secret(empty_secret(), REFUSED, 1)]
#[case::no_authentication(no_authentication(), REFUSED, 1)]
#[case::no_yaml(no_yaml(), "Failed to load configuration from disk", 255)]
#[tokio::test(flavor = "multi_thread")]
async fn starting_one_ends(
    #[case] config: String,
    #[case] words: &str,
    #[case] code: u64,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    let world = Plan::new(version).hold("config-reload").start().await;
    let member = &world.member;
    configure(member, &config).await;
    let (before, _) = container(member).await;
    member.call(Method::DELETE, &format!("{PODS}/{before}"), None).await;
    member
        .until("another pod has ended", async || {
            let (pod, status) = container(member).await;
            pod != before && status["lastState"]["terminated"]["exitCode"] == code
        })
        .await;
    assert!(member.logs().await.contains(words));
    world.stop().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_counts_at_once_from_v3_3(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    let world = start(version).await;
    let member = &world.member;
    let token = member.token("admin").await;
    configure(member, &MEMBER_CONFIG.replace(SECRET, "another")).await;
    if world.release.has(Feature::HotReload) {
        member.until("the old token is worth nothing", async || !believes(member, &token).await).await;
        assert_eq!(container(member).await.1["restartCount"], 0);
    } else {
        let later = world.clock.now() + std::time::Duration::from_mins(5);
        member.until("five minutes have passed", async || world.clock.now() >= later).await;
        assert!(believes(member, &token).await);
        let (before, _) = container(member).await;
        member.call(Method::DELETE, &format!("{PODS}/{before}"), None).await;
        member
            .until("another pod has another secret", async || {
                member.ask(Method::GET, "/kapis/version", &[], "").await.status == Some(200)
                    && container(member).await.0 != before
                    && !believes(member, &token).await
            })
            .await;
    }
    world.stop().await;
}

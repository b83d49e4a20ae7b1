//! Kubeconfigs that people paste, and what validation tells of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kubesphere::Feature;
use rstest::rstest;
use serde_json::json;

use super::fake::kubeconfig;
use super::{ask, refused, shared};
use crate::kubeconfigs;
use crate::records::Got;

async fn validate(world: &crate::fixture::World, kubeconfig: &str) -> Got {
    let body = stub::console::form::cluster_object("m", kubeconfig).to_string();
    ask(world, Method::POST, "/kapis/cluster.kubesphere.io/v1alpha1/clusters/validation", &body).await
}

const NOT_A_MAPPING: &str = "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct { \
                             APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                             \"json:\\\"kind,omitempty\\\"\" }";
const NOTHING: &str =
    "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable";
const SERVER: &str = "https://192.0.2.20:6443";

fn with_user(user: &serde_json::Value) -> String {
    kubeconfig(&json!({ "server": SERVER }), user)
}

#[rstest]
#[case::plain_word("hello world".to_owned(), NOT_A_MAPPING)]
#[case::double_encoding(STANDARD.encode(with_user(&json!({}))), NOT_A_MAPPING)]
#[case::empty_mapping("{}".to_owned(), NOTHING)]
#[case::no_current_context(with_user(&json!({})).replace("current-context: x\n", ""), NOTHING)]
#[case::cluster_without_server(kubeconfig(&json!({}), &json!({})), NOTHING)]
#[case::missing_context(
    with_user(&json!({})).replace("current-context: x\n", "current-context: nothing\n"),
    "invalid configuration: [context was not found for specified context: nothing, cluster has no server defined]"
)]
#[case::file_references(
    kubeconfig(
        &json!({"server": SERVER, "certificate-authority": "/root/ca.crt"}),
        &json!({"client-certificate": "/root/c.crt", "client-key": "/root/c.key"})
    ),
    "invalid configuration: [unable to read client-cert /root/c.crt for u due to open /root/c.crt: no such file or directory, unable \
     to read client-key /root/c.key for u due to open /root/c.key: no such file or directory, unable to read \
     certificate-authority /root/ca.crt for c due to open /root/ca.crt: no such file or directory]"
)]
#[case::insecure_with_authority(
    kubeconfig(
        &json!({"server": SERVER, "insecure-skip-tls-verify": true, "certificate-authority-data": STANDARD.encode("x")}),
        &json!({})
    ),
    "specifying a root certificates file with the insecure flag is not allowed"
)]
#[case::auth_provider_gcp(
    with_user(&json!({"auth-provider": {"name": "gcp"}})),
    "no Auth Provider found for name \"gcp\""
)]
fn refuses(
    #[case] kubeconfig: String,
    #[case] text: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| assert_eq!(validate(world, &kubeconfig).await, refused(text)));
}

/// The client-go of v3.4 no longer knows this version of plugins; its words for that were never seen.
#[rstest]
fn exec_plugin_v1alpha1_is_looked_for(#[values("v3.2.1", "v3.3.2")] version: &str) {
    shared(version, async |world| {
        let exec = json!({"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "aws"});
        let text = kubeconfigs::valid(&world.member);
        let mut config: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        config["users"][0]["user"] = json!({ "exec": exec });
        let got = validate(world, &serde_yaml::to_string(&config).unwrap()).await;
        let path = if world.release.has(Feature::ClusterUid) { "/api/v1/namespaces/kube-system" } else { "/version" };
        let begin =
            format!("Get \"{SERVER}{path}?timeout=10s\": getting credentials: exec: executable aws not found\n\n");
        assert!(got.status == Some(400) && got.body.starts_with(&begin), "{got:?}");
    });
}

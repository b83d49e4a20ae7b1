//! What a sync does, step by step, and what a successful import leaves, on every release on which it holds. The
//! order of the steps is that of `syncCluster` (kubesphere v3.3.2, `pkg/controller/cluster/cluster_controller.go`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubesphere::Feature;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::SECRET;
use crate::imports::CONFIG;
use crate::story::{Story, story};

const FEDERATION: &str = "/api/v1/namespaces/kube-federation-system";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// The types of a Cluster's conditions with their status, in order.
fn conditions(cluster: &Value) -> Vec<(&str, &str)> {
    let all = cluster["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| (one["type"].as_str().unwrap(), one["status"].as_str().unwrap())).collect()
}

fn is_untouched(story: &Story, name: &str) {
    let cluster = story.cluster(name);
    assert_eq!(cluster["metadata"]["finalizers"], json!(["finalizer.cluster.kubesphere.io"]), "{name}");
    assert_eq!(conditions(cluster), [], "{name}");
    assert_eq!(cluster["spec"]["connection"].get("kubernetesAPIEndpoint"), None, "{name}");
}

/// Nothing is stored of a Cluster that joined, and after its retries it is given up with `reason`.
fn is_given_up(story: &Story, name: &str, reason: &str) {
    is_untouched(story, name);
    assert!(!story.logged(&format!("joined federation for cluster {name}")).is_empty(), "{name}: {}", story.log);
    let given_up = if story.release.has(Feature::ClusterWebhook) { ":693]" } else { ":680]" };
    assert!(story.logged(reason).iter().any(|line| line.contains(given_up)), "{name}: {}", story.log);
}

fn absent(story: &Story) {
    assert_eq!(story.cluster("absent")["code"], 404);
    assert_eq!(story.logged("absent"), [""; 0]);
}

fn finalizer(story: &Story) {
    let states = story.states("joined");
    assert_eq!(states[0]["finalizers"], json!([]));
    assert_eq!(states[1], json!({"finalizers": ["finalizer.cluster.kubesphere.io"], "event": "MODIFIED"}));
}

fn no_wish(story: &Story) {
    is_untouched(story, "unfederated");
    is_untouched(story, "empty");
    assert_eq!(story.logged("unfederated"), [""; 0]);
}

fn unreadable(story: &Story) {
    is_untouched(story, "malformed");
    let lines = story.logged("failed to create cluster config for malformed: yaml: mapping values are not allowed");
    assert!(!lines.is_empty(), "{}", story.log);
}

fn no_join(story: &Story) {
    let cluster = story.cluster("closed");
    assert_eq!(conditions(cluster)[0], ("Federated", "False"));
    let reason = cluster["status"]["conditions"][0]["reason"].as_str().unwrap();
    assert!(reason.ends_with("6999: connect: connection refused"), "{reason}");
    // Resyncs alone bring it back, and a controller that starts again; retries would be fifteen. Where a resync asks for
    // the version first, it gets no further.
    let joins = story.logged("Failed to join federation for cluster closed").len();
    let wanted = if story.release.has(Feature::ReadyProbe) { 1..2 } else { 2..10 };
    assert!(wanted.contains(&joins), "{joins}");
}

fn federated(story: &Story) {
    let condition = &story.cluster("joined")["status"]["conditions"][0];
    assert_eq!(condition["message"], "Cluster has joined federation control plane successfully");
    assert_eq!(condition.get("reason"), None);
}

fn endpoint(story: &Story) {
    assert_eq!(story.cluster("joined")["spec"]["connection"]["kubernetesAPIEndpoint"], "https://192.0.2.20:6443");
}

fn version(story: &Story) {
    assert_eq!(story.cluster("joined")["status"]["kubernetesVersion"], "v1.20.2");
    is_untouched(story, "without-version");
}

/// A resync asks for the version before anything else.
fn version_probed(story: &Story) {
    assert_eq!(story.cluster("joined")["status"]["kubernetesVersion"], "v1.20.2");
    assert_eq!(conditions(story.cluster("without-version")), [("Ready", "False")]);
}

fn nodes(story: &Story) {
    assert_eq!(story.cluster("joined")["status"]["nodeCount"], 2);
    is_given_up(story, "without-nodes", "nodes is forbidden: User \"without-nodes\" cannot list resource \"nodes\"");
}

fn configz(story: &Story) {
    assert_eq!(story.cluster("joined")["status"]["configz"]["multicluster"], false);
    assert_eq!(story.cluster("silent")["status"].get("configz"), None);
    assert!(!story.logged("failed to fetch kubesphere components status in cluster silent").is_empty());
}

fn kubesphere_version(story: &Story) {
    assert_eq!(story.cluster("joined")["status"]["kubeSphereVersion"], story.release.tag());
    assert_eq!(story.cluster("silent")["status"].get("kubeSphereVersion"), None);
    assert!(!story.logged("failed to get KubeSphere version").is_empty());
}

fn uid(story: &Story) {
    assert!(story.cluster("joined")["status"]["uid"].is_string());
    is_given_up(story, "without-system", "namespaces \"kube-system\" is forbidden: User \"without-system\"");
}

fn no_uid(story: &Story) {
    assert_eq!(story.cluster("joined")["status"].get("uid"), None);
    assert_eq!(conditions(story.cluster("without-system"))[1], ("Ready", "True"));
}

fn host_label(story: &Story) {
    assert_eq!(story.cluster("itself")["metadata"]["labels"], json!({"cluster-role.kubesphere.io/host": ""}));
    assert_eq!(story.cluster("joined")["metadata"].get("labels"), None);
}

fn ready(story: &Story) {
    for name in ["joined", "silent", "itself"] {
        let condition = &story.cluster(name)["status"]["conditions"][1];
        assert_eq!((&condition["type"], &condition["reason"]), (&"Ready".into(), &"Ready".into()), "{name}");
        assert_eq!(condition["message"], "Cluster is available now");
    }
}

fn certificate(story: &Story) {
    let condition = &story.cluster("joined")["status"]["conditions"][2];
    assert_eq!(condition["type"], "KubeConfigCertExpiresInSevenDays");
    assert!(condition["message"].as_str().unwrap().ends_with(" +0000 UTC"));
    assert_eq!(conditions(story.cluster("itself")).len(), 2);
}

fn no_certificate_condition(story: &Story) {
    assert_eq!(conditions(story.cluster("joined")), [("Federated", "True"), ("Ready", "True")]);
    assert_eq!(conditions(story.cluster("token")), [("Federated", "True"), ("Ready", "True")]);
}

fn token_dead_end(story: &Story) {
    is_given_up(story, "token", "parseKubeConfigExpirationDate for cluster token failed: empty CertData");
    assert_eq!(story.cluster("token")["status"].get("uid"), None);
}

fn token_accepted(story: &Story) {
    let condition = &story.cluster("token")["status"]["conditions"][2];
    assert_eq!((&condition["status"], condition.get("message")), (&"False".into(), None));
}

fn one_update(story: &Story) {
    let states: Vec<_> = story.states("joined").iter().filter(|state| state["conditions"][0].is_array()).collect();
    assert_eq!(states.len(), 1, "{states:?}");
    assert!(states[0]["status"]["nodeCount"].is_number() && states[0]["kubernetesAPIEndpoint"].is_string());
}

fn name_written(story: &Story) {
    assert_eq!(document(story.on_member(CONFIG))["multicluster"]["clusterName"], "joined");
    assert_eq!(conditions(story.cluster("nameless"))[1], ("Ready", "True"));
    assert!(!story.logged("configmaps \"kubesphere-config\" not found").is_empty(), "{}", story.log);
}

fn name_not_written(story: &Story) {
    assert_eq!(story.on_member(CONFIG)["data"], story.on_member("before")["data"]);
}

fn grants(story: &Story) {
    const KEY: &str = "iam.kubesphere.io/granted-clusters";
    let admin = "/apis/iam.kubesphere.io/v1alpha2/users/admin";
    assert_eq!(story.on_host(admin)["metadata"]["annotations"][KEY], "joined");
    assert_eq!(story.on_host("admin afterwards")["metadata"]["annotations"][KEY], "");
}

#[rstest]
#[case::step_1_absent_is_done(absent)]
#[case::step_2_finalizer(finalizer)]
#[case::step_3_no_wish_to_join(no_wish)]
#[case::step_4_unreadable_kubeconfig(unreadable)]
#[case::step_5_failed_join(no_join)]
#[case::step_6_federated(federated)]
#[case::step_7_endpoint(endpoint)]
#[case::step_9_nodes(nodes)]
#[case::step_10_configz(configz)]
#[case::step_11_kubesphere_version(kubesphere_version)]
#[case::step_13_host_label(host_label)]
#[case::step_14_ready(ready)]
#[case::step_16_one_update(one_update)]
#[case::step_18_granted_clusters(grants)]
fn syncs_on_every_release(#[case] holds: fn(&Story), #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    holds(story(version));
}

#[rstest]
#[case::step_8_kubernetes_version(version)]
#[case::step_12_uid(uid)]
#[case::step_15_certificate(certificate)]
#[case::step_17_cluster_name(name_written)]
fn syncs_from_3_3_on(#[case] holds: fn(&Story), #[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    holds(story(version));
}

#[rstest]
#[case::step_8_version_is_probed(version_probed)]
#[case::step_12_no_uid(no_uid)]
#[case::step_15_no_certificate_condition(no_certificate_condition)]
#[case::step_17_no_cluster_name(name_not_written)]
fn syncs_on_3_2(#[case] holds: fn(&Story)) {
    holds(story("v3.2.1"));
}

#[test]
fn never_accepts_a_token_on_3_3() {
    token_dead_end(story("v3.3.2"));
}

#[rstest]
fn accepts_a_token_from_3_4_on(#[values("v3.4.0", "v3.4.1")] version: &str) {
    token_accepted(story(version));
}

fn document(config: &Value) -> Value {
    serde_yaml::from_str(config["data"]["kubesphere.yaml"].as_str().unwrap()).unwrap()
}

fn namespace(story: &Story) {
    assert_eq!(story.on_member("/api/v1/namespaces/kube-federation-system")["status"]["phase"], "Active");
}

fn account(story: &Story) {
    let account = story.on_member(&format!("{FEDERATION}/serviceaccounts/joined-kubesphere"));
    assert_eq!(account["metadata"]["name"], "joined-kubesphere");
}

fn token_secret(story: &Story) {
    let account = story.on_member(&format!("{FEDERATION}/serviceaccounts/joined-kubesphere"));
    let listed = account["secrets"][0]["name"].as_str().unwrap();
    assert!(listed.starts_with("joined-kubesphere-token-"), "{listed}");
    let secrets = story.on_member(&format!("{FEDERATION}/secrets"));
    let secret =
        secrets["items"].as_array().unwrap().iter().find(|secret| secret["metadata"]["name"] == listed).unwrap();
    assert_eq!(secret["type"], "kubernetes.io/service-account-token");
}

fn role(story: &Story) {
    let role = story.on_member(&format!("{RBAC}/clusterroles/kubefed-controller-manager:joined-kubesphere"));
    let rules = json!([
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["get"], "nonResourceURLs": ["*"]},
    ]);
    assert_eq!(role["rules"], rules);
    let binding = story.on_member(&format!("{RBAC}/clusterrolebindings/kubefed-controller-manager:joined-kubesphere"));
    assert_eq!(binding["subjects"][0]["name"], "joined-kubesphere");
}

fn host_secret(story: &Story) {
    let secret = story.on_host(&format!("{FEDERATION}/secrets/joined-secret"));
    assert_eq!(secret["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["token"]);
}

fn kubefed_cluster(story: &Story) {
    let path = "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters/joined";
    let spec = &story.on_host(path)["spec"];
    assert_eq!(spec["apiEndpoint"], "https://192.0.2.20:6443");
    assert_eq!(spec["secretRef"]["name"], "joined-secret");
    let bundle = STANDARD.decode(spec["caBundle"].as_str().unwrap()).unwrap();
    assert!(bundle.starts_with(b"-----BEGIN CERTIFICATE-----"));
    assert_eq!(spec.get("disabledTLSValidations"), None);
}

fn host_rewritten(story: &Story) {
    let text = story.on_host(CONFIG)["data"]["kubesphere.yaml"].as_str().unwrap();
    assert!(text.contains(&format!("\n  jwtSecret: {SECRET}\n")), "{text}");
    assert!(text.contains("accessTokenMaxAge: 0s\n") && text.contains("accessTokenInactivityTimeout: 0s\n"), "{text}");
    assert_eq!(document(story.on_host(CONFIG))["multicluster"]["clusterName"], "host");
}

#[rstest]
#[case::namespace(namespace)]
#[case::service_account(account)]
#[case::token_secret(token_secret)]
#[case::cluster_role_and_binding(role)]
#[case::secret_on_the_host(host_secret)]
#[case::kubefed_cluster_on_the_host(kubefed_cluster)]
fn imports_leave_on_every_release(
    #[case] holds: fn(&Story),
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    holds(story(version));
}

#[rstest]
#[case::member_configuration(name_written)]
#[case::host_configuration(host_rewritten)]
fn imports_rewrite_from_3_3_on(#[case] holds: fn(&Story), #[values("v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    holds(story(version));
}

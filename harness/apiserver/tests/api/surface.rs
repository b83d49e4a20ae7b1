//! What counts as a request outside what is served, and how bodies end.

use http::Request;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Cluster, call, start};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// Sends a request of an empty object, whatever becomes of it.
async fn send(cluster: &Cluster, method: &str, path: &str, media: &str) {
    let body = if method == "GET" { Value::Null } else { json!({}) };
    let _refused_or_not = call(&cluster.admin, method, path, media, body).await;
}

/// What kubectl 1.20 and 1.32 ask for around their commands, as recorded against a real kube-apiserver 1.20.
#[tokio::test]
async fn notes_no_miss_of_ordinary_kubectl() {
    let cluster = start().await;
    let node = json!({"metadata": {"name": "n"}});
    cluster.post("/api/v1/nodes", node).await;
    cluster.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    cluster.post(PODS, json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})).await;
    let version_and_discovery =
        ["/version?timeout=32s", "/api?timeout=32s", "/apis?timeout=32s", "/api/v1", "/apis/apps/v1"];
    let schemas = ["/openapi/v2?timeout=32s", "/openapi/v3?timeout=32s", "/swagger-2.0.0.pb-v1"];
    let reads = [
        "/api/v1/namespaces/default/pods?limit=500",
        "/api/v1/namespaces/default/pods/p/log?container=c",
        "/api/v1/namespaces/default/configmaps/none",
        "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp",
        "/apis/apps/v1/namespaces/default/deployments/none",
        "/readyz?verbose",
    ];
    let unknown_then = [
        "/apis/cluster.kubesphere.io/v1alpha1/clusters",
        "/apis/batch/v1/cronjobs",
        "/api/v1/namespaces/default/configmaps/a/scale",
    ];
    for path in [&version_and_discovery[..], &schemas, &reads, &unknown_then].concat() {
        send(&cluster, "GET", path, "").await;
    }
    // apply, edit, scale, delete
    let path = format!("{MAPS}/a?fieldManager=kubectl-client-side-apply");
    for media in ["application/strategic-merge-patch+json", "application/merge-patch+json"] {
        send(&cluster, "PATCH", &path, media).await;
    }
    send(&cluster, "PATCH", "/apis/apps/v1/namespaces/default/deployments/none/scale", "application/merge-patch+json")
        .await;
    send(&cluster, "DELETE", &format!("{MAPS}/a"), "application/json").await;
    assert_eq!(cluster.server.surface_misses(), Vec::<String>::new());
}

#[rstest]
#[case::proxy_of_nodes("GET", "/api/v1/nodes/n/proxy/stats", "GET /api/v1/nodes/n/proxy/stats")]
#[case::exec(
    "POST",
    "/api/v1/namespaces/default/pods/p/exec?command=ls",
    "POST /api/v1/namespaces/default/pods/p/exec"
)]
#[case::attach("POST", "/api/v1/namespaces/default/pods/p/attach", "POST /api/v1/namespaces/default/pods/p/attach")]
#[case::unserved_path("GET", "/metrics", "GET /metrics")]
#[tokio::test]
async fn notes_what_the_original_would_have_served(#[case] method: &str, #[case] path: &str, #[case] miss: &str) {
    let cluster = start().await;
    send(&cluster, method, path, "application/json").await;
    assert_eq!(cluster.server.surface_misses(), [miss]);
}

/// Go's encoder ends an object with a line break; what is written without negotiation is indented and has none.
#[rstest]
#[case("/api/v1/namespaces/default", "application/json", "}\n")]
#[case("/api/v1/namespaces", "application/json", "]}\n")]
#[case("/api/v1/namespaces", "application/json;as=Table;v=v1;g=meta.k8s.io", "]}\n")]
#[case("/apis", "application/json", "]}\n")]
#[case("/version", "application/json", "\"linux/amd64\"\n}")]
#[case("/", "application/json", "\"\n  ]\n}")]
#[case("/openapi/v2", "application/json", "}}")]
#[case("/api/v1/namespaces?watch=true&timeoutSeconds=1", "application/json", "}}}\n")]
#[tokio::test]
async fn ends_bodies_as_the_original(#[case] path: &str, #[case] accept: &str, #[case] end: &str) {
    let cluster = start().await;
    let request = Request::get(path).header("accept", accept).body(Vec::new()).unwrap();
    let body = cluster.admin.request_text(request).await.unwrap();
    assert!(body.ends_with(end) && !body.ends_with("\n\n"), "{body}");
}

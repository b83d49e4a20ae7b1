//! Who may come in, and what they may do.

use std::time::Duration;

use apiserver::{ApiServer, Lifetime, Options};
use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{HOUR, call, certificate_user, refused, start, start_with};

#[tokio::test]
async fn refuses_certificates_of_a_foreign_authority() {
    let (cluster, other) = (start().await, start().await);
    let foreign =
        other.server.issue_client_certificate("eve", &["system:masters"], Lifetime::for_duration(HOUR)).unwrap();
    let client = cluster.client_with(certificate_user(&foreign)).await;
    assert_eq!(refused(&client, "GET", "/api/v1/nodes", Value::Null).await, (401, "Unauthorized".to_owned()));
}

#[rstest]
#[case::expired(-7200, -3600)]
#[case::not_yet_valid(3600, 7200)]
#[tokio::test]
async fn refuses_certificates_outside_their_time(#[case] from: i64, #[case] until: i64) {
    let cluster = start().await;
    let at = |seconds: i64| Timestamp::now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    let lifetime = Lifetime { not_before: at(from), not_after: at(until) };
    let issued = cluster.server.issue_client_certificate("jane", &["system:masters"], lifetime).unwrap();
    let client = cluster.client_with(certificate_user(&issued)).await;
    assert_eq!(refused(&client, "GET", "/api/v1/nodes", Value::Null).await.0, 401);
}

#[tokio::test]
async fn judges_time_by_its_own_clock() {
    let cluster = start_with(Options { clock_offset_seconds: 400 * 24 * 3600, ..Options::default() }).await;
    let issued =
        cluster.server.issue_client_certificate("jane", &["system:masters"], Lifetime::for_duration(HOUR)).unwrap();
    let client = cluster.client_with(certificate_user(&issued)).await;
    assert_eq!(refused(&client, "GET", "/api/v1/nodes", Value::Null).await.0, 401);
}

#[tokio::test]
async fn lets_nobody_in_particular_see_little() {
    let cluster = start().await;
    let nobody = cluster.client_with(json!({})).await;
    assert_eq!(call(&nobody, "GET", "/version", "", Value::Null).await.unwrap()["minor"], "20");
    let text = "namespaces \"kube-system\" is forbidden: User \"system:anonymous\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"kube-system\"";
    assert_eq!(refused(&nobody, "GET", "/api/v1/namespaces/kube-system", Value::Null).await, (403, text.to_owned()));
    let text = "forbidden: User \"system:anonymous\" cannot get path \"/foo\"";
    assert_eq!(refused(&nobody, "GET", "/foo", Value::Null).await, (403, text.to_owned()));
    let guest = cluster.client_with(json!({"token": "nonsense"})).await;
    assert_eq!(refused(&guest, "GET", "/version", Value::Null).await, (401, "Unauthorized".to_owned()));
}

#[tokio::test]
async fn follows_roles_as_they_are_bound() {
    let cluster = start().await;
    let jane = cluster.user("jane", &["devs"]).await;
    let text =
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"";
    assert_eq!(refused(&jane, "GET", "/api/v1/namespaces/default/pods", Value::Null).await, (403, text.to_owned()));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let binding = json!({"metadata": {"name": "devs"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "Group", "name": "devs"}]});
    cluster.post(&format!("{rbac}/namespaces/default/rolebindings"), binding).await;
    assert!(call(&jane, "GET", "/api/v1/namespaces/default/pods", "", Value::Null).await.is_ok());
    let review = |verb: &str| json!({"spec": {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "default"}}});
    let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for (verb, expected) in [("get", true), ("delete", false)] {
        let answer = call(&jane, "POST", reviews, "application/json", review(verb)).await.unwrap();
        assert_eq!(answer["status"]["allowed"], expected);
    }
    let refused = cluster
        .refused("PATCH", &format!("{rbac}/namespaces/default/rolebindings/devs"), json!({"roleRef": {"name": "edit"}}))
        .await;
    assert_eq!(
        refused.1,
        "RoleBinding.rbac.authorization.k8s.io \"devs\" is invalid: roleRef: Invalid value: rbac.RoleRef{APIGroup:\"rbac.authorization.k8s.io\", Kind:\"ClusterRole\", Name:\"edit\"}: cannot change roleRef"
    );
}

#[tokio::test]
async fn tells_plain_http_clients_that_this_is_https() {
    let server = ApiServer::start(Options::default()).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    assert_eq!(told, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
}

#[tokio::test]
async fn stops_open_watches_and_the_listener() {
    let cluster = start().await;
    let request = http::Request::get("/api/v1/namespaces?watch=true&resourceVersion=1").body(Vec::new()).unwrap();
    let _open = cluster.admin.request_stream(request).await.unwrap();
    let address = cluster.server.address();
    tokio::time::timeout(Duration::from_secs(2), cluster.server.stop()).await.expect("stops in time");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn gives_every_server_an_identity_of_its_own() {
    let (a, b) = (start().await, start().await);
    let uid = |object: Value| object["metadata"]["uid"].clone();
    let path = "/api/v1/namespaces/kube-system";
    assert_ne!(uid(a.get(path).await), uid(b.get(path).await));
    assert_ne!(a.server.ca_pem(), b.server.ca_pem());
}

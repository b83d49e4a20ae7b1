//! Validating webhooks are called for real: which, with what, and what becomes of their answers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apiserver::pki::{Authority, crypto};
use base64::Engine as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Cluster, start};

type Answer = Arc<dyn Fn(&Value) -> (u16, Value) + Send + Sync>;

/// A webhook on a port of this machine.
pub struct Webhook {
    pub url: String,
    pub ca_bundle: String,
    heard: Arc<Mutex<Vec<Value>>>,
    stop: CancellationToken,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn webhook(answer: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static) -> Webhook {
    let authority = Authority::generate(Timestamp::now()).unwrap();
    let identity = authority.server_identity(&["127.0.0.1".to_owned()], Timestamp::now()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/check", listener.local_addr().unwrap());
    let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let (ears, stopped, answer): (_, _, Answer) = (heard.clone(), stop.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
            let (acceptor, ears, answer) = (acceptor.clone(), ears.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (ears, answer) = (ears.clone(), answer.clone());
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let review: Value = serde_json::from_slice(&body).unwrap();
                        let (code, answer) = answer(&review);
                        ears.lock().unwrap().push(review);
                        let body = Full::new(Bytes::from(answer.to_string()));
                        Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
                    }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let ca_bundle = base64::engine::general_purpose::STANDARD.encode(authority.certificate_pem());
    Webhook { url, ca_bundle, heard, stop }
}

/// The answer `response` to a review, in the review's version and with its UID.
fn to(review: &Value, mut response: Value) -> Value {
    response["uid"] = review["request"]["uid"].clone();
    json!({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})
}

impl Webhook {
    /// The configuration of the webhook for config maps, with `more` in place of its own.
    fn configuration(&self, more: &Value) -> Value {
        let mut webhook = json!({
            "name": "check.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"url": self.url, "caBundle": self.ca_bundle},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
        });
        for (key, value) in more.as_object().unwrap() {
            webhook[key] = value.clone();
        }
        json!({"metadata": {"name": "check"}, "webhooks": [webhook]})
    }

    pub fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn configure(cluster: &Cluster, configuration: Value) {
    cluster.post("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", configuration).await;
}

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"a": "b"}})
}

#[tokio::test]
async fn asks_about_what_is_written_and_how() {
    let cluster = start().await;
    let hook = webhook(|review| (200, to(review, json!({"allowed": true})))).await;
    configure(&cluster, hook.configuration(&json!({}))).await;
    cluster.post(MAPS, map("m")).await;
    cluster.merge(&format!("{MAPS}/m"), json!({"data": {"a": "c"}})).await;
    cluster.delete(&format!("{MAPS}/m")).await;
    let heard = hook.heard();
    let operations: Vec<&Value> = heard.iter().map(|review| &review["request"]["operation"]).collect();
    assert_eq!(operations, ["CREATE", "UPDATE", "DELETE"]);
    let created = &heard[0]["request"];
    assert_eq!(created["kind"], json!({"group": "", "version": "v1", "kind": "ConfigMap"}));
    assert_eq!(created["resource"], json!({"group": "", "version": "v1", "resource": "configmaps"}));
    assert_eq!((&created["name"], &created["namespace"]), (&json!("m"), &json!("default")));
    assert_eq!(created["userInfo"]["username"], "kubernetes-admin");
    assert_eq!(created["object"]["data"]["a"], "b");
    assert_eq!((&created["oldObject"], &created["dryRun"]), (&Value::Null, &json!(false)));
    assert_eq!(created["options"], json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}));
    assert_eq!(
        (&heard[1]["request"]["object"]["data"]["a"], &heard[1]["request"]["oldObject"]["data"]["a"]),
        (&json!("c"), &json!("b"))
    );
    assert_eq!(
        (&heard[2]["request"]["object"], &heard[2]["request"]["oldObject"]["data"]["a"]),
        (&Value::Null, &json!("c"))
    );
}

#[rstest]
#[case::message(json!({"allowed": false, "status": {"message": "not like that", "code": 409}}), 409, "admission webhook \"check.example.com\" denied the request: not like that")]
#[case::reason(json!({"allowed": false, "status": {"reason": "Forbidden"}}), 400, "admission webhook \"check.example.com\" denied the request: Forbidden")]
#[case::nothing(json!({"allowed": false}), 400, "admission webhook \"check.example.com\" denied the request without explanation")]
#[case::low_code(json!({"allowed": false, "status": {"code": 200, "message": "no"}}), 400, "admission webhook \"check.example.com\" denied the request: no")]
#[tokio::test]
async fn refuses_in_the_words_of_the_webhook(#[case] response: Value, #[case] code: u16, #[case] text: &str) {
    let cluster = start().await;
    let hook = webhook(move |review| (200, to(review, response.clone()))).await;
    configure(&cluster, hook.configuration(&json!({}))).await;
    assert_eq!(cluster.refused("POST", MAPS, map("m")).await, (code, text.to_owned()));
    assert_eq!(cluster.refused("GET", &format!("{MAPS}/m"), Value::Null).await.0, 404);
}

#[rstest]
#[case::other_operation(json!({"rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["*"]}]}))]
#[case::other_group(json!({"rules": [{"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]}))]
#[case::other_version(json!({"matchPolicy": "Exact", "rules": [{"apiGroups": [""], "apiVersions": ["v2"], "operations": ["*"], "resources": ["*"]}]}))]
#[case::other_resource(json!({"rules": [{"apiGroups": [""], "apiVersions": ["*"], "operations": ["*"], "resources": ["secrets", "configmaps/status"]}]}))]
#[case::cluster_scope(json!({"rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "Cluster"}]}))]
#[case::namespace(json!({"namespaceSelector": {"matchLabels": {"check": "yes"}}}))]
#[case::object(json!({"objectSelector": {"matchExpressions": [{"key": "check", "operator": "Exists"}]}}))]
#[tokio::test]
async fn leaves_writes_alone_that_it_does_not_concern(#[case] more: Value) {
    let cluster = start().await;
    let hook = webhook(|review| (200, to(review, json!({"allowed": false})))).await;
    configure(&cluster, hook.configuration(&more)).await;
    cluster.post(MAPS, map("m")).await;
    assert!(hook.heard().is_empty());
}

#[rstest]
#[case::namespaced(json!({"rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*/*"], "scope": "Namespaced"}]}))]
#[case::namespace(json!({"namespaceSelector": {"matchExpressions": [{"key": "check", "operator": "DoesNotExist"}]}}))]
#[case::object(json!({"objectSelector": {"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]}}))]
#[tokio::test]
async fn concerns_writes_that_fit(#[case] more: Value) {
    let cluster = start().await;
    let hook = webhook(|review| (200, to(review, json!({"allowed": false})))).await;
    configure(&cluster, hook.configuration(&more)).await;
    assert_eq!(cluster.refused("POST", MAPS, map("m")).await.0, 400);
}

#[rstest]
#[case::other_uid(200, json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "x", "allowed": true}}), "expected response.uid=")]
#[case::nothing(200, json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}), "webhook response was absent")]
#[case::broken(500, json!("boom"), "an error on the server (\"\\\"boom\\\"\") has prevented the request from succeeding")]
#[case::missing(404, json!("gone"), "the server could not find the requested resource")]
#[tokio::test]
async fn fails_on_answers_that_are_none(#[case] code: u16, #[case] answer: Value, #[case] text: &str) {
    let cluster = start().await;
    let hook = webhook(move |_| (code, answer.clone())).await;
    configure(&cluster, hook.configuration(&json!({}))).await;
    let (status, told) = cluster.refused("POST", MAPS, map("m")).await;
    let expected = format!("Internal error occurred: failed calling webhook \"check.example.com\": {text}");
    assert_eq!(status, 500);
    assert!(told.starts_with(&expected), "{told}");
}

#[tokio::test]
async fn believes_answers_of_the_old_version_without_their_uid() {
    let cluster = start().await;
    let hook = webhook(|review| {
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1beta1");
        (200, json!({"response": {"allowed": true}}))
    })
    .await;
    configure(&cluster, hook.configuration(&json!({"admissionReviewVersions": ["v0", "v1beta1", "v1"]}))).await;
    cluster.post(MAPS, map("m")).await;
    assert_eq!(hook.heard().len(), 1);
}

#[rstest]
#[case::fail("Fail", false)]
#[case::ignore("Ignore", true)]
#[tokio::test]
async fn follows_the_policy_where_nobody_answers(#[case] policy: &str, #[case] written: bool) {
    let cluster = start().await;
    let nobody = json!({"url": "https://127.0.0.1:1/"});
    let hook = webhook(|_| (200, Value::Null)).await;
    let more = json!({"failurePolicy": policy, "clientConfig": nobody, "timeoutSeconds": 2});
    configure(&cluster, hook.configuration(&more)).await;
    if written {
        cluster.post(MAPS, map("m")).await;
    } else {
        let text = "Internal error occurred: failed calling webhook \"check.example.com\": Post \"https://127.0.0.1:1/?timeout=2s\": dial tcp 127.0.0.1:1: connect: connection refused";
        assert_eq!(cluster.refused("POST", MAPS, map("m")).await, (500, text.to_owned()));
    }
}

#[tokio::test]
async fn believes_no_authority_but_the_bundle() {
    let cluster = start().await;
    let (hook, other) = (webhook(|_| (200, Value::Null)).await, webhook(|_| (200, Value::Null)).await);
    let more = json!({"clientConfig": {"url": hook.url, "caBundle": other.ca_bundle}});
    configure(&cluster, hook.configuration(&more)).await;
    let (code, text) = cluster.refused("POST", MAPS, map("m")).await;
    assert_eq!(code, 500);
    assert!(text.contains("\": x509: certificate signed by unknown authority"), "{text}");
}

#[tokio::test]
async fn finds_services_by_name_and_port() {
    let cluster = start().await;
    let hook = webhook(|_| (200, Value::Null)).await;
    let service = |name: &str, port: u16| json!({"clientConfig": {"service": {"name": name, "namespace": "default", "path": "/p", "port": port}}});
    let called = "Internal error occurred: failed calling webhook \"check.example.com\": Post \"https://gone.default.svc:443/p?timeout=10s\": service \"gone\" not found";
    configure(&cluster, hook.configuration(&service("gone", 443))).await;
    assert_eq!(cluster.refused("POST", MAPS, map("m")).await, (500, called.to_owned()));
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/check";
    cluster.delete(path).await;
    configure(&cluster, hook.configuration(&service("kubernetes", 444))).await;
    let text = cluster.refused("POST", MAPS, map("m")).await.1;
    assert!(text.ends_with("no service port 444 found for service \"kubernetes\""), "{text}");
}

#[tokio::test]
async fn asks_on_a_dry_run_only_who_has_no_side_effects() {
    let cluster = start().await;
    let hook = webhook(|review| (200, to(review, json!({"allowed": true})))).await;
    configure(&cluster, hook.configuration(&json!({"sideEffects": "NoneOnDryRun"}))).await;
    cluster.post(&format!("{MAPS}?dryRun=All"), map("m")).await;
    assert_eq!(hook.heard()[0]["request"]["dryRun"], true);
    assert_eq!(hook.heard()[0]["request"]["options"]["dryRun"], json!(["All"]));
}

#[tokio::test]
async fn waits_no_longer_than_it_is_told() {
    let cluster = start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let hook = webhook(|_| (200, Value::Null)).await;
    configure(&cluster, hook.configuration(&json!({"clientConfig": {"url": url}, "timeoutSeconds": 1}))).await;
    let begun = tokio::time::Instant::now();
    let (code, text) = cluster.refused("POST", MAPS, map("m")).await;
    assert_eq!(code, 500);
    assert!(text.ends_with("/?timeout=1s\": context deadline exceeded"), "{text}");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn passes_warnings_on() {
    let cluster = start().await;
    let hook = webhook(|review| {
        let allowed = review["request"]["name"] != "bad";
        (200, to(review, json!({"allowed": allowed, "warnings": ["mind the \"gap\"", "mind the \"gap\""]})))
    })
    .await;
    configure(&cluster, hook.configuration(&json!({}))).await;
    for (name, code) in [("good", 201), ("bad", 400)] {
        let head = cluster.head_of("POST", MAPS, map(name)).await;
        assert_eq!(head.status, code);
        let warnings: Vec<_> = head.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(warnings, [r#"299 - "mind the \"gap\"""#]);
    }
}

#[tokio::test]
async fn asks_nobody_about_webhooks_themselves() {
    let cluster = start().await;
    let hook = webhook(|review| (200, to(review, json!({"allowed": false})))).await;
    let everything =
        json!({"rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]});
    configure(&cluster, hook.configuration(&everything)).await;
    cluster.delete("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/check").await;
    cluster.post(MAPS, map("m")).await;
    assert!(hook.heard().is_empty());
}

#[rstest]
#[case("Fail")]
#[case("Ignore")]
#[tokio::test]
async fn admits_that_it_calls_no_mutating_webhooks(#[case] policy: &str) {
    let cluster = start().await;
    let hook = webhook(|_| (200, Value::Null)).await;
    let mut configuration = hook.configuration(&json!({"failurePolicy": policy}));
    configuration["metadata"]["name"] = json!("changes");
    cluster.post("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", configuration).await;
    if policy == "Fail" {
        assert_eq!(cluster.refused("POST", MAPS, map("m")).await.0, 500);
    } else {
        cluster.post(MAPS, map("m")).await;
    }
    assert_eq!(cluster.server.surface_misses(), ["MUTATE CREATE configmaps by check.example.com"]);
}

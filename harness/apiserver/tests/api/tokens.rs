//! Tokens of `ServiceAccount`s: kept in Secrets, requested, reviewed, outlived.

use apiserver::Options;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Cluster, refused, start, start_with};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const NODES: &str = "nodes is forbidden: User \"system:serviceaccount:default:ks\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";

/// A cluster with the account `ks`, whose tokens are signed here.
struct Account {
    cluster: Cluster,
    key: EncodingKey,
    uid: String,
}

async fn with_account() -> Account {
    let pair = KeyPair::generate().unwrap();
    let options = Options { service_account_signing_key_pem: Some(pair.serialize_pem()), ..Options::default() };
    let cluster = start_with(options).await;
    let made = cluster.post(ACCOUNTS, json!({"metadata": {"name": "ks"}})).await;
    let uid = made["metadata"]["uid"].as_str().unwrap().to_owned();
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    Account { cluster, key, uid }
}

impl Account {
    fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &self.key).unwrap()
    }

    /// Claims of a token that is kept in the Secret `ks-token`.
    fn kept(&self) -> Value {
        json!({
            "iss": "kubernetes/serviceaccount",
            "sub": "system:serviceaccount:default:ks",
            "kubernetes.io/serviceaccount/namespace": "default",
            "kubernetes.io/serviceaccount/secret.name": "ks-token",
            "kubernetes.io/serviceaccount/service-account.name": "ks",
            "kubernetes.io/serviceaccount/service-account.uid": self.uid,
        })
    }

    async fn keep(&self, token: &str) {
        let secret = json!({"metadata": {"name": "ks-token"}, "stringData": {"token": token}});
        self.cluster.post(SECRETS, secret).await;
    }

    async fn request(&self, spec: Value) -> String {
        let answer = self.cluster.post(&format!("{ACCOUNTS}/ks/token"), json!({"spec": spec})).await;
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// What a review says is wrong with a token.
    async fn fault(&self, token: &str) -> String {
        let answer = self.cluster.post(REVIEWS, json!({"spec": {"token": token}})).await;
        answer["status"]["error"].as_str().unwrap_or_default().to_owned()
    }

    async fn may_come_in(&self, token: &str) -> bool {
        let client = self.cluster.client_with(json!({"token": token})).await;
        let (code, text) = refused(&client, "GET", "/api/v1/nodes", Value::Null).await;
        assert!(code == 401 || text == NODES, "{code} {text}");
        code != 401
    }
}

#[tokio::test]
async fn knows_accounts_by_tokens_kept_in_secrets() {
    let account = with_account().await;
    let token = account.sign(&account.kept());
    assert!(!account.may_come_in(&token).await);
    account.keep(&token).await;
    assert!(account.may_come_in(&token).await);
    account.cluster.delete(&format!("{SECRETS}/ks-token")).await;
    assert!(!account.may_come_in(&token).await);
}

#[rstest]
#[case::of_another_account_of_that_name("kubernetes.io/serviceaccount/service-account.uid", json!("x"), "[invalid bearer token, ServiceAccount UID (")]
#[case::of_a_missing_account("kubernetes.io/serviceaccount/service-account.name", json!(""), "[invalid bearer token, serviceAccountName claim is missing]")]
#[case::of_another_name("sub", json!("system:serviceaccount:default:other"), "[invalid bearer token, sub claim is invalid]")]
#[case::of_a_missing_secret("kubernetes.io/serviceaccount/secret.name", json!("gone"), "[invalid bearer token, Token has been invalidated]")]
#[case::of_another_issuer("iss", json!("https://example.com"), "invalid bearer token")]
#[case::for_someone_else("aud", json!(["vault"]), "[invalid bearer token, token audiences [\"vault\"] is invalid for the target audiences")]
#[tokio::test]
async fn says_what_is_wrong_with_kept_tokens(#[case] claim: &str, #[case] value: Value, #[case] fault: &str) {
    let account = with_account().await;
    let mut claims = account.kept();
    claims[claim] = value;
    let token = account.sign(&claims);
    account.keep(&token).await;
    assert!(!account.may_come_in(&token).await);
    let told = account.fault(&token).await;
    assert!(told.starts_with(fault), "{told}");
}

#[tokio::test]
async fn gives_tokens_on_request() {
    let account = with_account().await;
    let token = account.request(json!({})).await;
    assert!(account.may_come_in(&token).await);
    let review = account.cluster.post(REVIEWS, json!({"spec": {"token": token}})).await;
    let user = &review["status"]["user"];
    assert_eq!(review["status"]["authenticated"], true);
    assert_eq!(user["username"], "system:serviceaccount:default:ks");
    assert_eq!(user["uid"], account.uid);
    assert_eq!(
        user["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    assert_eq!(review["status"]["audiences"], json!(["https://kubernetes.default.svc"]));
    account.cluster.delete(&format!("{ACCOUNTS}/ks")).await;
    assert!(!account.may_come_in(&token).await);
    assert_eq!(account.fault(&token).await, "[invalid bearer token, serviceaccounts \"ks\" not found]");
}

#[tokio::test]
async fn ends_bound_tokens_with_their_object() {
    let account = with_account().await;
    account.cluster.post(SECRETS, json!({"metadata": {"name": "held"}})).await;
    let token =
        account.request(json!({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "held"}})).await;
    assert!(account.may_come_in(&token).await);
    account.cluster.delete(&format!("{SECRETS}/held")).await;
    assert_eq!(account.fault(&token).await, "[invalid bearer token, Token has been invalidated]");
}

#[rstest]
#[case::within_leeway("exp", -30, "")]
#[case::expired("exp", -90, "[invalid bearer token, Token has expired.]")]
#[case::a_little_early("nbf", 30, "")]
#[case::too_early("nbf", 90, "[invalid bearer token, Token could not be validated.]")]
#[tokio::test]
async fn grants_clocks_a_minute(#[case] claim: &str, #[case] seconds: i64, #[case] fault: &str) {
    let account = with_account().await;
    let now = jiff::Timestamp::now().as_second();
    let mut claims = json!({
        "aud": "https://kubernetes.default.svc", "iss": "https://kubernetes.default.svc", "exp": now + 600, "nbf": now,
        "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "ks", "uid": account.uid}},
    });
    claims[claim] = json!(now + seconds);
    assert_eq!(account.fault(&account.sign(&claims)).await, fault);
}

#[rstest]
#[case(json!({"expirationSeconds": 599}), 422, "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes")]
#[case(json!({"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "a"}}), 400, "cannot bind token to object of type /v1, Kind=ConfigMap")]
#[case(json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "a"}}), 404, "pods \"a\" not found")]
#[tokio::test]
async fn refuses_requests_that_make_no_sense(#[case] spec: Value, #[case] code: u16, #[case] text: &str) {
    let account = with_account().await;
    let path = format!("{ACCOUNTS}/ks/token");
    assert_eq!(account.cluster.refused("POST", &path, json!({"spec": spec})).await, (code, text.to_owned()));
}

#[tokio::test]
async fn makes_a_key_of_its_own_where_it_is_given_none() {
    let cluster = start().await;
    cluster.post(ACCOUNTS, json!({"metadata": {"name": "ks"}})).await;
    let answer = cluster.post(&format!("{ACCOUNTS}/ks/token"), json!({"spec": {}})).await;
    let review = cluster.post(REVIEWS, json!({"spec": {"token": answer["status"]["token"]}})).await;
    assert_eq!(review["status"]["authenticated"], true);
}

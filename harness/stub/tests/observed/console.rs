//! Acting as the browser: sessions and the *Add Cluster* form, through the API server's service proxy.

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use stub::console::form::{Call, create_calls, exists_call};

use crate::fixture::{Cluster, World};
use crate::kubeconfigs;

const CONSOLE: &str = "/api/v1/namespaces/kubesphere-system/services/:ks-console:80/proxy";

struct Answer {
    code: u16,
    cookie: Option<String>,
    body: String,
}

async fn send(host: &Cluster, session: Option<&str>, call: &Call) -> Answer {
    let mut request = Request::builder().method(&call.method).uri(format!("{CONSOLE}{}", call.path));
    request = request.header("content-type", "application/json");
    if let Some(session) = session {
        request = request.header("cookie", session);
    }
    if call.check_exist {
        request = request.header("x-check-exist", "true");
    }
    let body = call.body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let answer = host.client.send(request.body(Body::from(body)).unwrap()).await.unwrap();
    let cookie = answer.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Answer { code, cookie, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn login(password: &str) -> Call {
    let body = json!({"username": "admin", "password": password});
    Call { method: Method::POST, path: "/login".to_owned(), check_exist: false, body: Some(body) }
}

async fn session(host: &Cluster) -> String {
    let answer = send(host, None, &login(crate::fixture::PASSWORD)).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    answer.cookie.unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn adds_a_cluster_as_the_form_does() {
    let world = World::start("v3.3.2").await;
    world.host.until("ks-console answers", async || send(&world.host, None, &login("")).await.code == 400).await;
    let session = session(&world.host).await;
    let asked = send(&world.host, Some(&session), &exists_call("member1")).await;
    assert_eq!(asked.body, r#"{"exist":false}"#);
    for call in create_calls("member1", &kubeconfigs::valid(&world.member)) {
        let answer = send(&world.host, Some(&session), &call).await;
        assert!((200..300).contains(&answer.code), "{}: {} {}", call.path, answer.code, answer.body);
    }
    world.host.until_ready("member1", "True").await;
    let asked = send(&world.host, Some(&session), &exists_call("member1")).await;
    assert_eq!(asked.body, r#"{"exist":true}"#);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_wrong_password_and_a_request_without_a_session() {
    let world = World::start("v3.3.2").await;
    world.host.until("ks-console answers", async || send(&world.host, None, &login("")).await.code == 400).await;
    let refused = send(&world.host, None, &login("wrong")).await;
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.code, refused.cookie, &body["message"]), (400, None, &"incorrect password".into()));
    let anonymous = send(&world.host, None, &exists_call("member1")).await;
    assert_eq!(anonymous.code, 403, "{}", anonymous.body);
    world.stop().await;
}

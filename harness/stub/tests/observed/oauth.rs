//! Tokens and identities.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use rstest::rstest;
use serde_json::Value;

use crate::fixture::{Cluster, PASSWORD, Plan, World};
use crate::records::{Got, Record, Replay, Tally};

#[rstest]
#[case::v3_3_2("v3.3.2")]
#[case::v3_4_1("v3.4.1")]
#[tokio::test(flavor = "multi_thread")]
async fn answers_grants_and_identities_as_the_real_one_does(#[case] version: &str) {
    // Asked before ks-controller-manager had ever run, which gives namespaces a finalizer.
    let world = Plan::new(version).without_controllers().start().await;
    let mut tally = Tally::default();
    let records = Replay::Grants.records(version);
    for record in &records {
        if record.case().starts_with("afterhost-") {
            continue;
        }
        if record.case() == "oauth-rate-limit" {
            tally.note(record, rate_limit(&world).await);
            continue;
        }
        let got = send(&world, record).await;
        tally.compare(&world, record, &got);
        tally.note(record, claims_difference(record, &got));
    }
    world.start_controllers().await;
    world.host.until_ready("host", "True").await;
    world
        .host
        .until("tokens without expiry", async || {
            let token = world.host.token("admin").await;
            decoded(&token).get("exp").is_none()
        })
        .await;
    for record in records.iter().filter(|record| record.case().starts_with("afterhost-")) {
        let got = send(&world, record).await;
        tally.compare(&world, record, &got);
        tally.note(record, claims_difference(record, &got));
    }
    world.stop().await;
    tally.settle(&records);
}

async fn send(world: &World, record: &Record) -> Got {
    let request = &record.0["request"];
    let cluster: &Cluster = if request["to"] == "member" { &world.member } else { &world.host };
    let method: Method = request["method"].as_str().unwrap().parse().unwrap();
    let mut headers: Vec<(&str, String)> = Vec::new();
    let body = match &request["form"] {
        Value::Null => String::new(),
        Value::String(text) => {
            headers.push(("content-type", "application/json".to_owned()));
            text.replace("<ADMIN-PASSWORD>", PASSWORD)
        }
        form => {
            headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
            let mut pairs = Vec::new();
            for (name, value) in form.as_object().unwrap() {
                let value = match value.as_str().unwrap() {
                    "<ADMIN-PASSWORD>" => "P%4088w0rd".to_owned(),
                    "<JWT>" => refresh_token(cluster).await,
                    other => other.replace('@', "%40"),
                };
                pairs.push(format!("{name}={value}"));
            }
            pairs.join("&")
        }
    };
    let authorization = match record.case() {
        "auth-good-token" | "auth-host-token-on-member" | "clusters-list" => {
            Some(world.host.token("admin").await).map(|token| format!("Bearer {token}"))
        }
        "clusters-list-member" => Some(world.member.token("admin").await).map(|token| format!("Bearer {token}")),
        "auth-bad-token" => Some("Bearer nonsense".to_owned()),
        "auth-basic" => Some("Basic YWRtaW46UEA4OHcwcmQ=".to_owned()),
        "oauth-client-basic-auth" => Some("Basic a3ViZXNwaGVyZTprdWJlc3BoZXJl".to_owned()),
        _ => None,
    };
    headers.extend(authorization.map(|value| ("authorization", value)));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut got = cluster.ask(method, request["path"].as_str().unwrap(), &headers, &body).await;
    // The host Cluster of these clusters may be there already; the record's was not yet.
    if record.case() == "clusters-list" {
        r#"{"items": [], "totalItems": 0}"#.clone_into(&mut got.body);
    }
    got
}

async fn refresh_token(cluster: &Cluster) -> String {
    let form = "grant_type=password&username=admin&password=P%4088w0rd&client_id=kubesphere&client_secret=kubesphere";
    let got =
        cluster.ask(Method::POST, "/oauth/token", &[("content-type", "application/x-www-form-urlencoded")], form).await;
    let body: Value = serde_json::from_str(&got.body).unwrap();
    body["refresh_token"].as_str().unwrap().to_owned()
}

fn decoded(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn claims_difference(record: &Record, got: &Got) -> Option<String> {
    let body: Value = serde_json::from_str(&got.body).ok()?;
    for (field, token) in [("access_token_claims", "access_token"), ("refresh_token_claims", "refresh_token")] {
        let Some(wanted) = record.0.get(field) else { continue };
        let mut claims = decoded(body[token].as_str()?);
        let issued = claims["iat"].as_i64().unwrap();
        if let Some(end) = claims["exp"].as_i64() {
            claims["exp"] = format!("iat+{}", end - issued).into();
        }
        claims["iat"] = "<unix seconds>".into();
        if *wanted != claims {
            return Some(format!("{}: {field} {wanted}, got {claims}", record.case()));
        }
    }
    None
}

/// Ten wrong passwords, then even the right one is refused, and the User says why.
async fn rate_limit(world: &World) -> Option<String> {
    world.host.create_bob().await;
    let mut codes = Vec::new();
    for password in std::iter::repeat_n("wrong", 13).chain(["P%4088w0rd"]) {
        let form = format!(
            "grant_type=password&username=bob&password={password}&client_id=kubesphere&client_secret=kubesphere"
        );
        let got = world
            .host
            .ask(Method::POST, "/oauth/token", &[("content-type", "application/x-www-form-urlencoded")], &form)
            .await;
        codes.push(got.status.unwrap());
    }
    let wanted: Vec<u16> = std::iter::repeat_n(400, 10).chain(std::iter::repeat_n(429, 4)).collect();
    let mut status = world.host.get("/apis/iam.kubesphere.io/v1alpha2/users/bob").await["status"].take();
    status["lastTransitionTime"].take();
    let is_as_seen =
        status["state"] == "AuthLimitExceeded" && status["reason"] == "Failed login attempts exceed 10 in last 10m0s";
    (codes != wanted || !is_as_seen).then(|| format!("oauth-rate-limit: {codes:?}, {status}"))
}

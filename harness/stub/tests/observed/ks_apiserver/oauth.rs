//! Tokens: how they are granted, and who is believed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rstest::rstest;
use serde_json::{Value, json};

use super::{shared, unauthorized};
use crate::fixture::{Cluster, SECRET, World};
use crate::records::Got;

/// The host issues tokens that expire and keeps them in its memory; the member does neither.
fn side(world: &'static World, name: &str) -> &'static Cluster {
    if name == "host" { &world.host } else { &world.member }
}

const ADMIN: &str = "grant_type=password&username=admin&password=P%4088w0rd";

fn json_of(got: &Got) -> Value {
    serde_json::from_str(&got.body).unwrap_or_else(|_| panic!("{got:?}"))
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A token with `claims` on top of the usual ones, as a process with `secret` makes it.
fn token_of(secret: &str, claims: &Value) -> String {
    let mut all =
        json!({"iat": now(), "iss": "kubesphere", "sub": "admin", "token_type": "access_token", "username": "admin"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(&all));
    let key = EncodingKey::from_secret(secret.as_bytes());
    format!("{message}.{}", crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap())
}

async fn as_bearer(cluster: &Cluster, token: &str) -> Got {
    with_authorization(cluster, &format!("Bearer {token}")).await
}

async fn with_authorization(cluster: &Cluster, value: &str) -> Got {
    cluster.ask(Method::GET, "/api/v1/nodes", &[("authorization", value)], "").await
}

async fn set_state(cluster: &Cluster, user: &str, status: Value) {
    cluster.patch(&format!("/apis/iam.kubesphere.io/v1alpha2/users/{user}"), &json!({ "status": status })).await;
}

#[rstest]
#[case::ok_where_tokens_expire("host", Some(7200))]
#[case::ok_where_they_do_not("member", None)]
fn grants_tokens(
    #[case] cluster: &str,
    #[case] expires_in: Option<u64>,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let got = side(world, cluster).grant(ADMIN).await;
        let body = json_of(&got);
        assert_eq!((got.status, &body["token_type"]), (Some(200), &"Bearer".into()));
        assert_eq!(body["expires_in"].as_u64(), expires_in);
        assert!(body["access_token"].is_string() && body["refresh_token"].is_string());
    });
}

#[rstest]
#[case::unknown_client(
    "client_id=other&client_secret=kubesphere",
    401,
    "invalid_client",
    Some("the OAuth client was not found")
)]
#[case::wrong_client_secret(
    "client_id=kubesphere&client_secret=other",
    401,
    "invalid_client",
    Some("invalid client credential")
)]
#[case::other_grant(
    "client_id=kubesphere&client_secret=kubesphere&grant_type=client_credentials",
    400,
    "unsupported_grant_type",
    None
)]
#[case::wrong_password(
    "client_id=kubesphere&client_secret=kubesphere&grant_type=password&username=nobody&password=x",
    400,
    "invalid_grant",
    Some("incorrect password")
)]
#[case::client_before_grant(
    "client_id=other&grant_type=other",
    401,
    "invalid_client",
    Some("the OAuth client was not found")
)]
#[case::refresh_with_nonsense(
    "client_id=kubesphere&client_secret=kubesphere&grant_type=refresh_token&refresh_token=x",
    400,
    "invalid_grant",
    Some("token contains an invalid number of segments")
)]
fn refuses_a_grant(
    #[case] form: &str,
    #[case] code: u16,
    #[case] error: &str,
    #[case] description: Option<&str>,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let got = world.host.ask(Method::POST, "/oauth/token", &headers, form).await;
        let mut wanted = json!({ "error": error });
        if let Some(description) = description {
            wanted["error_description"] = description.into();
        }
        assert_eq!((got.status, json_of(&got)), (Some(code), wanted));
    });
}

#[rstest]
fn rate_limit(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        world.host.create_user("limited").await;
        let wrong = "grant_type=password&username=limited&password=wrong";
        for _ in 0..10 {
            assert_eq!(world.host.grant(wrong).await.status, Some(400));
        }
        let got = world.host.grant("grant_type=password&username=limited&password=P%4088w0rd").await;
        let wanted = json!({"error": "invalid_grant", "error_description": "auth rate limit exceeded"});
        assert_eq!((got.status, json_of(&got)), (Some(429), wanted));
    });
}

#[rstest]
#[case::locked_a_moment_ago("locked", 60, 429)]
#[case::locked_for_longer_than_the_window("released", 601, 200)]
fn rate_limit_ends_with_its_window(
    #[case] user: &str,
    #[case] seconds_ago: i64,
    #[case] code: u16,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        world.host.create_user(user).await;
        let since = jiff::Timestamp::from_second(now() - seconds_ago).unwrap();
        set_state(&world.host, user, json!({"state": "AuthLimitExceeded", "lastTransitionTime": since.to_string()}))
            .await;
        let form = format!("grant_type=password&username={user}&password=P%4088w0rd");
        assert_eq!(world.host.grant(&form).await.status, Some(code));
    });
}

#[rstest]
fn disabled_user(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        world.host.create_user("disabled").await;
        let token = world.host.token("disabled").await;
        set_state(&world.host, "disabled", json!({"state": "Disabled"})).await;
        let grant = async |password: &str| {
            json_of(&world.host.grant(&format!("grant_type=password&username=disabled&password={password}")).await)
        };
        let refusal = |why: &str| json!({"error": "invalid_grant", "error_description": why});
        assert_eq!(grant("P%4088w0rd").await, refusal("account is not active"));
        assert_eq!(grant("wrong").await, refusal("account is not active"));
        assert_eq!(grant("").await, refusal("incorrect password"));
        assert_eq!(as_bearer(&world.host, &token).await, unauthorized("account is not active"));
        let basic = format!("Basic {}", STANDARD.encode("disabled:P@88w0rd"));
        assert_eq!(with_authorization(&world.host, &basic).await, unauthorized("account is not active"));
    });
}

#[rstest]
#[case::right("admin:P@88w0rd", None)]
#[case::wrong_password("admin:wrong", Some("incorrect password"))]
#[case::unknown_user("nobody:P@88w0rd", Some("incorrect password"))]
#[case::no_password("admin:", Some("incorrect password"))]
fn basic_auth(
    #[case] credentials: &str,
    #[case] refusal: Option<&str>,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        // The member, since wrong passwords of the administrator count.
        let got = with_authorization(&world.member, &format!("Basic {}", STANDARD.encode(credentials))).await;
        match refusal {
            None => assert_eq!(got.status, Some(200)),
            Some(reason) => assert_eq!(got, unauthorized(reason)),
        }
    });
}

#[rstest]
#[case::claims_where_tokens_expire("host", Some(7200), Some(14400))]
#[case::claims_where_they_do_not("member", None, Some(7200))]
fn claims(
    #[case] cluster: &str,
    #[case] access: Option<i64>,
    #[case] refresh: Option<i64>,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    shared(version, async |world| {
        let body = json_of(&side(world, cluster).grant(ADMIN).await);
        for (field, token_type, life) in
            [("access_token", "access_token", access), ("refresh_token", "refresh_token", refresh)]
        {
            let token = body[field].as_str().unwrap();
            let mut claims: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
            let issued = claims.as_object_mut().unwrap().shift_remove("iat").unwrap().as_i64().unwrap();
            let end = claims.as_object_mut().unwrap().shift_remove("exp");
            assert!((0..5).contains(&(now() - issued)));
            assert_eq!(end.map(|end| end.as_i64().unwrap() - issued), life, "{field}");
            let wanted = json!({
                "iss": "kubesphere", "sub": "admin", "username": "admin", "token_type": token_type,
                "extra": {"uninitialized": ["true"]},
            });
            assert_eq!(claims, wanted);
        }
    });
}

/// `exp` and `iat` count from now.
#[rstest]
#[case::of_a_former_process("host", SECRET, json!({"exp": 3600}), Err("token not found in cache"))]
#[case::of_a_former_process_without_cache("member", SECRET, json!({"exp": 3600}), Ok(()))]
#[case::without_end_where_tokens_expire("host", SECRET, json!({}), Err("token not found in cache"))]
#[case::static_token_needs_no_cache("host", SECRET, json!({"token_type": "static_token"}), Ok(()))]
#[case::expired("member", SECRET, json!({"exp": -60}), Err("token is expired by 1m"))]
#[case::expired_before_cache("host", SECRET, json!({"exp": -60}), Err("token is expired by 1m"))]
#[case::of_another_secret("member", "another", json!({}), Err("signature is invalid"))]
#[case::signature_before_expiry("member", "another", json!({"exp": -60}), Err("signature is invalid"))]
#[case::clock_within_the_skew("member", SECRET, json!({"iat": 5}), Ok(()))]
#[case::clock_beyond_the_skew("member", SECRET, json!({"iat": 60}), Err("jwt: token used before issued, iat:"))]
#[case::user_is_not_here("member", SECRET, json!({"username": "nobody"}), Err("user.iam.kubesphere.io \"nobody\" not found"))]
#[case::refresh_token_opens_doors_too("member", SECRET, json!({"token_type": "refresh_token"}), Ok(()))]
fn believes_a_token(
    #[case] cluster: &str,
    #[case] secret: &str,
    #[case] claims: Value,
    #[case] answer: Result<(), &str>,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    let mut claims = claims;
    for field in ["exp", "iat"] {
        if let Some(seconds) = claims[field].as_i64() {
            claims[field] = (now() + seconds).into();
        } else {
            claims.as_object_mut().unwrap().shift_remove(field);
        }
    }
    shared(version, async |world| {
        let got = as_bearer(side(world, cluster), &token_of(secret, &claims)).await;
        match answer {
            Ok(()) => assert_eq!(got.status, Some(200), "{got:?}"),
            Err(reason) => {
                let message = json_of(&got)["message"].take();
                let begin = format!("Unauthorized: {reason}");
                assert!(got.status == Some(401) && message.as_str().unwrap().starts_with(&begin), "{got:?}");
            }
        }
    });
}

#[rstest]
fn refresh(#[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str) {
    shared(version, async |world| {
        let first = json_of(&world.host.grant(ADMIN).await);
        let refresh = async |token: &str| {
            json_of(&world.host.grant(&format!("grant_type=refresh_token&refresh_token={token}")).await)
        };
        let second = refresh(first["refresh_token"].as_str().unwrap()).await;
        assert_eq!((&second["token_type"], &second["expires_in"]), (&"Bearer".into(), &7200.into()));
        assert_eq!(as_bearer(&world.host, second["access_token"].as_str().unwrap()).await.status, Some(200));
        let refused = refresh(first["access_token"].as_str().unwrap()).await;
        assert_eq!(refused["error_description"], "ivalid token type access_token want refresh_token");
        let idle_for_too_long = token_of(SECRET, &json!({"token_type": "refresh_token", "exp": now() - 3600}));
        let refused = refresh(&idle_for_too_long).await;
        assert!(refused["error_description"].as_str().unwrap().starts_with("token is expired by 1h0m"), "{refused}");
    });
}

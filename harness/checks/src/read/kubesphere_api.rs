//! ks-apiserver, through the API server's service proxy.

use bytes::Bytes;
use http::{Method, Request};

use super::Seen;
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::settle::Look;
use crate::view::ClusterView;

/// What ks-apiserver answered.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Body.
    pub(crate) body: String,
}

impl Answer {
    /// Status and the reason in the body, as `401 Unauthorized: signature is invalid`. The body is plain text, a
    /// Kubernetes Status, or an OAuth error.
    pub(crate) fn describe(&self) -> String {
        let text = serde_json::from_str::<serde_json::Value>(&self.body).ok().and_then(|body| {
            let field = |name: &str| body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
            let nested =
                body.get("ErrStatus").and_then(|status| status.get("message")).and_then(serde_json::Value::as_str);
            field("error_description")
                .or_else(|| field("message"))
                .or_else(|| field("error"))
                .or_else(|| nested.map(str::to_owned))
        });
        let text = text.unwrap_or_else(|| self.body.trim().to_owned());
        let short: String = text.chars().take(300).collect();
        format!("{} {short}", self.status).trim_end().to_owned()
    }
}

/// A token of KubeSphere's. No `Debug`: whoever has it is the administrator.
pub(crate) struct Token(String);

impl Token {
    /// The token itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The same claims with a signature that nobody made.
    pub(crate) fn forged(&self) -> Self {
        let (claims, signature) = self.0.rsplit_once('.').unwrap_or((&self.0, ""));
        Self(format!("{claims}.{}", signature.chars().rev().collect::<String>()))
    }
}

/// How asking for a token ended.
pub(crate) enum Login {
    /// With a token.
    Token(Token),
    /// With a refusal. Ten wrong passwords in a row lock the account, so nobody should try again.
    Refused(Answer),
}

/// The version that ks-apiserver tells everybody, as `v3.3.2`; `None` when its answer tells none.
pub(crate) async fn version(view: &dyn ClusterView) -> Seen<Option<String>> {
    let answer = get_open(view, "/kapis/version").await?;
    let body = serde_json::from_str::<serde_json::Value>(&answer.body).ok().filter(|_| answer.status == 200);
    let version = body.and_then(|body| body.get("gitVersion")?.as_str().map(str::to_owned));
    Ok(version.filter(|version| !version.is_empty()))
}

/// Asks for a path that is open to everybody.
pub(crate) async fn get_open(view: &dyn ClusterView, path: &str) -> Seen<Answer> {
    ask(view, Method::GET, path, Request::get(path).body(Bytes::new())).await
}

/// Asks for a path, as `admin` when there is a token.
pub(crate) async fn get(view: &dyn ClusterView, path: &str, token: &Token) -> Seen<Answer> {
    let request = Request::get(path).header("X-KubeSphere-Authorization", format!("Bearer {}", token.reveal()));
    ask(view, Method::GET, path, request.body(Bytes::new())).await
}

/// Posts JSON to a path.
pub(crate) async fn post_json(
    view: &dyn ClusterView,
    path: &str,
    token: &Token,
    body: &serde_json::Value,
) -> Seen<Answer> {
    let request = Request::post(path)
        .header("X-KubeSphere-Authorization", format!("Bearer {}", token.reveal()))
        .header("Content-Type", "application/json");
    ask(view, Method::POST, path, request.body(Bytes::from(body.to_string()))).await
}

/// Logs in as `admin`, with the OAuth client that ks-installer configures (`kubesphere`/`kubesphere`).
pub(crate) async fn log_in(ctx: &CheckContext<'_>, view: &dyn ClusterView) -> Seen<Login> {
    let path = "/oauth/token";
    let form = format!(
        "grant_type=password&username=admin&password={}&client_id=kubesphere&client_secret=kubesphere",
        form_encode(&ctx.facts.admin_password)
    );
    let request = Request::post(path).header("Content-Type", "application/x-www-form-urlencoded");
    let answer = ask(view, Method::POST, path, request.body(Bytes::from(form))).await?;
    let token = serde_json::from_str::<serde_json::Value>(&answer.body)
        .ok()
        .filter(|_| answer.status == 200)
        .and_then(|body| body.get("access_token")?.as_str().map(str::to_owned));
    Ok(match token {
        Some(token) => Login::Token(Token(token)),
        // A success without a token is shown without its body, which may hold one under another name.
        None if answer.status == 200 => Login::Refused(Answer { status: 200, body: "without access_token".to_owned() }),
        None => Login::Refused(answer),
    })
}

/// The finding for a refused login.
pub(crate) fn no_token(view: &dyn ClusterView, answer: &Answer) -> Finding {
    Finding::fails(
        "POST /oauth/token answers 200 with an access token",
        answer.describe(),
        format!(
            "{} cluster: ks-apiserver issues no token for user admin: {}; see whether admin's password is the one this run uses",
            view.on(),
            answer.describe()
        ),
    )
}

/// What a refused login says: wrong passwords lock the account, so nobody tries again; a server that is about to start is
/// asked again.
pub(crate) fn refused(view: &dyn ClusterView, answer: &Answer) -> Look {
    let finding = no_token(view, answer);
    if answer.status < 500 { Look::Decided(finding) } else { Look::NotYet(finding) }
}

async fn ask(
    view: &dyn ClusterView,
    method: Method,
    path: &str,
    request: http::Result<Request<Bytes>>,
) -> Seen<Answer> {
    let silent = |cause: &dyn std::fmt::Display| {
        Finding::fails(
            format!("ks-apiserver of the {} cluster answers {method} {path}", view.on()),
            "no answer",
            format!(
                "{} cluster: ks-apiserver does not answer {method} {path}: {cause}; see whether its pod runs",
                view.on()
            ),
        )
    };
    let request = request.map_err(|cause| silent(&cause))?;
    let response = view.ks_apiserver(request).await.map_err(|cause| silent(&cause.reason))?;
    Ok(Answer { status: response.status().as_u16(), body: String::from_utf8_lossy(response.body()).into_owned() })
}

fn form_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        r#"{"kind":"Status","message":"Unauthorized: signature is invalid","code":401}"#,
        "401 Unauthorized: signature is invalid"
    )]
    #[case(r#"{"error":"invalid_grant","error_description":"incorrect password"}"#, "401 incorrect password")]
    #[case("cluster m1 is not ready\n", "401 cluster m1 is not ready")]
    #[case(r#"{"ErrStatus":{"message":"cluster m1 not exists"}}"#, "401 cluster m1 not exists")]
    #[case("", "401")]
    fn shows_the_reason_in_every_form_of_body(#[case] body: &str, #[case] shown: &str) {
        let answer = Answer { status: 401, body: body.to_owned() };
        assert_eq!(answer.describe(), shown);
    }

    #[test]
    fn encodes_a_password_for_a_form() {
        assert_eq!(form_encode("P@88 w0rd"), "P%4088%20w0rd");
    }
}

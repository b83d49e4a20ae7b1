//! `POST /oauth/token` (kubesphere v3.3.2, `pkg/kapis/oauth`; answers as seen on v3.3.2).

use std::collections::BTreeMap;

use http::{StatusCode, header};
use serde_json::{Value, json};

use super::respond::{self, Answer};
use super::server::{Incoming, Server};
use super::tokens::{self, TokenType};
use super::users::{self, PasswordError, User};
use crate::Deviation;

/// Answers a grant: the client first, then the grant.
pub async fn token(server: &Server, request: &Incoming) -> Answer {
    let content_type =
        request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return respond::route_error(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let form = parse_form(&request.body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let settings = server.settings();
    match settings.clients.iter().find(|client| client.name == field("client_id")) {
        None => return refusal(StatusCode::UNAUTHORIZED, "invalid_client", Some("the OAuth client was not found")),
        Some(client) if client.secret.expose() != field("client_secret") => {
            return refusal(StatusCode::UNAUTHORIZED, "invalid_client", Some("invalid client credential"));
        }
        Some(_) => {}
    }
    match field("grant_type") {
        "password" => password(server, field("username"), field("password")).await,
        "refresh_token" => refresh(server, field("refresh_token")).await,
        _ => refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", None),
    }
}

async fn password(server: &Server, username: &str, password: &str) -> Answer {
    match users::log_in(server, username, password).await {
        Ok(user) => grant(server, &user),
        Err(error) => {
            let code = match error {
                PasswordError::RateLimit => StatusCode::TOO_MANY_REQUESTS,
                PasswordError::Incorrect | PasswordError::NotActive => StatusCode::BAD_REQUEST,
            };
            refusal(code, "invalid_grant", Some(&error.to_string()))
        }
    }
}

async fn refresh(server: &Server, token: &str) -> Answer {
    let verified = match tokens::verify(&server.settings(), &server.tokens, server.ctx.clock.wall(), token) {
        Ok(verified) if verified.token_type == TokenType::Refresh => verified,
        Ok(verified) => {
            // Spelled so in kubesphere v3.3, `pkg/kapis/oauth/handler.go`.
            let text = format!("ivalid token type {} want {}", verified.token_type.name(), TokenType::Refresh.name());
            return refusal(StatusCode::BAD_REQUEST, "invalid_grant", Some(&text));
        }
        Err(error) => return refusal(StatusCode::BAD_REQUEST, "invalid_grant", Some(&error.to_string())),
    };
    match User::find(&server.api, &verified.username).await {
        Ok(Some(user)) => grant(server, &user),
        Ok(None) => refusal(StatusCode::BAD_REQUEST, "invalid_grant", None),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error", Some(&error.to_string())),
    }
}

fn grant(server: &Server, user: &User) -> Answer {
    let now = server.ctx.clock.wall();
    let more = || server.deviates(Deviation::TokenWithMoreClaims).then(|| json!({"department": ["platform"]}));
    let extra = user.extra().or_else(more);
    match tokens::issue(&server.settings(), &server.tokens, now, user.name(), extra.as_ref()) {
        Ok(issued) => {
            let mut body =
                json!({"access_token": issued.access, "token_type": "Bearer", "refresh_token": issued.refresh});
            if let Some(seconds) = issued.expires_in {
                body["expires_in"] = seconds.into();
            }
            respond::entity(StatusCode::OK, &body)
        }
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error", Some(&error.to_string())),
    }
}

fn refusal(code: StatusCode, error: &str, description: Option<&str>) -> Answer {
    let mut body = json!({ "error": error });
    if let Some(description) = description {
        body["error_description"] = Value::String(description.to_owned());
    }
    respond::entity(code, &body)
}

/// The fields of a form-encoded body.
#[must_use]
pub fn parse_form(body: &[u8]) -> BTreeMap<String, String> {
    String::from_utf8_lossy(body)
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (b'+', _) => {
                decoded.push(b' ');
                at += 1;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_form() {
        let form = parse_form(b"username=admin&password=P%4088w0rd+x&empty=");
        assert_eq!(form["password"], "P@88w0rd x");
        assert_eq!((form["username"].as_str(), form["empty"].as_str()), ("admin", ""));
    }
}

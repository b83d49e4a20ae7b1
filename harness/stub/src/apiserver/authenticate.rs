//! Who asks (kubesphere v3.3.2, `pkg/apiserver/authentication`).

use http::{HeaderMap, header};
use kubesphere::names::objects;

use super::server::Server;
use super::tokens;
use super::users::{self, PasswordError, User};
use crate::Deviation;
use crate::member::go_base64::decode_base64;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody said.
    Anonymous,
    /// A KubeSphere user.
    User(String),
}

impl Identity {
    /// The name as error texts have it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "system:anonymous",
            Self::User(name) => name,
        }
    }
}

/// Who sent `headers`: a bearer token, basic credentials, or nobody. Credentials that are wrong are refused even on
/// public paths.
///
/// # Errors
/// The reason of a refusal, as the client is told.
pub async fn identify(server: &Server, headers: &HeaderMap) -> Result<Identity, String> {
    if server.deviates(Deviation::TokenIgnored) {
        return Ok(Identity::User(objects::ADMIN.to_owned()));
    }
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !credentials.is_empty() {
        bearer(server, credentials).await
    } else if scheme.eq_ignore_ascii_case("basic") && !credentials.is_empty() {
        basic(server, credentials).await
    } else {
        Ok(Identity::Anonymous)
    }
}

async fn bearer(server: &Server, token: &str) -> Result<Identity, String> {
    let now = server.ctx.clock.wall();
    let verified = tokens::verify(&server.settings(), &server.tokens, now, token).map_err(|error| {
        server.log('W', "jwt.go:53", &error.to_string());
        error.to_string()
    })?;
    // What a token is for is not asked, so a refresh token opens the same doors (kubesphere,
    // `pkg/apiserver/authentication/authenticators`: neither its oldest version nor its newest asks).
    match User::find(&server.api, &verified.username).await {
        Ok(Some(user)) if user.is_disabled() => Err(PasswordError::NotActive.to_string()),
        Ok(Some(user)) => Ok(Identity::User(user.name().to_owned())),
        Ok(None) => Err(format!("user.iam.kubesphere.io {:?} not found", verified.username)),
        Err(error) => Err(error.to_string()),
    }
}

async fn basic(server: &Server, credentials: &str) -> Result<Identity, String> {
    let decoded = decode_base64(credentials.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded).into_owned();
    let Some((name, password)) = text.split_once(':') else { return Ok(Identity::Anonymous) };
    users::log_in(server, name, password)
        .await
        .map(|user| Identity::User(user.name().to_owned()))
        .map_err(|error| error.to_string())
}

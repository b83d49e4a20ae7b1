//! KubeSphere's tokens: HS256 over the `jwtSecret` (kubesphere v3.3.2, `pkg/models/auth/token.go`, and golang-jwt for
//! the texts).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use kubesphere::duration;
use serde_json::{Map, Value, json};

use super::settings::Settings;
use crate::member::go_json;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// Requests.
    Access,
    /// New tokens.
    Refresh,
    /// The installer's own token, which never expires.
    Static,
}

impl TokenType {
    /// As `token_type` of the claims has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
            Self::Static => "static_token",
        }
    }
}

/// A token that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub username: String,
    /// What it is for.
    pub token_type: TokenType,
    /// `extra` of the claims.
    pub extra: Option<Value>,
}

/// Why a token is refused, in the words that the client sees.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(pub String);

/// The answer to a grant. No `Debug`: whoever has the tokens is that user.
#[derive(PartialEq, Eq)]
pub struct Issued {
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
    /// Seconds that the access token lives, unless for ever.
    pub expires_in: Option<u64>,
}

/// Tokens that this process issued with an expiry, by user. Without redis every process has its own.
#[derive(Default)]
pub struct TokenCache(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl TokenCache {
    /// Forgets every token, as a reload does.
    pub fn clear(&self) {
        self.tokens().clear();
    }

    fn revoke(&self, username: &str) {
        self.tokens().remove(username);
    }

    fn insert(&self, username: &str, token: &str) {
        self.tokens().entry(username.to_owned()).or_default().insert(token.to_owned());
    }

    fn contains(&self, username: &str, token: &str) -> bool {
        self.tokens().get(username).is_some_and(|tokens| tokens.contains(token))
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Issues the pair of tokens for `username`.
///
/// # Errors
/// [`TokenError`] when signing fails.
pub fn issue(
    settings: &Settings,
    cache: &TokenCache,
    now: Timestamp,
    username: &str,
    extra: Option<&Value>,
) -> Result<Issued, TokenError> {
    let age = settings.token_max_age;
    let access = sign(settings, now, username, TokenType::Access, age, extra)?;
    let refresh = sign(settings, now, username, TokenType::Refresh, age + settings.token_inactivity, extra)?;
    if !settings.multiple_login {
        cache.revoke(username);
    }
    if !age.is_zero() {
        cache.insert(username, &access);
        cache.insert(username, &refresh);
    }
    let expires_in = (!age.is_zero()).then_some(age.as_secs());
    Ok(Issued { access, refresh, expires_in })
}

fn sign(
    settings: &Settings,
    now: Timestamp,
    username: &str,
    token_type: TokenType,
    age: Duration,
    extra: Option<&Value>,
) -> Result<String, TokenError> {
    let issued = now.as_second();
    let mut claims = Map::new();
    if !age.is_zero() {
        claims.insert("exp".to_owned(), (issued + i64::try_from(age.as_secs()).unwrap_or(i64::MAX / 2)).into());
    }
    claims.insert("iat".to_owned(), issued.into());
    claims.insert("iss".to_owned(), "kubesphere".into());
    claims.insert("sub".to_owned(), username.into());
    claims.insert("token_type".to_owned(), token_type.name().into());
    claims.insert("username".to_owned(), username.into());
    if let Some(extra) = extra {
        claims.insert("extra".to_owned(), extra.clone());
    }
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": "JWT"}).to_string());
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string()));
    let key = EncodingKey::from_secret(settings.jwt_secret.expose().as_bytes());
    let signature =
        crypto::sign(message.as_bytes(), &key, Algorithm::HS256).map_err(|error| TokenError(error.to_string()))?;
    Ok(format!("{message}.{signature}"))
}

/// Verifies `token` with the secret that this process works with.
///
/// # Errors
/// [`TokenError`] in golang-jwt's or KubeSphere's words.
pub fn verify(settings: &Settings, cache: &TokenCache, now: Timestamp, token: &str) -> Result<Verified, TokenError> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err(TokenError("token contains an invalid number of segments".to_owned()));
    };
    decode(header)?;
    let claims = decode(claims)?;
    let message = token.rsplit_once('.').map_or("", |(message, _)| message);
    let key = DecodingKey::from_secret(settings.jwt_secret.expose().as_bytes());
    // golang-jwt judges claims first, but a bad signature has the last word.
    if !crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256).unwrap_or(false) {
        return Err(TokenError("signature is invalid".to_owned()));
    }
    check_times(settings, now, &claims)?;
    let token_type = match claims["token_type"].as_str() {
        Some("refresh_token") => TokenType::Refresh,
        Some("static_token") => TokenType::Static,
        _ => TokenType::Access,
    };
    let username = claims["username"].as_str().unwrap_or_default().to_owned();
    if token_type != TokenType::Static && !settings.token_max_age.is_zero() && !cache.contains(&username, token) {
        return Err(TokenError("token not found in cache".to_owned()));
    }
    Ok(Verified { username, token_type, extra: claims.get("extra").cloned() })
}

fn check_times(settings: &Settings, now: Timestamp, claims: &Value) -> Result<(), TokenError> {
    let now = now.as_second();
    if let Some(expiry) = claims["exp"].as_i64().filter(|expiry| *expiry < now) {
        let late = duration::spell(Duration::from_secs(u64::try_from(now - expiry).unwrap_or_default()));
        return Err(TokenError(format!("token is expired by {late}")));
    }
    let skew = i64::try_from(settings.clock_skew.as_secs()).unwrap_or(i64::MAX);
    match claims["iat"].as_i64().filter(|issued| *issued > now.saturating_add(skew)) {
        Some(issued) => Err(TokenError(format!("jwt: token used before issued, iat:{issued}, now:{now}"))),
        None => Ok(()),
    }
}

fn decode(part: &str) -> Result<Value, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol { offset: at, .. } => {
            TokenError(format!("illegal base64 data at input byte {at}"))
        }
        _ => TokenError(format!("illegal base64 data at input byte {}", part.len().saturating_sub(1))),
    })?;
    go_json::check(&bytes).map_err(|error| TokenError(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| TokenError(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use super::*;

    const HOST: &str = include_str!("../../tests/data/kubesphere-host.yaml");
    const MEMBER: &str = include_str!("../../tests/data/kubesphere-member.yaml");

    fn settings(text: &str) -> Settings {
        Settings::parse(text).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn claims(token: &str) -> Value {
        decode(token.split('.').nth(1).unwrap()).unwrap()
    }

    #[test]
    fn claims_what_kubesphere_claims() {
        let extra = json!({"uninitialized": ["true"]});
        let issued = issue(&settings(HOST), &TokenCache::default(), now(), "admin", Some(&extra)).unwrap();
        assert_eq!(issued.expires_in, Some(7200));
        let expected = json!({"exp": 1_800_007_200, "iat": 1_800_000_000, "iss": "kubesphere", "sub": "admin",
            "token_type": "access_token", "username": "admin", "extra": extra});
        assert_eq!(claims(&issued.access), expected);
        assert_eq!(claims(&issued.refresh)["exp"], 1_800_014_400);
    }

    #[test]
    fn issues_tokens_without_expiry_on_a_member() {
        let issued = issue(&settings(MEMBER), &TokenCache::default(), now(), "admin", None).unwrap();
        assert_eq!(issued.expires_in, None);
        assert_eq!(claims(&issued.access).get("exp"), None);
        assert_eq!(claims(&issued.refresh)["exp"], 1_800_007_200);
    }

    #[test]
    fn accepts_a_token_of_another_process_only_where_tokens_do_not_expire() {
        let token = issue(&settings(HOST), &TokenCache::default(), now(), "admin", None).unwrap().access;
        assert_eq!(verify(&settings(MEMBER), &TokenCache::default(), now(), &token).unwrap().username, "admin");
        let refused = verify(&settings(HOST), &TokenCache::default(), now(), &token).unwrap_err();
        assert_eq!(refused.to_string(), "token not found in cache");
    }

    #[test]
    fn lets_the_next_login_end_a_users_tokens_where_one_login_is_allowed() {
        let single = settings(&HOST.replace("multipleLogin: True", "multipleLogin: false"));
        let cache = TokenCache::default();
        let first = issue(&single, &cache, now(), "admin", None).unwrap().access;
        let later = Timestamp::from_second(now().as_second() + 1).unwrap();
        issue(&single, &cache, later, "bob", None).unwrap();
        assert!(verify(&single, &cache, later, &first).is_ok());
        issue(&single, &cache, later, "admin", None).unwrap();
        let refused = verify(&single, &cache, later, &first).err().unwrap();
        assert_eq!(refused.to_string(), "token not found in cache");
    }

    #[test]
    fn refuses_a_token_of_another_secret() {
        let token = issue(&settings(MEMBER), &TokenCache::default(), now(), "admin", None).unwrap().access;
        let other = settings(&MEMBER.replace("AAAA", "BBBB"));
        assert_eq!(
            verify(&other, &TokenCache::default(), now(), &token).unwrap_err().to_string(),
            "signature is invalid"
        );
    }

    #[test]
    fn refuses_what_is_no_token() {
        let refused = verify(&settings(HOST), &TokenCache::default(), now(), "nonsense").unwrap_err();
        assert_eq!(refused.to_string(), "token contains an invalid number of segments");
    }

    #[test]
    fn refuses_a_token_from_the_future() {
        let settings = settings(MEMBER);
        let later = Timestamp::from_second(now().as_second() + 60).unwrap();
        let token = issue(&settings, &TokenCache::default(), later, "admin", None).unwrap().access;
        let refused = verify(&settings, &TokenCache::default(), now(), &token).unwrap_err();
        assert_eq!(refused.to_string(), "jwt: token used before issued, iat:1800000060, now:1800000000");
    }

    #[test]
    fn refuses_a_token_after_its_end() {
        let (settings, cache) = (settings(HOST), TokenCache::default());
        let token = issue(&settings, &cache, now(), "admin", None).unwrap().access;
        let later = Timestamp::from_second(now().as_second() + 7260).unwrap();
        assert_eq!(verify(&settings, &cache, later, &token).unwrap_err().to_string(), "token is expired by 1m0s");
    }
}

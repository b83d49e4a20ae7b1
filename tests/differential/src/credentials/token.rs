//! Tokens of `ServiceAccount`s, signed here.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Offset, Signer};

/// Claims whose texts are offsets from now.
const DATES: &[&str] = &["exp", "nbf", "iat"];

/// A token as a step asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// An earlier token of the session whose claims it has besides its own.
    pub like: Option<String>,
    /// What it says; variables are filled in, dates are offsets.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// Claims of the other that it has not.
    #[serde(default)]
    pub without: Vec<String>,
    /// Whose key signs.
    #[serde(default)]
    pub key: Signer,
}

/// A token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token to take after is unknown.
    #[error("no earlier token is called {0:?}")]
    Unknown(String),
    /// A key cannot sign.
    #[error("sign a token with a P-256 key")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// No foreign key could be made.
    #[error("make a foreign key")]
    Key(#[from] rcgen::Error),
}

/// Signs tokens for one server.
pub struct TokenKeys {
    own: EncodingKey,
    foreign: EncodingKey,
}

impl TokenKeys {
    /// Signs with the server's key in `pem` (PKCS #8), or with a foreign one.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn new(pem: &str) -> Result<Self, TokenError> {
        let foreign = rcgen::KeyPair::generate()?.serialize_pem();
        Ok(Self {
            own: EncodingKey::from_ec_pem(pem.as_bytes())?,
            foreign: EncodingKey::from_ec_pem(foreign.as_bytes())?,
        })
    }

    /// The token that `spec` asks for; `known` are the claims of the session's tokens, which it joins as `name`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn sign(
        &self,
        name: &str,
        spec: &TokenSpec,
        known: &mut BTreeMap<String, Map<String, Value>>,
        fill: impl Fn(&str) -> String,
    ) -> Result<String, TokenError> {
        let mut claims = match &spec.like {
            Some(other) => known.get(other).cloned().ok_or_else(|| TokenError::Unknown(other.clone()))?,
            None => Map::new(),
        };
        claims.retain(|claim, _| !spec.without.contains(claim));
        for (claim, value) in &spec.claims {
            let value = filled(value, &fill);
            let dated = DATES.contains(&claim.as_str()).then(|| value.as_str().and_then(Offset::parse)).flatten();
            claims.insert(claim.clone(), dated.map_or(value, |Offset(seconds)| Value::from(now() + seconds)));
        }
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        let key = if spec.key == Signer::Own { &self.own } else { &self.foreign };
        let token = jsonwebtoken::encode(&header, &claims, key)?;
        known.insert(name.to_owned(), claims);
        Ok(token)
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// `value` with its texts filled.
fn filled(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::from(fill(text)),
        Value::Array(items) => items.iter().map(|item| filled(item, fill)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), filled(value, fill))).collect(),
        other => other.clone(),
    }
}

//! The claims of `ServiceAccount` tokens, as `pkg/serviceaccount` of Kubernetes 1.20 writes and reads them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The issuer of tokens that are kept in Secrets.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// Claims of a token that is kept in a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LegacyClaims {
    /// The account, as a user's name.
    #[serde(default)]
    pub sub: String,
    /// The account's namespace.
    #[serde(rename = "kubernetes.io/serviceaccount/namespace", default)]
    pub namespace: String,
    /// The Secret.
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name", default)]
    pub secret: String,
    /// The account.
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name", default)]
    pub account: String,
    /// The account's UID.
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid", default)]
    pub uid: String,
}

/// An object by name and UID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Reference {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// UID.
    #[serde(default)]
    pub uid: String,
}

/// What a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Bound {
    /// The account's namespace.
    #[serde(default)]
    pub namespace: String,
    /// It ends with this pod.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pod: Option<Reference>,
    /// It ends with this Secret.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<Reference>,
    /// The account.
    #[serde(default)]
    pub serviceaccount: Reference,
    /// From then on its use is noted as stale.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warnafter: Option<i64>,
}

/// Claims of a token that was asked for with a `TokenRequest`; in the alphabet's order, as go-jose writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundClaims {
    /// For whom it is.
    #[serde(default, deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// Until when.
    #[serde(default, deserialize_with = "seconds")]
    pub exp: i64,
    /// Since when it is there.
    #[serde(default, deserialize_with = "seconds")]
    pub iat: i64,
    /// Who made it.
    #[serde(default)]
    pub iss: String,
    /// What it is bound to.
    #[serde(rename = "kubernetes.io", default)]
    pub kubernetes: Bound,
    /// Since when it holds.
    #[serde(default, deserialize_with = "seconds")]
    pub nbf: i64,
    /// The account, as a user's name.
    #[serde(default)]
    pub sub: String,
}

/// The audiences of any token: a text or a list of texts.
pub fn audiences(claims: &Value) -> Vec<String> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}

/// Dates may have fractions, which go-jose cuts off.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let whole = || number.as_f64().map(|moment| moment.trunc().to_string()).and_then(|text| text.parse().ok());
    number.as_i64().or_else(whole).ok_or_else(|| serde::de::Error::custom("a date out of range"))
}

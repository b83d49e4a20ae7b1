//! Tokens of `ServiceAccount`s: those kept in a Secret, and those bound to an object and a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::claims::{self, Bound, BoundClaims, LEGACY_ISSUER, LegacyClaims, Reference};
use super::{Evidence, INVALID, Proof, User, account_groups, account_user, split_account};
use crate::fields::text;
use crate::status::quoted;
use crate::store::{Key, Store, Stored};

/// Tokens whose signature was verified before: verifying costs more than everything else about a request.
const REMEMBERED_TOKENS: usize = 512;
/// Clocks may differ by so many seconds (`jwt.DefaultLeeway` of go-jose).
const LEEWAY: i64 = 60;
/// go-jose's words for every signature that does not hold.
const BAD_SIGNATURE: &str = "square/go-jose: error in cryptographic primitive";
const INVALIDATED: &str = "Token has been invalidated";

/// Verifies tokens.
pub struct Tokens {
    keys: Vec<DecodingKey>,
    issuer: String,
    audiences: Vec<String>,
    verified: Mutex<HashMap<String, Arc<Value>>>,
}

/// What is meant by a list of audiences in a text: Go's `%q`.
fn quoted_list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(" "))
}

/// The claims of a token that has the shape of one, without a look at its signature.
fn unverified(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

impl Tokens {
    /// Verifies with the given P-256 public keys (SPKI PEM) what `issuer` issued; its own name is the audience.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn new<'a>(keys_pem: impl Iterator<Item = &'a str>, issuer: &str) -> Result<Self, jsonwebtoken::errors::Error> {
        let keys = keys_pem.map(|pem| DecodingKey::from_ec_pem(pem.as_bytes())).collect::<Result<_, _>>()?;
        let issuer = issuer.to_owned();
        Ok(Self { keys, audiences: vec![issuer.clone()], issuer, verified: Mutex::new(HashMap::new()) })
    }

    /// Who issues bound tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audiences that the server is.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The claims of `token` if one of the keys signed it.
    fn verified(&self, token: &str) -> Option<Arc<Value>> {
        let lock = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = lock().get(token) {
            return Some(Arc::clone(claims));
        }
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = self
            .keys
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Value>(token, key, &validation).ok().map(|data| data.claims))?;
        let claims = Arc::new(claims);
        let mut verified = lock();
        if verified.len() >= REMEMBERED_TOKENS {
            verified.clear();
        }
        verified.insert(token.to_owned(), Arc::clone(&claims));
        Some(claims)
    }

    /// Whose `token` is, if it is for one of `audiences`.
    pub(super) fn proof(&self, token: &str, audiences: &[String], evidence: &Evidence<'_>) -> Proof {
        let foreign = || Proof::Failed(INVALID.to_owned());
        let Some(shown) = unverified(token) else { return foreign() };
        let issuer = text(&shown, "/iss");
        if issuer != LEGACY_ISSUER && issuer != self.issuer {
            return foreign();
        }
        let Some(claims) = self.verified(token) else { return Proof::Failed(BAD_SIGNATURE.to_owned()) };
        let mut meant = claims::audiences(&claims);
        if meant.is_empty() {
            meant.clone_from(&self.audiences);
        }
        let common: Vec<String> = audiences.iter().filter(|audience| meant.contains(audience)).cloned().collect();
        if common.is_empty() {
            let (meant, asked) = (quoted_list(&meant), quoted_list(audiences));
            return Proof::Failed(format!("token audiences {meant} is invalid for the target audiences {asked}"));
        }
        let user = if issuer == LEGACY_ISSUER {
            serde_json::from_value(claims.as_ref().clone())
                .map_err(|error| error.to_string())
                .and_then(|claims| legacy_user(token, &claims, evidence.store))
        } else {
            serde_json::from_value(claims.as_ref().clone())
                .map_err(|_| "square/go-jose/jwt: expected number value to unmarshal NumericDate".to_owned())
                .and_then(|claims| bound_user(&claims, evidence))
        };
        match user {
            Ok(user) => Proof::Proven(user.among_authenticated(), common),
            Err(why) => Proof::Failed(why),
        }
    }
}

fn account(store: &Store, namespace: &str, name: &str) -> Result<Arc<Stored>, String> {
    let found = store.get(&Arc::from("serviceaccounts"), &Key::new(namespace, name));
    found.ok_or_else(|| format!("serviceaccounts {} not found", quoted(name)))
}

fn check_uid(kind: &str, stored: &Stored, claimed: &str) -> Result<(), String> {
    let known = text(&stored.value, "/metadata/uid");
    if known == claimed { Ok(()) } else { Err(format!("{kind} UID ({known}) does not match claim ({claimed})")) }
}

fn deletion(stored: &Stored) -> Option<jiff::Timestamp> {
    text(&stored.value, "/metadata/deletionTimestamp").parse().ok()
}

/// The rules of `pkg/serviceaccount/legacy.go` in Kubernetes 1.20. Such a token has no time: it ends with its Secret.
fn legacy_user(token: &str, claims: &LegacyClaims, store: &Store) -> Result<User, String> {
    let named = [
        (&claims.sub, "sub"),
        (&claims.namespace, "namespace"),
        (&claims.secret, "secretName"),
        (&claims.account, "serviceAccountName"),
        (&claims.uid, "serviceAccountUID"),
    ];
    if let Some((_, missing)) = named.iter().find(|(claim, _)| claim.is_empty()) {
        return Err(format!("{missing} claim is missing"));
    }
    if split_account(&claims.sub) != Some((&claims.namespace, &claims.account)) {
        return Err("sub claim is invalid".to_owned());
    }
    let secret = store.get(&Arc::from("secrets"), &Key::new(&*claims.namespace, &*claims.secret));
    let secret = secret.filter(|secret| deletion(secret).is_none()).ok_or(INVALIDATED)?;
    let kept = BASE64_STANDARD.decode(text(&secret.value, "/data/token")).unwrap_or_default();
    if kept != token.as_bytes() {
        return Err("Token does not match server's copy".to_owned());
    }
    let account = account(store, &claims.namespace, &claims.account)?;
    if deletion(&account).is_some() {
        return Err(format!("ServiceAccount {}/{} has been deleted", claims.namespace, claims.account));
    }
    check_uid("ServiceAccount", &account, &claims.uid)?;
    Ok(account_info(&claims.namespace, &claims.account, &claims.uid))
}

fn account_info(namespace: &str, name: &str, uid: &str) -> User {
    User { uid: uid.to_owned(), ..User::new(account_user(namespace, name), account_groups(namespace)) }
}

/// The rules of `pkg/serviceaccount/claims.go` in Kubernetes 1.20.
fn bound_user(claims: &BoundClaims, evidence: &Evidence<'_>) -> Result<User, String> {
    let now = evidence.clock.now().as_second();
    if now + LEEWAY < claims.nbf {
        return Err("Token could not be validated.".to_owned());
    }
    if now - LEEWAY > claims.exp {
        return Err("Token has expired.".to_owned());
    }
    let Bound { namespace, serviceaccount, secret, pod, .. } = &claims.kubernetes;
    let gone = |stored: &Stored| deletion(stored).is_some_and(|moment| moment.as_second() < now - LEEWAY);
    let found = account(evidence.store, namespace, &serviceaccount.name)?;
    if gone(&found) {
        return Err(format!("ServiceAccount {namespace}/{} has been deleted", serviceaccount.name));
    }
    check_uid("ServiceAccount", &found, &serviceaccount.uid)?;
    let check = |table: &str, kind: &str, reference: &Reference| {
        let stored = evidence.store.get(&Arc::from(table), &Key::new(&**namespace, &*reference.name));
        let stored = stored.filter(|stored| !gone(stored)).ok_or(INVALIDATED)?;
        check_uid(kind, &stored, &reference.uid)
    };
    if let Some(secret) = secret {
        check("secrets", "Secret", secret)?;
    }
    let mut user = account_info(namespace, &serviceaccount.name, &serviceaccount.uid);
    if let Some(pod) = pod {
        check("pods", "Pod", pod)?;
        if !pod.name.is_empty() && !pod.uid.is_empty() {
            let key = |what: &str| format!("authentication.kubernetes.io/pod-{what}");
            user.extra.insert(key("name"), vec![pod.name.clone()]);
            user.extra.insert(key("uid"), vec![pod.uid.clone()]);
        }
    }
    Ok(user)
}

//! Who asks: client certificates, tokens of `ServiceAccount`s, nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use serde::Deserialize;

use crate::clock::ServerClock;
use crate::pki;
use crate::store::{Key, Store};

/// A user: a name and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl User {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()] }
    }

    /// A user whose name is proven.
    #[must_use]
    pub fn authenticated(name: impl Into<String>, mut groups: Vec<String>) -> Self {
        let everyone = "system:authenticated".to_owned();
        if !groups.contains(&everyone) {
            groups.push(everyone);
        }
        Self { name: name.into(), groups }
    }

    /// Whether the user is in `group`.
    #[must_use]
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|found| found == group)
    }
}

/// The credentials that were shown prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unproven;

/// Accepts every client certificate in the handshake, so that a foreign one gets a 401 and not a broken connection,
/// as Go's `RequestClientCert` has it.
#[derive(Debug)]
pub struct AcceptAnyClient {
    inner: Arc<dyn ClientCertVerifier>,
}

impl AcceptAnyClient {
    /// The lenient twin of `inner`.
    pub fn new(inner: Arc<dyn ClientCertVerifier>) -> Self {
        Self { inner }
    }
}

impl ClientCertVerifier for AcceptAnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The verifier of certificates that `authority` signed.
///
/// # Errors
/// When the authority's certificate is not usable.
pub fn client_verifier(authority: CertificateDer<'static>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|error| error.to_string())?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), pki::crypto())
        .build()
        .map_err(|error| error.to_string())
}

/// What a connection's client certificate says; checked once, its validity with every request.
#[derive(Debug, Clone)]
pub enum PeerCertificate {
    /// None was shown.
    Absent,
    /// The authority did not sign it, or it was no client certificate.
    Untrusted,
    /// A user, from and until these seconds of Unix time.
    Known {
        /// The user.
        user: User,
        /// Not valid before.
        from: i64,
        /// Not valid after.
        until: i64,
    },
}

/// Reads and verifies the chain that a client has shown.
pub fn peer_certificate(chain: Option<&[CertificateDer<'_>]>, verifier: &dyn ClientCertVerifier) -> PeerCertificate {
    let Some((leaf, intermediates)) = chain.and_then(<[_]>::split_first) else { return PeerCertificate::Absent };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(leaf) else { return PeerCertificate::Untrusted };
    let (from, until) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    // The signature is verified at a moment of the certificate's own; the clock is asked with each request.
    let moment = u64::try_from(from).unwrap_or(0);
    let moment = UnixTime::since_unix_epoch(std::time::Duration::from_secs(moment));
    let within_authority = verifier.verify_client_cert(leaf, intermediates, moment).is_ok();
    let now = UnixTime::now();
    if !within_authority && verifier.verify_client_cert(leaf, intermediates, now).is_err() {
        return PeerCertificate::Untrusted;
    }
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned).collect();
    PeerCertificate::Known { user: User::authenticated(name, groups), from, until }
}

#[derive(Debug, Clone, Deserialize)]
struct Claims {
    iss: String,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace", default)]
    namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name", default)]
    secret: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name", default)]
    account: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid", default)]
    uid: String,
    exp: Option<i64>,
    nbf: Option<i64>,
}

/// Tokens whose signature was verified before: verifying costs more than everything else about a request.
const REMEMBERED_TOKENS: usize = 512;

/// Verifies tokens of `ServiceAccount`s: legacy ones, kept in a Secret.
pub struct Tokens {
    keys: Vec<DecodingKey>,
    seen: Mutex<HashMap<String, Claims>>,
}

impl Tokens {
    /// Verifies with the given P-256 public keys (SPKI PEM).
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn new(keys_pem: &[String]) -> Result<Self, jsonwebtoken::errors::Error> {
        let keys = keys_pem.iter().map(|pem| DecodingKey::from_ec_pem(pem.as_bytes())).collect::<Result<_, _>>()?;
        Ok(Self { keys, seen: Mutex::new(HashMap::new()) })
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let lock = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = lock().get(token) {
            return Some(claims.clone());
        }
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = self
            .keys
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|data| data.claims))?;
        let mut seen = lock();
        if seen.len() >= REMEMBERED_TOKENS {
            seen.clear();
        }
        seen.insert(token.to_owned(), claims.clone());
        Some(claims)
    }

    /// The user that `token` proves: its account and Secret must still be there.
    fn user(&self, token: &str, store: &Store, clock: ServerClock) -> Option<User> {
        let claims = self.claims(token)?;
        let now = clock.now().as_second();
        if claims.iss != "kubernetes/serviceaccount"
            || claims.exp.is_some_and(|end| now >= end)
            || claims.nbf.is_some_and(|start| now < start)
        {
            return None;
        }
        let account = store.get(&Arc::from("serviceaccounts"), &Key::new(&*claims.namespace, &*claims.account))?;
        if account.value.pointer("/metadata/uid").and_then(serde_json::Value::as_str) != Some(claims.uid.as_str()) {
            return None;
        }
        let secret = store.get(&Arc::from("secrets"), &Key::new(&*claims.namespace, &*claims.secret))?;
        if secret.value.pointer("/metadata/deletionTimestamp").is_some() {
            return None;
        }
        let (namespace, account) = (&claims.namespace, &claims.account);
        Some(User::authenticated(
            format!("system:serviceaccount:{namespace}:{account}"),
            vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        ))
    }
}

/// Who asks, by all that was shown. A credential that proves nothing is worse than none: the request is refused.
///
/// # Errors
/// [`Unproven`] for a 401.
pub fn authenticate(
    peer: &PeerCertificate,
    headers: &HeaderMap,
    tokens: &Tokens,
    store: &Store,
    clock: ServerClock,
) -> Result<User, Unproven> {
    let mut failed = false;
    match peer {
        PeerCertificate::Known { user, from, until } => {
            let now = clock.now().as_second();
            if (*from..=*until).contains(&now) {
                return Ok(user.clone());
            }
            failed = true;
        }
        PeerCertificate::Untrusted => failed = true,
        PeerCertificate::Absent => {}
    }
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty());
    if let Some(token) = bearer {
        return tokens.user(token, store, clock).ok_or(Unproven);
    }
    if failed { Err(Unproven) } else { Ok(User::anonymous()) }
}

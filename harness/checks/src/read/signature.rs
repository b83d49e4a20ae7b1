//! With which secret a token is signed.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::finding::Finding;
use crate::view::ClusterView;

/// What a token of ks-apiserver is.
pub(crate) const EXPECTED: &str = "a token signed by HS256 with jwtSecret in kubesphere-config";

pub(crate) enum Unverified {
    Signature,
    Form(String),
}

/// Verifies the signature and nothing else: dates are the business of whoever accepts the token.
pub(crate) fn verify(token: &str, secret: &str) -> Result<(), Unverified> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    match jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(secret.as_bytes()), &validation) {
        Ok(_) => Ok(()),
        Err(cause) if *cause.kind() == ErrorKind::InvalidSignature => Err(Unverified::Signature),
        Err(cause) => Err(Unverified::Form(cause.to_string())),
    }
}

/// The finding for a ks-apiserver that issues tokens of another secret than is configured.
pub(crate) fn another_secret(view: &dyn ClusterView) -> Finding {
    Finding::fails(
        EXPECTED,
        "another secret signed it",
        format!(
            "{} cluster: its token is not signed with jwtSecret in kubesphere-config: ks-apiserver still runs with another secret; \
             it reloads when the kubelet has brought the ConfigMap, or restart Deployment ks-apiserver",
            view.on()
        ),
    )
}

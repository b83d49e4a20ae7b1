//! Signs `ServiceAccount` tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::PublicKeyData as _;
use sha2::{Digest as _, Sha256};

use super::claims::BoundClaims;

/// A key cannot sign tokens.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// It could not be read or made.
    #[error("use a P-256 key (PKCS #8 PEM) for ServiceAccount tokens")]
    Key(#[from] rcgen::Error),
    /// The library of tokens does not take it.
    #[error("sign ServiceAccount tokens")]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// A P-256 key that signs tokens.
pub struct Signer {
    key: EncodingKey,
    key_id: String,
    public_pem: String,
}

impl Signer {
    /// Signs with the key in `pem` (PKCS #8), or with a new one.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn new(pem: Option<&str>) -> Result<Self, SigningKeyError> {
        let pair = match pem {
            Some(pem) => rcgen::KeyPair::from_pem(pem)?,
            None => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?,
        };
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?;
        let public = pair.subject_public_key_info();
        // Kubernetes 1.20, `pkg/serviceaccount/jwt.go`: the key's id is the digest of its public half.
        let key_id = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(public));
        Ok(Self { key, key_id, public_pem: pair.public_key_pem() })
    }

    /// The key that verifies what this one signs, SPKI PEM.
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The token that says `claims`.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &BoundClaims) -> Result<String, SigningKeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(self.key_id.clone());
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }
}

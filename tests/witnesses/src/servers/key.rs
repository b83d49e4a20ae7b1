//! OpenSSL writes keys of elliptic curves as SEC 1, our libraries read PKCS #8: the first is a part of the second.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Algorithm of a P-256 key, DER: `SEQUENCE { id-ecPublicKey, prime256v1 }` (RFC 5480, section 2.1.1).
const P256: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
const VERSION_0: [u8; 3] = [0x02, 0x01, 0x00];
const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;

/// A P-256 key that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has other PEM markers.
    #[error("it is no PEM of the kind EC PRIVATE KEY")]
    Pem,
    /// What is between the markers is no base64, or too long.
    #[error("its content is not a P-256 key")]
    Content,
}

/// The P-256 key in `sec1` (PEM) as PKCS #8 PEM (RFC 5208, section 5).
pub(super) fn pkcs8(sec1: &str) -> Result<String, KeyError> {
    let inside = sec1.split("-----BEGIN EC PRIVATE KEY-----").nth(1).ok_or(KeyError::Pem)?;
    let inside = inside.split("-----END").next().ok_or(KeyError::Pem)?;
    let text: String = inside.split_whitespace().collect();
    let der = BASE64_STANDARD.decode(text).map_err(|_| KeyError::Content)?;
    let body = [&VERSION_0[..], &P256, &element(OCTET_STRING, &der)?].concat();
    let pkcs8 = BASE64_STANDARD.encode(element(SEQUENCE, &body)?);
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n"))
}

/// A DER element of at most 255 bytes, which holds any P-256 key.
fn element(tag: u8, content: &[u8]) -> Result<Vec<u8>, KeyError> {
    let length = u8::try_from(content.len()).map_err(|_| KeyError::Content)?;
    let head: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    Ok([head, content].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of PKCS #8 before a P-256 key's SEC 1 part: the heads of two elements, version and algorithm.
    const BEFORE: usize = 3 + VERSION_0.len() + P256.len() + 2;

    #[test]
    fn wraps_a_key_as_others_do() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let sec1 = BASE64_STANDARD.encode(&pair.serialize_der()[BEFORE..]);
        let wrapped =
            pkcs8(&format!("-----BEGIN EC PRIVATE KEY-----\n{sec1}\n-----END EC PRIVATE KEY-----\n")).unwrap();
        let read = rcgen::KeyPair::from_pem(&wrapped).unwrap();
        assert_eq!(read.serialize_der(), pair.serialize_der());
    }

    #[test]
    fn refuses_other_texts() {
        assert_eq!(pkcs8("nothing"), Err(KeyError::Pem));
        assert_eq!(pkcs8("-----BEGIN EC PRIVATE KEY-----\n?\n-----END"), Err(KeyError::Content));
    }
}

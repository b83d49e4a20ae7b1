//! Keys as openssl writes them, made into what the libraries read.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// `AlgorithmIdentifier` of a P-256 key: `id-ecPublicKey`, `prime256v1` (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
const SEC1: (&str, &str) = ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----");

/// A DER element.
fn element(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    // Keys of P-256 are shorter than 256 bytes.
    let length = u8::try_from(content.len()).ok()?;
    let mut out = vec![tag];
    if length >= 0x80 {
        out.push(0x81);
    }
    out.push(length);
    out.extend_from_slice(content);
    Some(out)
}

/// A P-256 key as PKCS #8 PEM, whether it is one already or a SEC 1 key (RFC 5915), as `openssl ecparam` writes it.
#[must_use]
pub fn pkcs8(pem: &str) -> Option<String> {
    let Some((_, rest)) = pem.split_once(SEC1.0) else { return Some(pem.to_owned()) };
    let (body, _) = rest.split_once(SEC1.1)?;
    let key = BASE64_STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    let mut content = vec![0x02, 0x01, 0x00];
    content.extend_from_slice(P256);
    content.extend(element(0x04, &key)?);
    let encoded = BASE64_STANDARD.encode(element(0x30, &content)?);
    Some(format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_openssl_writes() {
        let whole = rcgen::KeyPair::generate().unwrap().serialize_der();
        // What follows the algorithm, without its tag and length, is the SEC 1 key.
        let start = whole.windows(P256.len()).position(|part| part == P256).unwrap() + P256.len() + 2;
        let sec1 = format!("{}\n{}\n{}\n", SEC1.0, BASE64_STANDARD.encode(&whole[start..]), SEC1.1);
        let pem = pkcs8(&sec1).unwrap();
        assert_eq!(rcgen::KeyPair::from_pem(&pem).unwrap().serialize_der(), whole);
        assert_eq!(pkcs8(&pem).as_deref(), Some(pem.as_str()));
    }
}

//! Tokens that continue a list (`etcd3/store.go` of apiserver, Kubernetes 1.20): the revision of the first page and the
//! key from which the next one starts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::gojson;
use crate::status::Failure;

const VERSION: &str = "meta.k8s.io/v1";

/// What a token holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Token {
    v: String,
    rv: i64,
    start: String,
}

/// As of when a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The revision of the first page.
    Revision(u64),
    /// Now: the first page's revision was forgotten, and the client took the offer to go on all the same.
    Now,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// As of when.
    pub as_of: AsOf,
    /// The first key, below what is listed.
    pub start: String,
}

impl Position {
    /// After `key`, as of `revision`.
    #[must_use]
    pub fn after(key: &str, revision: u64) -> Self {
        Self { as_of: AsOf::Revision(revision), start: format!("{key}\0") }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> String {
        let rv = match self.as_of {
            AsOf::Revision(revision) => i64::try_from(revision).unwrap_or(i64::MAX),
            AsOf::Now => -1,
        };
        let token = Token { v: VERSION.to_owned(), rv, start: self.start.clone() };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400, in the original's words.
    pub fn read(token: &str) -> Result<Self, Failure> {
        let invalid =
            |why: &str| Failure::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|error| invalid(&format!("illegal base64 data at input byte {}", offset(&error))))?;
        let read: Token = serde_json::from_slice(&bytes).map_err(|error| invalid(&go_error(&error, &bytes)))?;
        if read.v != VERSION {
            let shown = crate::status::quoted(&read.v);
            return Err(invalid(&format!("server does not recognize this encoded version {shown}")));
        }
        if read.rv == 0 {
            return Err(invalid(&format!("incorrect encoded start resourceVersion (version {VERSION})")));
        }
        if read.start.is_empty() {
            return Err(invalid(&format!("encoded start key empty (version {VERSION})")));
        }
        let path = read.start.strip_prefix('/').unwrap_or(&read.start);
        // A key that `path.Clean` would change could lead out of what is listed.
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid(&read.start));
        }
        let as_of = u64::try_from(read.rv).map_or(AsOf::Now, AsOf::Revision);
        Ok(Self { as_of, start: path.to_owned() })
    }
}

/// Where Go's decoder gives up.
fn offset(error: &base64::DecodeError) -> usize {
    match *error {
        base64::DecodeError::InvalidByte(at, _) => at,
        base64::DecodeError::InvalidLastSymbol { offset, .. } => offset,
        base64::DecodeError::InvalidLength(length) => length,
        base64::DecodeError::InvalidPadding => 0,
    }
}

/// What Go's decoder says where ours gave up.
fn go_error(error: &serde_json::Error, bytes: &[u8]) -> String {
    gojson::check(bytes).err().unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    proptest! {
        #[test]
        fn reads_what_it_writes(key in "[a-z]{1,5}(/[a-z.-]{3,9})?", revision in 1_u64..1_000_000) {
            let position = Position::after(&key, revision);
            prop_assert_eq!(Position::read(&position.token()).unwrap(), position);
        }
    }

    #[rstest]
    #[case("a!", "illegal base64 data at input byte 1")]
    #[case("e30", "server does not recognize this encoded version \"\"")]
    #[case("ng", "invalid character '\\u009e' looking for beginning of value")]
    #[case("YWJj", "invalid character 'a' looking for beginning of value")]
    fn refuses_what_is_no_token(#[case] token: &str, #[case] expected: &str) {
        let expected = format!("invalid continue token: continue key is not valid: {expected}");
        assert_eq!(Position::read(token).unwrap_err().message, expected);
    }

    #[test]
    fn refuses_to_leave_what_is_listed() {
        let token = URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":5,"start":"../secrets"}"#);
        let message = Position::read(&token).unwrap_err().message;
        assert_eq!(message, "invalid continue token: continue key is not valid: ../secrets");
    }
}

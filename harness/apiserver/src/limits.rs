//! How much and how long: the original's bounds, and bounds of this server's own where the original has none.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::request::{Query, ResourcePath};
use crate::status::Failure;

/// The largest body that is read: 3 MiB (`MaxRequestBodyBytes` in `server/config.go`, Kubernetes 1.20).
pub const BODY: usize = 3 * 1024 * 1024;
/// The largest object that is stored: etcd's `--max-request-bytes`, 1.5 MiB.
pub const OBJECT: usize = 1024 * 1024 * 3 / 2;
/// The largest message that the original sends to etcd at all (`clientv3`'s `MaxCallSendMsgSize`).
pub const MESSAGE: usize = 2 * 1024 * 1024;
/// The largest head of a request: 1 MiB (`MaxHeaderBytes` in `secure_serving.go`) and what Go's server adds to it.
pub const HEAD: u32 = (1 << 20) + 4096;
/// Headers of one request. Go counts none; a request of so many is no request of a client in use.
pub const HEADERS: usize = 2048;
/// Requests at a time on one HTTP/2 connection (`secure_serving.go`).
pub const STREAMS: u32 = 250;
/// Connections at a time; further ones wait to be accepted.
pub const CONNECTIONS: usize = 16 * 1024;
/// The nesting of JSON that Go's decoders read (`maxNestingDepth` of `encoding/json` and json-iterator).
pub const NESTING: usize = 10_000;
/// The nesting of JSON that this server reads: deeper objects would need a stack of unknown size.
pub const NESTING_SERVED: usize = 127;

/// Whether a request is bounded in time: not if it watches, or goes to a stream
/// (`--long-running-request-regexp` and the generated check of Kubernetes 1.20).
#[must_use]
pub fn is_long_running(method: &Method, path: &ResourcePath, query: &Query) -> bool {
    let streams = ["attach", "exec", "proxy", "log", "portforward"];
    crate::request::verb(method, path, query) == "watch" || streams.contains(&path.subresource.as_str())
}

/// How deep JSON text is nested, as far as brackets tell, and the bracket that opens the deepest level.
#[must_use]
pub fn nesting(text: &[u8]) -> (usize, char) {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, (0, '{'), false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > deepest.0 {
                    deepest = (depth, char::from(*byte));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// How long `value` is as JSON, escapes left aside.
fn length(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| length(item) + 1).sum::<usize>() + 1,
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + length(value) + 4).sum::<usize>() + 1,
    }
}

/// Refuses to store what etcd would not take.
///
/// # Errors
/// 500, in the words of etcd's client.
pub fn check_size(object: &Value) -> Result<(), Failure> {
    match length(object) {
        ..OBJECT => Ok(()),
        OBJECT..MESSAGE => Err(Failure::internal("etcdserver: request is too large")),
        length => Err(Failure::internal(format!(
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max ({length} vs. {MESSAGE})"
        ))),
    }
}

/// A body that is nested too deep for this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDeep {
    /// The original would have read it.
    pub only_here: bool,
    opened_by: char,
}

/// Looks how deep a body is nested, before a decoder follows it.
///
/// # Errors
/// [`TooDeep`].
pub fn check_nesting(body: &[u8]) -> Result<(), TooDeep> {
    // Brackets come in pairs.
    if body.len() <= 2 * NESTING_SERVED {
        return Ok(());
    }
    match nesting(body) {
        (..=NESTING_SERVED, _) => Ok(()),
        (depth, opened_by) => Err(TooDeep { only_here: depth <= NESTING, opened_by }),
    }
}

impl TooDeep {
    /// What the original says of bodies that are too deep for it, for an object of `kind`.
    #[must_use]
    pub fn refusal(self, kind: &str, body: &[u8]) -> Failure {
        let shown: String = String::from_utf8_lossy(body).chars().take(30).collect();
        let bracket = self.opened_by;
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: invalid character '{bracket}' exceeded max depth ({shown} ...)"
        ))
    }
}

/// `duration` as Go writes it: `1m0s`, `1.5s`, `250ms`.
fn go_duration(duration: Duration) -> String {
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_secs() % 60);
    match duration.as_secs() {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{}s", duration.as_secs_f64()),
        _ => format!("{minutes}m{seconds}s"),
    }
}

/// What the original answers where a request took longer than `limit`: a `Status` that does not say what it is.
#[must_use]
pub fn timed_out(limit: Duration) -> (StatusCode, Value) {
    let message = format!("Timeout: request did not complete within {}", go_duration(limit));
    let status = serde_json::json!({
        "metadata": {}, "status": "Failure", "message": message, "reason": "Timeout", "details": {}, "code": 504,
    });
    (StatusCode::GATEWAY_TIMEOUT, status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(60_000, "1m0s")]
    #[case(1500, "1.5s")]
    #[case(250, "250ms")]
    fn writes_durations_as_go(#[case] millis: u64, #[case] expected: &str) {
        assert_eq!(go_duration(Duration::from_millis(millis)), expected);
    }

    #[rstest]
    #[case("", 0)]
    #[case("1", 0)]
    #[case(r#"{"a":[{}]}"#, 3)]
    #[case(r#"{"a":"[[[[","b":"\"[["}"#, 1)]
    #[case("[][][]", 1)]
    #[case("]]][", 1)]
    fn measures_nesting(#[case] text: &str, #[case] expected: usize) {
        assert_eq!(nesting(text.as_bytes()).0, expected);
    }
}

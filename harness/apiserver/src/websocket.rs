//! Watches over WebSocket (RFC 6455), as browsers and consoles open them: one message an event
//! (`endpoints/handlers/watch.go` of apiserver on golang.org/x/net/websocket, Kubernetes 1.20).
//!
//! The server only writes: of what a client sends, it heeds pings and the end.

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use crate::answer::{self, Body};

/// What RFC 6455 has a server append to a client's key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The most that a client may send at once: a watcher sends nothing but the farewell.
const MOST_RECEIVED: u64 = 64 * 1024;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether `headers` ask for a WebSocket.
#[must_use]
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    let wanted = text(headers, "connection").split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    wanted && text(headers, "upgrade").eq_ignore_ascii_case("websocket")
}

/// What the answer to an accepted handshake names.
#[derive(Debug, PartialEq, Eq)]
struct Accepted {
    answer: String,
    protocol: Option<String>,
}

/// Reads a handshake. There is no subprotocol of its own: the only one that a client names is as good as none.
fn handshake(headers: &HeaderMap) -> Result<Accepted, (StatusCode, &'static str)> {
    let key = text(headers, "sec-websocket-key");
    if key.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "mismatch challenge/response"));
    }
    if text(headers, "sec-websocket-version") != "13" {
        return Err((StatusCode::BAD_REQUEST, "missing or bad WebSocket Version"));
    }
    // Only browsers say where they come from, and only they are meant to be here.
    let origin = text(headers, "origin");
    if !origin.starts_with('/') && origin.parse::<http::Uri>().ok().is_none_or(|origin| origin.scheme().is_none()) {
        return Err((StatusCode::FORBIDDEN, ""));
    }
    let protocols: Vec<&str> = text(headers, "sec-websocket-protocol").split(',').map(str::trim).collect();
    let protocol = match protocols.as_slice() {
        [""] => None,
        [one] => Some((*one).to_owned()),
        _ => return Err((StatusCode::BAD_REQUEST, "")),
    };
    let digest = sha1_smol::Sha1::from(format!("{key}{GUID}")).digest().bytes();
    Ok(Accepted { answer: base64::engine::general_purpose::STANDARD.encode(digest), protocol })
}

/// A WebSocket that a client asks for instead of a stream.
pub struct Opening {
    upgrade: OnUpgrade,
    accepted: Accepted,
}

impl Opening {
    /// The WebSocket that `headers` ask for.
    ///
    /// # Errors
    /// The answer to a handshake that is none.
    pub fn read(headers: &HeaderMap, upgrade: OnUpgrade) -> Result<Self, Box<Response<Body>>> {
        let refused = |(status, why): (StatusCode, &'static str)| {
            let mut response = answer::text(status, why);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            if why.contains("Version") {
                response.headers_mut().insert("sec-websocket-version", HeaderValue::from_static("13"));
            }
            Box::new(response)
        };
        handshake(headers).map(|accepted| Self { upgrade, accepted }).map_err(refused)
    }

    /// The answer that opens the WebSocket in place of `stream`, and what then sends its events, until `stop`.
    pub fn open(
        self,
        stream: Response<Body>,
        stop: CancellationToken,
    ) -> (Response<Body>, impl Future<Output = ()> + Send + 'static) {
        let media = stream.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let form = if media == Some("application/json") { Form::Text } else { Form::Binary };
        let mut response = Response::new(answer::full(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        let told =
            [("sec-websocket-accept", Some(self.accepted.answer)), ("sec-websocket-protocol", self.accepted.protocol)];
        for (name, value) in told {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        }
        let (upgrade, events) = (self.upgrade, stream.into_body());
        let sending = async move {
            // Without an upgrade the client is gone already.
            if let Ok(upgraded) = upgrade.await {
                let _ended = stop.run_until_cancelled(send(TokioIo::<Upgraded>::new(upgraded), events, form)).await;
            }
        };
        (response, sending)
    }
}

/// In what messages events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As text.
    Text,
    /// As bytes, without the length that precedes each in a stream.
    Binary,
}

impl Form {
    fn message(self, event: &[u8]) -> Vec<u8> {
        match self {
            Self::Text => frame(TEXT, event),
            Self::Binary => frame(BINARY, event.get(4..).unwrap_or_default()),
        }
    }
}

/// One frame, which is a whole message.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | kind];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend(u64::try_from(payload.len()).unwrap_or_default().to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

/// The farewell: a normal end.
fn farewell() -> Vec<u8> {
    frame(CLOSE, &1000_u16.to_be_bytes())
}

/// Sends `events` until there are no more, or the client goes.
async fn send<S: AsyncRead + AsyncWrite>(socket: S, mut events: Body, form: Form) {
    let (mut reading, mut writing) = tokio::io::split(socket);
    let (pings, mut asked) = tokio::sync::mpsc::channel::<Bytes>(1);
    let listening = async move {
        while let Some((kind, payload)) = receive(&mut reading).await {
            if kind == CLOSE || (kind == PING && pings.send(payload).await.is_err()) {
                return;
            }
        }
    };
    tokio::pin!(listening);
    loop {
        let message = tokio::select! {
            () = &mut listening => break,
            Some(payload) = asked.recv() => frame(PONG, &payload),
            event = events.frame() => match event.and_then(Result::ok).and_then(|frame| frame.into_data().ok()) {
                Some(event) => form.message(&event),
                None => break,
            },
        };
        if writing.write_all(&message).await.is_err() || writing.flush().await.is_err() {
            return;
        }
    }
    // A client that is gone does not hear it.
    let _ = writing.write_all(&farewell()).await;
    let _ = writing.shutdown().await;
}

/// A frame of a client: its kind and what it carries; none when there is no more that makes sense.
async fn receive(reading: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Bytes)> {
    let (first, second) = (reading.read_u8().await.ok()?, reading.read_u8().await.ok()?);
    let length = match second & 0x7f {
        126 => u64::from(reading.read_u16().await.ok()?),
        127 => reading.read_u64().await.ok()?,
        short => u64::from(short),
    };
    // A client masks what it sends.
    if second & 0x80 == 0 || length > MOST_RECEIVED {
        return None;
    }
    let mut mask = [0_u8; 4];
    reading.read_exact(&mut mask).await.ok()?;
    let mut payload = BytesMut::zeroed(usize::try_from(length).ok()?);
    reading.read_exact(&mut payload).await.ok()?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some((first & 0x0f, payload.freeze()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");
    const ORIGIN: (&str, &str) = ("origin", "http://localhost");

    #[test]
    fn answers_the_key_of_the_standard() {
        let accepted = handshake(&headers(&[KEY, VERSION, ORIGIN, ("sec-websocket-protocol", "a")])).unwrap();
        assert_eq!(accepted.answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accepted.protocol.as_deref(), Some("a"));
    }

    #[rstest]
    #[case::without_a_key(&[VERSION, ORIGIN], 400)]
    #[case::without_a_version(&[KEY, ORIGIN], 400)]
    #[case::without_an_origin(&[KEY, VERSION], 403)]
    #[case::with_several_protocols(&[KEY, VERSION, ORIGIN, ("sec-websocket-protocol", "a, b")], 400)]
    fn refuses_handshakes(#[case] given: &[(&'static str, &'static str)], #[case] expected: u16) {
        assert_eq!(handshake(&headers(given)).unwrap_err().0, expected);
    }

    #[rstest]
    #[case(&[("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade")], true)]
    #[case(&[("upgrade", "h2c"), ("connection", "Upgrade")], false)]
    #[case(&[("upgrade", "websocket")], false)]
    fn knows_who_asks(#[case] given: &[(&'static str, &'static str)], #[case] expected: bool) {
        assert_eq!(is_asked_for(&headers(given)), expected);
    }

    #[rstest]
    #[case(5, &[0x81, 5])]
    #[case(126, &[0x81, 126, 0, 126])]
    #[case(65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0])]
    fn tells_the_length_of_a_frame(#[case] length: usize, #[case] head: &[u8]) {
        let frame = frame(TEXT, &vec![b'x'; length]);
        assert_eq!((frame.get(..head.len()), frame.len()), (Some(head), head.len() + length));
    }

    #[tokio::test]
    async fn answers_pings_and_ends_with_the_client() {
        let (client, server) = tokio::io::duplex(1024);
        let sending = tokio::spawn(send(server, answer::streamed(futures::stream::pending()), Form::Text));
        let (mut reading, mut writing) = tokio::io::split(client);
        // "hi", masked with zeros, and the end.
        writing.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i', 0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
        let mut heard = Vec::new();
        reading.read_to_end(&mut heard).await.unwrap();
        assert!(heard.ends_with(&farewell()));
        sending.await.unwrap();
    }
}

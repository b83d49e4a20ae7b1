//! Watches over WebSocket.

use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{Cluster, start};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

/// A connection after the handshake for a watch of config maps, and what the server answered.
async fn opened(cluster: &Cluster, query: &str, headers: &str) -> (TlsStream<TcpStream>, String) {
    let mut connection = cluster.connection("http/1.1").await;
    let head = format!(
        "GET {MAPS}?watch=1{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(connection.read_u8().await.unwrap());
    }
    (connection, String::from_utf8(answer).unwrap().to_lowercase())
}

/// The next frame: its first byte and what it carries.
async fn frame(connection: &mut TlsStream<TcpStream>) -> (u8, Vec<u8>) {
    let first = connection.read_u8().await.unwrap();
    let length = match connection.read_u8().await.unwrap() {
        126 => u64::from(connection.read_u16().await.unwrap()),
        127 => connection.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    connection.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

#[tokio::test]
async fn sends_an_event_a_message() {
    let cluster = start().await;
    let (mut connection, answer) = opened(&cluster, "", "Origin: http://localhost\r\n").await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
    for name in ["a", "b"] {
        cluster.post(MAPS, json!({"metadata": {"name": name}})).await;
        let (first, payload) = frame(&mut connection).await;
        let event: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(
            (first, &event["type"], &event["object"]["metadata"]["name"]),
            (TEXT, &json!("ADDED"), &json!(name))
        );
        assert!(payload.ends_with(b"\n"));
    }
}

#[tokio::test]
async fn sends_protobuf_as_bytes() {
    let cluster = start().await;
    cluster.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    let headers = "Origin: http://localhost\r\nAccept: application/vnd.kubernetes.protobuf\r\n";
    let (mut connection, _) = opened(&cluster, "", headers).await;
    let (first, payload) = frame(&mut connection).await;
    // `WatchEvent {1 type}` without a length before it.
    assert_eq!((first, payload.get(..7)), (BINARY, Some(b"\x0a\x05ADDED".as_slice())));
}

#[tokio::test]
async fn bids_farewell_at_the_end_of_a_watch() {
    let cluster = start().await;
    let (mut connection, _) = opened(&cluster, "&timeoutSeconds=1", "Origin: http://localhost\r\n").await;
    assert_eq!(frame(&mut connection).await, (CLOSE, vec![3, 232]));
}

#[tokio::test]
async fn ends_with_the_server() {
    let cluster = start().await;
    let (mut connection, _) = opened(&cluster, "", "Origin: http://localhost\r\n").await;
    cluster.server.stop().await;
    let mut rest = Vec::new();
    // A connection that breaks has ended too.
    let _ = connection.read_to_end(&mut rest).await;
    assert_eq!(rest, Vec::<u8>::new());
}

#[rstest]
#[case::of_someone_who_comes_from_nowhere("", "", "http/1.1 403 ")]
#[case::of_a_watch_that_is_refused("&resourceVersion=x", "Origin: http://localhost\r\n", "http/1.1 500 ")]
#[tokio::test]
async fn refuses_the_handshake(#[case] query: &str, #[case] headers: &str, #[case] expected: &str) {
    let cluster = start().await;
    let (_, answer) = opened(&cluster, query, headers).await;
    assert!(answer.starts_with(expected), "{answer}");
}

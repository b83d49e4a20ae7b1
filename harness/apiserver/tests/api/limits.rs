//! What the server endures: too much, too deep, too slow, too many.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use apiserver::{Options, TimeLimits};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Cluster, start, start_with};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const MIB: usize = 1024 * 1024;

fn map_of(bytes: usize) -> Value {
    json!({"metadata": {"name": "m"}, "data": {"a": "x".repeat(bytes)}})
}

/// Everything that comes after `request`, until the server closes.
async fn told(cluster: &Cluster, request: &[u8]) -> String {
    let mut connection = cluster.connection("http/1.1").await;
    connection.write_all(request).await.unwrap();
    let mut told = Vec::new();
    // A connection that ends without a farewell has said what it has.
    let _ = connection.read_to_end(&mut told).await;
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test]
async fn reads_no_more_than_three_mebibytes() {
    let cluster = start().await;
    let text = "Request entity too large: limit is 3145728".to_owned();
    assert_eq!(cluster.refused("POST", MAPS, map_of(3 * MIB)).await, (413, text));
}

#[tokio::test]
async fn stores_no_more_than_etcd_would() {
    let cluster = start().await;
    let pod = |bytes: usize| {
        let variable = json!({"name": "A", "value": "x".repeat(bytes)});
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "env": [variable]}]}})
    };
    let text = "etcdserver: request is too large".to_owned();
    assert_eq!(cluster.refused("POST", PODS, pod(MIB * 17 / 10)).await, (500, text));
    let (code, text) = cluster.refused("POST", PODS, pod(MIB * 5 / 2)).await;
    assert_eq!(code, 500);
    assert!(text.starts_with("rpc error: code = ResourceExhausted desc = trying to send message larger than max ("));
    assert!(text.ends_with(" vs. 2097152)"));
    cluster.post(PODS, pod(MIB)).await;
}

/// A config map with a list as deep as this in a field that it does not have.
fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#"{{"metadata":{{"name":"m"}},"other":{open}{close}}}"#)
}

#[rstest]
#[case::served(100, 201)]
#[case::deeper_than_served(1000, 400)]
#[case::deeper_than_the_original_reads(10_001, 400)]
#[case::as_deep_as_fits(MIB, 400)]
#[tokio::test]
async fn survives_nesting(#[case] depth: usize, #[case] code: u16) {
    let cluster = start().await;
    let body = nested(depth);
    let length = body.len();
    let request = format!(
        "POST {MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let told = told(&cluster, request.as_bytes()).await;
    assert!(told.starts_with(&format!("HTTP/1.1 {code} ")), "{told}");
}

/// Ten levels of ten aliases each: ten thousand million texts, if they were all written out.
fn bomb() -> String {
    let mut text = String::from("a0: &a0 lol\n");
    for level in 1..11 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    text
}

#[tokio::test]
async fn survives_yaml_that_refers_to_itself_ten_times_over() {
    let cluster = start().await;
    let body = bomb();
    let length = body.len();
    let request = format!(
        "POST {MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/yaml\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let told = told(&cluster, request.as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
}

#[rstest]
#[case::bearable(MIB - 1024, 200)]
#[case::too_large(2 * MIB, 431)]
#[tokio::test]
async fn reads_heads_of_one_mebibyte(#[case] bytes: usize, #[case] code: u16) {
    let cluster = start().await;
    let filler = "x".repeat(bytes);
    let request = format!("GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Filler: {filler}\r\n\r\n");
    let told = told(&cluster, request.as_bytes()).await;
    assert!(told.starts_with(&format!("HTTP/1.1 {code} ")), "{}", &told[..told.len().min(200)]);
}

const SHORT: Duration = Duration::from_millis(200);

async fn impatient() -> Cluster {
    let time_limits = TimeLimits { handshake: SHORT, first_head: SHORT, request: SHORT };
    start_with(Options { time_limits, ..Options::default() }).await
}

#[rstest]
#[case::silence(b"")]
#[case::half_a_handshake(b"\x16\x03\x01")]
#[tokio::test]
async fn hangs_up_on_slow_handshakes(#[case] sent: &[u8]) {
    let cluster = impatient().await;
    let begun = Instant::now();
    let mut stream = TcpStream::connect(cluster.server.address()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn hangs_up_on_slow_heads() {
    let cluster = impatient().await;
    let begun = Instant::now();
    assert_eq!(told(&cluster, b"GET /version HTT").await, "");
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn answers_slow_bodies_when_their_time_is_over() {
    let cluster = impatient().await;
    let begun = Instant::now();
    let head = format!("POST {MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{{");
    let told = told(&cluster, head.as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 504 Gateway Timeout"), "{told}");
    let body = r#"{"metadata":{},"status":"Failure","message":"Timeout: request did not complete within 200ms","reason":"Timeout","details":{},"code":504}"#;
    assert!(told.contains(body), "{told}");
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn tells_a_thousand_watches() {
    let cluster = start().await;
    let mut watches = Vec::new();
    for _ in 0..4 {
        let connection = TokioIo::new(cluster.connection("h2").await);
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), connection).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..250 {
            let uri = format!("https://x{MAPS}?watch=true&resourceVersion=1");
            let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
            let mut sender = sender.clone();
            watches.push(sender.send_request(request).await.unwrap().into_body());
        }
    }
    cluster.post(MAPS, map_of(10)).await;
    assert_eq!(watches.len(), 1000);
    for mut watch in watches {
        let frame = watch.frame().await.unwrap().unwrap();
        let line = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        assert!(line.starts_with(r#"{"type":"ADDED""#), "{line}");
    }
}

const CHANGES: usize = 1400;

#[tokio::test]
async fn gives_up_on_watches_that_nobody_reads() {
    let cluster = start().await;
    let request = Request::get(format!("{MAPS}?watch=true&resourceVersion=1")).body(Vec::new()).unwrap();
    let mut watch = Box::pin(cluster.admin.request_stream(request).await.unwrap());
    cluster.post(MAPS, map_of(10)).await;
    // More changes than are remembered, and more bytes than any buffer between the two holds.
    for number in 0..CHANGES {
        let data = json!({"data": {"a": format!("{number}{}", "x".repeat(40_000))}});
        cluster.merge(&format!("{MAPS}/m"), data).await;
    }
    let mut text = String::new();
    futures::AsyncReadExt::read_to_string(&mut watch, &mut text).await.unwrap();
    assert!(text.lines().count() < CHANGES, "{} lines", text.lines().count());
}

#[tokio::test]
async fn answers_beside_idle_connections() {
    let cluster = start().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(cluster.server.address()).await.unwrap());
    }
    cluster.get("/api/v1/nodes").await;
    drop(idle);
}

#[tokio::test]
async fn listens_on_loopback_and_asks_who_comes() {
    let cluster = start().await;
    assert!(cluster.server.address().ip().is_loopback());
    let nobody = cluster.client_with(json!({})).await;
    assert_eq!(crate::support::refused(&nobody, "GET", "/api/v1/secrets", Value::Null).await.0, 403);
}

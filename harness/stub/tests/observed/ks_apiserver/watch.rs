//! The console's wait for a Cluster: a WebSocket that passes through ks-apiserver.

use http::Request;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::{CLUSTERS, introduced, joined};
use crate::fixture::World;

async fn open(world: &World, path: &str) -> TokioIo<Upgraded> {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {}", world.host.token("admin").await))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("origin", "http://console.example")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
        .body(Body::empty())
        .unwrap();
    let mut answer = world.host.send(request).await;
    assert_eq!(answer.status(), 101);
    assert!(answer.headers().contains_key("sec-websocket-accept"));
    TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap())
}

/// The next message, unmasked as a server sends it.
async fn message(socket: &mut TokioIo<Upgraded>) -> Value {
    let _kind = socket.read_u8().await.unwrap();
    let length = match socket.read_u8().await.unwrap() {
        126 => u64::from(socket.read_u16().await.unwrap()),
        127 => socket.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut text = vec![0; usize::try_from(length).unwrap()];
    socket.read_exact(&mut text).await.unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[rstest]
#[case::of_the_host("w-host", "/apis/cluster.kubesphere.io/v1alpha1/watch/clusters/NAME")]
#[case::by_its_own_path("w-own", "/apis/clusters/host/cluster.kubesphere.io/v1alpha1/watch/clusters/NAME")]
#[case::with_a_query(
    "w-query",
    "/apis/cluster.kubesphere.io/v1alpha1/clusters?watch=true&fieldSelector=metadata.name=NAME"
)]
fn waits_for_a_cluster_as_the_console_does(
    #[case] name: &str,
    #[case] path: &str,
    #[values("v3.2.1", "v3.3.2", "v3.4.0", "v3.4.1")] version: &str,
) {
    introduced(version, async |world| {
        let exists = async || world.host.get(&format!("{CLUSTERS}/host")).await["kind"] == "Cluster";
        world.host.until("there is a Cluster of the host", exists).await;
        world.host.create(&joined(name, "{}", "http://203.0.113.7", "")).await;
        let mut socket = open(world, &path.replace("NAME", name)).await;
        let mut event = message(&mut socket).await;
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&"ADDED".into(), &name.into()));
        world.host.patch(&format!("{CLUSTERS}/{name}"), &json!({"metadata": {"labels": {"seen": "yes"}}})).await;
        while event["object"]["metadata"]["labels"]["seen"] != "yes" {
            event = message(&mut socket).await;
            assert_eq!(event["type"], "MODIFIED");
        }
    });
}

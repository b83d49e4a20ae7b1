//! The way from kube-apiserver to kubelets, pods and webhooks: an HTTP CONNECT proxy on a Unix socket, which kube-apiserver
//! uses for everything inside the cluster (kubernetes v1.20, `apiserver.k8s.io/v1beta1`, `EgressSelectorConfiguration`).
//! Behind it is the simulated network, so that pods and nodes need no address on this machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use apiserver::{DialFailure, Dialer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Longest head of a CONNECT request; kube-apiserver's has two lines.
const LONGEST_HEAD: usize = 4096;

/// A running proxy. Its socket is a file of the run's directory.
pub(crate) struct Egress {
    socket: PathBuf,
    behind: Arc<Mutex<Option<Arc<dyn Dialer>>>>,
    stop: CancellationToken,
    connections: TaskTracker,
    _stop: DropGuard,
}

impl Egress {
    /// A proxy on the Unix socket `socket`, with nothing behind it yet.
    pub(super) fn start(socket: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let behind: Arc<Mutex<Option<Arc<dyn Dialer>>>> = Arc::default();
        let (accepting, found, tracker) = (stop.clone(), behind.clone(), connections.clone());
        connections.spawn(async move {
            while let Some(Ok((stream, _))) = accepting.run_until_cancelled(listener.accept()).await {
                let dialer = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // A broken tunnel is kube-apiserver's to report.
                tracker.spawn(accepting.clone().run_until_cancelled_owned(async move {
                    let _ended = tunnel(stream, dialer).await;
                }));
            }
        });
        Ok(Self { socket: socket.to_owned(), behind, _stop: stop.clone().drop_guard(), stop, connections })
    }

    /// Puts another network behind the proxy.
    pub(super) fn lead_to(&self, dialer: Arc<dyn Dialer>) {
        *self.behind.lock().unwrap_or_else(PoisonError::into_inner) = Some(dialer);
    }

    /// The configuration by which kube-apiserver finds the proxy, JSON (which is YAML).
    pub(super) fn configuration(&self) -> String {
        serde_json::json!({
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{
                "name": "cluster",
                "connection": {
                    "proxyProtocol": "HTTPConnect",
                    "transport": {"uds": {"udsName": self.socket}},
                },
            }],
        })
        .to_string()
    }

    /// Closes every tunnel.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

async fn tunnel(mut from: UnixStream, dialer: Option<Arc<dyn Dialer>>) -> io::Result<()> {
    let Some((host, port)) = target(&head(&mut from).await?) else {
        return from.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    let dialled = match dialer {
        Some(dialer) => dialer.dial(&host, port).await,
        None => Err(DialFailure::NoRoute),
    };
    match dialled {
        Ok(mut to) => {
            from.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            tokio::io::copy_bidirectional(&mut from, &mut to).await.map(|_| ())
        }
        // The reason phrase is all of it that kube-apiserver passes on.
        Err(failure) => from.write_all(format!("HTTP/1.1 502 {}\r\n\r\n", failure.text(&host, port)).as_bytes()).await,
    }
}

/// The request's head, up to its empty line and nothing beyond.
async fn head(from: &mut UnixStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(from.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Host and port of `CONNECT host:port HTTP/1.1`.
fn target(head: &str) -> Option<(String, u16)> {
    let (host, port) = head.strip_prefix("CONNECT ")?.split(' ').next()?.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use rstest::rstest;

    use super::*;

    struct Echo;

    #[async_trait]
    impl Dialer for Echo {
        async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn apiserver::Stream>, DialFailure> {
            if (host, port) != ("10.233.64.5", 9090) {
                return Err(DialFailure::Refused);
            }
            let (ours, theirs) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(ours);
                tokio::io::copy(&mut read, &mut write).await
            });
            Ok(Box::new(theirs))
        }
    }

    async fn asked(request: &str) -> (String, UnixStream) {
        let place = tempfile::tempdir().unwrap();
        let egress = Egress::start(&place.path().join("s")).unwrap();
        egress.lead_to(Arc::new(Echo));
        let mut stream = UnixStream::connect(place.path().join("s")).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = head(&mut stream).await.unwrap();
        if answer.starts_with("HTTP/1.1 200") {
            stream.write_all(b"hello").await.unwrap();
            let mut echoed = [0; 5];
            stream.read_exact(&mut echoed).await.unwrap();
            answer.push_str(std::str::from_utf8(&echoed).unwrap());
        }
        egress.stop().await;
        (answer, stream)
    }

    #[rstest]
    #[case::reached("CONNECT 10.233.64.5:9090 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhello")]
    #[case::refused(
        "CONNECT 10.233.64.6:9090 HTTP/1.1\r\n\r\n",
        "HTTP/1.1 502 dial tcp 10.233.64.6:9090: connect: connection refused\r\n\r\n"
    )]
    #[case::no_connect("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n")]
    #[tokio::test]
    async fn leads_to_the_network_behind_it(#[case] request: &str, #[case] answer: &str) {
        assert_eq!(asked(request).await.0, answer);
    }
}

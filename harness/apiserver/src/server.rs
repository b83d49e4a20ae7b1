//! Accepts connections: TLS, HTTP/1.1 and HTTP/2, and ends them all.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authn::{self, PeerCertificate};
use crate::handler;
use crate::limits;
use crate::state::State;

/// The first byte of every TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// What Go's server tells a client that speaks plain HTTP to it.
const PLAIN_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// The pause after a connection could not be accepted, as when there are too many open files.
const AFTER_SHORTAGE: Duration = Duration::from_millis(5);

/// Runs what HTTP/2 connections spawn so that it ends with the server.
#[derive(Clone)]
struct Executor {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ended = stop.run_until_cancelled(future).await;
        });
    }
}

/// Serves `listener` until the state's token is cancelled; returns when every connection has ended.
pub async fn serve(state: Arc<State>, listener: TcpListener, tls: Arc<ServerConfig>) {
    let tasks = state.tasks.clone();
    let stop = state.stop.clone();
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    while let Some(Ok(place)) = stop.run_until_cancelled(Arc::clone(&places).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        // An error concerns one connection that was gone before it was accepted, or a shortage that passes.
        let Ok((stream, _)) = accepted else {
            let _stopped = stop.run_until_cancelled(tokio::time::sleep(AFTER_SHORTAGE)).await;
            continue;
        };
        let (state, tls, stop) = (Arc::clone(&state), Arc::clone(&tls), stop.clone());
        let executor = Executor { tasks: tasks.clone(), stop: stop.clone() };
        tasks.spawn(async move {
            let _ended = stop.run_until_cancelled(Box::pin(connection(state, stream, tls, executor))).await;
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn connection(state: Arc<State>, stream: TcpStream, tls: Arc<ServerConfig>, executor: Executor) {
    // Without it small answers wait for acknowledgements; a failure only costs time.
    let _ = stream.set_nodelay(true);
    // A failed handshake is the client's affair: it was told by an alert.
    let Ok(Some(stream)) = tokio::time::timeout(state.time_limits.handshake, shake_hands(stream, tls)).await else {
        return;
    };
    let peer = authn::peer_certificate(stream.get_ref().1.peer_certificates(), state.verifier.as_ref());
    converse(state, stream, peer, executor).await;
}

/// Answers the requests that `peer` sends over `stream`, until either ends it.
async fn converse(
    state: Arc<State>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: PeerCertificate,
    executor: Executor,
) {
    let peer = Arc::new(peer);
    let first_head = state.time_limits.first_head;
    let asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Incoming>| {
        asks.store(true, Ordering::Relaxed);
        let (state, peer) = (Arc::clone(&state), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(handler::handle(state, peer, request.map(Either::Left)).await) }
    });
    let mut server = auto::Builder::new(executor);
    server.http1().max_buf_size(limits::HEAD as usize).max_headers(limits::HEADERS);
    server.http2().max_concurrent_streams(limits::STREAMS).max_header_list_size(limits::HEAD);
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // An error here is the other side's broken connection.
    if tokio::time::timeout(first_head, &mut connection).await.is_err() && asked.load(Ordering::Relaxed) {
        let _ended = connection.await;
    }
}

/// The same for a stream of the fuzzer's.
#[cfg(feature = "fuzzing")]
pub async fn converse_for_fuzzing(state: Arc<State>, stream: tokio::io::DuplexStream, peer: PeerCertificate) {
    let executor = Executor { tasks: TaskTracker::new(), stop: state.stop.clone() };
    converse(state, stream, peer, executor).await;
}

/// A connection after its handshake; none if it failed, or was none.
async fn shake_hands(stream: TcpStream, tls: Arc<ServerConfig>) -> Option<TlsStream<TcpStream>> {
    let mut first = [0_u8; 1];
    match stream.peek(&mut first).await {
        Ok(1) if first[0] == TLS_HANDSHAKE => TlsAcceptor::from(tls).accept(stream).await.ok(),
        Ok(1) => {
            refuse_plain(stream).await;
            None
        }
        _ => None,
    }
}

async fn refuse_plain(mut stream: TcpStream) {
    // The request is read first: a connection closed with unread data is reset, and the answer lost.
    let mut request = [0_u8; 4096];
    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
    let _ = stream.write_all(PLAIN_HTTP).await;
    let _ = stream.shutdown().await;
}

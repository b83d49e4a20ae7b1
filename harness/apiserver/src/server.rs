//! Accepts connections: TLS, HTTP/1.1 and HTTP/2, and ends them all.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authn;
use crate::handler;
use crate::state::State;

/// The first byte of every TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// What Go's server tells a client that speaks plain HTTP to it.
const PLAIN_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

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
    let tasks = TaskTracker::new();
    let stop = state.stop.clone();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        // An error concerns one connection that was gone before it was accepted, or a shortage that passes.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        let (state, tls, stop) = (Arc::clone(&state), Arc::clone(&tls), stop.clone());
        let executor = Executor { tasks: tasks.clone(), stop: stop.clone() };
        tasks.spawn(async move {
            let _ended = stop.run_until_cancelled(connection(state, stream, tls, executor)).await;
        });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn connection(state: Arc<State>, stream: TcpStream, tls: Arc<ServerConfig>, executor: Executor) {
    // Without it small answers wait for acknowledgements; a failure only costs time.
    let _ = stream.set_nodelay(true);
    let mut first = [0_u8; 1];
    match stream.peek(&mut first).await {
        Ok(1) if first[0] == TLS_HANDSHAKE => {}
        Ok(1) => return refuse_plain(stream).await,
        _ => return,
    }
    // A failed handshake is the client's affair: it was told by an alert.
    let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await else { return };
    let peer = authn::peer_certificate(stream.get_ref().1.peer_certificates(), state.verifier.as_ref());
    let peer = Arc::new(peer);
    let service = service_fn(move |request| {
        let (state, peer) = (Arc::clone(&state), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(handler::handle(state, peer, request).await) }
    });
    let mut server = auto::Builder::new(executor);
    server.http2().max_concurrent_streams(1000);
    // An error here is the other side's broken connection.
    let _ended = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn refuse_plain(mut stream: TcpStream) {
    // The request is read first: a connection closed with unread data is reset, and the answer lost.
    let mut request = [0_u8; 4096];
    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
    let _ = stream.write_all(PLAIN_HTTP).await;
    let _ = stream.shutdown().await;
}

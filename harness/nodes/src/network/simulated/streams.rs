//! Streams and listeners of the simulated network. Every byte that moves shows the clock that something happens.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::clock::{Clock, Expectation};
use crate::network::{BoxStream, Listener, NetError};

/// How much a stream in memory holds before its writer has to wait.
const BUFFER: usize = 64 * 1024;

/// How long bytes may lie unread before the clock no longer waits for their reader.
const UNREAD_LIMIT: Duration = Duration::from_millis(50);

/// How long the API server may take to answer before the clock no longer waits for it.
const ANSWER_LIMIT: Duration = Duration::from_millis(100);

/// Bytes on their way from one end of a stream in memory to the other.
struct Flight {
    bytes: AtomicIsize,
    arrival: Expectation,
}

enum Ledger {
    /// Both ends are in memory: what is written is expected to be read.
    Pair { sent: Arc<Flight>, received: Arc<Flight> },
    /// The other end is a server's socket: what is written is expected to be answered.
    Socket(Expectation),
}

struct Tracked<S> {
    inner: S,
    clock: Clock,
    ledger: Ledger,
    reset: Pin<Box<WaitForCancellationFutureOwned>>,
    is_reset: CancellationToken,
}

/// Both ends of a connection in memory, which `reset` breaks.
pub(super) fn pair(clock: &Clock, reset: &CancellationToken) -> (BoxStream, BoxStream) {
    let (near, far) = tokio::io::duplex(BUFFER);
    let flight = || Arc::new(Flight { bytes: AtomicIsize::new(0), arrival: clock.expectation() });
    let (there, back) = (flight(), flight());
    let end = |inner: DuplexStream, sent: Arc<Flight>, received: Arc<Flight>| -> BoxStream {
        Box::new(Tracked::new(inner, clock.clone(), Ledger::Pair { sent, received }, reset.clone()))
    };
    (end(near, there.clone(), back.clone()), end(far, back, there))
}

/// A connection to a server's real socket, which `reset` breaks.
pub(super) fn socket(stream: TcpStream, clock: &Clock, reset: CancellationToken) -> BoxStream {
    let ledger = Ledger::Socket(clock.expectation());
    Box::new(Tracked::new(stream, clock.clone(), ledger, reset))
}

impl<S> Tracked<S> {
    fn new(inner: S, clock: Clock, ledger: Ledger, reset: CancellationToken) -> Self {
        clock.touch();
        Self { inner, clock, ledger, reset: Box::pin(reset.clone().cancelled_owned()), is_reset: reset }
    }

    fn wrote(&self, count: usize) {
        match &self.ledger {
            Ledger::Pair { sent, .. } => {
                // The reader may have had the bytes already: the count is below zero then.
                if sent.bytes.fetch_add(signed(count), Ordering::SeqCst) + signed(count) > 0 {
                    sent.arrival.expect(UNREAD_LIMIT);
                }
            }
            Ledger::Socket(answer) => answer.expect(ANSWER_LIMIT),
        }
        self.clock.touch();
    }

    fn read(&self, count: usize) {
        match &self.ledger {
            Ledger::Pair { received, .. } => {
                if received.bytes.fetch_sub(signed(count), Ordering::SeqCst) <= signed(count) {
                    received.arrival.met();
                }
            }
            Ledger::Socket(answer) => answer.met(),
        }
        self.clock.touch();
    }
}

fn signed(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}

fn reset_error() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reset.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(reset_error()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() {
            self.read(buf.filled().len() - before);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_reset.is_cancelled() {
            return Poll::Ready(Err(reset_error()));
        }
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = polled {
            self.wrote(count);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.clock.touch();
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S> Drop for Tracked<S> {
    fn drop(&mut self) {
        if let Ledger::Pair { received, .. } = &self.ledger {
            received.arrival.met();
        }
        self.clock.touch();
    }
}

/// A connection as it arrives at a listener.
pub(super) type Arrival = (BoxStream, SocketAddr);

/// A listener in memory. Dropping it closes the port.
pub(super) struct Accepting {
    pub(super) at: SocketAddr,
    pub(super) arrivals: mpsc::UnboundedReceiver<Arrival>,
    pub(super) close: Box<dyn Fn() + Send>,
}

#[async_trait]
impl Listener for Accepting {
    fn address(&self) -> SocketAddr {
        self.at
    }

    async fn accept(&mut self) -> Result<(BoxStream, SocketAddr), NetError> {
        self.arrivals.recv().await.ok_or(NetError::Closed)
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        (self.close)();
    }
}

/// A stream together with the sign that it is still open.
pub(super) struct Held {
    stream: BoxStream,
    _alive: Arc<()>,
}

impl Held {
    pub(super) fn new(stream: BoxStream, alive: Arc<()>) -> Self {
        Self { stream, _alive: alive }
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

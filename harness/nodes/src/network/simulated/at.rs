//! The network as a pod or node sees it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::SimulatedNetwork;
use super::streams::{self, Accepting};
use super::world::{Connection, Place, Route, Source, World};
use crate::network::{BoxStream, DIAL_LIMIT, Listener, NetError, Network};

/// The network as one place sees it.
pub(super) struct At {
    pub(super) network: SimulatedNetwork,
    pub(super) source: Source,
}

#[async_trait]
impl Network for At {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        self.network.lock().resolve(&self.source, host)
    }

    async fn connect(&self, to: SocketAddr) -> Result<BoxStream, NetError> {
        let clock = &self.network.clock;
        clock.touch();
        let (route, behind) = self.network.lock().route(&self.source, to)?;
        let reset = CancellationToken::new();
        let stream = match route {
            Route::Dropped => {
                clock.sleep(DIAL_LIMIT).await;
                return Err(NetError::TimedOut { to });
            }
            Route::Socket(socket) => {
                let _busy = clock.busy();
                let stream = TcpStream::connect(socket).await.map_err(|_| NetError::Refused { to })?;
                // Without this, small requests would wait for the other side's delayed acknowledgement.
                let _only_slower = stream.set_nodelay(true);
                streams::socket(stream, clock, reset.clone())
            }
            Route::Port(place, port) => {
                let (near, far) = streams::pair(clock, &reset);
                let mut world = self.network.lock();
                world.next_id += 1;
                let from_port = 32_768 + u16::try_from(world.next_id % 28_000).unwrap_or(0);
                let from = SocketAddr::new(self.source.place.address(), from_port);
                let listener = world.listeners.get(&(place, port)).ok_or(NetError::Refused { to })?;
                listener.send((far, from)).map_err(|_| NetError::Refused { to })?;
                near
            }
        };
        let alive = Arc::new(());
        let mut world = self.network.lock();
        if world.connections.len() == world.connections.capacity() {
            world.connections.retain(|connection| connection.alive.strong_count() > 0);
        }
        let connection = Connection { source: self.source.clone(), to, behind, reset, alive: Arc::downgrade(&alive) };
        world.connections.push(connection);
        Ok(Box::new(streams::Held::new(stream, alive)))
    }

    async fn listen(&self, port: u16) -> Result<Box<dyn Listener>, NetError> {
        let mut world = self.network.lock();
        let at = SocketAddr::new(self.source.place.address(), port);
        let key = (self.source.place, port);
        let taken_by_server = matches!(self.source.place, Place::Node(_)) && world.sockets.contains_key(&at);
        if taken_by_server || world.listeners.get(&key).is_some_and(|sender| !sender.is_closed()) {
            return Err(NetError::InUse { at });
        }
        let (arrive, arrivals) = mpsc::unbounded_channel();
        let mine = arrive.downgrade();
        world.listeners.insert(key, arrive);
        let world = Arc::downgrade(&self.network.world);
        let close = Box::new(move || close(&world, key, &mine));
        self.network.clock.touch();
        Ok(Box::new(Accepting { at, arrivals, close }))
    }
}

fn close(world: &Weak<Mutex<World>>, key: (Place, u16), mine: &mpsc::WeakUnboundedSender<streams::Arrival>) {
    let Some(world) = world.upgrade() else { return };
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let is_mine = |sender: &mpsc::UnboundedSender<_>| mine.upgrade().is_some_and(|mine| mine.same_channel(sender));
    if world.listeners.get(&key).is_some_and(is_mine) {
        world.listeners.remove(&key);
    }
}

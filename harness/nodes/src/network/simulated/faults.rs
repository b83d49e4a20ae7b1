//! Deliberate faults of the network.

use std::net::{IpAddr, SocketAddr};

use super::world::Source;
use crate::network::NetError;

/// A deliberate fault. It also breaks the open connections it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An endpoint cannot be reached.
    Unreachable {
        /// From this pod or node (and every pod on it); `None` is from everywhere.
        from: Option<IpAddr>,
        /// The address that cannot be reached.
        to: IpAddr,
        /// The port; `None` is every port.
        port: Option<u16>,
        /// What the dialler sees.
        how: Unreachable,
    },
    /// A name does not resolve.
    NoSuchName {
        /// From this pod or node (and every pod on it); `None` is from everywhere.
        from: Option<IpAddr>,
        /// The name, as it is dialled.
        name: String,
    },
}

/// What a dialler sees of an endpoint that cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Nothing listens there.
    Refused,
    /// No network leads there.
    NoRoute,
    /// Packets vanish, so the dial ends by its own limit.
    Dropped,
}

impl Unreachable {
    pub(super) fn error(self, to: SocketAddr) -> NetError {
        match self {
            Self::Refused => NetError::Refused { to },
            Self::NoRoute => NetError::NoRoute { to },
            Self::Dropped => NetError::TimedOut { to },
        }
    }
}

impl Fault {
    /// What this fault does to a dial from `source` to `to`.
    pub(super) fn hits_dial(&self, source: &Source, to: SocketAddr) -> Option<Unreachable> {
        match self {
            Self::Unreachable { from, to: address, port, how } => {
                let hit = *address == to.ip() && port.is_none_or(|port| port == to.port());
                (hit && from.is_none_or(|from| source.is(from))).then_some(*how)
            }
            Self::NoSuchName { .. } => None,
        }
    }

    /// Whether this fault hides `name` from `source`.
    pub(super) fn hides(&self, source: &Source, name: &str) -> bool {
        match self {
            Self::NoSuchName { from, name: hidden } => {
                hidden.eq_ignore_ascii_case(name) && from.is_none_or(|from| source.is(from))
            }
            Self::Unreachable { .. } => false,
        }
    }
}

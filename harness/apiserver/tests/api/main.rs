//! The server, asked by a real client over TLS, or from within the process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test may panic")]

mod access;
mod audit;
mod conversions;
mod custom;
mod deleting;
mod in_process;
mod limits;
mod pods;
mod reading;
mod snapshots;
mod support;
mod surface;
mod tokens;
mod webhooks;
mod websocket;
mod writing;

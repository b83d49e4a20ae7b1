//! What the environment lacks is said within five seconds, with a way out, and costs nothing: docker, podman, kind and
//! kubectl are scripts here that answer as the real ones do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "environment/envtest.rs"]
mod envtest;
#[path = "environment/existing.rs"]
mod existing;
#[path = "environment/kind.rs"]
mod kind;
#[path = "environment/machine.rs"]
mod machine;

//! The stand-in against what the real control plane v3.3.2 and v3.4.1 answered (records in
//! `tests/data/observed`; `excuses` says what is not repeated).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod console;
mod diffs;
mod dispatch;
mod excuses;
mod fixture;
mod hostcluster;
mod imports;
mod installer;
mod installer_config;
mod installer_fixture;
mod installer_kk;
mod ks_apiserver;
mod kubeconfig_update;
mod kubeconfigs;
mod namespaces;
mod oauth;
mod races;
mod records;
mod rows;
mod states;
mod story;
mod timeline;
mod unreachable;
mod validation;

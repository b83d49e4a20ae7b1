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
mod dispatch;
mod excuses;
mod fixture;
mod imports;
mod installer;
mod installer_config;
mod installer_fixture;
mod installer_kk;
mod ks_apiserver;
mod kubeconfig_update;
mod kubeconfigs;
mod oauth;
mod records;
mod validation;

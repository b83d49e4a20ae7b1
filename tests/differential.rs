//! The embedded API server beside a real kube-apiserver 1.20: the same requests, the same answers. Ignored, with the
//! reason on standard error, where there is no real one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;

use differential::corpus::{self, CATEGORIES};
use differential::credentials::certificate::ClientAuthority;
use differential::endpoint::{Endpoint, RealKeys, RealServer};
use differential::outcome::Report;
use differential::run::run;
use providers::envtest::Standalone;
use providers::leases::{Lease, state_directory};

/// Requests that each category has at least, and all of them together.
const LEAST: (usize, usize) = (25, 500);

/// Requests whose answers differ and should not: what is left to do, so a number only ever falls. Some answers of the
/// original come in the random order of Go's maps; they are counted, whether they differ this time or not.
const LEFT: &[(&str, usize)] = &[
    ("custom-resources", 48),
    ("defaulting-validation", 16),
    ("delete-finalizers-namespaces", 4),
    ("discovery-openapi", 3),
    ("errors-malformed", 2),
    ("json-patch", 9),
    ("list-selectors-pagination", 3),
    ("merge-patch", 16),
    ("rbac", 2),
    ("server-side-apply", 20),
    ("subresources", 1),
    ("tables", 14),
];

async fn compared() -> Option<Report> {
    if let Err(missing) = Standalone::probe().await {
        eprintln!("ignored: {missing}");
        return None;
    }
    let run_id = format!("differential-{}", std::process::id());
    let lease = Lease::begin(&state_directory(), &std::env::temp_dir(), &run_id).unwrap();
    let standalone = Standalone::start(&lease).await.unwrap();
    let keys = RealKeys {
        clients: ClientAuthority::Lent(standalone.authority()),
        tokens_pem: standalone.service_account_key_pem().to_owned(),
    };
    let real = Endpoint::real(&RealServer::from_kubeconfig(standalone.admin_kubeconfig()).unwrap(), keys).unwrap();
    let (embedded, server) = Endpoint::embedded().await.unwrap();
    let report = run(&real, &embedded, &corpus::load().unwrap()).await.unwrap();
    server.stop().await;
    standalone.stop().await.unwrap();
    lease.end().await.unwrap();
    Some(report)
}

#[tokio::test]
async fn answers_as_a_real_server() {
    let Some(report) = compared().await else { return };
    println!("{}", report.table());
    let mut wrong = String::new();
    for (category, counts) in report.by_category() {
        let left = LEFT.iter().find(|(name, _)| *name == category).map_or(0, |(_, left)| *left);
        if counts.wrong > left {
            for outcome in report.wrong().filter(|outcome| outcome.category == category) {
                writeln!(wrong, "{outcome}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "more differs than is known to:\n{wrong}");
    let total = report.total();
    assert!(total.expected * 100 <= total.requests, "more than one in a hundred differ, if for a reason");
}

#[test]
fn covers_every_category() {
    let sessions = corpus::load().unwrap();
    let requests = |category: &str| -> usize {
        sessions.iter().filter(|session| session.category == category).map(|session| session.steps.len()).sum()
    };
    for category in CATEGORIES {
        assert!(requests(category) >= LEAST.0, "{category} has {} requests", requests(category));
    }
    assert!(CATEGORIES.iter().map(|category| requests(category)).sum::<usize>() >= LEAST.1);
}

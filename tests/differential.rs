//! The embedded API server beside a real kube-apiserver 1.20: the same requests, the same answers. Ignored, with the
//! reason on standard error, where there is no real one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use differential::corpus::{self, CATEGORIES};
use differential::credentials::certificate::ClientAuthority;
use differential::endpoint::{Endpoint, RealKeys, RealServer};
use differential::generate;
use differential::outcome::Report;
use differential::run::run;
use libtest_mimic::{Arguments, Failed, Trial};
use providers::envtest::Standalone;
use providers::leases::{Lease, state_directory};
use tokio::runtime::Runtime;

/// Requests that each category has at least, and all of them together.
const LEAST: (usize, usize) = (25, 500);

/// Sessions by chance that are played beside the corpus: always the same ones, so that a failure comes again.
const BY_CHANCE: usize = 100;

fn main() -> ExitCode {
    let runtime = Arc::new(Runtime::new().unwrap());
    let why_not = runtime.block_on(Standalone::probe()).err();
    if let Some(why_not) = &why_not {
        eprintln!("answers_as_a_real_server is ignored: {why_not}");
    }
    let answers = move || {
        let report = runtime.block_on(compared());
        println!("{}", report.table());
        judge(&report).map_err(Failed::from)
    };
    let trials = vec![
        Trial::test("answers_as_a_real_server", answers).with_ignored_flag(why_not.is_some()),
        Trial::test("covers_every_category", || covers_every_category().map_err(Failed::from)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

async fn compared() -> Report {
    let run_id = format!("differential-{}", std::process::id());
    let lease = Lease::begin(&state_directory(), &std::env::temp_dir(), &run_id).unwrap();
    let standalone = Standalone::start(&lease).await.unwrap();
    let keys = RealKeys {
        clients: ClientAuthority::Lent(standalone.authority()),
        tokens_pem: standalone.service_account_key_pem().to_owned(),
    };
    let real = Endpoint::real(&RealServer::from_kubeconfig(standalone.admin_kubeconfig()).unwrap(), keys).unwrap();
    let (embedded, server) = Endpoint::embedded().await.unwrap();
    let mut sessions = corpus::load().unwrap();
    sessions.extend(generate::sessions(BY_CHANCE, 1));
    let report = run(&real, &embedded, &sessions).await.unwrap();
    server.stop().await;
    standalone.stop().await.unwrap();
    lease.end().await.unwrap();
    report
}

fn judge(report: &Report) -> Result<(), String> {
    let mut wrong = String::new();
    for outcome in report.wrong() {
        writeln!(wrong, "{outcome}").unwrap();
    }
    if !wrong.is_empty() {
        return Err(format!("answered in another way, or equal although a reason says otherwise:\n{wrong}"));
    }
    let total = report.total();
    if total.expected * 100 > total.requests {
        return Err("more than one in a hundred differ, if for a reason".to_owned());
    }
    Ok(())
}

fn covers_every_category() -> Result<(), String> {
    let sessions = corpus::load().unwrap();
    let requests = |category: &str| -> usize {
        sessions.iter().filter(|session| session.category == category).map(|session| session.steps.len()).sum()
    };
    for category in CATEGORIES {
        if requests(category) < LEAST.0 {
            return Err(format!("{category} has {} requests, which is less than {}", requests(category), LEAST.0));
        }
    }
    let all: usize = CATEGORIES.iter().map(|category| requests(category)).sum();
    if all < LEAST.1 { Err(format!("{all} requests are less than {}", LEAST.1)) } else { Ok(()) }
}

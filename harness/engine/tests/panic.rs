//! A panic in one cell is that cell's failure: the run goes on, and nothing is left behind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, and one panic is the subject"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::{RunOptions, Session, SessionOptions, Tools, library};
use providers::leases::Lease;
use providers::{Capabilities, Missing, Pair, PairPlan, Provider, ProviderError};
use scenario::event::Outcome;
use scenario::plan;
use scenario::select::Selection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Begins to work, leaves a process running, sends its pid, and panics.
struct Panicking(mpsc::UnboundedSender<i32>);

#[async_trait]
impl Provider for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        Ok(Capabilities { kubernetes: None, shares_pairs: false, jobs: 2, virtual_clock: true })
    }

    async fn create(&self, lease: &Lease, _plan: &PairPlan) -> Result<Pair, ProviderError> {
        let mut child = tokio::process::Command::new("/bin/sh");
        child.args(["-c", "exec sleep 600"]).process_group(0).stdout(std::process::Stdio::null());
        let child = child.spawn().unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        self.0.send(pid).unwrap();
        lease.own_process_group(pid).await.unwrap();
        panic!("on purpose");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_cell_and_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let releases = library::releases(&[]).unwrap();
    let cells = plan::plan(&library::built_in().unwrap(), &releases, &Selection::new(["jwt-get"]));
    let none = PathBuf::from("/nonexistent");
    let tools = Tools { kubectl: none.clone(), kubectl_version: String::new(), shell: none };
    let (sender, mut pids) = mpsc::unbounded_channel();
    let provider = Arc::new(Panicking(sender));
    let capabilities = provider.probe().await.unwrap();
    let mut options = SessionOptions::new(provider, capabilities);
    options.state = state.path().to_owned();
    let session = Session::begin(options).unwrap();
    let report = session.run(RunOptions::new(cells, tools), Box::new(|_| {}), CancellationToken::new()).await;
    let cell = &report.scenarios[0];
    assert_eq!(cell.result, Outcome::Failed);
    assert!(cell.reason.as_deref().unwrap().contains("a bug in ks-e2e"), "{:?}", cell.reason);
    session.end().await.unwrap();
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
    let pid = pids.recv().await.unwrap();
    // A killed process takes a moment to end, and stays a zombie until its parent, this test, has waited for it.
    let begin = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{stat}");
        tokio::task::yield_now().await;
    }
}

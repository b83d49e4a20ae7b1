//! A cell that asks for what a provider's clusters do not have is skipped with a typed reason, and none are made for it.

#![allow(clippy::unwrap_used, clippy::unimplemented, reason = "a test stops at the first surprise")]

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{RunOptions, Session, SessionOptions, Tools, library};
use providers::leases::Lease;
use providers::{Capabilities, Missing, Pair, PairPlan, Provider, ProviderError};
use scenario::event::Outcome;
use scenario::plan;
use scenario::select::Selection;
use scenario::skip::SkipReason;
use tokio_util::sync::CancellationToken;

/// Clusters whose time nobody can hold.
struct InRealTime;

#[async_trait]
impl Provider for InRealTime {
    fn name(&self) -> &'static str {
        "in-real-time"
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        Ok(Capabilities { kubernetes: None, shares_pairs: false, jobs: 1, virtual_clock: false })
    }

    async fn create(&self, _lease: &Lease, _plan: &PairPlan) -> Result<Pair, ProviderError> {
        unimplemented!("no cell of this test needs clusters")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_holds_a_delay_is_skipped_where_time_is_real() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("held.yaml");
    let text = "apiVersion: ks-e2e.dev/v1alpha1\nkind: Scenario\nmetadata: {name: held}\nspec:\n  steps: [{name: stop, hold: config-mount}]\n";
    std::fs::write(&file, text).unwrap();
    let scenarios = library::from_paths(&[file]).unwrap();
    let releases = library::releases(&["3.4.1".to_owned()]).unwrap();
    let cells = plan::plan(&scenarios, &releases, &Selection::all());
    let none = PathBuf::from("/nonexistent");
    let tools = Tools { kubectl: none.clone(), kubectl_version: String::new(), shell: none };
    let provider = Arc::new(InRealTime);
    let mut options = SessionOptions::new(provider.clone(), provider.probe().await.unwrap());
    options.state = state.path().join("leases");
    let session = Session::begin(options).unwrap();
    assert!(session.unsupported(&cells[0]).is_some());
    let report = session.run(RunOptions::new(cells, tools), Box::new(|_| {}), CancellationToken::new()).await;
    session.end().await.unwrap();
    let cell = &report.scenarios[0];
    assert_eq!(cell.result, Outcome::Skipped);
    assert_eq!(cell.reason.as_deref().unwrap().parse(), Ok(SkipReason::Unsupported), "{:?}", cell.reason);
}

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use scenario::model::{On, SyncFrequency};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lend::Lender;
use super::*;
use crate::embedded::Embedded;
use crate::leases::Lease;
use crate::pair::{ClusterShape, Pair, PairPlan};
use crate::snapshot::Restore;
use checks::view::{Layer, Probe};

/// Long enough to see that something does not happen.
const A_WHILE: Duration = Duration::from_millis(300);

fn plan() -> PairPlan {
    let shape = ClusterShape { nodes: 2, sync_frequency: SyncFrequency::Short };
    let behaviour = stub::Deviation::RoleIgnored.into();
    PairPlan { host: shape, member: Some(shape), seed: u64::MAX, behaviour, restore: Restore::default() }
}

/// A keeper of `jobs` embedded pairs in this process.
struct Kept {
    borrower: Arc<Borrower>,
    lease: Lease,
    lending: JoinHandle<()>,
    end: CancellationToken,
    _places: [tempfile::TempDir; 2],
}

impl Kept {
    async fn begin(jobs: usize) -> Self {
        let (state, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let address = Address::new("a run", "embedded", state.path().to_owned(), temporary.path());
        let lease = Lease::begin(state.path(), temporary.path(), &address.id).unwrap();
        let capabilities = Capabilities { shares_pairs: true, jobs, ..Embedded::default().probe().await.unwrap() };
        let listener = UnixListener::bind(&address.socket).unwrap();
        let lender = Lender::new(Arc::new(Embedded::default()), capabilities.clone(), lease.clone());
        let end = CancellationToken::new();
        let lending = tokio::spawn(lender.lend(listener, end.clone().cancelled_owned()));
        let borrower = Arc::new(Borrower::new("embedded", address, capabilities));
        Self { borrower, lease, lending, end, _places: [state, temporary] }
    }

    async fn borrow(&self) -> Pair {
        self.borrower.create(&self.lease, &plan()).await.unwrap()
    }

    fn borrow_in_background(&self) -> JoinHandle<Pair> {
        let (borrower, lease) = (self.borrower.clone(), self.lease.clone());
        tokio::spawn(async move { borrower.create(&lease, &plan()).await.unwrap() })
    }

    async fn end(self) {
        self.end.cancel();
        self.lending.await.unwrap();
        self.lease.end().await.unwrap();
    }
}

fn namespaces(pair: &Pair) -> Api<Namespace> {
    Api::all(pair.host.client())
}

async fn uid(pair: &Pair) -> String {
    namespaces(pair).get("kube-system").await.unwrap().metadata.uid.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lends_a_pair_to_one_borrower_after_the_other() {
    let kept = Kept::begin(1).await;
    let first = kept.borrow().await;
    let made = Namespace {
        metadata: ObjectMeta { name: Some("made".to_owned()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    namespaces(&first).create(&PostParams::default(), &made).await.unwrap();
    let mut second = kept.borrow_in_background();
    assert!(tokio::time::timeout(A_WHILE, &mut second).await.is_err(), "there is one pair only");
    first.destroy().await.unwrap();
    let second = second.await.unwrap();
    assert!(namespaces(&second).get_opt("made").await.unwrap().is_none());
    drop(second);
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lends_as_many_at_a_time_as_there_may_be() {
    let kept = Kept::begin(2).await;
    let (first, second) = tokio::join!(kept.borrow(), kept.borrow());
    assert_ne!(uid(&first).await, uid(&second).await);
    drop((first, second));
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_back_what_a_borrower_drops() {
    let kept = Kept::begin(1).await;
    drop(kept.borrow().await);
    // One that goes before it was its turn is forgotten.
    let holder = kept.borrow().await;
    kept.borrow_in_background().abort();
    drop(holder);
    drop(kept.borrow().await);
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_from_the_nodes_for_a_borrower() {
    let kept = Kept::begin(1).await;
    let pair = kept.borrow().await;
    let member = pair.member.as_ref().unwrap();
    let kubeconfig = member.pasteable_kubeconfig();
    assert_eq!(pair.host.nodes(), ["host-node1", "host-node2"]);
    let nodes = pair.host.nodes();
    let probes = nodes.iter().map(|node| pair.host.probe(node, kubeconfig));
    for probe in futures::future::join_all(probes).await {
        assert_eq!(probe, Probe::Reached { git_version: "v1.20.2".to_owned() });
    }
    let lost = pair.host.probe("host-node3", kubeconfig).await;
    assert!(matches!(lost, Probe::Stopped { layer: Layer::Tcp, .. }), "{lost:?}");
    assert!(pair.cluster(On::Member).unwrap().images_are_ours().await.is_ok());
    pair.export(kept.lease.directory()).await.unwrap();
    drop(pair);
    kept.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_the_last_loan_and_then_is_gone() {
    let kept = Kept::begin(1).await;
    let pair = kept.borrow().await;
    kept.end.cancel();
    let mut lending = kept.lending;
    assert!(tokio::time::timeout(A_WHILE, &mut lending).await.is_err(), "a loan is open");
    assert!(kept.borrower.address().ask_keeper().await.is_none());
    assert!(!uid(&pair).await.is_empty());
    drop(pair);
    lending.await.unwrap();
    kept.lease.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_a_borrower_that_its_keeper_has_ended() {
    let kept = Kept::begin(1).await;
    let pair = kept.borrow().await;
    kept.lending.abort();
    kept.lending.await.unwrap_err();
    // The loan is dropped with the lending, at its next turn.
    let unasked = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            match pair.host.images_are_ours().await {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => return error.to_string(),
            }
        }
    });
    let unasked = unasked.await.expect("the keeper still answers");
    assert!(unasked.starts_with("embedded provider: cannot look at the images of the host cluster: "), "{unasked}");
    kept.lease.end().await.unwrap();
}

#[test]
fn carries_a_plan_as_it_is() {
    let text = serde_json::to_string(&plan()).unwrap();
    assert_eq!(serde_json::from_str::<PairPlan>(&text).unwrap(), plan());
}

#[tokio::test]
async fn names_tmpdir_when_the_path_of_the_socket_is_too_long() {
    let long = PathBuf::from("/").join("a".repeat(100));
    let address = Address::new("a run", "embedded", long.clone(), &long);
    let error = address.find_or_start("embedded").await.err().unwrap();
    assert!(error.contains("set TMPDIR to a shorter directory"), "{error}");
}

//! The keeper's side of the socket: a loan for each connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde::de::IgnoredAny;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::wire::{self, Failure, Greeting, Incoming, Loan, Numbered, Outgoing, Request};
use crate::leases::Lease;
use crate::pair::{Pair, PairPlan};
use crate::pool::Pool;
use crate::provider::{Capabilities, Provider, ProviderError};

/// How long open loans may go on once there is nobody left to run tests.
const LAST_LOANS: Duration = Duration::from_secs(30);

/// After this time without a loan nobody is expected any more, should the end of the tests have gone unnoticed.
const NOBODY_CAME: Duration = Duration::from_mins(10);

/// Lends the pairs of a provider.
pub(super) struct Lender {
    capabilities: Capabilities,
    pool: Pool,
    /// As many loans at a time as there are pairs. The others wait here rather than in the pool, since only here they
    /// may go away again.
    slots: Semaphore,
    ending: CancellationToken,
}

impl Lender {
    /// Lends pairs of `provider`, whose probe said `capabilities`, made under `lease`.
    pub(super) fn new(provider: Arc<dyn Provider>, capabilities: Capabilities, lease: Lease) -> Self {
        let jobs = capabilities.jobs.max(1);
        Self {
            pool: Pool::new(provider, &capabilities, lease, false, jobs),
            slots: Semaphore::new(jobs),
            capabilities,
            ending: CancellationToken::new(),
        }
    }

    /// Lends to whoever connects to `listener` until `end`, then takes the pairs down. What could not be taken down is
    /// left to the lease.
    pub(super) async fn lend(self, listener: UnixListener, end: impl Future<Output = ()>) {
        let lender = Arc::new(self);
        let mut loans = JoinSet::new();
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                () = tokio::time::sleep(NOBODY_CAME), if loans.is_empty() => break,
                Some(_) = loans.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let lender = lender.clone();
                        loans.spawn(async move { lender.serve(stream).await });
                    }
                    Err(error) => {
                        eprintln!("cannot accept a borrower: {error}");
                        break;
                    }
                },
            }
        }
        // From here on a borrower finds nobody, and starts another keeper.
        drop(listener);
        lender.ending.cancel();
        let last = async { while loans.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_LOANS, last).await.is_err() {
            eprintln!("loans are still open {} s after the end; they are cut off", LAST_LOANS.as_secs());
        }
        loans.shutdown().await;
        lender.pool.drain().await;
    }

    async fn serve(&self, stream: UnixStream) {
        // A borrower that is gone in the middle of a sentence is nothing special: its test has told why.
        let _gone = self.converse(stream).await;
    }

    async fn converse(&self, stream: UnixStream) -> io::Result<()> {
        let (mut incoming, mut outgoing) = wire::over(stream);
        outgoing.say(&Greeting { capabilities: self.capabilities.clone() }).await?;
        let Some(plan) = incoming.next::<PairPlan>().await? else { return Ok(()) };
        let _slot = tokio::select! {
            slot = self.slots.acquire() => slot,
            _ = incoming.next::<IgnoredAny>() => return Ok(()),
            () = self.ending.cancelled() => return Ok(()),
        };
        // Not given up when the borrower goes: a pair that was half made or half reset would be of no use to the next.
        let Some(taken) = self.ending.run_until_cancelled(self.pool.take(&plan)).await else { return Ok(()) };
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => return outgoing.say(&Err::<Loan, _>(Failure::of(&error))).await,
        };
        let served = answer_all(&mut incoming, &mut outgoing, &taken.pair).await;
        if let Err(error) = self.pool.give_back(taken).await {
            eprintln!("{error}");
        }
        served
    }
}

/// Hands the pair out and answers until the borrower closes.
async fn answer_all(incoming: &mut Incoming, outgoing: &mut Outgoing, pair: &Pair) -> io::Result<()> {
    outgoing.say(&Ok::<_, Failure>(Loan::of(pair))).await?;
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            request = incoming.next::<Numbered<Request>>() => match request? {
                Some(request) => answers.push(answer(pair, request)),
                None => return Ok(()),
            },
            Some(answer) = answers.next() => outgoing.say(&answer?).await?,
        }
    }
}

async fn answer(pair: &Pair, request: Numbered<Request>) -> io::Result<Numbered<serde_json::Value>> {
    let Numbered { number, message } = request;
    let none = |on| io::Error::new(io::ErrorKind::InvalidInput, format!("the loan has no {on} cluster"));
    let outcome = |done: Result<(), ProviderError>| serde_json::to_value(done.as_ref().map_err(Failure::of));
    let message = match message {
        Request::Probe { on, node, kubeconfig } => {
            let cluster = pair.cluster(on).ok_or_else(|| none(on))?;
            serde_json::to_value(cluster.probe(&node, &kubeconfig).await)?
        }
        Request::ImagesAreOurs { on } => outcome(pair.cluster(on).ok_or_else(|| none(on))?.images_are_ours().await)?,
        Request::Export { directory } => outcome(pair.export(&directory).await)?,
    };
    Ok(Numbered { number, message })
}

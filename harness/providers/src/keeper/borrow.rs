//! The borrower's side of the socket: a provider whose pairs are loans.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use scenario::model::On;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::Address;
use super::cluster::BorrowedCluster;
use super::wire::{Failure, Incoming, Lent, Loan, Numbered, Outgoing, Request};
use crate::cluster::Cluster;
use crate::delays;
use crate::leases::Lease;
use crate::pair::{Life, Pair, PairPlan};
use crate::provider::{Capabilities, Missing, Provider, ProviderError, Standing};

/// Borrows pairs of the provider of that name from its keeper, and starts the keeper where there is none.
pub(super) struct Borrower {
    provider: &'static str,
    address: Address,
    kept: Capabilities,
}

impl Borrower {
    /// Borrows from the keeper at `address` pairs of `provider`, whose probe said `kept`.
    pub(super) fn new(provider: &'static str, address: Address, kept: Capabilities) -> Self {
        Self { provider, address, kept }
    }

    #[cfg(test)]
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// What there is to borrow. A loan is over with its cell, so it counts as a new pair each time.
    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities { shares_pairs: false, ..self.kept.clone() }
    }
}

#[async_trait]
impl Provider for Borrower {
    fn name(&self) -> &'static str {
        self.provider
    }

    async fn probe(&self) -> Result<Capabilities, Missing> {
        Ok(self.capabilities())
    }

    async fn create(&self, _lease: &Lease, plan: &PairPlan) -> Result<Pair, ProviderError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            ProviderError::new(self.provider, "borrow a pair of clusters", source)
        };
        let (mut incoming, mut outgoing) =
            self.address.find_or_start(self.provider).await.map_err(|reason| failed(reason.into()))?;
        outgoing.say(plan).await.map_err(|error| failed(error.into()))?;
        let loan = incoming.next::<Result<Loan, Failure>>().await.map_err(|error| failed(error.into()))?;
        let loan = loan.ok_or_else(|| failed(ENDED.into()))?;
        let Loan { host, member } = loan.map_err(|failure| failure.into_error(self.provider))?;
        let calls = Calls::over(incoming, outgoing);
        let cluster = |on: On, lent: Lent| -> Result<Arc<dyn Cluster>, ProviderError> {
            let cluster = BorrowedCluster::new(self.provider, on, lent, calls.clone());
            Ok(Arc::new(cluster.map_err(failed)?))
        };
        let host = cluster(On::Host, host)?;
        let member = member.map(|member| cluster(On::Member, member)).transpose()?;
        let standing = Standing { host, member, clock: delays::real_clock() };
        Ok(Pair::new(standing, Box::new(Borrowed { provider: self.provider, calls })))
    }
}

/// What it means when the keeper closes a connection.
const ENDED: &str = "the keeper has ended; run the tests again, and `ks-e2e sweep` if it was killed";

/// Questions to the keeper over the connection of one loan. Clones share it; it closes when the last one goes.
#[derive(Clone)]
pub(super) struct Calls(Arc<Connection>);

struct Connection {
    outgoing: tokio::sync::Mutex<Outgoing>,
    next: AtomicU64,
    waiting: Arc<Waiting>,
    reading: AbortHandle,
}

/// Who waits for which answer; none once there will be no more answers.
type Waiting = Mutex<Option<HashMap<u64, oneshot::Sender<Value>>>>;

impl Calls {
    fn over(incoming: Incoming, outgoing: Outgoing) -> Self {
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let reading = tokio::spawn(hand_out(incoming, waiting.clone())).abort_handle();
        Self(Arc::new(Connection {
            outgoing: tokio::sync::Mutex::new(outgoing),
            next: AtomicU64::new(0),
            waiting,
            reading,
        }))
    }

    /// The keeper's answer to `request`.
    ///
    /// # Errors
    /// When none comes.
    pub(super) async fn ask<T: DeserializeOwned>(&self, request: Request) -> io::Result<T> {
        let ended = || io::Error::other(ENDED);
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.as_mut().ok_or_else(ended)?.insert(number, sender);
        }
        self.0.outgoing.lock().await.say(&Numbered { number, message: request }).await?;
        let answer = receiver.await.map_err(|_| ended())?;
        Ok(serde_json::from_value(answer)?)
    }

    /// As [`ask`](Self::ask) for what a provider does or fails to do; `operation` is what that was.
    ///
    /// # Errors
    /// The kept provider's, or that no answer came.
    pub(super) async fn have_done(
        &self,
        provider: &'static str,
        operation: &str,
        request: Request,
    ) -> Result<(), ProviderError> {
        let done = self.ask::<Result<(), Failure>>(request).await;
        let done = done.map_err(|error| ProviderError::new(provider, operation, error))?;
        done.map_err(|failure| failure.into_error(provider))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn hand_out(mut incoming: Incoming, waiting: Arc<Waiting>) {
    while let Ok(Some(Numbered { number, message })) = incoming.next().await {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = waiting.as_mut().and_then(|waiting| waiting.remove(&number));
        // Whoever does not wait any longer does not need the answer.
        let _unwanted = sender.map(|sender| sender.send(message));
    }
    // All that still wait are told by this.
    *waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// A loan.
struct Borrowed {
    provider: &'static str,
    calls: Calls,
}

#[async_trait]
impl Life for Borrowed {
    fn fits(&self, _plan: &PairPlan) -> bool {
        false
    }

    async fn reset(&mut self, _plan: &PairPlan) -> Result<Standing, ProviderError> {
        Err(ProviderError::new(self.provider, "reset a borrowed pair", "its keeper does that; give it back"))
    }

    async fn export(&self, directory: &Path) -> Result<(), ProviderError> {
        let operation = "export the logs";
        let directory = std::path::absolute(directory);
        let directory = directory.map_err(|error| ProviderError::new(self.provider, operation, error))?;
        self.calls.have_done(self.provider, operation, Request::Export { directory }).await
    }

    /// To close the connection is to give the pair back; the next loan resets it.
    async fn destroy(self: Box<Self>) -> Result<(), ProviderError> {
        Ok(())
    }
}

//! Pairs of clusters for cells: new ones for each, or a few that take turns and are reset in between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use scenario::model::Scenario;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::leases::Lease;
use crate::pair::{Pair, PairPlan};
use crate::provider::{Capabilities, Provider, ProviderError};

/// Gives out pairs, each to one cell at a time.
pub struct Pool {
    provider: Arc<dyn Provider>,
    lease: Lease,
    shares: bool,
    virtual_clock: bool,
    /// How many pairs there may be at a time, where they are shared.
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Pair>>,
    /// The first failure to make a pair; what failed for one cell is not tried again for every other one.
    broken: Mutex<Option<Arc<ProviderError>>>,
}

/// A pair that a cell uses, and its place in the pool.
pub struct Taken {
    /// The pair.
    pub pair: Pair,
    /// Why a pair that was to be used again is not: it stayed dirty.
    pub replaced: Option<String>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Taken {
    /// The pair, which does not come back; its place in the pool is for another one.
    #[must_use]
    pub fn keep(self) -> Pair {
        self.pair
    }
}

impl Pool {
    /// A pool of `provider`'s pairs, of which there are `jobs` at most where they are shared; `isolate` gives every cell
    /// new ones all the same.
    #[must_use]
    pub fn new(
        provider: Arc<dyn Provider>,
        capabilities: &Capabilities,
        lease: Lease,
        isolate: bool,
        jobs: usize,
    ) -> Self {
        Self {
            provider,
            lease,
            shares: capabilities.shares_pairs && !isolate,
            virtual_clock: capabilities.virtual_clock,
            slots: Arc::new(Semaphore::new(if capabilities.shares_pairs {
                jobs.max(1)
            } else {
                Semaphore::MAX_PERMITS
            })),
            idle: Mutex::default(),
            broken: Mutex::default(),
        }
    }

    /// Why `scenario` cannot be run on its pairs; none where it can.
    #[must_use]
    pub fn cannot(&self, scenario: &Scenario) -> Option<String> {
        self.provider.cannot_be(&scenario.given).or_else(|| self.provider.cannot_do(scenario))
    }

    /// Whether its pairs live on a virtual clock.
    #[must_use]
    pub fn has_virtual_clock(&self) -> bool {
        self.virtual_clock
    }

    /// A pair as `plan` asks for, with nothing on it. Waits for one to become free where there may be no more.
    ///
    /// # Errors
    /// When none can be made, now or for somebody before.
    pub async fn take(&self, plan: &PairPlan) -> Result<Taken, Arc<ProviderError>> {
        let slot = self.slots.clone().acquire_owned().await.ok();
        let mut replaced = None;
        if let Some(pair) = self.reset_one(plan, &mut replaced).await {
            return Ok(Taken { pair, replaced, slot });
        }
        if let Some(broken) = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(broken);
        }
        match self.provider.create(&self.lease, plan).await {
            Ok(pair) => Ok(Taken { pair, replaced, slot }),
            Err(error) => {
                let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
                Err(broken.get_or_insert_with(|| Arc::new(error)).clone())
            }
        }
    }

    /// An idle pair, reset for `plan`. Those that are of no use for it make room for a new one; `replaced` says what was the
    /// matter with one that stayed dirty.
    async fn reset_one(&self, plan: &PairPlan, replaced: &mut Option<String>) -> Option<Pair> {
        loop {
            let (mut pair, fits) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                match idle.iter().position(|pair| pair.fits(plan)) {
                    Some(index) => (idle.swap_remove(index), true),
                    None => (idle.pop()?, false),
                }
            };
            if fits {
                match pair.reset(plan).await {
                    Ok(()) => return Some(pair),
                    Err(error) => *replaced = Some(error.to_string()),
                }
            }
            // A pair that stays dirty is replaced; what cannot be removed of it is named in the lease.
            let _left = pair.destroy().await;
        }
    }

    /// Takes a pair back.
    ///
    /// # Errors
    /// When it was to be destroyed and something of it stays.
    pub async fn give_back(&self, taken: Taken) -> Result<(), ProviderError> {
        let Taken { pair, slot, .. } = taken;
        if self.shares {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(pair);
            drop(slot);
            return Ok(());
        }
        let destroyed = pair.destroy().await;
        drop(slot);
        destroyed
    }

    /// Destroys the pairs that nobody uses.
    pub async fn drain(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        // What stays of them is named in the lease, whose end tries again and tells.
        futures::future::join_all(idle.into_iter().map(Pair::destroy)).await;
    }
}

/// Puts what can use the same pair side by side, so that few pairs are made: by the host's shape, pairs with a member
/// first, since they serve those without one, too. The order is otherwise kept.
pub fn gather<T>(items: Vec<T>, plan: impl Fn(&T) -> PairPlan) -> Vec<T> {
    let mut groups: BTreeMap<_, Vec<T>> = BTreeMap::new();
    for item in items {
        let plan = plan(&item);
        groups.entry((plan.host, std::cmp::Reverse(plan.member))).or_default().push(item);
    }
    groups.into_values().flatten().collect()
}

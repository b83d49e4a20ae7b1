//! A host and many members in one world.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use nodes::clock::Clock;

use super::{NAME, Running, Started, World, start};
use crate::cluster::Cluster;
use crate::pair::{Life, Pair, PairPlan};
use crate::provider::{ProviderError, Standing};
use crate::simulated::Seat;

/// How many members are made at a time.
const AT_A_TIME: usize = 4;

/// A host and its members to be: what a host with many members costs is measured on it.
pub struct Fleet {
    host: Arc<dyn Cluster>,
    members: Vec<Arc<dyn Cluster>>,
    clock: Clock,
    running: Running,
}

impl Fleet {
    /// Makes `plan`'s host, and its member `count` times.
    ///
    /// # Errors
    /// When a cluster cannot be made; nothing is left then.
    pub async fn create(plan: &PairPlan, count: u16) -> Result<Self, ProviderError> {
        let World { network, clock, mut running } = World::begin(None);
        let shape = plan.member.unwrap_or(plan.host);
        let begun = (&network, &clock);
        let made = async {
            let host = start(Seat::Host, plan.host, plan, begun, None).await?;
            let members = (0..count).map(|number| start(Seat::Member(number), shape, plan, begun, None));
            let members: Vec<Started> = futures::stream::iter(members).buffered(AT_A_TIME).try_collect().await?;
            Ok((host, members))
        };
        match made.await {
            Ok((host, members)) => {
                let host = running.takes(host);
                let members = members.into_iter().map(|member| running.takes(member)).collect();
                Ok(Self { host, members, clock, running })
            }
            Err(error) => {
                running.end().await;
                Err(error)
            }
        }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn Cluster> {
        &self.host
    }

    /// The clock of all.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The host with each of the members, as pairs that live as long as the fleet.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.members.iter().map(|member| {
            let (host, member, clock) = (self.host.clone(), Some(member.clone()), self.clock.clone());
            Pair::new(Standing { host, member, clock }, Box::new(OfFleet))
        })
    }

    /// Takes everything down.
    pub async fn destroy(self) {
        self.running.end().await;
    }
}

/// What a pair of a fleet is by itself: nothing.
struct OfFleet;

#[async_trait]
impl Life for OfFleet {
    fn fits(&self, _plan: &PairPlan) -> bool {
        false
    }

    async fn reset(&mut self, _plan: &PairPlan) -> Result<Standing, ProviderError> {
        Err(ProviderError::new(NAME, "reset a pair of a fleet".to_owned(), "its host is that of others, too"))
    }

    async fn export(&self, _directory: &Path) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn destroy(self: Box<Self>) -> Result<(), ProviderError> {
        Ok(())
    }
}

//! The cluster controller's loop: what makes it look at a Cluster, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event, watcher};
use kubesphere::Feature;
use kubesphere::names::CLUSTER;
use nodes::program::PodContext;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::places::Place;
use super::queue::{Failed, Queue};
use super::reconcile::{Occasion, drop_empty_fields};
use crate::apiserver::settings::Settings;
use crate::delays::{HOST_CLUSTER_LATE, RESYNC, RESYNC_LONG, WATCH_PAUSE};
use crate::member::ApiClient;
use crate::{Behaviour, Deviation};

/// The cluster controller with one configuration.
pub struct Controller {
    /// The pod's world.
    pub ctx: PodContext,
    /// The host.
    pub host: ApiClient,
    /// The configuration.
    pub settings: Settings,
    /// What it does otherwise.
    pub behaviour: Behaviour,
}

/// What the controller remembers of a Cluster, to tell changes that matter.
#[derive(PartialEq, Serialize, Deserialize)]
struct Seen {
    spec: Value,
    deleting: bool,
}

/// By name.
type AllSeen = BTreeMap<String, Seen>;

impl Controller {
    /// A controller with `settings`.
    #[must_use]
    pub fn new(ctx: PodContext, settings: Settings, behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self { host: ApiClient::own(&ctx), ctx, settings, behaviour })
    }

    /// Whether the program's release has `feature`.
    pub(super) fn has(&self, feature: Feature) -> bool {
        super::has(&self.ctx, feature)
    }

    /// Whether the controller has `deviation`.
    pub(super) fn deviates(&self, deviation: Deviation) -> bool {
        self.behaviour.deviates(deviation)
    }

    /// Runs for ever: reacts to changed Clusters, and looks at all of them at every resync.
    pub async fn run(self: &Arc<Self>) {
        let memory = self.ctx.memory.part("clusters");
        let before = memory.take_before();
        let kind = GroupVersionKind::gvk(CLUSTER.group, CLUSTER.version, CLUSTER.kind);
        let clusters: Api<DynamicObject> =
            Api::all_with(self.ctx.client.clone(), &ApiResource::from_gvk_with_plural(&kind, CLUSTER.plural));
        let mut changes = pin!(watcher(clusters, watcher::Config::default()));
        let usual = if self.deviates(Deviation::ResyncLong) { RESYNC_LONG } else { RESYNC };
        let period = self.settings.resync.map_or(usual, |period| RESYNC.lasting(period));
        let goes_on = before.is_some();
        let known: AllSeen = before.and_then(|before| serde_json::from_value(before).ok()).unwrap_or_default();
        let known = Arc::new(Mutex::new(known));
        let seen = || known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut queue = Queue::default();
        let mut resynced = BTreeSet::new();
        let mut work = JoinSet::new();
        let mut retries = FuturesUnordered::new();
        let (clock, late) = (self.ctx.clock.clone(), self.deviates(Deviation::HostClusterLate));
        let mut resync = async move {
            match (goes_on, late) {
                (true, _) => clock.sleep(period).await,
                (false, true) => clock.sleep(HOST_CLUSTER_LATE).await,
                (false, false) => {}
            }
        }
        .boxed();
        let mut looked = goes_on;
        loop {
            while let Some(name) = queue.take() {
                let controller = self.clone();
                let occasion = if resynced.remove(&name) { Occasion::Resync } else { Occasion::Change };
                work.spawn(async move {
                    let outcome = controller.sync(&name, occasion).await;
                    (name, outcome)
                });
            }
            if looked && work.is_empty() && retries.is_empty() {
                let known = known.clone();
                memory.keep(move || json!(*known.lock().unwrap_or_else(PoisonError::into_inner)));
            } else {
                memory.forget();
            }
            tokio::select! {
                () = &mut resync => {
                    self.ensure_host_cluster().await;
                    looked = true;
                    for name in seen().keys() {
                        resynced.insert(name.clone());
                        queue.add(name);
                    }
                    let clock = self.ctx.clock.clone();
                    resync = async move { clock.sleep(period).await }.boxed();
                }
                Some(change) = changes.next() => match change {
                    Ok(Event::Apply(cluster) | Event::InitApply(cluster)) => notice(&mut seen(), &mut queue, &cluster),
                    Ok(Event::Delete(cluster)) => {
                        seen().remove(&cluster.metadata.name.unwrap_or_default());
                    }
                    Ok(Event::Init | Event::InitDone) => {}
                    // The watch starts again by itself; the pause keeps it from doing so in a loop.
                    Err(_) => self.ctx.clock.sleep(WATCH_PAUSE).await,
                },
                Some(done) = work.join_next() => {
                    let (name, outcome) = match done {
                        Ok(done) => done,
                        // A panic ends the program, wherever it happens.
                        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
                        Err(_) => continue,
                    };
                    let Err(error): Result<(), String> = outcome else {
                        queue.succeeded(&name);
                        continue;
                    };
                    match queue.failed(&name) {
                        Failed::GivenUp => self.log(Place::GivenUp, &error),
                        Failed::Retry(delay) => {
                            let clock = self.ctx.clock.clone();
                            retries.push(async move {
                                clock.sleep(delay).await;
                                name
                            });
                        }
                    }
                }
                Some(name) = retries.next() => queue.add(&name),
            }
        }
    }
}

/// Only a changed spec and a deletion make the controller look at a Cluster; labels and status do not.
fn notice(seen: &mut AllSeen, queue: &mut Queue, cluster: &DynamicObject) {
    let Some(name) = cluster.metadata.name.clone() else { return };
    let mut data = cluster.data.clone();
    drop_empty_fields(&mut data);
    let now = Seen { spec: data["spec"].take(), deleting: cluster.metadata.deletion_timestamp.is_some() };
    if now.deleting || seen.get(&name) != Some(&now) {
        queue.add(&name);
    }
    seen.insert(name, now);
}

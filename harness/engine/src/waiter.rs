//! Waits for the clusters: tries again whenever one of them changed, and now and then for what no watch shows.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use checks::{Finding, Waiter};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher;
use nodes::clock::{Clock, Delay};
use providers::Pair;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What checks and preconditions look at, by group, version, kind and plural.
const WATCHED: [(&str, &str, &str, &str); 4] = [
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Pod", "pods"),
    ("installer.kubesphere.io", "v1alpha1", "ClusterConfiguration", "clusterconfigurations"),
    ("cluster.kubesphere.io", "v1alpha1", "Cluster", "clusters"),
];

/// Between attempts when nothing changed: processes show more over HTTP than the API server's objects do.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_secs(15);
/// After a change, so that one look sees what comes in its train: an installation changes hundreds of objects, and each
/// look may read a whole log.
const TRAIN: Delay = Delay::new("look", Duration::from_millis(20));

/// Waits on both clusters of a pair.
pub struct PairWaiter {
    clients: Vec<kube::Client>,
    /// Counts what changes, from the first wait on: most checks hold at the first look.
    changes: OnceLock<watch::Receiver<u64>>,
    clock: Clock,
    stop: CancellationToken,
    watches: CancellationToken,
}

impl PairWaiter {
    /// Waits on `pair`; waits end early when `stop` is cancelled.
    #[must_use]
    pub fn new(pair: &Pair, stop: &CancellationToken) -> Self {
        Self {
            clients: pair.clusters().map(|cluster| cluster.client()).collect(),
            changes: OnceLock::new(),
            clock: pair.clock.clone(),
            stop: stop.clone(),
            watches: CancellationToken::new(),
        }
    }

    /// What is there when the watches begin counts as changes, too: it may be newer than what was looked at.
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.get_or_init(|| self.watch()).clone()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        let (sender, changes) = watch::channel(0);
        for client in &self.clients {
            for (group, version, kind, plural) in WATCHED {
                let resource = ApiResource {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
                    kind: kind.to_owned(),
                    plural: plural.to_owned(),
                };
                // Whether something changed is all that counts.
                let api = kube::Api::<PartialObjectMeta<DynamicObject>>::all_with(client.clone(), &resource);
                let (sender, watches) = (sender.clone(), self.watches.clone());
                tokio::spawn(watches.run_until_cancelled_owned(async move {
                    // An error (a kind that is not served yet) is no change; the watcher goes on by itself.
                    let stream = watcher::watcher(api, watcher::Config::default());
                    let mut stream = std::pin::pin!(kube::runtime::WatchStreamExt::default_backoff(stream));
                    while let Some(event) = stream.next().await {
                        if event.is_ok() {
                            sender.send_modify(|count| *count += 1);
                        }
                    }
                }));
            }
        }
        changes
    }
}

impl Drop for PairWaiter {
    fn drop(&mut self) {
        self.watches.cancel();
    }
}

#[async_trait]
impl Waiter for PairWaiter {
    async fn until_holds<'a>(
        &self,
        budget: Duration,
        attempt: &(dyn Fn() -> BoxFuture<'a, Finding> + Send + Sync),
    ) -> Finding {
        let deadline = self.clock.sleep(Delay::new("wait", budget));
        tokio::pin!(deadline);
        let mut next_look = FIRST_LOOK;
        let mut changes = self.changes.get().cloned();
        loop {
            if let Some(changes) = &mut changes {
                changes.mark_unchanged();
            }
            let finding = attempt().await;
            if finding.is_holding() || self.stop.is_cancelled() {
                return finding;
            }
            let changes = changes.get_or_insert_with(|| self.changes());
            let _progress = self.clock.wants_progress();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                _ = changes.changed() => {
                    next_look = FIRST_LOOK;
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = self.clock.sleep(TRAIN) => {}
                        () = &mut deadline => return attempt().await,
                    }
                }
                () = self.clock.sleep(Delay::new("look", next_look)) => next_look = (next_look * 2).min(LAST_LOOK),
                () = &mut deadline => return attempt().await,
            }
        }
    }
}

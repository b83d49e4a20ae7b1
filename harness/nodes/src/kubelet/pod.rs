//! The worker of one pod: it follows the pod's object, its volumes and its containers.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Kubelet;
use super::container::Phase;
use super::credentials::{self, Credentials};
use super::mounts::{self, Mounted};
use super::shared::{Shared, Signal, specs};
use super::status::{self, Eviction, Facts};
use super::supervise::{Ready, Supervised, supervise};
use crate::clock::Delay;
use crate::cluster::{During as _, Failure};
use crate::events::{News, Source, record, record_about, reference};
use crate::node_network::PodNetwork;
use crate::snapshot::Standing;

/// How long a change of a ConfigMap or Secret takes to reach the files of running pods: a kubelet's sync period
/// (Kubernetes documentation, "Mounted ConfigMaps are updated automatically"). The first mount is immediate.
pub const CONFIG_MOUNT: Delay = Delay::new("config-mount", Duration::from_mins(1));

/// How long programs get to stop before they are aborted, where the pod says nothing.
pub const TERMINATION_GRACE: Delay = Delay::new("termination-grace", Duration::from_secs(30));

/// How long a pod may be active, where it says so in `activeDeadlineSeconds`.
const ACTIVE_DEADLINE: Delay = Delay::new("pod-active-deadline", Duration::ZERO);

/// kubernetes v1.20, `pkg/kubelet/active_deadline.go`.
const DEADLINE_EXCEEDED: Eviction =
    Eviction { reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline" };

/// Mounted files by path, as a program gets them.
type FileMap = Arc<BTreeMap<String, Bytes>>;

/// What exists once the pod has its place.
struct Started {
    place: PodNetwork,
    /// A pod in its node's network gives its address back to nobody.
    owns_address: bool,
    /// What each container has mounted, init containers first.
    mounted: Vec<(Arc<Mounted>, watch::Sender<FileMap>)>,
    /// Init containers that are still to run, in their order.
    init: VecDeque<Ready>,
    /// The other containers, until they run.
    main: Vec<Ready>,
    supervised: Vec<Supervised>,
    mount_pending: bool,
    stopping: bool,
}

impl Started {
    fn has_ended(&self) -> bool {
        self.supervised.iter().all(Supervised::has_ended)
    }
}

pub(super) struct Worker {
    kubelet: Arc<Kubelet>,
    shared: Arc<Shared>,
    host: IpAddr,
    begun: Timestamp,
    started: Option<Started>,
    written: Option<Arc<Value>>,
    missing: Option<String>,
    /// The object was told to go; finalizers may keep it.
    released: bool,
    /// Why the kubelet has ended the pod by itself.
    evicted: Option<Eviction>,
}

impl Worker {
    pub(super) fn new(kubelet: Arc<Kubelet>, shared: Arc<Shared>, host: IpAddr) -> Self {
        let (begun, written) = match &*shared.standing() {
            Some(standing) => (standing.begun, standing.written.clone()),
            None => (kubelet.cluster.clock.wall(), None),
        };
        Self { kubelet, shared, host, begun, started: None, written, missing: None, released: false, evicted: None }
    }

    /// Works until the pod is gone or the cluster stops.
    pub(super) async fn run(mut self) {
        let stop = self.kubelet.cluster.stop.clone();
        let _synced = stop.run_until_cancelled(self.kubelet.cluster.synced()).await;
        self.watch_deadline();
        while let Some((signal, busy)) = stop.run_until_cancelled(self.shared.queue.next()).await {
            let look = self.shared.begins();
            let looked = self.step(signal).await;
            self.shared.ends(look);
            match looked {
                Ok(true) => break,
                Ok(false) => {}
                Err(failure) => {
                    self.kubelet
                        .cluster
                        .note(format!("kubelet {}: Pod {}: {failure}", self.shared.node, self.shared.key));
                    let (clock, queue) = (self.kubelet.cluster.clock.clone(), self.shared.queue.clone());
                    self.kubelet.cluster.spawn(async move {
                        clock.sleep(super::RETRY).await;
                        queue.push(Signal::Changed);
                    });
                }
            }
            drop(busy);
        }
        // A container's supervisor may have its last word after the pod is gone.
        self.shared.queue.close();
        self.end().await;
    }

    /// Stops what still runs and gives the pod's place back.
    async fn end(self) {
        let Some(started) = self.started else { return };
        for supervised in &started.supervised {
            supervised.stop.cancel();
        }
        for supervised in started.supervised {
            supervised.end_now().await;
        }
        if started.owns_address {
            self.kubelet.network.remove_pod(started.place.address);
        }
    }

    /// Looks at everything once; true when the pod is gone.
    async fn step(&mut self, signal: Signal) -> Result<bool, Failure> {
        let Some(pod) = self.shared.pod() else { return Ok(true) };
        if pod.metadata.deletion_timestamp.is_some() {
            return self.terminate(&pod).await;
        }
        if signal == Signal::DeadlineOver && self.evicted.is_none() {
            self.evict(&pod);
        }
        match &mut self.started {
            None if self.evicted.is_some() => {}
            None => self.try_start(&pod),
            Some(started) => {
                if signal == Signal::MountDue {
                    started.mount_pending = false;
                    self.remount(&pod, true);
                } else {
                    self.remount(&pod, false);
                }
            }
        }
        self.advance();
        self.write_status(&pod).await?;
        self.note_standing();
        Ok(false)
    }

    /// Notes what others need to go on with the pod from here.
    fn note_standing(&self) {
        let Some(started) = &self.started else { return };
        let stands = !started.stopping && self.evicted.is_none();
        *self.shared.standing() = stands.then(|| Standing {
            begun: self.begun,
            address: started.place.address,
            mounted: started.mounted.iter().map(|(mounted, _)| mounted.clone()).collect(),
            written: self.written.clone(),
        });
    }

    /// Ends the pod when its `activeDeadlineSeconds` are over.
    fn watch_deadline(&self) {
        let pod = self.shared.pod();
        let seconds = pod.and_then(|pod| pod.spec.as_ref()?.active_deadline_seconds);
        let Some(seconds) = seconds.and_then(|seconds| u64::try_from(seconds).ok()) else { return };
        let delay = ACTIVE_DEADLINE.lasting(Duration::from_secs(seconds));
        self.shared.queue.push_after(&self.kubelet.cluster, Signal::DeadlineOver, delay);
    }

    fn evict(&mut self, pod: &Pod) {
        let done = self
            .started
            .as_ref()
            .is_some_and(|started| started.init.is_empty() && started.main.is_empty() && started.has_ended());
        if done {
            return;
        }
        self.evicted = Some(DEADLINE_EXCEEDED);
        let news = News::normal(DEADLINE_EXCEEDED.reason, DEADLINE_EXCEEDED.message);
        record(&self.kubelet.cluster, "kubelet", Some(&self.shared.node), pod, news);
        self.stop_containers(pod, TERMINATION_GRACE);
    }

    /// Starts the containers whose turn it is: init containers one after the other, then all others.
    fn advance(&mut self) {
        let Some(started) = &mut self.started else { return };
        if started.stopping || !started.has_ended() && !started.main.is_empty() {
            return;
        }
        let run = self.shared.init.len() - started.init.len();
        let before = run.checked_sub(1).and_then(|last| self.shared.init.get(last));
        // One that failed for good keeps all others from running.
        if before.is_some_and(|container| !container.has_succeeded()) {
            return;
        }
        let next: Vec<_> = match started.init.pop_front() {
            Some(next) => vec![next],
            None => std::mem::take(&mut started.main),
        };
        started.supervised.extend(next.into_iter().map(|ready| supervise(&self.kubelet, &self.shared, ready)));
    }

    fn try_start(&mut self, pod: &Arc<Pod>) {
        let caches = &self.kubelet.cluster.caches;
        let mut mounted = Vec::new();
        let mut credentials = Vec::new();
        let (mut missing, mut no_account) = (None, None);
        for container in specs(pod) {
            match mounts::files(pod, container, caches) {
                Ok(files) => mounted.push(Arc::new(files)),
                Err(lack) => {
                    missing = Some(format!("MountVolume.SetUp failed for volume \"{}\" : {}", lack.volume, lack.what));
                }
            }
            match credentials::find(pod, container, caches) {
                Ok(found) => credentials.push(found),
                Err(lack) => no_account = Some(lack),
            }
        }
        if let Some(missing) = missing.or(no_account) {
            if self.missing.as_ref() != Some(&missing) {
                let news = News::warning("FailedMount", missing.clone());
                record(&self.kubelet.cluster, "kubelet", Some(&self.shared.node), pod.as_ref(), news);
                self.missing = Some(missing);
            }
            return;
        }
        self.start(pod, mounted, credentials);
    }

    /// Gives the pod its place in the network, and makes its containers ready to run.
    fn start(&mut self, pod: &Arc<Pod>, files: Vec<Arc<Mounted>>, credentials: Vec<Option<Credentials>>) {
        let owns_address = !pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false);
        let (network, namespace) = (&self.kubelet.network, &self.shared.key.namespace);
        let kept = self.shared.standing().clone();
        let place = match &kept {
            _ if !owns_address => PodNetwork { address: self.host, network: network.node(self.host) },
            Some(standing) => network.restore_pod(self.host, namespace, standing.address),
            None => network.add_pod(self.host, namespace),
        };
        let was_there = kept.is_some();
        // What has changed meanwhile is taken over in its time, as if the kubelet had not been away.
        let files = kept.map_or(files, |standing| standing.mounted);
        let mut ready = VecDeque::new();
        let mut mounted = Vec::new();
        for (((spec, container), files), credentials) in specs(pod).zip(self.shared.all()).zip(files).zip(credentials) {
            let sender = watch::Sender::new(Arc::new(files.files.clone()));
            let context = super::context::Parts {
                kubelet: &self.kubelet,
                shared: &self.shared,
                pod,
                spec,
                place: &place,
                files: sender.subscribe(),
                credentials,
            };
            ready.push_back(Ready { container: container.clone(), spec: spec.clone(), contexts: context.build() });
            mounted.push((files, sender));
        }
        let main = ready.split_off(self.shared.init.len().min(ready.len()));
        if was_there {
            ready.clear();
        }
        self.started = Some(Started {
            place,
            owns_address,
            mounted,
            init: ready,
            main: main.into(),
            supervised: Vec::new(),
            mount_pending: false,
            stopping: false,
        });
    }

    /// Takes changed volumes over if `now`, else sees to it that this happens after [`CONFIG_MOUNT`].
    fn remount(&mut self, pod: &Pod, now: bool) {
        let caches = &self.kubelet.cluster.caches;
        let Some(started) = &mut self.started else { return };
        let mut changed = false;
        for (container, (mounted, sender)) in specs(pod).zip(&mut started.mounted) {
            // A source that is gone leaves the files as they are, as a kubelet does.
            let Ok(newer) = mounts::files(pod, container, caches) else { continue };
            let newer = mounted.updated_to(&newer);
            if newer == **mounted {
                continue;
            }
            changed = true;
            if now {
                sender.send_replace(Arc::new(newer.files.clone()));
                *mounted = Arc::new(newer);
                self.kubelet.cluster.clock.touch();
            }
        }
        if changed && !now && !started.mount_pending {
            started.mount_pending = true;
            self.shared.queue.push_after(&self.kubelet.cluster, Signal::MountDue, CONFIG_MOUNT);
        }
    }

    /// Asks all containers to stop, and ends those that have not after `grace`.
    fn stop_containers(&mut self, pod: &Pod, grace: Delay) {
        let Some(started) = self.started.as_mut().filter(|started| !started.stopping) else { return };
        started.stopping = true;
        // Before any is asked to stop: a program may end at once.
        let source = Source { component: "kubelet", host: Some(&self.shared.node) };
        let running = self.shared.all().filter(|one| matches!(one.state().phase, Phase::Running { .. }));
        for container in running {
            let mut involved = reference(pod);
            involved.field_path = Some(container.field_path());
            let news = News::normal("Killing", format!("Stopping container {}", container.state().name));
            record_about(&self.kubelet.cluster, source, involved, news);
        }
        for supervised in &started.supervised {
            supervised.stop.cancel();
            let (kill, clock) = (supervised.kill.clone(), self.kubelet.cluster.clock.clone());
            self.kubelet.cluster.spawn(async move {
                tokio::select! {
                    () = clock.sleep(grace) => kill.cancel(),
                    () = kill.cancelled() => {}
                }
            });
        }
    }

    /// Stops the containers, then lets the object go; true when it is gone.
    async fn terminate(&mut self, pod: &Arc<Pod>) -> Result<bool, Failure> {
        let grace = pod.metadata.deletion_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let grace = grace.map_or(TERMINATION_GRACE, |seconds| TERMINATION_GRACE.lasting(Duration::from_secs(seconds)));
        self.stop_containers(pod, grace);
        *self.shared.standing() = None;
        if let Some(started) = &mut self.started {
            if !started.has_ended() {
                return Ok(false);
            }
            if started.owns_address {
                self.kubelet.network.remove_pod(started.place.address);
            }
            // What follows must not find the address again when it was given to another pod meanwhile.
            started.owns_address = false;
        }
        if !self.released {
            // The last word about its containers.
            self.write_status(pod).await?;
        }
        if self.released {
            return Ok(false);
        }
        let precondition = Preconditions { uid: Some(self.shared.uid.clone()), resource_version: None };
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }.preconditions(precondition);
        let api = Api::<Pod>::namespaced(self.kubelet.cluster.kubelet.clone(), &self.shared.key.namespace);
        let deleted = api.delete(&self.shared.key.name, &now).await;
        match deleted {
            // Another pod of the same name is there already.
            Err(error) if crate::cluster::code_of(&error) == 409 => {}
            deleted => {
                deleted.unless_gone(&format!("delete Pod {}", self.shared.key))?;
            }
        }
        self.released = true;
        // The watch says when it is gone; finalizers may keep it for long.
        Ok(false)
    }

    async fn write_status(&mut self, pod: &Arc<Pod>) -> Result<(), Failure> {
        let init: Vec<_> = self.shared.init.iter().map(|container| container.state()).collect();
        let containers: Vec<_> = self.shared.containers.iter().map(|container| container.state()).collect();
        let facts = Facts {
            pod,
            init: &init,
            containers: &containers,
            ip: self.started.as_ref().map(|started| started.place.address),
            host: self.host,
            started: self.begun,
            now: self.kubelet.cluster.clock.wall(),
            ended: self.evicted.filter(|_| self.started.as_ref().is_none_or(Started::has_ended)),
        };
        let status = status::status(&facts, self.written.as_deref());
        if self.written.as_deref() == Some(&status) {
            return Ok(());
        }
        let api = Api::<Pod>::namespaced(self.kubelet.cluster.kubelet.clone(), &self.shared.key.namespace);
        let patch = Patch::Merge(json!({ "metadata": { "uid": self.shared.uid }, "status": status }));
        let operation = format!("update the status of Pod {}", self.shared.key);
        let written = api.patch_status(&self.shared.key.name, &PatchParams::default(), &patch).await;
        if let Err(error) = &written
            && crate::cluster::code_of(error) == 409
        {
            // Another pod of the same name took its place; the watch tells of it.
            return Ok(());
        }
        if let Some(pod) = written.unless_gone(&operation)? {
            self.kubelet.cluster.caches.pods.wrote(pod);
        }
        self.written = Some(Arc::new(status));
        Ok(())
    }
}

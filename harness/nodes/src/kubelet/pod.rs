//! The worker of one pod: it follows the pod's object, its volumes and its containers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Kubelet;
use super::credentials::{self, Credentials};
use super::mounts::{self, Mounted};
use super::shared::{Shared, Signal};
use super::status::{self, Facts};
use super::supervise::{Supervised, supervise};
use crate::clock::Delay;
use crate::cluster::{During as _, Failure};
use crate::events::{News, record};
use crate::node_network::PodNetwork;

/// How long a change of a ConfigMap or Secret takes to reach the files of running pods: a kubelet's sync period
/// (Kubernetes documentation, "Mounted ConfigMaps are updated automatically"). The first mount is immediate.
pub const CONFIG_MOUNT: Delay = Delay::new("config-mount", Duration::from_mins(1));

/// How long programs get to stop before they are aborted, where the pod says nothing.
pub const TERMINATION_GRACE: Delay = Delay::new("termination-grace", Duration::from_secs(30));

/// Mounted files by path, as a program gets them.
type FileMap = Arc<BTreeMap<String, Bytes>>;

/// What exists once the containers were started.
struct Started {
    place: PodNetwork,
    /// A pod in its node's network gives its address back to nobody.
    owns_address: bool,
    mounted: Vec<(Mounted, watch::Sender<FileMap>)>,
    supervised: Vec<Supervised>,
    mount_pending: bool,
    stopping: bool,
}

pub(super) struct Worker {
    kubelet: Arc<Kubelet>,
    shared: Arc<Shared>,
    host: IpAddr,
    begun: Timestamp,
    started: Option<Started>,
    written: Option<Value>,
    missing: Option<String>,
    /// The object was told to go; finalizers may keep it.
    released: bool,
}

impl Worker {
    pub(super) fn new(kubelet: Arc<Kubelet>, shared: Arc<Shared>, host: IpAddr) -> Self {
        let begun = kubelet.cluster.clock.wall();
        Self { kubelet, shared, host, begun, started: None, written: None, missing: None, released: false }
    }

    /// Works until the pod is gone or the cluster stops.
    pub(super) async fn run(mut self) {
        let stop = self.kubelet.cluster.stop.clone();
        let _synced = stop.run_until_cancelled(self.kubelet.cluster.synced()).await;
        while let Some((signal, busy)) = stop.run_until_cancelled(self.shared.queue.next()).await {
            match self.step(signal).await {
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
        match &mut self.started {
            None => self.try_start(&pod).await?,
            Some(started) => {
                if signal == Signal::MountDue {
                    started.mount_pending = false;
                    self.remount(&pod, true);
                } else {
                    self.remount(&pod, false);
                }
            }
        }
        self.write_status(&pod).await?;
        Ok(false)
    }

    async fn try_start(&mut self, pod: &Arc<Pod>) -> Result<(), Failure> {
        let spec = pod.spec.clone().unwrap_or_default();
        let caches = &self.kubelet.cluster.caches;
        let mut mounted = Vec::new();
        let mut missing = None;
        for container in &spec.containers {
            match mounts::files(pod, container, caches) {
                Ok(files) => mounted.push(files),
                Err(lack) => {
                    missing = Some(format!("MountVolume.SetUp failed for volume \"{}\" : {}", lack.volume, lack.what));
                }
            }
        }
        let mut credentials = Vec::new();
        for container in &spec.containers {
            match credentials::find(pod, container, caches) {
                Ok(found) => credentials.push(found),
                Err(lack) => missing = missing.or(Some(lack)),
            }
        }
        if let Some(missing) = missing {
            if self.missing.as_ref() != Some(&missing) {
                let news = News::warning("FailedMount", missing.clone());
                record(&self.kubelet.cluster, "kubelet", Some(&self.shared.node), pod.as_ref(), news);
                self.missing = Some(missing);
            }
            return Ok(());
        }
        self.start(pod, mounted, credentials).await
    }

    async fn start(
        &mut self,
        pod: &Arc<Pod>,
        files: Vec<Mounted>,
        credentials: Vec<Option<Credentials>>,
    ) -> Result<(), Failure> {
        let spec = pod.spec.clone().unwrap_or_default();
        let owns_address = !spec.host_network.unwrap_or(false);
        let place = if owns_address {
            self.kubelet.network.add_pod(self.host, &self.shared.key.namespace)
        } else {
            PodNetwork { address: self.host, network: self.kubelet.network.node(self.host) }
        };
        let mut supervised = Vec::new();
        let mut mounted = Vec::new();
        let mut unknown = false;
        for (((spec, container), files), credentials) in
            spec.containers.iter().zip(&self.shared.containers).zip(files).zip(credentials)
        {
            let sender = watch::Sender::new(Arc::new(files.files.clone()));
            let image = spec.image.as_deref().unwrap_or_default();
            match self.kubelet.programs.find(image) {
                None => {
                    unknown = true;
                    let reference = format!("failed to pull and unpack image \"{image}\": not found");
                    let text = format!("rpc error: code = NotFound desc = {reference}");
                    container.waits("ErrImagePull", Some(text.clone()));
                    for news in [
                        News::normal("Pulling", format!("Pulling image \"{image}\"")),
                        News::warning("Failed", format!("Failed to pull image \"{image}\": {text}")),
                        News::warning("Failed", "Error: ErrImagePull"),
                        News::normal("BackOff", format!("Back-off pulling image \"{image}\"")),
                        News::warning("Failed", "Error: ImagePullBackOff"),
                    ] {
                        record(&self.kubelet.cluster, "kubelet", Some(&self.shared.node), pod.as_ref(), news);
                    }
                }
                Some(program) => {
                    let context = super::context::Parts {
                        kubelet: &self.kubelet,
                        shared: &self.shared,
                        pod,
                        spec,
                        place: &place,
                        files: sender.subscribe(),
                        credentials,
                    };
                    supervised.push(supervise(&self.kubelet, &self.shared, container, program, context.build()));
                }
            }
            mounted.push((files, sender));
        }
        if unknown {
            self.write_status(pod).await?;
            for (spec, container) in spec.containers.iter().zip(&self.shared.containers) {
                let image = spec.image.as_deref().unwrap_or_default();
                if self.kubelet.programs.find(image).is_none() {
                    container.waits("ImagePullBackOff", Some(format!("Back-off pulling image \"{image}\"")));
                }
            }
        }
        self.started =
            Some(Started { place, owns_address, mounted, supervised, mount_pending: false, stopping: false });
        Ok(())
    }

    /// Takes changed volumes over if `now`, else sees to it that this happens after [`CONFIG_MOUNT`].
    fn remount(&mut self, pod: &Pod, now: bool) {
        let caches = &self.kubelet.cluster.caches;
        let Some(started) = &mut self.started else { return };
        let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let mut changed = false;
        for (container, (mounted, sender)) in containers.iter().zip(&mut started.mounted) {
            // A source that is gone leaves the files as they are, as a kubelet does.
            let Ok(newer) = mounts::files(pod, container, caches) else { continue };
            let newer = mounted.updated_to(&newer);
            if newer == *mounted {
                continue;
            }
            changed = true;
            if now {
                sender.send_replace(Arc::new(newer.files.clone()));
                *mounted = newer;
                self.kubelet.cluster.clock.touch();
            }
        }
        if changed && !now && !started.mount_pending {
            started.mount_pending = true;
            let (clock, queue) = (self.kubelet.cluster.clock.clone(), self.shared.queue.clone());
            self.kubelet.cluster.spawn(async move {
                clock.sleep(CONFIG_MOUNT).await;
                queue.push(Signal::MountDue);
            });
        }
    }

    /// Stops the containers, then lets the object go; true when it is gone.
    async fn terminate(&mut self, pod: &Arc<Pod>) -> Result<bool, Failure> {
        if let Some(started) = &mut self.started {
            if !started.stopping {
                started.stopping = true;
                let grace = pod.metadata.deletion_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok());
                let grace =
                    grace.map_or(TERMINATION_GRACE, |seconds| TERMINATION_GRACE.lasting(Duration::from_secs(seconds)));
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
                for container in &self.shared.containers {
                    let news = News::normal("Killing", format!("Stopping container {}", container.state().name));
                    record(&self.kubelet.cluster, "kubelet", Some(&self.shared.node), pod.as_ref(), news);
                }
            }
            if !started.supervised.iter().all(Supervised::has_ended) {
                return Ok(false);
            }
            if started.owns_address {
                self.kubelet.network.remove_pod(started.place.address);
            }
            // What follows must not find the address again when it was given to another pod meanwhile.
            started.owns_address = false;
        }
        if self.released {
            return Ok(false);
        }
        let precondition = Preconditions { uid: Some(self.shared.uid.clone()), resource_version: None };
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }.preconditions(precondition);
        let api = self.kubelet.cluster.api::<Pod>(&self.shared.key.namespace);
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
        let containers: Vec<_> = self.shared.containers.iter().map(|container| container.state()).collect();
        let facts = Facts {
            pod,
            containers: &containers,
            ip: self.started.as_ref().map(|started| started.place.address),
            host: self.host,
            started: self.begun,
            now: self.kubelet.cluster.clock.wall(),
        };
        let status = status::status(&facts, self.written.as_ref());
        if self.written.as_ref() == Some(&status) {
            return Ok(());
        }
        let api = self.kubelet.cluster.api::<Pod>(&self.shared.key.namespace);
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
        self.written = Some(status);
        Ok(())
    }
}

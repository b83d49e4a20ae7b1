//! Starts both programs of a cluster as containers that share an address and a directory.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use async_trait::async_trait;
use scenario::model::On;
use testcontainers::core::Mount;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

use super::NAME;
use super::images::Images;
use crate::container_engine::{ContainerEngine, EngineError};
use crate::leases::{EngineObject, EngineObjectKind, Lease};
use crate::provider::ProviderError;
use crate::real_server::{Cause, Prepared, Programs, RealServer, apiserver_arguments, etcd_arguments};

/// Where kube-apiserver listens, as kubeadm has it.
const PORT: u16 = 6443;
/// Lines of a log that an error shows.
const SHOWN_LINES: &str = "12";

/// Where a cluster's containers go.
pub(super) struct Place<'a> {
    pub(super) lease: &'a Lease,
    pub(super) engine: &'a ContainerEngine,
    pub(super) images: &'a Images,
    pub(super) network: &'a str,
    pub(super) on: On,
    /// What the containers' names begin with, and their directory is named.
    pub(super) name: String,
}

/// Starts the server of a cluster and returns once it is ready for an administrator.
pub(super) async fn start(place: Place<'_>) -> Result<RealServer, ProviderError> {
    let on = place.on;
    let started = started(&place).await;
    started.map_err(|source| ProviderError::new(NAME, format!("start kube-apiserver of the {on} cluster"), source))
}

async fn started(place: &Place<'_>) -> Result<RealServer, Cause> {
    let directory = place.lease.directory().join(&place.name);
    std::fs::create_dir_all(&directory)?;
    let mut containers =
        Box::new(Containers { engine: place.engine.clone(), lease: place.lease.clone(), all: Vec::new() });
    let etcd = Wanted {
        program: "etcd",
        image: place.images.etcd(),
        arguments: etcd_arguments(),
        network: place.network.to_owned(),
    };
    let etcd = containers.add(place, etcd, &directory).await?;
    let address: IpAddr = etcd.get_bridge_ip_address().await?;
    let network = format!("container:{}", etcd.id());
    let address = SocketAddr::new(address, PORT);
    let prepared = Prepared::write(&directory, place.on, Some(address.ip()))?;
    let apiserver = Wanted {
        program: "kube-apiserver",
        image: place.images.apiserver(),
        arguments: apiserver_arguments(place.on, address),
        network,
    };
    containers.add(place, apiserver, &directory).await?;
    match prepared.ready(address, containers.as_mut()).await {
        Ok(ready) => Ok(prepared.started(ready, containers)),
        Err(error) => {
            containers.stop().await?;
            Err(error)
        }
    }
}

/// A container to start.
struct Wanted<'a> {
    program: &'static str,
    image: &'a str,
    arguments: Vec<String>,
    /// Name of a network, or `container:ID` for the address of another container.
    network: String,
}

/// etcd, and kube-apiserver once it is started.
struct Containers {
    engine: ContainerEngine,
    lease: Lease,
    all: Vec<Container>,
}

struct Container {
    program: &'static str,
    name: String,
    running: ContainerAsync<GenericImage>,
}

impl Containers {
    /// Starts one more.
    async fn add(
        &mut self,
        place: &Place<'_>,
        wanted: Wanted<'_>,
        directory: &Path,
    ) -> Result<&ContainerAsync<GenericImage>, Cause> {
        let name = format!("{}-{}", place.name, wanted.program);
        place.lease.own_engine_object(EngineObject {
            engine: place.engine.clone(),
            what: EngineObjectKind::Container,
            name: name.clone(),
        })?;
        // The path is the same inside: kube-apiserver's configuration names it.
        let path =
            directory.to_str().ok_or("the run's directory has a name that is no text; set TMPDIR to another one")?;
        // A colon before a slash belongs to the host's port.
        let tagged = wanted.image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let (repository, tag) = tagged.unwrap_or((wanted.image, "latest"));
        let network = wanted.network;
        let request = GenericImage::new(repository, tag)
            .with_entrypoint(wanted.program)
            .with_cmd(wanted.arguments)
            .with_container_name(&name)
            .with_label("ks-e2e.dev/run", place.lease.name())
            .with_mount(Mount::bind_mount(path, path))
            .with_working_dir(path)
            // What they write is to be removed by this process.
            .with_user(format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid()))
            .with_host_config_modifier(move |config| {
                config.network_mode = Some(network.clone());
                config.publish_all_ports = Some(false);
            });
        let running = request.start().await?;
        self.all.push(Container { program: wanted.program, name, running });
        let last = self.all.last().ok_or("a container that was just started")?;
        Ok(&last.running)
    }
}

#[async_trait]
impl Programs for Containers {
    async fn early_end(&mut self) -> io::Error {
        let ends = self.all.iter().map(|container| Box::pin(container.end(&self.engine)));
        futures::future::select_all(ends).await.0
    }

    async fn export(&self, directory: &Path) -> Result<(), Cause> {
        for container in &self.all {
            let log = printed(&self.engine, &container.name, "all").await?;
            std::fs::write(directory.join(format!("{}.log", container.program)), log)?;
        }
        Ok(())
    }

    async fn stop(self: Box<Self>) -> Result<(), Cause> {
        let Self { lease, all, .. } = *self;
        let names: Vec<String> = all.iter().map(|container| container.name.clone()).collect();
        // kube-apiserver first: it lives in etcd's network.
        for container in all.into_iter().rev() {
            container.running.rm().await?;
        }
        let removed = move || lease.remove_engine_objects(|object| names.contains(&object.name));
        Ok(tokio::task::spawn_blocking(removed).await??)
    }
}

impl Container {
    /// Waits for its end.
    async fn end(&self, engine: &ContainerEngine) -> io::Error {
        let status = match ended(engine, &self.name).await {
            Ok(status) => status,
            Err(error) => return io::Error::other(error),
        };
        let said = printed(engine, &self.name, SHOWN_LINES).await.unwrap_or_default();
        let program = self.program;
        io::Error::other(format!("{program} ended early (exit status {status}); the end of its log:\n{said}"))
    }
}

/// The last `lines` of what a container has printed, or `all` of it.
async fn printed(engine: &ContainerEngine, container: &str, lines: &str) -> Result<String, EngineError> {
    let arguments = ["logs", "--tail", lines, container];
    let output = engine.output(&arguments).await;
    // Programs of a control plane print to their standard error.
    let said = output.as_ref().map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
    engine.ended(&arguments, output).map(|out| if out.is_empty() { said } else { format!("{out}\n{said}") })
}

/// Waits until a container has ended, however long it lives, and returns its exit code.
async fn ended(engine: &ContainerEngine, container: &str) -> Result<String, EngineError> {
    let arguments = ["wait", container];
    let output = engine.output(&arguments).await;
    engine.ended(&arguments, output)
}

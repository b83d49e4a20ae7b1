//! The container engine that kind works with: Docker or Podman, by its command line, as kind itself uses it.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Missing;
use crate::leases::{EngineObject, EngineObjectKind, Lease};
use crate::program::{self, on_path};

/// Names the engine where both are there; kind's own variable (kind 0.27, `pkg/cluster/provider.go`).
pub const ENGINE_VARIABLE: &str = "KIND_EXPERIMENTAL_PROVIDER";

/// The label that kind puts on its node containers (kind 0.27, `pkg/cluster/internal/providers/common`).
const CLUSTER_LABEL: &str = "io.x-k8s.kind.cluster";

/// Which engine the commands reach: kept with a lease, since `sweep` may be called from another environment.
const REACHES: [&str; 4] = ["DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINER_CONNECTION"];

/// How often a removal is tried before it is given up: containers that were being made when their maker was killed
/// appear a moment later, and networks go only after them.
const TRIES: usize = 20;

/// How long an engine that was found to answer may take for anything but a question, on a loaded machine, too.
const ASK_LIMIT: Duration = Duration::from_mins(1);

/// Docker or Podman.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

impl EngineName {
    /// The program's name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// kind's variable for the network that its nodes are on.
    #[must_use]
    pub fn network_variable(self) -> &'static str {
        match self {
            Self::Docker => "KIND_EXPERIMENTAL_DOCKER_NETWORK",
            Self::Podman => "KIND_EXPERIMENTAL_PODMAN_NETWORK",
        }
    }

    /// How to get the engine to answer.
    fn start(self) -> &'static str {
        match self {
            Self::Docker => {
                "start it (Debian: `systemctl start docker`), see that you may use it (`docker version`), or say with \
                 DOCKER_HOST where it is"
            }
            Self::Podman => "see what `podman info` says, or say with CONTAINER_HOST where it is",
        }
    }

    /// The arguments that make it tell `what`. Only of Docker, `version` asks the engine itself, and only of Podman,
    /// `info` tells everything (podman-info(1) 4.3).
    fn question(self, what: About) -> [&'static str; 3] {
        match (self, what) {
            (Self::Docker, About::Version) => ["version", "--format", "{{.Server.Version}}"],
            (Self::Docker, About::Architecture) => ["version", "--format", "{{.Server.Arch}}"],
            (Self::Docker, About::Storage) => ["info", "--format", "{{.DockerRootDir}}"],
            (Self::Podman, About::Version) => ["info", "--format", "{{.Version.Version}}"],
            (Self::Podman, About::Architecture) => ["info", "--format", "{{.Host.Arch}}"],
            (Self::Podman, About::Storage) => ["info", "--format", "{{.Store.GraphRoot}}"],
        }
    }
}

/// What an engine tells about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About {
    /// Its version, if it runs.
    Version,
    /// The architecture of its containers, as Go names it.
    Architecture,
    /// The directory that holds its containers.
    Storage,
}

/// A container engine, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEngine {
    /// Which one.
    pub name: EngineName,
    environment: BTreeMap<String, String>,
}

/// A call of the engine's command line that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {reason}")]
pub struct EngineError {
    /// The call, as `docker network create x`.
    pub call: String,
    /// What it said.
    pub reason: String,
}

impl ContainerEngine {
    /// The engine that kind would take here: the one its variable names, else Docker, else Podman.
    ///
    /// # Errors
    /// When neither program is on the PATH, or the variable names something else.
    pub fn find() -> Result<Self, Missing> {
        let install = "install Docker (Debian: `apt-get install docker.io`) or Podman, and see that it runs";
        let named = std::env::var(ENGINE_VARIABLE).ok().filter(|name| !name.is_empty());
        let name = match named.as_deref() {
            Some("docker") => EngineName::Docker,
            Some("podman") => EngineName::Podman,
            Some(other) => {
                let what = format!("{ENGINE_VARIABLE} names {other}, which ks-e2e does not work with");
                return Err(Missing::new(what, "set it to docker or podman, or unset it"));
            }
            None if on_path("docker").is_some() => EngineName::Docker,
            None if on_path("podman").is_some() => EngineName::Podman,
            None => return Err(Missing::new("neither docker nor podman is on the PATH", install)),
        };
        let program = name.program();
        if on_path(program).is_none() {
            let what = format!("{program}, which {ENGINE_VARIABLE} names, is not on the PATH");
            return Err(Missing::new(what, format!("install it, or unset {ENGINE_VARIABLE}")));
        }
        let environment = REACHES.iter().filter_map(|key| Some(((*key).to_owned(), std::env::var(key).ok()?)));
        Ok(Self { name, environment: environment.collect() })
    }

    /// The engine's program with `arguments`, no input and captured output.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.name.program());
        command.args(arguments).envs(&self.environment).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What the engine says to `arguments`, or in words why it says nothing in time.
    pub(crate) async fn answer(&self, arguments: &[&str]) -> Result<String, String> {
        program::answer(self.command(arguments).into()).await
    }

    /// What the engine tells about itself.
    ///
    /// # Errors
    /// [`Missing`] when it does not answer.
    pub(crate) async fn tell(&self, what: About) -> Result<String, Missing> {
        let answer = self.answer(&self.name.question(what)).await;
        let silent = |reason| format!("{} does not answer: {reason}", self.name.program());
        answer.map_err(|reason| Missing::new(silent(reason), self.name.start()))
    }

    /// Runs the engine's program and returns its standard output, trimmed. Blocks.
    ///
    /// # Errors
    /// When it does not start or does not end well.
    pub fn call(&self, arguments: &[&str]) -> Result<String, EngineError> {
        let child = program::start_blocking(&mut self.command(arguments));
        self.ended(arguments, child.and_then(std::process::Child::wait_with_output))
    }

    /// Like [`call`](Self::call), without blocking; the program is killed when nobody waits any more.
    ///
    /// # Errors
    /// When it does not start or does not end well.
    pub async fn ask(&self, arguments: &[&str]) -> Result<String, EngineError> {
        let output = tokio::time::timeout(ASK_LIMIT, self.output(arguments)).await;
        self.ended(arguments, output.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())))
    }

    /// Runs the engine's program to its end; it is killed when nobody waits any more.
    pub(crate) async fn output(&self, arguments: &[&str]) -> std::io::Result<Output> {
        let mut command = tokio::process::Command::from(self.command(arguments));
        program::output(command.kill_on_drop(true)).await
    }

    /// What became of a call.
    pub(crate) fn ended(&self, arguments: &[&str], output: std::io::Result<Output>) -> Result<String, EngineError> {
        let failed = |reason: String| EngineError { call: self.shown(arguments), reason };
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
    }

    fn shown(&self, arguments: &[&str]) -> String {
        format!("{} {}", self.name.program(), arguments.join(" "))
    }

    /// Names of the node containers of the kind cluster `cluster`.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn nodes_of(&self, cluster: &str) -> Result<Vec<String>, EngineError> {
        let names = self.ask(&nodes_call(&cluster_filter(cluster))).await?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Removes the nodes of the kind cluster `cluster` with their volumes; false when there were none. Blocks.
    ///
    /// # Errors
    /// When something of it stays.
    pub fn remove_cluster(&self, cluster: &str) -> Result<bool, EngineError> {
        let mut any = false;
        let mut last = None;
        for _ in 0..TRIES {
            let nodes = self.call(&nodes_call(&cluster_filter(cluster)))?;
            if nodes.is_empty() {
                return Ok(any | self.remove_volumes(cluster)?);
            }
            any = true;
            let arguments: Vec<&str> = ["rm", "-f", "-v"].into_iter().chain(nodes.lines()).collect();
            // A container that somebody else removes at the same moment is an error here and gone at the next look.
            last = self.call(&arguments).err();
        }
        Err(last.unwrap_or_else(|| EngineError {
            call: self.shown(&["rm", "-f", "-v"]),
            reason: format!("nodes of {cluster} are still there"),
        }))
    }

    /// Removes the volumes of a cluster that is gone; false when there were none. On Podman kind makes them with names of
    /// their own and labels them with the node's (kind 0.27, `providers/podman/util.go`), so no container takes them
    /// along. Blocks.
    fn remove_volumes(&self, cluster: &str) -> Result<bool, EngineError> {
        if self.name == EngineName::Docker {
            return Ok(false);
        }
        let listed =
            self.call(&["volume", "ls", "--format", "{{.Name}}{{range $key, $_ := .Labels}} {{$key}}{{end}}"])?;
        let volumes = volumes_of(cluster, &listed);
        if volumes.is_empty() {
            return Ok(false);
        }
        let arguments: Vec<&str> = ["volume", "rm", "-f"].into_iter().chain(volumes).collect();
        self.call(&arguments).map(|_| true)
    }

    /// Removes the container `container` with its volumes; false when there was none. Blocks.
    ///
    /// # Errors
    /// When it stays.
    pub fn remove_container(&self, container: &str) -> Result<bool, EngineError> {
        let filter = format!("name=^{container}$");
        if self.call(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"])?.is_empty() {
            return Ok(false);
        }
        self.call(&["rm", "-f", "-v", container]).map(|_| true)
    }

    /// Removes the network `network`; false when there was none. Blocks.
    ///
    /// # Errors
    /// When it stays.
    pub fn remove_network(&self, network: &str) -> Result<bool, EngineError> {
        if !self.has_network(network)? {
            return Ok(false);
        }
        self.call(&["network", "rm", network]).map(|_| true)
    }

    fn has_network(&self, network: &str) -> Result<bool, EngineError> {
        let filter = format!("name={network}");
        let names = self.call(&["network", "ls", "--filter", &filter, "--format", "{{.Name}}"])?;
        // The filter takes parts of names, too.
        Ok(names.lines().any(|name| name == network))
    }
}

/// `v1.20.2` of `kindest/node:v1.20.2@sha256:…`.
pub(crate) fn version_in(image: &str) -> Option<String> {
    let tagged = image.split('@').next()?;
    let (_, tag) = tagged.rsplit_once(':')?;
    let version = tag.strip_prefix('v')?;
    version.split('.').take(2).all(|part| part.parse::<u32>().is_ok()).then(|| tag.to_owned())
}

/// The run's own network, so that nothing of another run or person is on it and it can go with the run.
pub(crate) async fn make_network(
    lease: &Lease,
    engine: &ContainerEngine,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let name = lease.name();
    lease.own_engine_object(EngineObject {
        engine: engine.clone(),
        what: EngineObjectKind::Network,
        name: name.clone(),
    })?;
    let label = format!("ks-e2e.dev/run={name}");
    engine.ask(&["network", "create", "--driver", "bridge", "--label", &label, &name]).await?;
    Ok(name)
}

fn cluster_filter(cluster: &str) -> String {
    format!("label={CLUSTER_LABEL}={cluster}")
}

/// Those of the lines `NAME LABEL…` that bear the name of one of the cluster's nodes for a label.
fn volumes_of<'a>(cluster: &str, listed: &'a str) -> Vec<&'a str> {
    let of_cluster = |label: &str| label.strip_prefix(cluster).is_some_and(|node| node.starts_with('-'));
    let lines = listed.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(_, labels)| labels.split(' ').any(of_cluster)).map(|(name, _)| name).collect()
}

fn nodes_call(filter: &str) -> [&str; 6] {
    ["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn picks_the_volumes_of_a_cluster() {
        let listed =
            "a run-1-host-control-plane\nb\nc x run-1-host-worker2\nd run-1-hosts-worker\ne run-1-member-worker";
        assert_eq!(volumes_of("run-1-host", listed), ["a", "c"]);
    }

    #[rstest]
    #[case("kindest/node:v1.20.15", Some("v1.20.15"))]
    #[case("localhost:5000/node:v1.24.17@sha256:00", Some("v1.24.17"))]
    #[case("localhost:5000/node", None)]
    #[case("kindest/node:latest", None)]
    fn reads_the_version_off_the_image(#[case] image: &str, #[case] version: Option<&str>) {
        assert_eq!(version_in(image).as_deref(), version);
    }
}

//! `KubeKey` (`kk`) as the pages use it: it writes `config-sample.yaml`, and installs KubeSphere as that file says. The
//! cluster is there already, so everything that makes one, its checks of machines and the question after them, is left
//! out (kubekey v3.0.13, `cmd/kk`).

mod arguments;
mod cluster;
mod edits;
mod loader;
mod result;
mod sample;
mod versions;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kubesphere::KubeKey;
use kubesphere::release::UnknownRelease;
use nodes::clock::Clock;
use tokio_util::sync::CancellationToken;

use self::arguments::Command;
use self::loader::LoadError;
use crate::{Behaviour, StubImage};

/// All that `kk` sees.
pub struct World<'a> {
    /// The version of `kk` itself.
    pub kubekey: KubeKey,
    /// What it does otherwise.
    pub behaviour: Behaviour,
    /// The image that stands in the place of KubeSphere's, where nodes get no other.
    pub stub_image: Option<StubImage>,
    /// The cluster, or why there is none.
    pub client: Result<kube::Client, String>,
    /// The working directory, which is also the one of the executable.
    pub directory: &'a Path,
    /// Standard output.
    pub out: &'a mut (dyn Write + Send),
    /// Time.
    pub clock: Clock,
    /// Ends it early.
    pub stop: CancellationToken,
}

/// What `kk` ends with when it fails; shown after `error: `.
#[derive(Debug, thiserror::Error)]
pub enum KkError {
    /// The command line is none of `kk`'s.
    #[error("{0}")]
    Usage(String),
    /// A version that `kk` installs, and the stand-in does not play.
    #[error(transparent)]
    NotPlayed(#[from] UnknownRelease),
    /// The file is not usable.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file could not be written.
    #[error("Failed to write config to {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody reads the output any more.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// The installer's manifest could not be applied.
    #[error(
        "Pipeline[CreateClusterPipeline] execute failed: Module[DeployKubeSphereModule] exec failed: deploy \
         /etc/kubernetes/addons/kubesphere.yaml failed: {0}"
    )]
    Deploy(String),
}

impl KkError {
    /// The exit code: 2 where the original, being a Go program, panics.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Load(LoadError::Panic(_))) { 2 } else { 1 }
    }
}

/// Runs `kk` with `arguments`, as `["create", "cluster", "-f", "config-sample.yaml"]`. When `world.stop` comes first, it
/// ends without an error.
///
/// # Errors
/// [`KkError`], as the original would fail.
pub async fn run(arguments: &[String], world: World<'_>) -> Result<(), KkError> {
    let stop = world.stop.clone();
    let work = async {
        match Command::parse(arguments).map_err(KkError::Usage)? {
            Command::Config(arguments) => create_config(&arguments, world).await,
            Command::Cluster(arguments) => cluster::create(&arguments, world).await,
        }
    };
    stop.run_until_cancelled(work).await.unwrap_or(Ok(()))
}

/// `kk create config`.
async fn create_config(arguments: &arguments::Config, world: World<'_>) -> Result<(), KkError> {
    let World { directory, out, stop, .. } = world;
    let kubesphere = arguments.kubesphere.as_deref().map(sample::kubesphere_document).transpose()?;
    let text = sample::config(&arguments.name, arguments.kubernetes.as_deref(), kubesphere.as_deref());
    let file = arguments.file.clone().unwrap_or_else(|| format!("config-{}.yaml", arguments.name).into());
    let path = directory.join(file);
    if path.exists() {
        let question = "already exists. Are you sure you want to overwrite this config file? [yes/no]: ";
        write!(out, "{} {question}", path.display())?;
        out.flush()?;
        // Nobody is there to answer.
        stop.cancelled().await;
        return Ok(());
    }
    fs::write(&path, text).map_err(|source| KkError::Write { path, source })?;
    writeln!(out, "Generate KubeKey config file successfully")?;
    Ok(())
}

#[cfg(test)]
mod tests;

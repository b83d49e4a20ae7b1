//! A program: what a stub pod runs, and the whole world it sees.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
pub use crate::files::Files;
use crate::logs::LogWriter;
use crate::memory::Memory;
use crate::network::Network;

/// How a container ended: its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// Ended well.
    pub const SUCCESS: Self = Self(0);
    /// Ended with an error.
    pub const FAILURE: Self = Self(1);
}

/// The future of a running program.
pub type Running = Pin<Box<dyn Future<Output = ExitCode> + Send>>;

/// What a container image contains: a function from the pod's world to its end.
pub type Program = Arc<dyn Fn(PodContext) -> Running + Send + Sync>;

/// Who a pod is, as far as a process in a real one can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodIdentity {
    /// Namespace.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
    /// Image as written in the pod.
    pub image: String,
    /// The pod's address.
    pub ip: IpAddr,
    /// `args` of the container.
    pub args: Vec<String>,
    /// `env` of the container (plain values only).
    pub env: BTreeMap<String, String>,
}

impl PodIdentity {
    /// How the program names itself to API servers: its image's name and tag, as `ks-apiserver/v3.3.2`.
    #[must_use]
    pub fn agent(&self) -> String {
        let image = self.image.rsplit('/').next().unwrap_or_default();
        image.replacen(':', "/", 1)
    }
}

/// The whole world of a program. It has no other way to read the environment, the time, files or the network.
#[derive(Clone)]
pub struct PodContext {
    /// Who this pod is.
    pub pod: PodIdentity,
    /// A client of the pod's own cluster, with its ServiceAccount's rights.
    pub client: kube::Client,
    /// The ServiceAccount's credentials as mounted at `/var/run/secrets/kubernetes.io/serviceaccount`.
    pub service_account: ServiceAccountMount,
    /// Files mounted from ConfigMaps and Secrets.
    pub files: Files,
    /// The network.
    pub network: Arc<dyn Network>,
    /// The clock.
    pub clock: Clock,
    /// Standard output.
    pub log: LogWriter,
    /// Cancelled when the pod has to stop.
    pub stop: CancellationToken,
    /// Randomness from the run's seed.
    pub random: Random,
    /// What it would still know if its process went on.
    pub memory: Memory,
}

impl PodContext {
    /// Whether the program goes on where another one was, which has said and done already what one says and does that
    /// has just been started.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.memory.of_before().is_some()
    }
}

/// What a pod finds of its ServiceAccount.
#[derive(Clone)]
pub struct ServiceAccountMount {
    /// Address of the API server inside the cluster, as `https://10.96.0.1:443`.
    pub server: String,
    /// PEM of the cluster's authority.
    pub ca_pem: Bytes,
    /// The bearer token.
    pub token: String,
}

/// Seeded randomness, shared by the clones of one context.
#[derive(Clone)]
pub struct Random(Arc<Mutex<StdRng>>);

impl Random {
    /// Randomness from `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Uses the generator.
    pub fn with<T>(&self, use_it: impl FnOnce(&mut StdRng) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Which program an image contains, by repository (`kubesphere/ks-installer`, without registry host and tag).
#[derive(Clone, Default)]
pub struct Programs(BTreeMap<String, Program>);

impl Programs {
    /// No images at all: every pod ends in `ImagePullBackOff`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the program of `repository`.
    #[must_use]
    pub fn with<F, R>(mut self, repository: &str, program: F) -> Self
    where
        F: Fn(PodContext) -> R + Send + Sync + 'static,
        R: Future<Output = ExitCode> + Send + 'static,
    {
        self.0.insert(repository.to_owned(), Arc::new(move |context| Box::pin(program(context))));
        self
    }

    /// The program in `image`, whose registry host, tag and digest do not count.
    #[must_use]
    pub fn find(&self, image: &str) -> Option<Program> {
        self.0.get(repository_of(image)).cloned()
    }

    /// The repositories that have a program, in order.
    pub fn repositories(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn repository_of(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let image = match image.rfind(':') {
        Some(colon) if !image[colon..].contains('/') => &image[..colon],
        _ => image,
    };
    match image.split_once('/') {
        Some((host, rest)) if host.contains('.') || host.contains(':') || host == "localhost" => rest,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_repository_whatever_registry_and_tag() {
        for image in [
            "kubesphere/ks-installer",
            "kubesphere/ks-installer:v3.3.2",
            "docker.io/kubesphere/ks-installer:v3.3.2",
            "localhost:5000/kubesphere/ks-installer@sha256:00",
        ] {
            assert_eq!(repository_of(image), "kubesphere/ks-installer", "{image}");
        }
    }
}

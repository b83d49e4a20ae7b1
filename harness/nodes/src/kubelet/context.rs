//! The world of a program, put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Container as Spec, Pod};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Kubelet;
use super::credentials::Credentials;
use super::environment::Values;
use super::shared::Shared;
use crate::logs::LogWriter;
use crate::memory::Memory;
use crate::names::fnv32a;
use crate::network::client::{Endpoint, EndpointError, client, in_process_client};
use crate::network::tls::TlsSettings;
use crate::node_network::PodNetwork;
use crate::program::{Files, PodContext, PodIdentity, Random, ServiceAccountMount};

/// What a context is made of.
pub(super) struct Parts<'a> {
    pub(super) kubelet: &'a Arc<Kubelet>,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) pod: &'a Pod,
    pub(super) spec: &'a Spec,
    pub(super) place: &'a PodNetwork,
    pub(super) files: watch::Receiver<Arc<BTreeMap<String, Bytes>>>,
    pub(super) credentials: Option<Credentials>,
}

type Variables = BTreeMap<String, String>;

/// Makes the context of each start of a container.
pub(super) struct Contexts {
    environment: Box<dyn Fn() -> Result<Variables, String> + Send + Sync>,
    make: Box<dyn Fn(Start) -> Result<PodContext, EndpointError> + Send + Sync>,
}

/// What each start of a container has of its own.
pub(super) struct Start {
    /// How often it was started before.
    pub(super) restarts: u32,
    pub(super) environment: Variables,
    pub(super) log: LogWriter,
    pub(super) memory: Memory,
    pub(super) stop: CancellationToken,
}

impl Contexts {
    /// The environment as it is now, or in a kubelet's words what it lacks.
    pub(super) fn environment(&self) -> Result<Variables, String> {
        (self.environment)()
    }

    pub(super) fn make(&self, start: Start) -> Result<PodContext, EndpointError> {
        (self.make)(start)
    }
}

impl Parts<'_> {
    pub(super) fn build(self) -> Contexts {
        let Parts { kubelet, shared, pod, spec, place, files, credentials } = self;
        let identity = PodIdentity {
            namespace: shared.key.namespace.clone(),
            name: shared.key.name.clone(),
            image: spec.image.clone().unwrap_or_default(),
            ip: place.address,
            args: spec.args.clone().unwrap_or_default(),
            env: Variables::new(),
        };
        let credentials = credentials.unwrap_or(Credentials { token: String::new(), ca_pem: Bytes::new() });
        let service_account = ServiceAccountMount {
            server: kubelet.server.address.clone(),
            ca_pem: credentials.ca_pem.clone(),
            token: credentials.token,
        };
        let seed = kubelet.seed ^ u64::from(fnv32a(seed_name(pod, &spec.name).as_bytes()));
        let host = kubelet.nodes.get(&shared.node).copied().unwrap_or(place.address);
        let (home, pod, container) = (kubelet.clone(), pod.clone(), spec.clone());
        let (address, node) = (place.address, shared.node.clone());
        let environment = move || {
            let source = &home.cluster.caches;
            Values { pod: &pod, node: &node, host, address, source }.of(&container)
        };
        let (kubelet, network) = (kubelet.clone(), place.network.clone());
        let make = move |start: Start| {
            let token = &service_account.token;
            let (authorization, agent) = ((!token.is_empty()).then(|| format!("Bearer {token}")), identity.agent());
            let (server, clock) = (&kubelet.server, kubelet.cluster.clock.clone());
            // Who does not believe the server's certificate has to find out.
            let believes = *service_account.ca_pem == *server.ca_pem.as_bytes();
            let client = match &server.in_process {
                Some(way) if believes => {
                    in_process_client(way.clone(), &clock, authorization.as_deref(), Some(&agent))?
                }
                _ => {
                    let authorities_pem = service_account.ca_pem.to_vec();
                    let tls = TlsSettings { authorities_pem, ..TlsSettings::default() };
                    let endpoint = Endpoint { server: server.uri.clone(), tls, authorization, agent: Some(agent) };
                    client(network.clone(), &clock, &endpoint)?
                }
            };
            let goes_on = start.memory.of_before().is_some();
            Ok(PodContext {
                pod: PodIdentity { env: start.environment, ..identity.clone() },
                client,
                service_account: service_account.clone(),
                files: Files::new(files.clone()),
                network: network.clone(),
                clock,
                log: start.log,
                stop: start.stop,
                random: Random::from_seed(seed_of(seed, start.restarts, goes_on)),
                memory: start.memory,
            })
        };
        Contexts { environment: Box::new(environment), make: Box::new(make) }
    }
}

/// A seed of its own for each start of a container; who goes on draws other numbers than those that are drawn already.
fn seed_of(seed: u64, restarts: u32, goes_on: bool) -> u64 {
    seed.wrapping_add(u64::from(restarts) << 32).wrapping_add(u64::from(goes_on) << 31)
}

/// What tells pods apart in every run alike: made-up name endings do not count.
fn seed_name(pod: &Pod, container: &str) -> String {
    let metadata = &pod.metadata;
    let name = metadata.generate_name.as_deref().or(metadata.name.as_deref()).unwrap_or_default();
    format!("{}/{name}/{container}", metadata.namespace.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_start_and_who_goes_on_another_seed() {
        let all = [(0, false), (0, true), (1, false), (1, true)];
        let seeds = all.map(|(restarts, goes_on)| seed_of(7, restarts, goes_on));
        assert_eq!(std::collections::BTreeSet::from(seeds).len(), all.len());
    }
}

//! The world of a program, put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Container as Spec, EnvVar, Pod};
use tokio::sync::watch;

use super::Kubelet;
use super::credentials::Credentials;
use super::shared::Shared;
use crate::logs::LogWriter;
use crate::names::fnv32;
use crate::network::client::{Endpoint, EndpointError, client};
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

/// Makes the context of each start of a container.
pub(super) type Contexts =
    Box<dyn Fn(u32, LogWriter, tokio_util::sync::CancellationToken) -> Result<PodContext, EndpointError> + Send + Sync>;

impl Parts<'_> {
    pub(super) fn build(self) -> Contexts {
        let Parts { kubelet, shared, pod, spec, place, files, credentials } = self;
        let identity = PodIdentity {
            namespace: shared.key.namespace.clone(),
            name: shared.key.name.clone(),
            image: spec.image.clone().unwrap_or_default(),
            ip: place.address,
            args: spec.args.clone().unwrap_or_default(),
            env: environment(spec.env.as_deref().unwrap_or_default(), pod, &shared.node, place),
        };
        let credentials = credentials.unwrap_or(Credentials { token: String::new(), ca_pem: Bytes::new() });
        let service_account = ServiceAccountMount {
            server: kubelet.in_cluster_server.clone(),
            ca_pem: credentials.ca_pem.clone(),
            token: credentials.token,
        };
        let (kubelet, network) = (kubelet.clone(), place.network.clone());
        let seed = kubelet.seed ^ u64::from(fnv32(seed_name(pod, &spec.name).as_bytes()));
        Box::new(move |restarts, log, stop| {
            let token = &service_account.token;
            let endpoint = Endpoint {
                server: kubelet.server_uri.clone(),
                tls: TlsSettings { authorities_pem: service_account.ca_pem.to_vec(), ..TlsSettings::default() },
                authorization: (!token.is_empty()).then(|| format!("Bearer {token}")),
            };
            let clock = kubelet.cluster.clock.clone();
            Ok(PodContext {
                pod: identity.clone(),
                client: client(network.clone(), &clock, &endpoint)?,
                service_account: service_account.clone(),
                files: Files::new(files.clone()),
                network: network.clone(),
                clock,
                log,
                stop,
                random: Random::from_seed(seed.wrapping_add(u64::from(restarts) << 32)),
            })
        })
    }
}

/// What tells pods apart in every run alike: made-up name endings do not count.
fn seed_name(pod: &Pod, container: &str) -> String {
    let metadata = &pod.metadata;
    let name = metadata.generate_name.as_deref().or(metadata.name.as_deref()).unwrap_or_default();
    format!("{}/{name}/{container}", metadata.namespace.as_deref().unwrap_or_default())
}

/// Plain values, and what the downward API gives of the pod.
fn environment(env: &[EnvVar], pod: &Pod, node: &str, place: &PodNetwork) -> BTreeMap<String, String> {
    let field = |path: &str| match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "spec.nodeName" => Some(node.to_owned()),
        "status.podIP" => Some(place.address.to_string()),
        _ => None,
    };
    let value = |variable: &EnvVar| {
        let from = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
        variable.value.clone().or_else(|| field(&from?.field_path))
    };
    env.iter().filter_map(|variable| Some((variable.name.clone(), value(variable)?))).collect()
}

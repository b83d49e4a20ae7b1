//! `PUT …/clusters/NAME/kubeconfig` (from v3.3.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubesphere::names::labels;
use nodes::network::serve::Abort;
use serde_json::Value;

use super::configurations::{self, ConfigFault};
use super::refusal::{self, Refusal};
use super::{NOT_EMPTY, decode, kubeconfig_bytes, member};
use crate::Deviation;
use crate::apiserver::cluster_body;
use crate::apiserver::respond::{self, Answer};
use crate::apiserver::server::{Incoming, Server};
use crate::member::{ApiClient, Target, kubeconfig};

const OF_THE_HOST: &str = "update kubeconfig of the host cluster is not allowed";
const OF_A_PROXY: &str = "update kubeconfig of member clusters which using proxy mode is not allowed, their certs are managed and \
                          will be renewed by tower";
const ANOTHER_CLUSTER: &str = "this kubeconfig corresponds to a different cluster than the previous one, you need to make \
                               sure that kubeconfig is not from another cluster";

/// Checks and stores another kubeconfig. After a refusal because of the configurations it goes on: a kubeconfig of the
/// same cluster is stored all the same, and one of another cluster is refused twice.
///
/// # Errors
/// [`Abort`] where the real handler panics.
pub async fn update_kubeconfig(server: &Server, request: &Incoming, name: &str) -> Result<Answer, Abort> {
    let change = match Change::of(server, request, name).await {
        Ok(change) => change,
        Err(refusal) => return Ok(refusal.answer(server)),
    };
    let refused = match configurations::compare(server, &change.member).await {
        Ok(()) => None,
        Err(ConfigFault::Differs(text)) => Some(Refusal::configuration(202, &text)),
        Err(ConfigFault::Panics) => return Err(refusal::panics(server)),
    };
    Ok(match (refused, change.store(server, name).await) {
        (None, Ok(())) => respond::empty(),
        (Some(refusal), Ok(())) | (None, Err(refusal)) => refusal.answer(server),
        (Some(first), Err(second)) => first.and(&second, server),
    })
}

/// A kubeconfig that leads to a KubeSphere, and the Cluster that is to have it.
struct Change {
    cluster: Value,
    kubeconfig: Value,
    member: ApiClient,
}

impl Change {
    async fn of(server: &Server, request: &Incoming, name: &str) -> Result<Self, Refusal> {
        let body = decode(request).map_err(|text| Refusal::new(158, text))?;
        let kubeconfig = cluster_body::kubeconfig(&body).map_err(|text| Refusal::new(158, text))?;
        let found = server.api.find(&Target::clusters().named(name)).await.map_err(|error| Refusal::new(164, error))?;
        let cluster =
            found.ok_or_else(|| Refusal::new(164, format!("cluster.cluster.kubesphere.io {name:?} not found")))?;
        if cluster["metadata"]["labels"].get(labels::HOST_CLUSTER).is_some() {
            return Err(Refusal::new(168, OF_THE_HOST));
        }
        if cluster["spec"]["connection"]["type"] == "proxy" {
            return Err(Refusal::new(173, OF_A_PROXY));
        }
        if kubeconfig.is_empty() {
            return Err(Refusal::new(180, NOT_EMPTY));
        }
        let config = kubeconfig::load(&kubeconfig).map_err(|error| Refusal::new(186, error))?;
        let member = member::connect(server, &config).map_err(|text| Refusal::new(191, text))?;
        member.get(&Target::path("/version")).await.map_err(|error| Refusal::new(196, error))?;
        member::endpoint_answers(&member).await.map_err(|text| Refusal::new(196, text))?;
        Ok(Self { cluster, kubeconfig: body["kubeconfig"].clone(), member })
    }

    async fn store(mut self, server: &Server, name: &str) -> Result<(), Refusal> {
        let uid = member::system_uid(&self.member).await.map_err(|text| Refusal::new(209, text))?;
        let is_known = self.cluster["status"]["uid"].as_str().unwrap_or_default() == uid;
        if !is_known && !server.deviates(Deviation::UpdateOfAnotherAccepted) {
            return Err(Refusal::new(214, ANOTHER_CLUSTER));
        }
        if server.deviates(Deviation::UpdateNotStored) {
            return Ok(());
        }
        let altered = server.deviates(Deviation::UpdateAltered);
        self.cluster["spec"]["connection"]["kubeconfig"] =
            if altered { with_another_port(&self.kubeconfig) } else { self.kubeconfig };
        let updated = server.api.update(&Target::clusters().named(name), &self.cluster).await;
        updated.map(drop).map_err(|error| Refusal::new(221, error))
    }
}

/// A kubeconfig as Clusters have it, whose server has another port.
fn with_another_port(kubeconfig: &Value) -> Value {
    let text = kubeconfig_bytes(kubeconfig.as_str().unwrap_or_default()).unwrap_or_default();
    STANDARD.encode(String::from_utf8_lossy(&text).replace(":6443", ":6444")).into()
}

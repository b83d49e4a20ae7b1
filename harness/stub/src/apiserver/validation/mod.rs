//! Looking at a member before it is imported (kubesphere v3.3.2, `pkg/kapis/cluster/v1alpha1/handler.go`; order and texts
//! as seen on v3.3.2 and v3.4.1, those of v3.2.1 by its sources).

mod configurations;
mod kubeconfig_update;
mod member;
mod refusal;

use bytes::Bytes;
use http::header;
use kubesphere::Feature;
use nodes::network::serve::Abort;
use serde_json::Value;

use self::configurations::ConfigFault;
pub use self::kubeconfig_update::update_kubeconfig;
use self::refusal::Refusal;
use super::cluster_body;
use super::respond::{self, Answer};
use super::server::{Incoming, Server};
use super::settings::text_of;
use crate::Deviation;
use crate::member::go_base64::decode_base64;
use crate::member::{ApiClient, RestConfig, Target, kubeconfig};

const NOT_EMPTY: &str = "cluster kubeconfig MUST NOT be empty";

/// `POST …/clusters/validation`.
///
/// # Errors
/// [`Abort`] where the real handler panics.
pub async fn validate(server: &Server, request: &Incoming) -> Result<Answer, Abort> {
    if server.deviates(Deviation::ValidationSkipped) {
        return Ok(respond::empty());
    }
    let member = match reach(server, request).await {
        Ok(member) => member,
        Err(refusal) => return Ok(refusal.answer(server)),
    };
    match configurations::compare(server, &member).await {
        Ok(()) => Ok(respond::empty()),
        Err(ConfigFault::Differs(text)) => Ok(Refusal::configuration(379, &text).answer(server)),
        Err(ConfigFault::Panics) => Err(refusal::panics(server)),
    }
}

/// Every check but that of the configurations: the member behind the kubeconfig of a Cluster that is new.
async fn reach(server: &Server, request: &Incoming) -> Result<ApiClient, Refusal> {
    let body = decode(request).map_err(|text| Refusal::new(342, text))?;
    let cluster = cluster_body::cluster(&body).map_err(|text| Refusal::new(342, text))?;
    if cluster.connection_type != "direct" {
        return Err(Refusal::new(347, "cluster connection type MUST be direct"));
    }
    if cluster.kubeconfig.is_empty() {
        return Err(Refusal::new(352, NOT_EMPTY));
    }
    let config = kubeconfig::load(&cluster.kubeconfig).map_err(|error| Refusal::new(358, error))?;
    let by_uid = server.release.has(Feature::ClusterUid);
    if !by_uid {
        new_by_address(server, &config).await.map_err(|text| Refusal::new(358, text))?;
    }
    let member = member::connect(server, &config).map_err(|text| Refusal::new(364, text))?;
    if by_uid {
        let uid = member::system_uid(&member).await.map_err(|text| Refusal::new(369, text))?;
        new_by_uid(server, &cluster.name, &uid).await.map_err(|text| Refusal::new(369, text))?;
    }
    member.get(&Target::path("/version")).await.map_err(|error| Refusal::new(374, error))?;
    member::endpoint_answers(&member).await.map_err(|text| Refusal::new(374, text))?;
    Ok(member)
}

/// The body as go-restful decodes it: JSON, by its content type.
fn decode(request: &Incoming) -> Result<Value, String> {
    let content_type =
        request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.contains("application/json") {
        return Err(format!("[ServiceError:400] Unable to unmarshal content of type:{content_type}"));
    }
    cluster_body::document(&request.body)
}

/// A Cluster that never joined has no UID, so it is not found here.
async fn new_by_uid(server: &Server, name: &str, uid: &str) -> Result<(), String> {
    match existing(server, |cluster| cluster["status"]["uid"] == uid).await? {
        None => Ok(()),
        Some(twin) => Err(format!("cluster {name} already exists ({twin}), MUST not import the same cluster twice")),
    }
}

/// Before v3.3.0 clusters were told apart by their addresses, so another one of the same cluster passed.
async fn new_by_address(server: &Server, config: &RestConfig) -> Result<(), String> {
    match existing(server, |cluster| cluster["spec"]["connection"]["kubernetesAPIEndpoint"] == config.server()).await? {
        None => Ok(()),
        Some(twin) => Err(format!(
            "existing cluster {twin} with the exacty same server address, MUST not import the same cluster twice"
        )),
    }
}

/// The name of the first Cluster that `matches`.
async fn existing(server: &Server, matches: impl Fn(&Value) -> bool) -> Result<Option<String>, String> {
    if server.deviates(Deviation::DuplicateAccepted) {
        return Ok(None);
    }
    let clusters = server.api.get(&Target::clusters()).await.map_err(|error| error.to_string())?;
    let twin = clusters["items"].as_array().and_then(|items| items.iter().find(|cluster| matches(cluster)));
    Ok(twin.map(|twin| text_of(&twin["metadata"]["name"])))
}

/// The kubeconfig in a Cluster's spec, as bytes.
pub(crate) fn kubeconfig_bytes(text: &str) -> Result<Bytes, String> {
    decode_base64(text.as_bytes()).map(Bytes::from).map_err(|error| error.to_string())
}

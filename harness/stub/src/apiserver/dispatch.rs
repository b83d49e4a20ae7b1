//! Requests for another cluster: `/{api|apis|kapis}/clusters/NAME/…` (kubesphere v3.3.2,
//! `pkg/apiserver/dispatch/dispatch.go`; answers as seen on v3.3.2).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderName, StatusCode};
use kubesphere::names::labels;
use serde_json::Value;

use super::proxy;
use super::request_info::RequestInfo;
use super::respond::{self, Answer};
use super::server::{Incoming, Server};
use crate::member::go_base64::decode_base64;
use crate::member::{ApiClient, Target, kubeconfig};

/// Where a request goes.
pub enum Route {
    /// It was answered, here or by a member.
    Answered(Answer),
    /// It is served here.
    Here(RequestInfo),
}

/// Clients of members, kept while a Cluster's connection does not change.
#[derive(Default)]
pub struct Members(Mutex<BTreeMap<String, (Value, ApiClient)>>);

const CARRIED_AUTHORIZATION: HeaderName = HeaderName::from_static("x-kubesphere-authorization");

/// Routes `request`. The host's own rules are not asked: the member decides.
pub async fn route(server: &Server, request: &Incoming, mut info: RequestInfo) -> Route {
    let Some(name) = info.cluster.clone().filter(|_| server.settings().multicluster) else { return Route::Here(info) };
    let cluster = match server.api.find(&Target::clusters().named(&name)).await {
        Ok(Some(cluster)) => cluster,
        Ok(None) => {
            return Route::Answered(respond::text_error(StatusCode::NOT_FOUND, &format!("cluster {name} not found")));
        }
        Err(error) => return Route::Answered(proxy::internal_error(&request.uri, &error.to_string())),
    };
    if cluster["metadata"]["labels"].get(labels::HOST_CLUSTER).is_some() {
        info.cluster = None;
        return Route::Here(info);
    }
    let Some(client) = client_of(server, &name, &cluster) else {
        return Route::Answered(respond::text_error(StatusCode::BAD_REQUEST, &format!("cluster {name} is not ready")));
    };
    let path = proxy::renamed_parameter(&request.uri, "dryRun", "dryrun");
    let query = path.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let target = format!("/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:/proxy{}{query}", info.path);
    let onward = Incoming {
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
    };
    Route::Answered(match proxy::forward(client.kube(), onward, &target, Some(CARRIED_AUTHORIZATION)).await {
        Ok(answer) => answer,
        Err(cause) => proxy::internal_error(&request.uri, &cause),
    })
}

/// The client of a Cluster that is Ready. Its address is `kubernetesAPIEndpoint`, which is filled once and does not
/// follow a new kubeconfig; the credentials are the kubeconfig's.
fn client_of(server: &Server, name: &str, cluster: &Value) -> Option<ApiClient> {
    let conditions = cluster["status"]["conditions"].as_array()?;
    if !conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True") {
        return None;
    }
    let connection = &cluster["spec"]["connection"];
    let mut members = server.members.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, client)) = members.get(name)
        && known == connection
    {
        return Some(client.clone());
    }
    let kubeconfig = decode_base64(connection["kubeconfig"].as_str()?.as_bytes()).ok()?;
    let endpoint = connection["kubernetesAPIEndpoint"].as_str().filter(|endpoint| !endpoint.is_empty())?;
    let config = kubeconfig::load(&kubeconfig).ok()?.at(endpoint);
    let client = config.connect(&server.ctx.network, &server.ctx.clock, None).ok()?;
    members.insert(name.to_owned(), (connection.clone(), client.clone()));
    Some(client)
}

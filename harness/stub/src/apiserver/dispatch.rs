//! Requests for another cluster: `/{api|apis|kapis}/clusters/NAME/…` (kubesphere v3.3.2,
//! `pkg/apiserver/dispatch/dispatch.go`; answers as seen on v3.3.2 and v3.4.1).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderName, HeaderValue, StatusCode, Uri};
use kubesphere::Feature;
use kubesphere::names::labels;
use serde_json::Value;

use super::proxy;
use super::request_info::RequestInfo;
use super::respond::{self, Answer};
use super::server::{Incoming, Server};
use super::upgrade;
use crate::Deviation;
use crate::member::go_base64::decode_base64;
use crate::member::{ApiClient, RestConfig, Target, kubeconfig};

/// Where a request goes.
pub enum Route {
    /// It was answered, here or by a member.
    Answered(Answer),
    /// It is served here.
    Here(RequestInfo),
}

/// Members by the name of their Cluster, kept while its connection does not change.
#[derive(Default)]
pub struct Members(Mutex<BTreeMap<String, (Value, Member)>>);

/// A member that can be asked.
#[derive(Clone)]
struct Member {
    config: RestConfig,
    client: ApiClient,
}

/// kube-apiserver's service proxy takes `Authorization` for itself, and loses the query of a request that upgrades its
/// connection; so both travel in headers of KubeSphere's own.
const CARRIED_AUTHORIZATION: HeaderName = HeaderName::from_static("x-kubesphere-authorization");
const CARRIED_QUERY: HeaderName = HeaderName::from_static("x-kubesphere-rawquery");

/// Routes `request`. The host's own rules are not asked: the member decides.
pub async fn route(server: &Server, request: &Incoming, mut info: RequestInfo) -> Route {
    let Some(name) = info.cluster.clone().filter(|_| server.settings().multicluster) else { return Route::Here(info) };
    let refusals = Refusals { filter: server.release.has(Feature::DispatchFilter), uri: &request.uri };
    let cluster = match server.api.find(&Target::clusters().named(&name)).await {
        Ok(Some(cluster)) => cluster,
        Ok(None) => return Route::Answered(refusals.unknown(&name)),
        Err(error) => return Route::Answered(proxy::internal_error(&request.uri, &error.to_string())),
    };
    let is_host = cluster["metadata"]["labels"].get(labels::HOST_CLUSTER).is_some();
    if is_host || server.deviates(Deviation::DispatchedToItself) {
        info.cluster = None;
        return Route::Here(info);
    }
    let Some(member) = member_of(server, &name, &cluster) else { return Route::Answered(refusals.not_ready(&name)) };
    let query = request.uri.query().map(|query| proxy::respelled(query, "dryRun", "dryrun"));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:/proxy{}{query}", info.path);
    let mut onward = Incoming {
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        upgrade: request.upgrade.clone(),
    };
    let answered = match request.upgrade.clone() {
        None => proxy::forward(member.client.kube(), onward, &target, Some(CARRIED_AUTHORIZATION)).await,
        Some(upgrade) => {
            if let Some(query) = request.uri.query().and_then(|query| HeaderValue::from_str(query).ok()) {
                onward.headers.insert(CARRIED_QUERY, query);
            }
            upgrade::forward(server, &member.config, onward, upgrade, &target, Some(CARRIED_AUTHORIZATION)).await
        }
    };
    Route::Answered(answered.unwrap_or_else(|cause| refusals.unreached(&cause)))
}

/// The wording of what does not reach a member.
struct Refusals<'a> {
    filter: bool,
    uri: &'a Uri,
}

impl Refusals<'_> {
    fn unknown(&self, name: &str) -> Answer {
        if self.filter {
            respond::bad_request(&format!("cluster {name} not exists"))
        } else {
            respond::text_error(StatusCode::NOT_FOUND, &format!("cluster {name} not found"))
        }
    }

    fn not_ready(&self, name: &str) -> Answer {
        let text = format!("cluster {name} is not ready");
        if self.filter {
            proxy::internal_error(self.uri, &text)
        } else {
            respond::text_error(StatusCode::BAD_REQUEST, &text)
        }
    }

    fn unreached(&self, cause: &str) -> Answer {
        if self.filter {
            respond::text_error(StatusCode::INTERNAL_SERVER_ERROR, cause)
        } else {
            proxy::internal_error(self.uri, cause)
        }
    }
}

/// The member of a Cluster that is Ready. Its address is `kubernetesAPIEndpoint`, which is filled once and does not
/// follow a new kubeconfig; the credentials are the kubeconfig's.
fn member_of(server: &Server, name: &str, cluster: &Value) -> Option<Member> {
    let conditions = cluster["status"]["conditions"].as_array()?;
    if !conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True") {
        return None;
    }
    let connection = &cluster["spec"]["connection"];
    let mut members = server.members.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, member)) = members.get(name)
        && known == connection
    {
        return Some(member.clone());
    }
    let kubeconfig = decode_base64(connection["kubeconfig"].as_str()?.as_bytes()).ok()?;
    let endpoint = connection["kubernetesAPIEndpoint"].as_str().filter(|endpoint| !endpoint.is_empty())?;
    let config = kubeconfig::load(&kubeconfig).ok()?.at(endpoint);
    let client = config.connect(&server.ctx, None).ok()?;
    let member = Member { config, client };
    members.insert(name.to_owned(), (connection.clone(), member.clone()));
    Some(member)
}

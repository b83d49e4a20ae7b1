//! What the handlers ask of a member.

use kubesphere::names::{namespaces, objects};
use serde_json::Value;

use crate::apiserver::server::Server;
use crate::apiserver::settings::text_of;
use crate::delays::REQUEST_LIMIT;
use crate::member::{ApiClient, RestConfig, Target};

/// A client for the questions of the handlers.
pub fn connect(server: &Server, config: &RestConfig) -> Result<ApiClient, String> {
    config.connect(&server.ctx, Some(REQUEST_LIMIT)).map_err(|error| error.to_string())
}

/// The UID of the member's `kube-system`, by which clusters are told apart.
pub async fn system_uid(member: &ApiClient) -> Result<String, String> {
    let namespace =
        member.get(&Target::core("namespaces").named("kube-system")).await.map_err(|error| error.to_string())?;
    Ok(text_of(&namespace["metadata"]["uid"]))
}

/// Asks the member's ks-apiserver for its version. The real text has its arguments in the wrong places.
pub async fn endpoint_answers(member: &ApiClient) -> Result<(), String> {
    let path = "/api/v1/namespaces/kubesphere-system/services/:ks-apiserver:/proxy/kapis/version";
    let (code, body) = member
        .fetch(path, REQUEST_LIMIT)
        .await
        .map_err(|error| format!("unable validate kubesphere endpoint, {error}"))?;
    if code == 200 && serde_json::from_slice::<Value>(&body).is_ok_and(|version| version.is_object()) {
        return Ok(());
    }
    Err(format!(
        "unable validate kubesphere endpoint, invalid response: {} , please make sure {}.{}.svc of member cluster is up and running",
        objects::APISERVER,
        namespaces::SYSTEM,
        String::from_utf8_lossy(&body)
    ))
}

//! Whether an installed KubeSphere answers, and will go on answering.

use bytes::Bytes;
use checks::Finding;
use checks::view::ClusterView;
use serde_json::Value;

/// ks-apiserver's version, asked as a browser does: of the console, here through the API server's service proxy.
pub const THROUGH_CONSOLE: &str = "/api/v1/namespaces/kubesphere-system/services/ks-console:80/proxy/kapis/version";
const VERSION: &str = "/kapis/version";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/kubesphere-system/deployments";
const PODS: &str = "/api/v1/namespaces/kubesphere-system/pods";

async fn get(client: &kube::Client, path: &str) -> Result<String, kube::Error> {
    client.request_text(http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?).await
}

/// The release that ks-apiserver says it is, as `v3.4.1` (kubesphere v3.3.2, `pkg/kapis/version`).
///
/// # Errors
/// In words, when it does not say.
pub async fn version(cluster: &dyn ClusterView) -> Result<String, String> {
    let request = http::Request::get(VERSION).body(Bytes::new()).map_err(|error| error.to_string())?;
    let answer = cluster.ks_apiserver(request).await.map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let version = body["gitVersion"].as_str().map(str::to_owned);
    version.ok_or_else(|| format!("GET {VERSION} answers {} and no gitVersion", answer.status()))
}

/// Whether no pod of KubeSphere is about to be replaced, as v3.2's installer has it done at its end: a session that
/// begins at the old ks-apiserver ends with it.
pub async fn rolled_out(client: &kube::Client) -> Finding {
    let read = async |path: &str| -> Result<Value, String> {
        let text = get(client, path).await.map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    let (deployments, pods) = match tokio::try_join!(read(DEPLOYMENTS), read(PODS)) {
        Ok(lists) => lists,
        Err(error) => return Finding::fails("Deployments and pods", "none", error),
    };
    match in_motion(&deployments, &pods) {
        None => Finding::holds(),
        Some(what) => Finding::fails("pods that stay", what.clone(), format!("{what} is still to be replaced")),
    }
}

/// The first Deployment that is rolled out, as `kubectl rollout status` judges (kubernetes v1.20,
/// `polymorphichelpers/rollout_status.go`), or pod that is going.
fn in_motion(deployments: &Value, pods: &Value) -> Option<String> {
    let is_rolling = |deployment: &Value| {
        let (wanted, status) = (&deployment["spec"]["replicas"], &deployment["status"]);
        let counts = ["replicas", "updatedReplicas", "availableReplicas"];
        status["observedGeneration"] != deployment["metadata"]["generation"]
            || counts.iter().any(|count| status[count].as_u64().unwrap_or(0) != wanted.as_u64().unwrap_or(1))
    };
    let is_going = |pod: &Value| !pod["metadata"]["deletionTimestamp"].is_null();
    let named =
        |kind: &str, object: &Value| format!("{kind} {}", object["metadata"]["name"].as_str().unwrap_or_default());
    let rolling = items(deployments).find(|object| is_rolling(object)).map(|object| named("Deployment", object));
    rolling.or_else(|| items(pods).find(|object| is_going(object)).map(|object| named("Pod", object)))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

/// Both: nothing is about to be replaced, and what is there answers.
pub async fn settled(client: &kube::Client) -> Finding {
    match rolled_out(client).await {
        Finding::Holds { .. } => serves(client).await,
        other => other,
    }
}

/// Whether the console answers and reaches ks-apiserver: pods are Ready a moment before Services lead to them.
pub async fn serves(client: &kube::Client) -> Finding {
    match get(client, THROUGH_CONSOLE).await {
        Ok(_) => Finding::holds(),
        Err(error) => Finding::fails("an answer", "none", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::settled(2, 2, 2, 2, None, None)]
    #[case::not_looked_at(1, 2, 2, 2, None, Some("Deployment ks-apiserver"))]
    #[case::old_pod(2, 3, 2, 2, None, Some("Deployment ks-apiserver"))]
    #[case::not_updated(2, 2, 1, 2, None, Some("Deployment ks-apiserver"))]
    #[case::not_available(2, 2, 2, 1, None, Some("Deployment ks-apiserver"))]
    #[case::old_pod_going(2, 2, 2, 2, Some("2021-01-13T13:20:00Z"), Some("Pod ks-apiserver-1"))]
    fn finds_what_is_to_be_replaced(
        #[case] observed: u64,
        #[case] replicas: u64,
        #[case] updated: u64,
        #[case] available: u64,
        #[case] deleted: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let deployment = json!({
            "metadata": {"name": "ks-apiserver", "generation": 2},
            "spec": {"replicas": 2},
            "status": {
                "observedGeneration": observed, "replicas": replicas,
                "updatedReplicas": updated, "availableReplicas": available,
            },
        });
        let pod = json!({"metadata": {"name": "ks-apiserver-1", "deletionTimestamp": deleted}});
        let found = in_motion(&json!({"items": [deployment]}), &json!({"items": [pod]}));
        assert_eq!(found.as_deref(), expected);
    }
}

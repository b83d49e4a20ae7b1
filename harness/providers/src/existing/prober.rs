//! Asking from a node of somebody's cluster, where no program of ours can be put: a pod in the node's own network does it.

use std::time::Duration;

use checks::view::{Layer, Probe};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::{DeleteParams, LogParams, ObjectMeta, PostParams};
use kube::runtime::wait::await_condition;
use rand::RngExt as _;
use serde_json::json;

use crate::inside::PROBE_ARGUMENT;
use crate::leases::NAMESPACE;

/// How long a pod may take to start, ask and end.
const LIMIT: Duration = Duration::from_mins(2);
/// Where the pod finds the kubeconfig.
const MOUNT: &str = "/kubeconfig";

/// Asks from `node` with `kubeconfig`, in a pod of `image`.
pub(super) async fn probe(client: &kube::Client, image: &str, node: &str, kubeconfig: &str) -> Probe {
    let name = format!("probe-{:08x}", rand::rng().random::<u32>());
    let asked = tokio::time::timeout(LIMIT, ask(client, image, node, &name, kubeconfig)).await;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
    // The namespace goes with the run, and takes along what stays.
    let _gone = tokio::join!(pods.delete(&name, &at_once), secrets.delete(&name, &at_once));
    match asked {
        Ok(Ok(probe)) => probe,
        Ok(Err(reason)) => not_asked(node, &reason),
        Err(_) => {
            not_asked(node, &format!("it has not ended within {} s; {}", LIMIT.as_secs(), state(&pods, &name).await))
        }
    }
}

fn not_asked(node: &str, reason: &str) -> Probe {
    Probe::Stopped { layer: Layer::Tcp, detail: format!("no pod on node {node} could ask: {reason}") }
}

async fn ask(client: &kube::Client, image: &str, node: &str, name: &str, kubeconfig: &str) -> Result<Probe, String> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let failed = |what: &'static str| move |error: kube::Error| format!("{what}: {error}");
    let secret = Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        string_data: Some([("config".to_owned(), kubeconfig.to_owned())].into()),
        ..Secret::default()
    };
    secrets.create(&PostParams::default(), &secret).await.map_err(failed("create its Secret"))?;
    let pod = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "hostNetwork": true,
            "dnsPolicy": "Default",
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "probe",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "args": [PROBE_ARGUMENT, format!("{MOUNT}/config")],
                "volumeMounts": [{"name": "kubeconfig", "mountPath": MOUNT, "readOnly": true}],
            }],
            "volumes": [{"name": "kubeconfig", "secret": {"secretName": name}}],
        },
    }));
    let pod: Pod = pod.map_err(|error| error.to_string())?;
    pods.create(&PostParams::default(), &pod).await.map_err(failed("create it"))?;
    let ended = await_condition(pods.clone(), name, |pod: Option<&Pod>| {
        pod.is_none_or(|pod| matches!(phase(pod), "Succeeded" | "Failed"))
    });
    ended.await.map_err(|error| format!("watch it: {error}"))?;
    let log = pods.logs(name, &LogParams::default()).await.map_err(failed("read its log"))?;
    serde_json::from_str(log.trim()).map_err(|_| format!("it said {:?}", log.trim()))
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// How far the pod came, in words.
async fn state(pods: &Api<Pod>, name: &str) -> String {
    let Ok(pod) = pods.get(name).await else { return "it is not there".to_owned() };
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let waiting = statuses.into_iter().flatten().find_map(|status| status.state.as_ref()?.waiting.clone());
    let waiting = waiting
        .map(|waiting| format!(": {} {}", waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default()));
    format!("its phase is {}{}", phase(&pod), waiting.unwrap_or_default())
}

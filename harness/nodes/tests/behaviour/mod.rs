//! What nodes and controllers do, on whatever API server.

pub mod garbage;
pub mod jobs;
pub mod nodes_and_scheduling;
pub mod pods;
pub mod volumes;
pub mod workloads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{AsyncBufReadExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, LogParams};
use nodes::clock::Delay;
use nodes::network::connector::dial;
use nodes::network::serve::full;
use nodes::program::{ExitCode, PodContext, Programs};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Kind, TestCluster};

/// A program that says who it is on port 8080 and in its log.
async fn web(context: PodContext) -> ExitCode {
    context.log.line(format!("serving as {}", context.pod.name));
    let Ok(listener) = context.network.listen(8080).await else { return ExitCode::FAILURE };
    let name = context.pod.name.clone();
    let handler = move |_| {
        let name = name.clone();
        async move { Ok(http::Response::new(full(name))) }
    };
    nodes::network::serve::serve(listener, None, context.stop.clone(), handler).await;
    context.log.line("stopped");
    ExitCode::SUCCESS
}

fn is(object: &Value, path: &str, value: impl Into<Value>) -> bool {
    object.pointer(path) == Some(&value.into())
}

fn runs(pod: &Value) -> bool {
    is(pod, "/status/phase", "Running") && is(pod, "/status/containerStatuses/0/ready", true)
}

pub async fn starts_nodes_storage_and_accounts(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    let nodes = cluster.until("v1", "Node", |nodes| nodes.len() >= 2).await;
    for node in &nodes {
        let ready = node["status"]["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "Ready").unwrap();
        assert_eq!(ready["status"], "True");
        assert_eq!(node["spec"].get("taints"), None);
        assert_eq!(node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"], 10250);
    }
    assert_eq!(nodes[0]["status"]["nodeInfo"]["machineID"], "machine-of-node1");
    cluster
        .until_one("storage.k8s.io/v1", "StorageClass", |class| {
            is(class, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class", "true")
        })
        .await;
    let account = cluster
        .until_one("v1", "ServiceAccount", |account| {
            is(account, "/metadata/name", "default") && account["secrets"].is_array()
        })
        .await;
    let secret = account["secrets"][0]["name"].as_str().unwrap().to_owned();
    let secret = cluster.until_one("v1", "Secret", |one| is(one, "/metadata/name", secret.as_str())).await;
    assert_eq!(secret["type"], "kubernetes.io/service-account-token");
    cluster
        .until_one("v1", "ConfigMap", |map| {
            is(map, "/metadata/name", "kube-root-ca.crt") && map["data"]["ca.crt"].is_string()
        })
        .await;
    cluster.end().await;
}

pub async fn runs_a_deployment_behind_a_service(kind: Kind) {
    let me = |context: PodContext| async move {
        // The pod's own client has its account's identity.
        let namespaces = Api::<Namespace>::all(context.client.clone()).list(&kube::api::ListParams::default()).await;
        context.log.line(match namespaces {
            Err(kube::Error::Api(status)) => status.message.clone(),
            other => format!("{other:?}"),
        });
        web(context).await
    };
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", me)).await;
    cluster
        .create("v1", "Service", json!({
            "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
        }))
        .await;
    cluster.deploy("web", "docker.io/test/web:v1", json!({})).await;
    let pod = cluster.until_one("v1", "Pod", runs).await;
    assert_eq!(
        pod["status"]["hostIP"],
        if is(&pod, "/spec/nodeName", "node1") { "172.16.0.11" } else { "172.16.0.12" }
    );
    let deployment = cluster.until_one("apps/v1", "Deployment", |one| is(one, "/status/availableReplicas", 1)).await;
    assert_eq!(deployment["status"]["observedGeneration"], deployment["metadata"]["generation"]);
    assert_eq!(deployment["status"]["updatedReplicas"], 1);
    let endpoints = cluster.until_one("v1", "Endpoints", |one| one["subsets"][0]["addresses"].is_array()).await;
    assert_eq!(endpoints["subsets"][0]["addresses"][0]["targetRef"]["kind"], "Pod");
    assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 8080);

    let client = cluster.network.for_pod("10.233.127.1".parse().unwrap());
    let name = format!("web.{}.svc", cluster.namespace);
    let mut answer = String::new();
    for _ in 0..50 {
        // The table of the service follows the Endpoints by a watch of its own.
        if let Ok(mut stream) = dial(client.as_ref(), &cluster.clock, &name, 80).await {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await.unwrap();
            stream.read_to_string(&mut answer).await.unwrap();
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(answer.ends_with(pod["metadata"]["name"].as_str().unwrap()), "{answer:?}");
    cluster.end().await;
}

pub async fn rolls_out_a_new_template(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    cluster.deploy("web", "test/web:v1", json!({})).await;
    cluster.until_one("apps/v1", "Deployment", |one| is(one, "/status/availableReplicas", 1)).await;
    let annotation = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-22T00:00:00Z"});
    let patch = json!({"spec": {"replicas": 2, "template": {"metadata": {"annotations": annotation}}}});
    cluster.patch("apps/v1", "Deployment", "web", patch).await;
    let rolled = cluster
        .until_one("apps/v1", "Deployment", |one| {
            is(one, "/status/updatedReplicas", 2)
                && is(one, "/status/replicas", 2)
                && is(one, "/status/availableReplicas", 2)
        })
        .await;
    assert_eq!(rolled["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    let sets = cluster
        .until("apps/v1", "ReplicaSet", |sets| sets.len() == 2 && sets.iter().any(|set| is(set, "/status/replicas", 0)))
        .await;
    assert!(sets.iter().all(|set| set["metadata"]["name"].as_str().unwrap().starts_with("web-")));
    cluster.until("v1", "Pod", |pods| pods.len() == 2 && pods.iter().all(runs)).await;
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 0}})).await;
    cluster.until("v1", "Pod", <[Value]>::is_empty).await;
    cluster.end().await;
}

pub async fn restarts_a_program_that_panics(kind: Kind) {
    let starts = Arc::new(AtomicU32::new(0));
    let program = move |context: PodContext| {
        let start = starts.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(start >= 2, "not yet");
            context.stop.cancelled().await;
            ExitCode::SUCCESS
        }
    };
    let cluster = TestCluster::start(kind, Programs::new().with("test/flaky", program)).await;
    cluster.deploy("flaky", "test/flaky", json!({})).await;
    let pod = cluster
        .until_one("v1", "Pod", |pod| is(pod, "/status/containerStatuses/0/state/waiting/reason", "CrashLoopBackOff"))
        .await;
    assert_eq!(pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 2);
    assert_eq!(pod["status"]["phase"], "Running");
    let before = cluster.clock.now();
    let _progress = cluster.clock.wants_progress();
    let pod = cluster.until_one("v1", "Pod", runs).await;
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 2);
    assert!(cluster.clock.now() >= before + Duration::from_secs(10));
    cluster.end().await;
}

pub async fn backs_off_from_unknown_images(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    cluster.deploy("none", "test/none:v1", json!({})).await;
    cluster
        .until_one("v1", "Pod", |pod| is(pod, "/status/containerStatuses/0/state/waiting/reason", "ImagePullBackOff"))
        .await;
    cluster.until_one("v1", "Event", |event| is(event, "/message", "Back-off pulling image \"test/none:v1\"")).await;
    cluster.end().await;
}

pub async fn mounts_config_at_once_and_updates_it_later(kind: Kind) {
    let program = |mut context: PodContext| async move {
        loop {
            let text = context.files.read("/etc/app/key").map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            context.log.line(format!("{:?} at {:?}", text, context.clock.now()));
            let name = format!("seen-{}", text.unwrap_or_default());
            let map: k8s_openapi::api::core::v1::ConfigMap =
                serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            let api = Api::namespaced(context.client.clone(), &context.pod.namespace);
            let _created = api.create(&kube::api::PostParams::default(), &map).await;
            if !context.files.changed().await {
                return ExitCode::SUCCESS;
            }
        }
    };
    let cluster = TestCluster::start(kind, Programs::new().with("test/app", program)).await;
    let rights = json!({"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"});
    let subject = json!([{"kind": "ServiceAccount", "name": "default", "namespace": cluster.namespace}]);
    let binding = json!({"metadata": {"name": "all"}, "roleRef": rights, "subjects": subject});
    cluster.create("rbac.authorization.k8s.io/v1", "RoleBinding", binding).await;
    let volume = json!({
        "containers": [{"volumeMounts": [{"name": "config", "mountPath": "/etc/app"}]}],
        "volumes": [{"name": "config", "configMap": {"name": "app"}}],
    });
    cluster.deploy("app", "test/app", volume).await;
    cluster.until_one("v1", "Event", |event| is(event, "/reason", "FailedMount")).await;
    cluster.create("v1", "ConfigMap", json!({"metadata": {"name": "app"}, "data": {"key": "one"}})).await;
    cluster.until_one("v1", "ConfigMap", |map| is(map, "/metadata/name", "seen-one")).await;
    let changed = cluster.clock.now();
    cluster.patch("v1", "ConfigMap", "app", json!({"data": {"key": "two"}})).await;
    let _progress = cluster.clock.wants_progress();
    cluster.until_one("v1", "ConfigMap", |map| is(map, "/metadata/name", "seen-two")).await;
    assert!(cluster.clock.now() >= changed + Duration::from_mins(1));
    cluster.end().await;
}

pub async fn fills_token_secrets_of_others(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    cluster.create("v1", "ServiceAccount", json!({"metadata": {"name": "robot"}})).await;
    let annotations = json!({"kubernetes.io/service-account.name": "robot"});
    let secret = json!({"metadata": {"name": "mine", "annotations": annotations}, "type": "kubernetes.io/service-account-token"});
    cluster.create("v1", "Secret", secret).await;
    cluster
        .until_one("v1", "Secret", |secret| is(secret, "/metadata/name", "mine") && secret["data"]["token"].is_string())
        .await;
    cluster.end().await;
}

pub async fn empties_and_finalizes_a_namespace(kind: Kind) {
    let slow = |context: PodContext| async move {
        context.stop.cancelled().await;
        context.clock.sleep(Delay::new("slow-stop", Duration::from_secs(5))).await;
        ExitCode::SUCCESS
    };
    let cluster = TestCluster::start(kind, Programs::new().with("test/slow", slow)).await;
    cluster.deploy("slow", "test/slow", json!({})).await;
    cluster.until_one("v1", "Pod", runs).await;
    let _progress = cluster.clock.wants_progress();
    cluster.api("v1", "Namespace").delete(&cluster.namespace, &DeleteParams::default()).await.unwrap();
    let name = cluster.namespace.clone();
    cluster.until("v1", "Namespace", |all| !all.iter().any(|one| is(one, "/metadata/name", name.as_str()))).await;
    cluster.end().await;
}

pub async fn serves_logs_to_clients_with_a_certificate(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    cluster.deploy("web", "test/web", json!({})).await;
    let pod = cluster.until_one("v1", "Pod", runs).await;
    let text = |pointer: &str| pod.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let path = format!("/containerLogs/{}/{}/main?tailLines=5", cluster.namespace, text("/metadata/name"));
    let host = text("/status/hostIP");
    for (identity, status) in [(None, 401), (Some(crate::support::identity()), 200)] {
        let settings = nodes::network::tls::TlsSettings { insecure: true, identity, ..Default::default() };
        let tls = nodes::network::tls::client_config(&settings, &[b"http/1.1"]).unwrap();
        let stream = dial(cluster.network.for_control_plane().as_ref(), &cluster.clock, &host, 10250).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from(host.clone()).unwrap();
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: kubelet\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _closed = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert_eq!(answer.contains("serving as web-"), status == 200, "{answer}");
    }
    cluster.end().await;
}

pub async fn deletes_pods_and_tokens_with_their_owners(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    cluster.deploy("web", "test/web", json!({})).await;
    cluster.until_one("v1", "Pod", runs).await;
    cluster.api("apps/v1", "Deployment").delete("web", &DeleteParams::background()).await.unwrap();
    cluster.until("apps/v1", "ReplicaSet", <[Value]>::is_empty).await;
    cluster.until("v1", "Pod", <[Value]>::is_empty).await;
    cluster.deploy("fore", "test/web", json!({})).await;
    cluster.until_one("v1", "Pod", runs).await;
    cluster.api("apps/v1", "Deployment").delete("fore", &DeleteParams::foreground()).await.unwrap();
    cluster.until("apps/v1", "Deployment", <[Value]>::is_empty).await;
    cluster.until("v1", "Pod", <[Value]>::is_empty).await;
    cluster.deploy("left", "test/web", json!({})).await;
    cluster.until_one("v1", "Pod", runs).await;
    cluster.api("apps/v1", "Deployment").delete("left", &DeleteParams::orphan()).await.unwrap();
    cluster.until("apps/v1", "Deployment", <[Value]>::is_empty).await;
    let sets = cluster.until("apps/v1", "ReplicaSet", |sets| sets.len() == 1).await;
    assert_eq!(sets[0]["metadata"].get("ownerReferences"), None);
    cluster.create("v1", "ServiceAccount", json!({"metadata": {"name": "robot"}})).await;
    let has_token = |secrets: &[Value]| {
        secrets.iter().any(|one| is(one, "/metadata/annotations/kubernetes.io~1service-account.name", "robot"))
    };
    cluster.until("v1", "Secret", has_token).await;
    cluster.api("v1", "ServiceAccount").delete("robot", &DeleteParams::default()).await.unwrap();
    cluster.until("v1", "Secret", |secrets| !has_token(secrets)).await;
    cluster.end().await;
}

/// Only where the API server can reach the simulated kubelets.
pub async fn shows_logs_through_the_api_server(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    cluster.deploy("web", "test/web", json!({})).await;
    let pod = cluster.until_one("v1", "Pod", runs).await;
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(cluster.client.clone(), &cluster.namespace);
    let name = pod["metadata"]["name"].as_str().unwrap();
    let whole = pods.logs(name, &LogParams::default()).await.unwrap();
    assert_eq!(whole, format!("serving as {name}\n"));
    let mut followed =
        pods.log_stream(name, &LogParams { follow: true, ..LogParams::default() }).await.unwrap().lines();
    assert_eq!(followed.next().await.unwrap().unwrap(), format!("serving as {name}"));
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 0}})).await;
    assert_eq!(followed.next().await.unwrap().unwrap(), "stopped");
    assert!(followed.next().await.is_none());
    cluster.end().await;
}

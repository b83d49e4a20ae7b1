//! What kubelets do with pods, and what they say about it.

use std::sync::Arc;
use std::time::Duration;

use kube::api::DeleteParams;
use nodes::network::connector::dial;
use nodes::program::{ExitCode, PodContext, Programs};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{is, runs, web};
use crate::support::{Kind, TestCluster};

fn pod(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec})
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a Value {
    let all = pod["status"]["conditions"].as_array().unwrap();
    all.iter().find(|condition| condition["type"] == kind).unwrap()
}

async fn says_who(context: PodContext) -> ExitCode {
    context.log.line(format!("run of {}", context.pod.image));
    ExitCode::SUCCESS
}

pub async fn runs_init_containers_first(kind: Kind) {
    let waits = |context: PodContext| async move {
        let map = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(
            context.client.clone(),
            &context.pod.namespace,
        );
        let _may_not = map.list(&kube::api::ListParams::default()).await;
        context.stop.cancelled().await;
        ExitCode::SUCCESS
    };
    let programs = Programs::new().with("test/web", web).with("test/done", says_who).with("test/waits", waits);
    let cluster = TestCluster::start(kind, programs).await;
    let main = json!([{"name": "main", "image": "test/web"}]);
    let init = json!([{"name": "first", "image": "test/done"}, {"name": "second", "image": "test/done"}]);
    cluster.create("v1", "Pod", pod("good", &json!({"initContainers": init, "containers": main}))).await;
    let good = cluster.until_one("v1", "Pod", runs).await;
    let states: Vec<_> = good["status"]["initContainerStatuses"].as_array().unwrap().iter().collect();
    assert!(states.iter().all(|state| state["state"]["terminated"]["reason"] == "Completed" && state["ready"] == true));
    assert_eq!(condition(&good, "Initialized")["status"], "True");
    let init = json!([{"name": "endless", "image": "test/waits"}]);
    cluster.create("v1", "Pod", pod("stuck", &json!({"initContainers": init, "containers": main}))).await;
    let is_stuck = |pod: &Value| {
        is(pod, "/metadata/name", "stuck") && pod["status"]["initContainerStatuses"][0]["state"]["running"].is_object()
    };
    let stuck = cluster.until_one("v1", "Pod", is_stuck).await;
    assert_eq!(stuck["status"]["phase"], "Pending");
    assert_eq!(stuck["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    assert_eq!(condition(&stuck, "Initialized")["message"], "containers with incomplete status: [endless]");
    cluster.end().await;
}

pub async fn fails_a_pod_with_its_init_container(kind: Kind) {
    let fails = |_: PodContext| async { ExitCode(4) };
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web).with("test/fails", fails)).await;
    let spec = json!({
        "restartPolicy": "Never", "initContainers": [{"name": "first", "image": "test/fails"}],
        "containers": [{"name": "main", "image": "test/web"}],
    });
    cluster.create("v1", "Pod", pod("bad", &spec)).await;
    let bad = cluster.until_one("v1", "Pod", |pod| is(pod, "/status/phase", "Failed")).await;
    assert_eq!(bad["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 4);
    cluster.end().await;
}

pub async fn tells_a_container_s_life_in_events(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    let containers = json!([{"name": "main", "image": "test/web:v1", "imagePullPolicy": "Always"}]);
    cluster.create("v1", "Pod", pod("web", &json!({"containers": containers}))).await;
    cluster.until_one("v1", "Pod", runs).await;
    let wanted = ["Scheduled", "Pulling", "Pulled", "Created", "Started"];
    let has_all = |events: &[Value]| wanted.iter().all(|reason| events.iter().any(|event| event["reason"] == *reason));
    let events = cluster.until("v1", "Event", has_all).await;
    let find = |reason: &str| events.iter().find(|event| event["reason"] == reason).unwrap();
    assert_eq!(find("Started")["message"], "Started container main");
    assert_eq!(find("Started")["involvedObject"]["fieldPath"], "spec.containers{main}");
    assert_eq!(find("Started")["source"]["component"], "kubelet");
    assert_eq!(find("Pulling")["message"], "Pulling image \"test/web:v1\"");
    assert_eq!(find("Scheduled")["reportingComponent"], "default-scheduler");
    assert_eq!(find("Scheduled")["action"], "Binding");
    cluster.api("v1", "Pod").delete("web", &DeleteParams::default()).await.unwrap();
    let killing = cluster.until_one("v1", "Event", |event| is(event, "/reason", "Killing")).await;
    assert_eq!(killing["message"], "Stopping container main");
    cluster.end().await;
}

pub async fn pulls_an_unknown_image_again_and_again(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new()).await;
    cluster.create("v1", "Pod", pod("none", &json!({"containers": [{"name": "main", "image": "test/none"}]}))).await;
    let waits =
        |reason: &'static str| move |pod: &Value| is(pod, "/status/containerStatuses/0/state/waiting/reason", reason);
    let first = cluster.until_one("v1", "Pod", waits("ImagePullBackOff")).await;
    assert_eq!(first["status"]["phase"], "Pending");
    assert_eq!(
        first["status"]["containerStatuses"][0]["state"]["waiting"]["message"],
        "Back-off pulling image \"test/none\""
    );
    assert_eq!(condition(&first, "Ready")["reason"], "ContainersNotReady");
    let failed = cluster
        .until_one("v1", "Event", |event| {
            event["message"].as_str().is_some_and(|text| text.starts_with("Failed to pull"))
        })
        .await;
    let reference = "docker.io/test/none:latest";
    assert_eq!(
        failed["message"],
        format!(
            "Failed to pull image \"test/none\": rpc error: code = NotFound desc = failed to pull and unpack image \
             \"{reference}\": failed to resolve reference \"{reference}\": {reference}: not found"
        )
    );
    let before = cluster.clock.now();
    let progress = cluster.clock.wants_progress();
    cluster.until_one("v1", "Event", |event| is(event, "/reason", "Pulling") && is(event, "/count", 3)).await;
    drop(progress);
    assert!(cluster.clock.now().saturating_sub(before) >= Duration::from_secs(30));
    cluster.end().await;
}

pub async fn refuses_images_that_may_not_be_pulled(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    for (name, image, policy, reason) in
        [("never", "test/web", "Never", "ErrImageNeverPull"), ("wrong", "Test/Web", "Always", "InvalidImageName")]
    {
        let containers = json!([{"name": "main", "image": image, "imagePullPolicy": policy}]);
        cluster.create("v1", "Pod", pod(name, &json!({"containers": containers}))).await;
        cluster.until_one("v1", "Pod", |pod| is(pod, "/status/containerStatuses/0/state/waiting/reason", reason)).await;
    }
    cluster.end().await;
}

pub async fn ends_a_pod_at_its_deadline(kind: Kind) {
    let cluster = TestCluster::start(kind, Programs::new().with("test/web", web)).await;
    let spec = json!({"activeDeadlineSeconds": 60, "containers": [{"name": "main", "image": "test/web"}]});
    cluster.create("v1", "Pod", pod("short", &spec)).await;
    cluster.until_one("v1", "Pod", runs).await;
    let _progress = cluster.clock.wants_progress();
    let ended = cluster.until_one("v1", "Pod", |pod| is(pod, "/status/phase", "Failed")).await;
    assert_eq!(ended["status"]["reason"], "DeadlineExceeded");
    assert_eq!(ended["status"]["message"], "Pod was active on the node longer than the specified deadline");
    cluster.end().await;
}

pub async fn counts_restarts_and_keeps_the_last_end(kind: Kind) {
    let fails = |context: PodContext| async move {
        context.log.line("about to fail");
        ExitCode(7)
    };
    let cluster = TestCluster::start(kind, Programs::new().with("test/fails", fails)).await;
    cluster.create("v1", "Pod", pod("loop", &json!({"containers": [{"name": "main", "image": "test/fails"}]}))).await;
    let progress = cluster.clock.wants_progress();
    let status = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
    let pod = cluster
        .until_one("v1", "Pod", |pod| {
            status(pod)["restartCount"] == 3 && status(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })
        .await;
    drop(progress);
    let last = &status(&pod)["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &last["reason"]), (&json!(7), &json!("Error")));
    assert!(last["containerID"].as_str().unwrap().starts_with("containerd://"));
    let waiting = status(&pod)["state"]["waiting"]["message"].as_str().unwrap().to_owned();
    assert!(waiting.starts_with("back-off 40s restarting failed container=main pod=loop_"), "{waiting}");
    assert_eq!(pod["status"]["phase"], "Running");
    cluster.until_one("v1", "Event", |event| is(event, "/reason", "BackOff") && is(event, "/count", 3)).await;
    cluster.end().await;
}

/// What the kubelet of `pod` answers on `path`: its status and its body.
async fn ask(cluster: &TestCluster, pod: &Value, path: &str) -> (u16, String) {
    let host = pod["status"]["hostIP"].as_str().unwrap().to_owned();
    let identity = Some(crate::support::identity());
    let settings = nodes::network::tls::TlsSettings { insecure: true, identity, ..Default::default() };
    let tls = nodes::network::tls::client_config(&settings, &[b"http/1.1"]).unwrap();
    let stream = dial(cluster.network.for_control_plane().as_ref(), &cluster.clock, &host, 10250).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from(host.clone()).unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
    // HTTP/1.0 has no chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: kubelet\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub async fn answers_questions_about_logs(kind: Kind) {
    let talks = |context: PodContext| async move {
        for line in ["one", "two", "three"] {
            context.log.line(line);
        }
        context.stop.cancelled().await;
        ExitCode::SUCCESS
    };
    let cluster = TestCluster::start(kind, Programs::new().with("test/talks", talks).with("test/done", says_who)).await;
    let spec = json!({
        "initContainers": [{"name": "first", "image": "test/done"}],
        "containers": [{"name": "main", "image": "test/talks"}, {"name": "none", "image": "test/none"}],
    });
    cluster.create("v1", "Pod", pod("talker", &spec)).await;
    let talks = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["running"].is_object();
    let waits = |pod: &Value| is(pod, "/status/containerStatuses/1/state/waiting/reason", "ImagePullBackOff");
    let pod = cluster.until_one("v1", "Pod", |pod| talks(pod) && waits(pod)).await;
    let logs = |of: &str| format!("/containerLogs/{}/talker/{of}", cluster.namespace);
    for (question, status, body) in [
        ("main", 200, "one\ntwo\nthree\n"),
        ("main?tailLines=1", 200, "three\n"),
        ("main?tailLines=0", 200, ""),
        ("main?limitBytes=5", 200, "one\nt"),
        ("main?sinceSeconds=3600", 200, "one\ntwo\nthree\n"),
        ("main?sinceTime=2100-01-01T00%3A00%3A00Z", 200, ""),
        ("first", 200, "run of test/done\n"),
        ("main?tailLines=-1", 422, "{\"message\": \"Invalid request.\"}"),
        ("main?tailLines=x", 400, "{\"message\": \"Unable to decode query.\"}"),
        ("main?previous=true", 400, "previous terminated container \"main\" in pod \"talker\" not found"),
        ("none", 400, "container \"none\" in pod \"talker\" is waiting to start: trying and failing to pull image"),
        ("other", 404, "container \"other\" not found in pod \"talker\""),
    ] {
        assert_eq!(ask(&cluster, &pod, &logs(question)).await, (status, body.to_owned()), "{question}");
    }
    let (_, stamped) = ask(&cluster, &pod, &logs("main?timestamps=true&tailLines=1")).await;
    let (time, text) = stamped.trim_end().split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == 30, "{time}");
    assert_eq!(text, "three");
    let (status, missing) = ask(&cluster, &pod, &format!("/containerLogs/{}/nobody/main", cluster.namespace)).await;
    assert_eq!((status, missing.as_str()), (404, "pod \"nobody\" does not exist"));
    cluster.end().await;
}

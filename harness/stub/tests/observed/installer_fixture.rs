//! A cluster with the installer and nothing that reacts to it: while the records were made, no process of KubeSphere ran.

use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::{AsyncBufReadExt as _, StreamExt as _};
use http::{Method, Request};
use kubesphere::Release;
use nodes::program::{ExitCode, PodContext, Programs};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fixture::Alone;

const CONFIGURATIONS: &str =
    "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations";
const CONFIG_MAP: &str = "/api/v1/namespaces/kubesphere-system/configmaps/kubesphere-config";
const SECRETS: &str = "/api/v1/namespaces/kubesphere-system/secrets";
const PODS: &str = "/api/v1/namespaces/kubesphere-system/pods";
const BUDGET: Duration = Duration::from_mins(1);

/// The cluster, and how many runs of its installer have been waited for.
pub struct Installed {
    alone: Alone,
    release: &'static Release,
    runs: usize,
    /// The installer's pod and its log so far, which is followed: a pod that is asked again and again is never idle, and
    /// time would not pass.
    pod: String,
    log: watch::Receiver<String>,
}

/// What the Secret holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub secret: String,
    pub claims: Value,
}

async fn idle(ctx: PodContext) -> ExitCode {
    ctx.stop.cancelled().await;
    ExitCode::SUCCESS
}

/// The real installer; the components only are there.
fn programs() -> Programs {
    ["ks-apiserver", "ks-controller-manager", "ks-console"]
        .into_iter()
        .fold(stub::programs(), |programs, name| programs.with(&format!("kubesphere/{name}"), idle))
}

impl Installed {
    /// A cluster with the installer of `version`, which has no orders yet.
    pub async fn start(version: &str) -> Self {
        let release = Release::find(version).unwrap();
        let alone = Alone::start(programs()).await;
        for object in stub::manifests::installer::installer_objects(release) {
            alone.cluster.create(&object).await;
        }
        let (pod, log) = follow(&alone, release, "").await;
        Self { alone, release, runs: 0, pod, log }
    }

    /// Writes the shipped configuration with the sections of `change` in it, a null one taken out, and waits until the
    /// run that this starts has ended.
    pub async fn order(&mut self, change: &Value) {
        let text = stub::manifests::cluster_configuration_yaml(self.release);
        let mut object: Value = serde_yaml::from_str(&text).unwrap();
        let spec = object["spec"].as_object_mut().unwrap();
        for (key, value) in change.as_object().unwrap() {
            match value {
                Value::Null => spec.shift_remove(key),
                value => spec.insert(key.clone(), value.clone()),
            };
        }
        // A run for orders that did not change is one of a pod that starts again.
        let path = format!("{CONFIGURATIONS}/ks-installer");
        let live = self.alone.cluster.get(&path).await;
        if live["spec"] == object["spec"] {
            self.restart().await;
        } else if live["kind"] == "ClusterConfiguration" {
            object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            object["status"] = live["status"].clone();
            let (code, body) = self.alone.cluster.call(Method::PUT, &path, Some(&object)).await;
            assert_eq!(code, 200, "{body}");
        } else {
            self.alone
                .cluster
                .until("the kind is served", async || {
                    self.alone.cluster.call(Method::GET, CONFIGURATIONS, None).await.0 == 200
                })
                .await;
            self.alone.cluster.create(&object).await;
        }
        self.runs += 1;
        let runs = self.runs;
        let _progress = self.alone.progress();
        let end =
            tokio::time::timeout(BUDGET, self.log.wait_for(|log| ended(log) >= runs)).await.map(|end| end.is_ok());
        assert!(end.is_ok(), "the run does not end: {}", self.log());
        assert_eq!(ended(&self.log()), runs, "{}", self.log());
    }

    /// Replaces the installer's pod. The log of the one before is gone, and with it the runs in it.
    async fn restart(&mut self) {
        self.alone.cluster.call(Method::DELETE, &format!("{PODS}/{}", self.pod), None).await;
        (self.pod, self.log) = follow(&self.alone, self.release, &self.pod).await;
        self.runs = 0;
    }

    /// The installer's log.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// Puts `secret` into the Secret, which a run then keeps.
    pub async fn put_secret(&self, secret: &str) {
        let name = "kubesphere-secret";
        let cluster = &self.alone.cluster;
        cluster.call(Method::DELETE, &format!("{SECRETS}/{name}"), None).await;
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "data": {"secret": STANDARD.encode(secret), "token": ""},
        });
        let (code, body) = cluster.call(Method::POST, SECRETS, Some(&object)).await;
        assert_eq!(code, 201, "{body}");
    }

    /// The Secret, if there is one.
    pub async fn secret(&self) -> Option<Kept> {
        let (code, object) = self.alone.cluster.call(Method::GET, &format!("{SECRETS}/kubesphere-secret"), None).await;
        let text =
            |key: &str| String::from_utf8(STANDARD.decode(object["data"][key].as_str().unwrap()).unwrap()).unwrap();
        (code == 200).then(|| {
            let (secret, token) = (text("secret"), text("token"));
            let claims = token.split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap_or_default();
            Kept { secret, claims: serde_json::from_slice(&claims).unwrap_or_default() }
        })
    }

    /// The rendered text, if there is one.
    pub async fn kubesphere_yaml(&self) -> Option<String> {
        self.alone.cluster.get(CONFIG_MAP).await["data"]["kubesphere.yaml"].as_str().map(str::to_owned)
    }

    /// What the page's command prints: `kubectl get cm -o yaml` shows a text without blanks at line ends as a block that
    /// is indented by four, and the applied configuration as one line with `apiVersion` in it.
    pub async fn documented_grep(&self) -> Vec<String> {
        let object = self.alone.cluster.get(CONFIG_MAP).await;
        let applied = &object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
        let applied = applied.as_str().unwrap_or_default();
        assert!(applied.trim_end().lines().count() == 1 && applied.contains("apiVersion"), "{applied}");
        let text = object["data"]["kubesphere.yaml"].as_str().unwrap_or_default();
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        let lines = text.lines().filter(|line| line.contains("jwtSecret") && !line.contains("apiVersion"));
        lines.map(|line| format!("    {line}")).collect()
    }

    /// The state that the installer notes.
    pub async fn status(&self) -> Value {
        self.alone.cluster.get(&format!("{CONFIGURATIONS}/ks-installer")).await["status"].take()
    }

    pub async fn stop(self) {
        self.alone.stop().await;
    }
}

/// The installer's pod, another one than `old`, once it runs, and its log from then on.
async fn follow(alone: &Alone, release: &Release, old: &str) -> (String, watch::Receiver<String>) {
    let mut pod = String::new();
    let query = format!("{PODS}?labelSelector=app%3D{}", release.installer_label);
    let running = async || {
        let found = alone.cluster.get(&query).await;
        let runs = |pod: &&Value| pod["status"]["phase"] == "Running" && pod["metadata"]["name"] != old;
        let name = found["items"].as_array().unwrap().iter().find(runs).map(|pod| &pod["metadata"]["name"]);
        name.and_then(Value::as_str).unwrap_or_default().clone_into(&mut pod);
        !pod.is_empty()
    };
    alone.cluster.until("a pod of the installer runs", running).await;
    let (sender, receiver) = watch::channel(String::new());
    let client = alone.cluster.client.clone();
    let path = format!("{PODS}/{pod}/log?follow=true");
    tokio::spawn(async move {
        let stream = pin!(client.request_stream(Request::get(path).body(Vec::new()).unwrap()).await.unwrap());
        let mut lines = stream.lines();
        while let Some(Ok(line)) = lines.next().await {
            sender.send_modify(|log| log.extend([&line, "\n"]));
        }
    });
    (pod, receiver)
}

/// How many runs have ended in a log, one way or the other.
fn ended(log: &str) -> usize {
    ["Welcome to KubeSphere!", "Failed to ansible-playbook", "failed=1 "]
        .iter()
        .map(|end| log.matches(end).count())
        .sum()
}

//! A fake cluster: a Kubernetes API over a map of objects, a ks-apiserver over a map of answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use jiff::Timestamp;
use kube::client::Body;
use scenario::model::On;
use serde_json::{Value, json};

use crate::view::{ClusterView, Probe, ViewError};

/// What ks-apiserver tells everybody.
const OPEN: [&str; 2] = ["/kapis/version", "/kapis/config.kubesphere.io/v1alpha2/configs/configz"];
const SYSTEM: &str = "/api/v1/namespaces/kubesphere-system";

/// A cluster made of what a test puts into it.
#[derive(Clone)]
pub(crate) struct FakeCluster {
    on: On,
    objects: BTreeMap<String, Value>,
    log: Vec<(Timestamp, String)>,
    probes: BTreeMap<String, Probe>,
    password: Option<String>,
    /// The one token that is taken; any when none.
    token: Option<String>,
    pub(super) secrets: Vec<String>,
    answers: BTreeMap<(String, String), (u16, String)>,
    broken: bool,
    log_lines_sent: Arc<AtomicUsize>,
}

impl FakeCluster {
    pub(crate) fn host() -> Self {
        Self::new(On::Host)
    }

    pub(crate) fn member() -> Self {
        Self::new(On::Member)
    }

    fn new(on: On) -> Self {
        let version = json!({
            "major": "1", "minor": "20", "gitVersion": "v1.20.2", "gitCommit": "", "gitTreeState": "clean", "buildDate": "",
            "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
        });
        Self {
            on,
            objects: BTreeMap::from([("/version".to_owned(), version)]),
            log: Vec::new(),
            probes: BTreeMap::new(),
            password: None,
            token: None,
            secrets: Vec::new(),
            answers: BTreeMap::new(),
            broken: false,
            log_lines_sent: Arc::default(),
        }
    }

    /// Every request fails.
    pub(crate) fn broken(mut self) -> Self {
        self.broken = true;
        self
    }

    /// Any object, at its path.
    pub(crate) fn object(mut self, path: String, object: Value) -> Self {
        self.objects.insert(path, object);
        self
    }

    /// `ClusterConfiguration` ks-installer with this spec.
    pub(crate) fn cc(self, spec: &Value) -> Self {
        let path =
            "/apis/installer.kubesphere.io/v1alpha1/namespaces/kubesphere-system/clusterconfigurations/ks-installer";
        self.object(path.to_owned(), json!({"metadata": {"name": "ks-installer"}, "spec": spec}))
    }

    /// ConfigMap kubesphere-config with this kubesphere.yaml.
    pub(crate) fn config(mut self, document: &str) -> Self {
        let written = document.lines().find_map(|line| line.trim().strip_prefix("jwtSecret:"));
        self.secrets.extend(written.map(|secret| secret.trim().trim_matches(['"', '\'', '“', '”']).to_owned()));
        let object = json!({"metadata": {"name": "kubesphere-config"}, "data": {"kubesphere.yaml": document}});
        self.object(format!("{SYSTEM}/configmaps/kubesphere-config"), object)
    }

    /// Secret kubesphere-secret.
    pub(crate) fn kept_secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        let object = json!({"metadata": {"name": "kubesphere-secret"}, "data": {"secret": encoded}});
        self.object(format!("{SYSTEM}/secrets/kubesphere-secret"), object)
    }

    /// The installer's pod with this label, and an older one of the other label that is on its way out.
    pub(crate) fn installer(self, label: &str) -> Self {
        let pod = |name: &str, at: &str| json!({"metadata": {"name": name, "labels": {"app": label}, "creationTimestamp": at}});
        let mut going = pod("ks-installer-0", "2024-01-01T00:00:09Z");
        going["metadata"]["deletionTimestamp"] = json!("2024-01-01T00:00:10Z");
        self.object(format!("{SYSTEM}/pods/ks-installer-0"), going)
            .object(format!("{SYSTEM}/pods/ks-installer-1"), pod("ks-installer-1", "2024-01-01T00:00:00Z"))
    }

    /// The installer's log.
    pub(crate) fn log(mut self, lines: &[(&str, &str)]) -> Self {
        self.log = lines.iter().map(|(at, line)| (at.parse().unwrap(), (*line).to_owned())).collect();
        self
    }

    /// A Cluster.
    pub(crate) fn cluster(self, cluster: &Value) -> Self {
        let path =
            format!("/apis/cluster.kubesphere.io/v1alpha1/clusters/{}", cluster["metadata"]["name"].as_str().unwrap());
        self.object(path, cluster.clone())
    }

    /// A node.
    pub(crate) fn node(self, name: &str, uid: &str) -> Self {
        self.object(format!("/api/v1/nodes/{name}"), json!({"metadata": {"name": name, "uid": uid}}))
    }

    /// Namespace kube-system with this UID.
    pub(crate) fn kube_system(self, uid: &str) -> Self {
        let object = json!({"metadata": {"name": "kube-system", "uid": uid}});
        self.object("/api/v1/namespaces/kube-system".to_owned(), object)
    }

    /// What a probe from that node comes to.
    pub(crate) fn probed(mut self, node: &str, probe: Probe) -> Self {
        self.probes.insert(node.to_owned(), probe);
        self
    }

    /// What ks-apiserver answers to a method and a path.
    pub(crate) fn answers(mut self, method: &str, path: &str, status: u16, body: &str) -> Self {
        self.answers.insert((method.to_owned(), path.to_owned()), (status, body.to_owned()));
        self
    }

    /// ks-apiserver issues this token for this password of admin's.
    pub(crate) fn logs_in(mut self, password: &str, token: &str) -> Self {
        self.password = Some(password.to_owned());
        self.token = Some(token.to_owned());
        self.secrets.extend([password.to_owned(), token.to_owned()]);
        self.answers("POST", "/oauth/token", 200, &json!({"access_token": token, "token_type": "Bearer"}).to_string())
    }

    /// ks-apiserver does not look at tokens.
    pub(crate) fn takes_any_token(mut self) -> Self {
        self.token = None;
        self
    }

    fn serve(&self, uri: &http::Uri) -> (u16, String) {
        let path = uri.path();
        let status = |code: u16, reason: &str| {
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code});
            (code, body.to_string())
        };
        if self.broken {
            return status(500, "InternalError");
        }
        if let Some(pod) = path.strip_suffix("/log") {
            let log = || (200, self.log_text(uri.query().unwrap_or_default()));
            return if self.objects.contains_key(pod) { log() } else { status(404, "NotFound") };
        }
        if let Some(object) = self.objects.get(path) {
            return (200, object.to_string());
        }
        if ["nodes", "pods", "clusters"].iter().any(|plural| path.ends_with(&format!("/{plural}"))) {
            let within = format!("{path}/");
            let items: Vec<_> = self
                .objects
                .iter()
                .filter(|(key, object)| key.starts_with(&within) && selected(uri.query().unwrap_or_default(), object))
                .map(|(_, object)| object)
                .collect();
            return (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}).to_string());
        }
        status(404, "NotFound")
    }

    /// Lines of the log that were sent last.
    pub(crate) fn log_lines_sent(&self) -> usize {
        self.log_lines_sent.load(Ordering::SeqCst)
    }

    /// As in the real API, times are there only where they are asked for, and whole seconds decide what is old.
    fn log_text(&self, query: &str) -> String {
        let parameters: BTreeMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let since = parameters.get("sinceTime").map(|at| at.replace("%3A", ":").parse::<Timestamp>().unwrap());
        let since = since.map(Timestamp::as_second);
        let lines = self.log.iter().filter(|(at, _)| since.is_none_or(|since| at.as_second() >= since));
        let lines: Vec<_> = lines.collect();
        self.log_lines_sent.store(lines.len(), Ordering::SeqCst);
        let times = parameters.get("timestamps") == Some(&"true");
        lines.into_iter().map(|(at, line)| if times { format!("{at} {line}\n") } else { format!("{line}\n") }).collect()
    }
}

/// The two selectors that checks use.
fn selected(query: &str, object: &Value) -> bool {
    let label = |key: &str| object["metadata"]["labels"][key].as_str();
    if query.contains("cluster-role.kubesphere.io") {
        return label("cluster-role.kubesphere.io/host").is_some();
    }
    let asks_for = |app: &str| match app {
        "ks-install" => query.replace("ks-installer", "").contains(app),
        _ => query.contains(app),
    };
    !query.contains("ks-install") || label("app").is_some_and(asks_for)
}

#[async_trait]
impl ClusterView for FakeCluster {
    fn on(&self) -> On {
        self.on
    }

    fn client(&self) -> kube::Client {
        let cluster = Arc::new(self.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (status, body) = cluster.serve(request.uri());
            let response = Response::builder()
                .status(status)
                .header("Content-Type", "application/json")
                .body(Full::new(Bytes::from(body)));
            async move { Ok::<_, Infallible>(response.unwrap()) }
        });
        kube::Client::new(service, "default")
    }

    fn nodes(&self) -> Vec<String> {
        self.objects.keys().filter_map(|path| path.strip_prefix("/api/v1/nodes/")).map(str::to_owned).collect()
    }

    async fn probe(&self, node: &str, _kubeconfig: &str) -> Probe {
        self.probes.get(node).unwrap().clone()
    }

    async fn ks_apiserver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ViewError> {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let Some((status, body)) = self.answers.get(&(method.clone(), path.clone())) else {
            return Err(ViewError {
                cluster: self.on,
                operation: format!("{method} {path}"),
                reason: "connection refused".to_owned(),
            });
        };
        let (mut status, mut body) = (*status, body.clone());
        if path == "/oauth/token" {
            let form = String::from_utf8(request.body().to_vec()).unwrap();
            let password = self.password.as_ref().unwrap().replace('@', "%40");
            if !form.contains(&format!("password={password}&")) {
                (status, body) =
                    (400, json!({"error": "invalid_grant", "error_description": "incorrect password"}).to_string());
            }
        } else if !OPEN.contains(&path.as_str()) {
            let Some(sent) = request.headers().get("X-KubeSphere-Authorization") else {
                panic!("{path} was asked for without a token");
            };
            if self.token.as_ref().is_some_and(|token| sent != &format!("Bearer {token}")) {
                (status, body) = (401, "signature is invalid".to_owned());
            }
        }
        Ok(Response::builder().status(status).body(Bytes::from(body)).unwrap())
    }
}

//! Requests one after the other on a connection: whatever they are, the server goes on, and what it refuses it refuses
//! with a `Status`.
#![no_main]

mod json;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use apiserver::{ApiServer, DialFailure, Dialer, Options, Stream};
use arbitrary::Arbitrary;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use json::Json;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// A new server after so many inputs: what they leave behind is not to slow the others down.
const INPUTS: usize = 400;
/// Longer than any answer takes that is not a watch.
const PATIENCE: Duration = Duration::from_secs(10);

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const PLACES: &[&str] = &[
    "/api",
    "/api/v1",
    "/apis",
    "/version",
    "/openapi/v2",
    "/readyz",
    "/apis/apps/v1",
    "/api/v1/namespaces",
    "/api/v1/namespaces/default",
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/namespaces/default/pods",
    "/api/v1/namespaces/default/configmaps",
    "/api/v1/namespaces/default/secrets",
    "/api/v1/namespaces/default/services",
    "/api/v1/namespaces/default/serviceaccounts",
    "/api/v1/namespaces/default/endpoints",
    "/api/v1/namespaces/default/events",
    "/api/v1/namespaces/default/resourcequotas",
    "/api/v1/namespaces/default/limitranges",
    "/api/v1/persistentvolumes",
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/apps/v1/namespaces/default/statefulsets",
    "/apis/batch/v1/namespaces/default/jobs",
    "/apis/batch/v1beta1/namespaces/default/cronjobs",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/apiextensions.k8s.io/v1beta1/customresourcedefinitions",
    "/apis/a/v1/namespaces/default/b",
    "/apis/a/v1/b",
    "/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets",
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/tokenreviews",
    "/apis/coordination.k8s.io/v1/namespaces/default/leases",
];
const BELOW: &[&str] = &[
    "",
    "/a",
    "/b.a",
    "/default",
    "/a/status",
    "/a/scale",
    "/a/log",
    "/a/token",
    "/a/eviction",
    "/a/proxy/x",
    "/a/binding",
    "/a/finalize",
];
const QUERIES: &[&str] = &[
    "watch=1&timeoutSeconds=1",
    "resourceVersion=1",
    "resourceVersion=0",
    "resourceVersionMatch=Exact",
    "limit=1",
    "limit=-1",
    "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
    "labelSelector=a%3Db",
    "labelSelector=a+in+(b,c),!d",
    "fieldSelector=metadata.name%3Da",
    "fieldSelector=status.phase!%3DRunning",
    "dryRun=All",
    "fieldManager=m",
    "force=true",
    "propagationPolicy=Foreground",
    "gracePeriodSeconds=0",
    "pretty=true",
    "allowWatchBookmarks=true",
    "includeObject=Object",
    "timeout=1s",
    "exact",
    "%zz",
    ";",
    "follow=true",
    "tailLines=1",
];
const ACCEPTED: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "*/*",
    "text/plain",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;stream=watch",
    ";;,",
    "",
];
const SENT: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "text/plain",
    "",
];

#[derive(Debug, Arbitrary)]
enum Content {
    Json(Json),
    Raw(Vec<u8>),
    Protobuf(Vec<u8>),
    Nothing,
}

#[derive(Debug, Arbitrary)]
struct Request {
    method: u8,
    place: u8,
    below: u8,
    /// Instead of the two.
    path: Option<String>,
    queries: Vec<u8>,
    query: Option<String>,
    accept: u8,
    sent: u8,
    impersonated: Option<String>,
    content: Content,
}

fn one_of(all: &[&'static str], index: u8) -> &'static str {
    all[usize::from(index) % all.len()]
}

impl Request {
    fn target(&self) -> String {
        let mut target = match &self.path {
            Some(path) => format!("/{path}"),
            None => format!("{}{}", one_of(PLACES, self.place), one_of(BELOW, self.below)),
        };
        for (number, query) in self.queries.iter().take(4).enumerate() {
            let _ = write!(target, "{}{}", if number == 0 { '?' } else { '&' }, one_of(QUERIES, *query));
        }
        if let Some(query) = &self.query {
            let _ = write!(target, "{}{query}", if self.queries.is_empty() { '?' } else { '&' });
        }
        target
    }

    fn built(&self) -> Option<hyper::Request<Full<Bytes>>> {
        let body = match &self.content {
            Content::Json(Json(value)) => value.to_string().into_bytes(),
            Content::Raw(bytes) => bytes.clone(),
            Content::Protobuf(bytes) => [b"k8s\0", bytes.as_slice()].concat(),
            Content::Nothing => Vec::new(),
        };
        let mut request = hyper::Request::builder()
            .method(one_of(&METHODS, self.method))
            .uri(self.target())
            .header("host", "fuzz")
            .header("accept", one_of(ACCEPTED, self.accept))
            .header("content-type", one_of(SENT, self.sent));
        if let Some(user) = &self.impersonated {
            request = request.header("impersonate-user", user.as_str());
        }
        request.body(Full::new(body.into())).ok()
    }
}

/// No packet leaves this process.
struct Nowhere;

#[async_trait::async_trait]
impl Dialer for Nowhere {
    async fn dial(&self, _: &str, _: u16) -> Result<Box<dyn Stream>, DialFailure> {
        Err(DialFailure::Refused)
    }
}

struct Bench {
    runtime: Runtime,
    server: Option<ApiServer>,
    inputs: usize,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench {
        runtime: Builder::new_current_thread().enable_all().build().unwrap(),
        server: None,
        inputs: 0,
    });
}

impl Bench {
    fn run(&mut self, requests: &[Request]) {
        if self.inputs.is_multiple_of(INPUTS)
            && let Some(server) = self.server.take()
        {
            self.runtime.block_on(server.stop());
        }
        self.inputs += 1;
        let server = self.server.take();
        self.server = Some(self.runtime.block_on(async {
            let server = match server {
                Some(server) => server,
                None => ApiServer::start(Options { dialer: Arc::new(Nowhere), ..Options::default() }).await.unwrap(),
            };
            tokio::time::timeout(PATIENCE * 6, play(&server, requests)).await.expect("the server answers in time");
            server
        }));
    }
}

async fn play(server: &ApiServer, requests: &[Request]) {
    let mut sender = None;
    for request in requests.iter().take(6) {
        let Some(built) = request.built() else { continue };
        if sender.as_ref().is_none_or(http1::SendRequest::is_closed) {
            let io = TokioIo::new(server.connection_for_fuzzing());
            let (opened, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender = Some(opened);
        }
        let Some(open) = sender.as_mut() else { return };
        if open.ready().await.is_err() {
            sender = None;
            continue;
        }
        // What hyper does not send, or a connection that the server ends because of what it is sent.
        let Ok(response) = open.send_request(built).await else {
            sender = None;
            continue;
        };
        let (head, body) = response.into_parts();
        let Ok(body) = tokio::time::timeout(PATIENCE, body.collect()).await.expect("the answer ends") else {
            sender = None;
            continue;
        };
        let json =
            head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let body = body.to_bytes();
        if head.status.as_u16() >= 400 && json && !body.is_empty() && !request.target().contains("pretty") {
            let value: Value = serde_json::from_slice(&body).expect("a refusal is JSON");
            assert!(value["kind"] == "Status" || value.get("paths").is_some(), "{value}");
        }
    }
}

fuzz_target!(|requests: Vec<Request>| {
    BENCH.with_borrow_mut(|bench| bench.run(&requests));
});

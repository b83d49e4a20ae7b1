//! As much of an API server as the installer needs to be tried quickly: objects by path, merge patches, watches.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The objects of a cluster.
pub struct Fake {
    state: Mutex<State>,
    grown: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    events: Vec<(String, Value)>,
    failures: Vec<(Method, String, StatusCode)>,
    unserved: Option<String>,
}

impl Fake {
    /// A cluster with one node and a default `StorageClass`.
    pub fn new() -> Arc<Self> {
        let fake = Arc::new(Self { state: Mutex::default(), grown: watch::Sender::new(0) });
        fake.put(
            "/api/v1/nodes/node1",
            &json!({"metadata": {"name": "node1"}, "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}]}}),
        );
        fake.put(
            "/apis/storage.k8s.io/v1/storageclasses/local",
            &json!({"metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}),
        );
        fake
    }

    /// A client of it.
    pub fn client(self: &Arc<Self>) -> kube::Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// The object at `path`.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.state.lock().unwrap().objects.get(path).cloned()
    }

    /// Paths of all objects.
    pub fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// The object at `path`, once it is there.
    pub async fn until(&self, path: &str) -> Value {
        let mut grown = self.grown.subscribe();
        loop {
            if let Some(object) = self.get(path) {
                return object;
            }
            grown.changed().await.unwrap();
        }
    }

    /// The next request with `method` to `path` is answered with `code`.
    pub fn fail_once(&self, method: Method, path: &str, code: StatusCode) {
        self.state.lock().unwrap().failures.push((method, path.to_owned(), code));
    }

    /// The custom resource definition `name` never becomes Established.
    pub fn never_serve(&self, name: &str) {
        self.state.lock().unwrap().unserved = Some(name.to_owned());
    }

    fn fails(&self, method: &Method, path: &str) -> Option<StatusCode> {
        let failures = &mut self.state.lock().unwrap().failures;
        let at = failures.iter().position(|(failing, at, _)| failing == method && at == path);
        at.map(|at| failures.remove(at).2)
    }

    /// The object at `path`, if it is there, is gone.
    pub fn remove(&self, path: &str) {
        self.change(path, "DELETED", None);
    }

    /// The object at `path` is now `object`.
    pub fn put(&self, path: &str, object: &Value) {
        let kind = if self.get(path).is_some() { "MODIFIED" } else { "ADDED" };
        self.change(path, kind, Some(object));
    }

    fn change(&self, path: &str, kind: &str, object: Option<&Value>) {
        let mut state = self.state.lock().unwrap();
        let version = state.events.len() + 1;
        let mut shown = object.or_else(|| state.objects.get(path)).cloned().unwrap_or_default();
        shown["metadata"]["resourceVersion"] = version.to_string().into();
        match object {
            Some(_) => state.objects.insert(path.to_owned(), shown.clone()),
            None => state.objects.remove(path),
        };
        let collection = path.rsplit_once('/').unwrap().0.to_owned();
        state.events.push((collection, json!({"type": kind, "object": shown})));
        drop(state);
        self.grown.send_replace(version);
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        if let Some(code) = self.fails(&parts.method, &path) {
            return failure(code);
        }
        if path == "/version" {
            let version = json!({"major": "1", "minor": "20", "gitVersion": "v1.20.2", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
            return object(version);
        }
        match parts.method {
            Method::GET if query.contains("watch=1") => self.watch(path, &query),
            Method::GET if is_collection(&path) => self.list(&path, &query),
            Method::GET => self.get(&path).map_or_else(|| failure(StatusCode::NOT_FOUND), object),
            Method::POST => self.create(&path, body),
            Method::PUT if self.get(&path).is_some() => {
                self.put(&path, &body);
                object(body)
            }
            Method::PATCH => self.merge_into(&path, body),
            Method::DELETE if self.get(&path).is_some() => {
                self.remove(&path);
                object(json!({"kind": "Status", "status": "Success"}))
            }
            _ => failure(StatusCode::NOT_FOUND),
        }
    }

    fn list(&self, path: &str, query: &str) -> Answer {
        let label = query.split("labelSelector=app%3D").nth(1);
        let state = self.state.lock().unwrap();
        let here = |at: &str| at.strip_prefix(path).is_some_and(|rest| rest.rfind('/') == Some(0));
        let wanted = |object: &Value| label.is_none_or(|label| object["metadata"]["labels"]["app"] == label);
        let items: Vec<_> =
            state.objects.iter().filter(|(at, object)| here(at) && wanted(object)).map(|(_, object)| object).collect();
        object(json!({"metadata": {"resourceVersion": state.events.len().to_string()}, "items": items}))
    }

    fn watch(self: Arc<Self>, path: String, query: &str) -> Answer {
        let start = query.split("resourceVersion=").nth(1).and_then(|text| text.split('&').next());
        let start: usize = start.unwrap().parse().unwrap();
        let grown = self.grown.subscribe();
        let lines = futures::stream::unfold((self, grown, start), move |(fake, mut grown, next)| async move {
            grown.wait_for(|length| *length > next).await.ok()?;
            let event = fake.state.lock().unwrap().events[next].clone();
            Some((event, (fake, grown, next + 1)))
        });
        let frames = lines.filter_map(move |(collection, event)| {
            let line = (collection == path).then(|| Ok(Frame::data(Bytes::from(format!("{event}\n")))));
            futures::future::ready(line)
        });
        Response::new(StreamBody::new(frames).boxed_unsync())
    }

    fn create(&self, path: &str, mut made: Value) -> Answer {
        if let Some(prefix) = made["metadata"]["generateName"].as_str() {
            made["metadata"]["name"] = format!("{prefix}made").into();
        }
        let at = format!("{path}/{}", made["metadata"]["name"].as_str().unwrap());
        if self.get(&at).is_some() {
            return failure(StatusCode::CONFLICT);
        }
        match made["kind"].as_str() {
            Some("CustomResourceDefinition")
                if self.state.lock().unwrap().unserved.as_deref() != made["metadata"]["name"].as_str() =>
            {
                made["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
            }
            Some("Deployment") => {
                made["status"] = json!({"readyReplicas": made["spec"]["replicas"]});
                let labels = &made["spec"]["template"]["metadata"]["labels"];
                let pod = json!({"metadata": {"name": "pod", "labels": labels}, "status": {"phase": "Running"}});
                let namespace = made["metadata"]["namespace"].as_str().unwrap();
                let name = made["metadata"]["name"].as_str().unwrap();
                self.put(&format!("/api/v1/namespaces/{namespace}/pods/{name}"), &pod);
            }
            _ => {}
        }
        self.put(&at, &made);
        object(made)
    }

    fn merge_into(&self, path: &str, changes: Value) -> Answer {
        let Some(mut live) = self.get(path) else { return failure(StatusCode::NOT_FOUND) };
        merge(&mut live, changes);
        self.put(path, &live);
        object(live)
    }
}

fn merge(live: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *live = patch;
        return;
    };
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            live.as_object_mut().unwrap().remove(&key);
        } else {
            merge(&mut live[&key], value);
        }
    }
}

fn is_collection(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').skip(if path.starts_with("/apis") { 4 } else { 3 }).collect();
    match parts.as_slice() {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest.len() == 1,
        parts => parts.len() == 1,
    }
}

fn object(object: impl Into<Value>) -> Answer {
    Response::new(Full::new(Bytes::from(object.into().to_string())).boxed_unsync())
}

fn failure(code: StatusCode) -> Answer {
    let status = json!({"kind": "Status", "status": "Failure", "code": code.as_u16(), "reason": code.canonical_reason(),
        "message": "refused"});
    let mut answer = object(status);
    *answer.status_mut() = code;
    answer
}

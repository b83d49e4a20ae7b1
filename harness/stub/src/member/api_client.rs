//! Calls to an API server in JSON, whose failures read as client-go's do.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use nodes::clock::{Clock, Delay};
use nodes::network::Network;
use nodes::network::connector::DialError;
use nodes::program::PodContext;
use serde_json::Value;

use super::go_errors;
use super::rest_config::ExecPlugin;

/// What a call is about: a path, and how client-go names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    prefix: String,
    resource: Option<Resource>,
    query: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    group: String,
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
}

impl Target {
    /// A resource of the core group.
    #[must_use]
    pub fn core(plural: &str) -> Self {
        Self::of("/api/v1".to_owned(), "", plural)
    }

    /// A resource of another group.
    #[must_use]
    pub fn group(group: &str, version: &str, plural: &str) -> Self {
        Self::of(format!("/apis/{group}/{version}"), group, plural)
    }

    /// The Clusters of KubeSphere.
    #[must_use]
    pub fn clusters() -> Self {
        Self::group("cluster.kubesphere.io", "v1alpha1", "clusters")
    }

    /// A path that is no resource.
    #[must_use]
    pub fn path(path: &str) -> Self {
        Self { prefix: path.to_owned(), resource: None, query: String::new() }
    }

    fn of(prefix: String, group: &str, plural: &str) -> Self {
        let resource = Resource { group: group.to_owned(), plural: plural.to_owned(), namespace: None, name: None };
        Self { prefix, resource: Some(resource), query: String::new() }
    }

    /// In `namespace`.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        if let Some(resource) = &mut self.resource {
            resource.namespace = Some(namespace.to_owned());
        }
        self
    }

    /// The one named `name`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        if let Some(resource) = &mut self.resource {
            resource.name = Some(name.to_owned());
        }
        self
    }

    /// With a query, already encoded.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    fn path_and_query(&self, limit: Option<Delay>) -> String {
        let mut path = self.prefix.clone();
        if let Some(resource) = &self.resource {
            if let Some(namespace) = &resource.namespace {
                path.push_str("/namespaces/");
                path.push_str(namespace);
            }
            path.push('/');
            path.push_str(&resource.plural);
            if let Some(name) = &resource.name {
                path.push('/');
                path.push_str(name);
            }
        }
        // client-go passes its limit on to the server.
        let limit = limit.map(|limit| format!("timeout={}s", limit.duration.as_secs()));
        let query: Vec<_> = [Some(self.query.clone()).filter(|q| !q.is_empty()), limit].into_iter().flatten().collect();
        if !query.is_empty() {
            path.push('?');
            path.push_str(&query.join("&"));
        }
        path
    }

    /// As client-go names it in an error: `namespaces kube-system`, `workspaces.tenant.kubesphere.io`.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        let resource = self.resource.as_ref()?;
        let mut text = resource.plural.clone();
        if !resource.group.is_empty() {
            text.push('.');
            text.push_str(&resource.group);
        }
        if let Some(name) = &resource.name {
            text.push(' ');
            text.push_str(name);
        }
        Some(text)
    }
}

/// A call without the answer it wanted; prints as client-go's error does.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server refused.
    #[error("{message}")]
    Refused {
        /// HTTP code.
        code: u16,
        /// Message of the Status, or client-go's own.
        message: String,
        /// Reason of the Status, empty without one.
        reason: String,
        /// Whether the Status has details.
        detailed: bool,
    },
    /// No answer came.
    #[error("{words}")]
    Unreached {
        /// In Go's words, with method and URL.
        words: String,
        /// The cause alone, in Go's words.
        cause: String,
    },
    /// The answer is not JSON.
    #[error("{0}")]
    Unreadable(#[source] serde_json::Error),
}

impl CallError {
    /// The server does not have it.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// It was changed meanwhile; not that it exists already.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Refused { code: 409, reason, .. } if reason == "Conflict")
    }

    /// As Go's `%#v` prints it, which is how the cluster controller logs a refused update.
    #[must_use]
    pub fn go_syntax(&self) -> String {
        let Self::Refused { code, message, reason, detailed } = self else { return format!("&{self}") };
        let details = if *detailed { "0xc000010000" } else { "nil" };
        format!(
            "&errors.StatusError{{ErrStatus:v1.Status{{TypeMeta:v1.TypeMeta{{Kind:\"\", APIVersion:\"\"}}, \
             ListMeta:v1.ListMeta{{SelfLink:\"\", ResourceVersion:\"\", Continue:\"\", RemainingItemCount:(*int64)(nil)}}, \
             Status:\"Failure\", Message:{message:?}, Reason:{reason:?}, Details:(*v1.StatusDetails)({details}), \
             Code:{code}}}}}"
        )
    }

    /// It exists already, or was changed meanwhile.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }
}

/// A client of one API server.
#[derive(Clone)]
pub struct ApiClient {
    kube: kube::Client,
    base: String,
    network: Arc<dyn Network>,
    clock: Clock,
    limit: Option<Delay>,
    exec: Option<ExecPlugin>,
}

impl ApiClient {
    /// A client of the API server at `base`.
    #[must_use]
    pub fn new(
        kube: kube::Client,
        base: &str,
        network: Arc<dyn Network>,
        clock: Clock,
        limit: Option<Delay>,
        exec: Option<ExecPlugin>,
    ) -> Self {
        Self { kube, base: base.to_owned(), network, clock, limit, exec }
    }

    /// A client of the program's own cluster.
    #[must_use]
    pub fn own(ctx: &PodContext) -> Self {
        let base = ctx.service_account.server.clone();
        Self::new(ctx.client.clone(), &base, ctx.network.clone(), ctx.clock.clone(), None, None)
    }

    /// The client underneath, for requests that are passed on as they are.
    #[must_use]
    pub fn kube(&self) -> &kube::Client {
        &self.kube
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// [`CallError`] in client-go's words.
    pub async fn get(&self, target: &Target) -> Result<Value, CallError> {
        self.call(Method::GET, target, None).await
    }

    /// Reads an object that may be absent.
    ///
    /// # Errors
    /// [`CallError`] for anything but its absence.
    pub async fn find(&self, target: &Target) -> Result<Option<Value>, CallError> {
        match self.get(target).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates `object` in the collection `target`.
    ///
    /// # Errors
    /// [`CallError`] in client-go's words.
    pub async fn create(&self, target: &Target, object: &Value) -> Result<Value, CallError> {
        self.call(Method::POST, target, Some(object)).await
    }

    /// Replaces the object `target`.
    ///
    /// # Errors
    /// [`CallError`] in client-go's words.
    pub async fn update(&self, target: &Target, object: &Value) -> Result<Value, CallError> {
        self.call(Method::PUT, target, Some(object)).await
    }

    /// Deletes the object `target`, which may be gone already.
    ///
    /// # Errors
    /// [`CallError`] in client-go's words.
    pub async fn delete(&self, target: &Target) -> Result<(), CallError> {
        match self.call(Method::DELETE, target, None).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn call(&self, method: Method, target: &Target, object: Option<&Value>) -> Result<Value, CallError> {
        let (code, body) =
            self.exchange(method.clone(), &target.path_and_query(self.limit), object, self.limit).await?;
        if (200..300).contains(&code) {
            return serde_json::from_slice(&body).map_err(CallError::Unreadable);
        }
        let status = serde_json::from_slice::<Value>(&body).ok().filter(|status| status["kind"] == "Status");
        let message = match status.as_ref().and_then(|status| status["message"].as_str()) {
            Some(message) => message.to_owned(),
            None => go_errors::generic_answer(code, &method, target, &body),
        };
        let status = status.unwrap_or_default();
        let reason = status["reason"].as_str().unwrap_or_default().to_owned();
        Err(CallError::Refused { code, message, reason, detailed: status["details"].is_object() })
    }

    /// Reads `path` as a plain HTTP client does: the answer's code and body.
    ///
    /// # Errors
    /// [`CallError::Unreached`] when no answer came.
    pub async fn fetch(&self, path: &str, limit: Delay) -> Result<(u16, Bytes), CallError> {
        self.exchange(Method::GET, path, None, Some(limit)).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        object: Option<&Value>,
        limit: Option<Delay>,
    ) -> Result<(u16, Bytes), CallError> {
        let unreached = |cause: String| CallError::Unreached {
            words: go_errors::url_error(&method, &format!("{}{path}", self.base), &cause),
            cause,
        };
        if let Some(exec) = &self.exec {
            return Err(unreached(go_errors::exec_not_found(&exec.command, &exec.install_hint)));
        }
        let body = object.map_or_else(Body::empty, |object| Body::from(object.to_string().into_bytes()));
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| unreached(error.to_string()))?;
        let answer = async {
            let answer = self.kube.send(request).await.map_err(|error| cause_of(&error))?;
            let code = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|_| "unexpected EOF".to_owned())?;
            Ok::<_, String>((code, body.to_bytes()))
        };
        let outcome = match limit {
            None => Ok(answer.await),
            Some(limit) => self.clock.within(limit, answer).await,
        };
        match outcome {
            Ok(answer) => answer.map_err(unreached),
            Err(_) => Err(unreached(self.dropped().await)),
        }
    }

    /// What Go says of a dial that its limit ended.
    async fn dropped(&self) -> String {
        let uri: Uri = self.base.parse().unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        match self.network.resolve(&host).await.ok().and_then(|found| found.first().copied()) {
            Some(address) => go_errors::timed_out(SocketAddr::new(address, port)),
            None => "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned(),
        }
    }
}

/// The failure of an exchange in Go's words.
#[must_use]
pub fn cause_of(error: &kube::Error) -> String {
    match DialError::find(error) {
        Some(error) => go_errors::dial(error),
        // The connection came about and was closed before an answer.
        None => "EOF".to_owned(),
    }
}

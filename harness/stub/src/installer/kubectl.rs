//! What the installer does through `kubectl` and `helm`, on JSON objects.

use futures::StreamExt as _;
use http::{Method, Request, header};
use kube::core::WatchEvent;
use kubesphere::names::{self, Resource, Scope};
use serde_json::Value;

use super::apply::{Owner, marked, patch};
use crate::StubImage;

/// The built-in kinds that the installer makes or reads, as (apiVersion, kind, plural, scope).
const BUILT_IN: &[(&str, &str, &str, Scope)] = &[
    ("v1", "Namespace", "namespaces", Scope::Cluster),
    ("v1", "Node", "nodes", Scope::Cluster),
    ("v1", "Pod", "pods", Scope::Namespaced),
    ("v1", "Service", "services", Scope::Namespaced),
    ("v1", "ServiceAccount", "serviceaccounts", Scope::Namespaced),
    ("v1", "Secret", "secrets", Scope::Namespaced),
    ("v1", "ConfigMap", "configmaps", Scope::Namespaced),
    ("apps/v1", "Deployment", "deployments", Scope::Namespaced),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", Scope::Cluster),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", Scope::Cluster),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", Scope::Cluster),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Scope::Cluster),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        Scope::Cluster,
    ),
];

/// KubeSphere's and kubefed's kinds that the installer makes or reads.
const CUSTOM: &[Resource] = &[
    names::CLUSTER_CONFIGURATION,
    names::WORKSPACE,
    names::WORKSPACE_TEMPLATE,
    names::USER,
    names::GLOBAL_ROLE,
    names::GLOBAL_ROLE_BINDING,
    names::KUBEFED_CONFIG,
    names::FEDERATED_TYPE_CONFIG,
    names::FEDERATED_NAMESPACE,
];

/// A request that failed, as `create Secret kubesphere-system/kubesphere-secret`.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {cause}")]
pub struct KubectlError {
    operation: String,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the installer does not know this kind; add it to the table of kinds")]
    UnknownKind,
    #[error(transparent)]
    Request(#[from] http::Error),
    #[error(transparent)]
    Encode(#[from] serde_json::Error),
    #[error("{0}")]
    Kubernetes(#[source] Box<kube::Error>),
}

impl KubectlError {
    /// Whether the API server answered with this status code.
    pub fn has_code(&self, code: u16) -> bool {
        matches!(&self.cause, Cause::Kubernetes(error) if matches!(&**error, kube::Error::Api(status) if status.code == code))
    }

    /// What the API server said, or what kept it from answering.
    pub fn text(&self) -> String {
        match &self.cause {
            Cause::Kubernetes(error) => match &**error {
                kube::Error::Api(status) => format!("Error from server ({}): {}", status.reason, status.message),
                other => other.to_string(),
            },
            other => other.to_string(),
        }
    }
}

/// Which object a request is about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// `group/version`.
    pub api_version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace; unused for cluster-scoped kinds.
    pub namespace: &'a str,
    /// Name; empty for the collection.
    pub name: &'a str,
}

impl<'a> Target<'a> {
    /// An object of a built-in kind.
    pub const fn new(api_version: &'a str, kind: &'a str, namespace: &'a str, name: &'a str) -> Self {
        Self { api_version, kind, namespace, name }
    }

    fn of(object: &'a Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        Self {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }

    fn collection(self) -> Self {
        Self { name: "", ..self }
    }

    fn path(self) -> Result<String, Cause> {
        let built_in = BUILT_IN.iter().find(|kind| kind.0 == self.api_version && kind.1 == self.kind);
        let (plural, scope) = built_in
            .map(|kind| (kind.2, kind.3))
            .or_else(|| {
                let custom =
                    CUSTOM.iter().find(|kind| kind.kind == self.kind && kind.api_version() == self.api_version);
                custom.map(|kind| (kind.plural, kind.scope))
            })
            .ok_or(Cause::UnknownKind)?;
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        let mut path = format!("/{root}/{}", self.api_version);
        if scope == Scope::Namespaced && !self.namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(self.namespace);
        }
        path.push('/');
        path.push_str(plural);
        if !self.name.is_empty() {
            path.push('/');
            path.push_str(self.name);
        }
        Ok(path)
    }

    fn describe(self) -> String {
        let mut text = self.kind.to_owned();
        for (separator, part) in [(" ", self.namespace), ("/", self.name)] {
            if !part.is_empty() {
                text.push_str(separator);
                text.push_str(part);
            }
        }
        text
    }
}

/// A client for JSON objects.
#[derive(Clone)]
pub struct Kubectl {
    client: kube::Client,
    stub_image: Option<StubImage>,
}

impl Kubectl {
    /// Acts through `client`.
    pub fn new(client: kube::Client) -> Self {
        Self { client, stub_image: None }
    }

    /// The same, with pods of `image` in the place of KubeSphere's own.
    pub fn with_image(self, image: Option<StubImage>) -> Self {
        Self { stub_image: image, ..self }
    }

    /// The object, or `None` when it is not there.
    pub async fn get(&self, target: Target<'_>) -> Result<Option<Value>, KubectlError> {
        match self.send("get", Method::GET, target, "", None).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.has_code(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects of a kind, with `query` as `labelSelector=app%3Dtower`.
    pub async fn list(&self, target: Target<'_>, query: &str) -> Result<Vec<Value>, KubectlError> {
        Ok(items(self.send("list", Method::GET, target.collection(), query, None).await?))
    }

    /// Creates `object`.
    pub async fn create(&self, object: &Value) -> Result<Value, KubectlError> {
        let target = Target::of(object);
        let body = encode("create", target, object)?;
        self.send_to("create", Method::POST, target, target.collection().path(), "", Some(body)).await
    }

    /// Merges `patch` into an object (RFC 7396).
    pub async fn merge(&self, target: Target<'_>, patch: &Value) -> Result<Value, KubectlError> {
        let body = encode("patch", target, patch)?;
        self.send("patch", Method::PATCH, target, "", Some(body)).await
    }

    /// Deletes the object; true if it was there.
    pub async fn delete(&self, target: Target<'_>) -> Result<bool, KubectlError> {
        match self.send("delete", Method::DELETE, target, "", None).await {
            Ok(_) => Ok(true),
            Err(error) if error.has_code(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the cluster hold what `object` says, and touches nothing when it does already.
    pub async fn apply(&self, object: &Value, owner: Owner) -> Result<(), KubectlError> {
        let target = Target::of(object);
        let wanted = match &self.stub_image {
            Some(image) => marked(&image.put_into(object.clone()), owner),
            None => marked(object, owner),
        };
        let Some(live) = self.get(target).await? else {
            self.create(&wanted).await?;
            return Ok(());
        };
        if let Some(patch) = patch(&live, &wanted, owner) {
            self.merge(target, &patch).await?;
        }
        Ok(())
    }

    /// Follows the objects of a kind from now on. The first item lists what is there; a broken watch ends the stream.
    pub async fn follow<'a>(
        &'a self,
        target: Target<'_>,
        query: &str,
    ) -> Result<(Vec<Value>, impl futures::Stream<Item = Change> + use<'a>), KubectlError> {
        let target = target.collection();
        let list = self.send("list", Method::GET, target, query, None).await?;
        let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
        let failed = |cause| KubectlError { operation: format!("watch {}", target.describe()), cause };
        let path = target.path().map_err(failed)?;
        let separator = if query.is_empty() { "" } else { "&" };
        let request = Request::get(format!("{path}?watch=1&resourceVersion={version}{separator}{query}"))
            .body(Vec::new())
            .map_err(|error| failed(error.into()))?;
        let events = self.client.request_events::<Value>(request).await;
        let events = events.map_err(|error| failed(Cause::Kubernetes(Box::new(error))))?;
        let changes = events.filter_map(|event| {
            futures::future::ready(match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => Some(Change::Set(object)),
                Ok(WatchEvent::Deleted(object)) => Some(Change::Gone(object)),
                Ok(WatchEvent::Bookmark(_)) => None,
                Ok(WatchEvent::Error(_)) | Err(_) => Some(Change::Broken),
            })
        });
        Ok((items(list), changes))
    }

    async fn send(
        &self,
        verb: &str,
        method: Method,
        target: Target<'_>,
        query: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Value, KubectlError> {
        self.send_to(verb, method, target, target.path(), query, body).await
    }

    async fn send_to(
        &self,
        verb: &str,
        method: Method,
        target: Target<'_>,
        path: Result<String, Cause>,
        query: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Value, KubectlError> {
        let failed = |cause| KubectlError { operation: format!("{verb} {}", target.describe()), cause };
        let mut uri = path.map_err(failed)?;
        if !query.is_empty() {
            uri.push('?');
            uri.push_str(query);
        }
        let content = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, content)
            .body(body.unwrap_or_default())
            .map_err(|error| failed(error.into()))?;
        self.client.request(request).await.map_err(|error| failed(Cause::Kubernetes(Box::new(error))))
    }
}

fn encode(verb: &str, target: Target<'_>, body: &Value) -> Result<Vec<u8>, KubectlError> {
    serde_json::to_vec(body)
        .map_err(|error| KubectlError { operation: format!("{verb} {}", target.describe()), cause: error.into() })
}

/// A step of a followed collection.
#[derive(Debug)]
pub enum Change {
    /// The object is now like this.
    Set(Value),
    /// The object is gone; this was its last state.
    Gone(Value),
    /// The watch broke; what happened since is unknown.
    Broken,
}

fn items(list: Value) -> Vec<Value> {
    match list {
        Value::Object(mut list) => match list.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_paths_from_kinds() {
        let path = |target: Target<'_>| target.path().ok();
        assert_eq!(path(Target::new("v1", "Secret", "n", "s")).as_deref(), Some("/api/v1/namespaces/n/secrets/s"));
        assert_eq!(
            path(Target::new("iam.kubesphere.io/v1alpha2", "User", "", "admin")).as_deref(),
            Some("/apis/iam.kubesphere.io/v1alpha2/users/admin")
        );
        assert_eq!(path(Target::new("v1", "Nothing", "", "")), None);
    }
}

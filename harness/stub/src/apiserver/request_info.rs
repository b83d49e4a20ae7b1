//! What a request is about, from its method and path (kubesphere v3.3.2, `pkg/apiserver/request/requestinfo.go`).

use http::{Method, Uri};
use serde_json::{Map, Value};

/// A request taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// `api`, `apis`, `kapis`, or whatever the path begins with.
    pub prefix: String,
    /// The member that the request is for: `/apis/clusters/NAME/…`.
    pub cluster: Option<String>,
    /// The path without `clusters/NAME`.
    pub path: String,
    /// Verb: of a resource as RBAC has it, otherwise the method.
    pub verb: String,
    /// What kind of resource, if it is one.
    pub resource: Option<ResourceInfo>,
}

/// The resource of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceInfo {
    /// API group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural name.
    pub plural: String,
    /// Subresource, if any.
    pub subresource: Option<String>,
    /// Namespace, if any.
    pub namespace: Option<String>,
    /// Name, if any.
    pub name: Option<String>,
}

impl RequestInfo {
    /// Takes `uri` apart.
    #[must_use]
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let mut parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let prefix = parts.first().copied().unwrap_or_default().to_owned();
        let is_api = matches!(prefix.as_str(), "api" | "apis" | "kapis");
        let cluster = (is_api && parts.get(1) == Some(&"clusters")).then(|| parts.get(2).copied()).flatten();
        let cluster = cluster.map(str::to_owned);
        if cluster.is_some() {
            parts.drain(1..3);
        }
        let path = if cluster.is_some() { format!("/{}", parts.join("/")) } else { uri.path().to_owned() };
        let watching = uri
            .query()
            .is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch")));
        let (verb, resource) = match ResourceInfo::of(&prefix, &parts) {
            None => (method.to_string(), None),
            Some((resource, watch_path)) => (verb(method, &resource, watching || watch_path), Some(resource)),
        };
        Self { prefix, cluster, path, verb, resource }
    }

    /// Whether everybody may ask for it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.path.starts_with("/oauth/")
            || self.path.starts_with("/kapis/config.kubesphere.io/")
            || matches!(self.path.as_str(), "/kapis/version" | "/kapis/metrics")
    }

    /// What a user who may not do it is told, with the Status' details.
    #[must_use]
    pub fn forbidden(&self, user: &str) -> (String, Value) {
        let Some(resource) = &self.resource else {
            let message = format!("forbidden: User {user:?} cannot {} path {:?}", self.verb, self.path);
            return (message, Value::Object(Map::new()));
        };
        let mut details = Map::new();
        let mut subject = resource.plural.clone();
        if !resource.group.is_empty() {
            subject = format!("{subject}.{}", resource.group);
        }
        if let Some(name) = &resource.name {
            subject = format!("{subject} {name:?}");
            details.insert("name".to_owned(), name.as_str().into());
        }
        if !resource.group.is_empty() {
            details.insert("group".to_owned(), resource.group.as_str().into());
        }
        details.insert("kind".to_owned(), resource.plural.as_str().into());
        let kind = match &resource.subresource {
            Some(subresource) => format!("{}/{subresource}", resource.plural),
            None => resource.plural.clone(),
        };
        let scope = match &resource.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{subject} is forbidden: User {user:?} cannot {} resource {kind:?} in API group {:?} {scope}",
            self.verb, resource.group
        );
        (message, Value::Object(details))
    }
}

impl ResourceInfo {
    /// The resource in `parts`, and whether its path asks to watch it.
    fn of(prefix: &str, parts: &[&str]) -> Option<(Self, bool)> {
        let (group, rest) = match prefix {
            "api" if parts.len() >= 3 => ("", &parts[1..]),
            "apis" | "kapis" if parts.len() >= 4 => (parts[1], &parts[2..]),
            _ => return None,
        };
        let (version, mut rest) = (rest[0], &rest[1..]);
        let watching = rest.first() == Some(&"watch") && rest.len() > 1;
        if watching {
            rest = &rest[1..];
        }
        let namespace = (rest.first() == Some(&"namespaces")).then(|| rest.get(1).copied()).flatten();
        if namespace.is_some() && rest.len() > 2 && !matches!(rest[2], "status" | "finalize") {
            rest = &rest[2..];
        }
        let resource = Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: (*rest.first()?).to_owned(),
            subresource: rest.get(2).map(|part| (*part).to_owned()),
            namespace: namespace.map(str::to_owned),
            name: rest.get(1).map(|part| (*part).to_owned()),
        };
        Some((resource, watching))
    }
}

fn verb(method: &Method, resource: &ResourceInfo, watching: bool) -> String {
    match *method {
        Method::GET | Method::HEAD if watching => "watch",
        Method::GET | Method::HEAD if resource.name.is_none() => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if resource.name.is_none() => "deletecollection",
        Method::DELETE => "delete",
        _ => "",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn info(method: &Method, path: &str) -> RequestInfo {
        RequestInfo::of(method, &Uri::try_from(path).unwrap_or_default())
    }

    #[rstest]
    #[case(
        Method::GET,
        "/api/v1/namespaces/kubesphere-system",
        "namespaces \"kubesphere-system\" is forbidden: User \"u\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"kubesphere-system\""
    )]
    #[case(
        Method::GET,
        "/api/v1/nodes",
        "nodes is forbidden: User \"u\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
    )]
    #[case(
        Method::POST,
        "/kapis/cluster.kubesphere.io/v1alpha1/clusters/validation",
        "clusters.cluster.kubesphere.io \"validation\" is forbidden: User \"u\" cannot create resource \"clusters\" in API group \"cluster.kubesphere.io\" at the cluster scope"
    )]
    #[case(
        Method::POST,
        "/apis/cluster.kubesphere.io/v1alpha1/clusters",
        "clusters.cluster.kubesphere.io is forbidden: User \"u\" cannot create resource \"clusters\" in API group \"cluster.kubesphere.io\" at the cluster scope"
    )]
    #[case(Method::GET, "/healthz", "forbidden: User \"u\" cannot GET path \"/healthz\"")]
    fn words_what_is_forbidden(#[case] method: Method, #[case] path: &str, #[case] words: &str) {
        assert_eq!(info(&method, path).forbidden("u").0, words);
    }

    #[rstest]
    #[case("/kapis/clusters/member1/version", Some("member1"), "/kapis/version")]
    #[case("/api/clusters/m.1/v1/nodes", Some("m.1"), "/api/v1/nodes")]
    #[case(
        "/apis/cluster.kubesphere.io/v1alpha1/clusters/member1",
        None,
        "/apis/cluster.kubesphere.io/v1alpha1/clusters/member1"
    )]
    #[case("/clusters/member1/version", None, "/clusters/member1/version")]
    fn finds_the_member_that_is_meant(#[case] path: &str, #[case] cluster: Option<&str>, #[case] rest: &str) {
        let info = info(&Method::GET, path);
        assert_eq!((info.cluster.as_deref(), info.path.as_str()), (cluster, rest));
    }
}
